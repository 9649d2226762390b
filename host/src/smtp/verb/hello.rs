//! HELO and EHLO (RFC 5321 4.1.1.1), and LHLO (RFC 2033 4.1).

use crate::{
    mail::Protocol,
    smtp::{Reply, session::Hello, session::Session},
};

impl Session {
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
