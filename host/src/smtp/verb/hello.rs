//! HELO and EHLO (RFC 5321 4.1.1.1), and LHLO (RFC 2033 4.1).

use crate::{
    mail::Protocol,
    smtp::{
        Reply,
        session::{Hello, Session, bad_sequence},
    },
};

impl Session {
    /// Whether the client has introduced itself, or what it hears.
    pub(in crate::smtp) fn introduced(&self) -> Result<(), Reply> {
        match &self.hello {
            Some(_) => Ok(()),
            None if self.settings.lmtp => Err(bad_sequence("send LHLO first")),
            None => Err(bad_sequence("send HELO/EHLO first")),
        }
    }

    /// A new introduction forgets the transaction (RFC 5321 4.1.4).
    pub(in crate::smtp) fn accept_hello(&mut self, hello: Hello) -> Reply {
        let mut lines = vec![self.settings.hostname.clone()];
        if hello.protocol != Protocol::Smtp {
            lines.extend(self.keywords());
        }
        self.reset();
        self.hello = Some(hello);
        Reply::plain(250, lines.join("\n"))
    }
}
