//! The EHLO reply (RFC 5321 4.1.1.1): what this server can do at this moment of this session.

use super::{
    session::Session,
    settings::StartTls,
    verb::{auth::Mechanism, xclient::Xclient},
};

impl Session {
    /// The lines after the greeting line, in Postfix's order. A keyword stands here only if the whole way of the message
    /// honours it.
    pub(super) fn keywords(&self) -> Vec<String> {
        let limit = self.settings.recipient_limit;
        let may_secure = self.settings.starttls != StartTls::Absent && !self.secured;
        let keywords = [
            // RFC 2920: replies are held back while commands are waiting; see `server/connection.rs`.
            Some("PIPELINING".to_owned()),
            // RFC 1870.
            Some(format!("SIZE {}", self.settings.size_limit)),
            // RFC 3207.
            may_secure.then(|| "STARTTLS".to_owned()),
            // RFC 4954.
            self.may_authenticate().then(|| format!("AUTH {}", Mechanism::ALL.map(Mechanism::name).join(" "))),
            // RFC 2034.
            Some("ENHANCEDSTATUSCODES".to_owned()),
            // RFC 6152: octets pass unchanged.
            Some("8BITMIME".to_owned()),
            // RFC 3461.
            Some("DSN".to_owned()),
            // RFC 6531.
            Some("SMTPUTF8".to_owned()),
            // RFC 3030.
            Some("CHUNKING".to_owned()),
            Some("BINARYMIME".to_owned()),
            // RFC 9422. Its numbers have six digits at most, and a limit that we don't have isn't told.
            (limit <= 999_999).then(|| format!("LIMITS RCPTMAX={limit}")),
            self.may_say_xclient.then(|| format!("XCLIENT {}", Xclient::ATTRIBUTES)),
        ];
        keywords.into_iter().flatten().collect()
    }
}
