//! The EHLO reply (RFC 5321 4.1.1.1): what this server can do at this moment of this session.

use super::session::SessionSettings;

/// The lines after the greeting line, in Postfix's order. A keyword stands here only if the whole way of the message
/// honours it; CHUNKING, STARTTLS and AUTH don't yet.
pub(super) fn keywords(settings: &SessionSettings) -> Vec<String> {
    vec![
        // RFC 2920: replies are held back while commands are waiting; see `server/connection.rs`.
        "PIPELINING".to_owned(),
        // RFC 1870.
        format!("SIZE {}", settings.size_limit),
        // RFC 2034.
        "ENHANCEDSTATUSCODES".to_owned(),
        // RFC 6152: octets pass unchanged.
        "8BITMIME".to_owned(),
        // RFC 3461.
        "DSN".to_owned(),
        // RFC 6531.
        "SMTPUTF8".to_owned(),
    ]
}
