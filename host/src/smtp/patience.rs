//! How much nonsense a session may talk: errors, and commands that do nothing.

use super::{
    command::Verb,
    reply::{EnhancedCode, Reply},
    settings::SessionSettings,
};

/// What a session has had so far, since its last message.
#[derive(Debug, Default)]
pub(super) struct Patience {
    errors: u32,
    junk: u32,
}

impl Patience {
    /// A command was refused, whoever did it.
    pub(super) fn error(&mut self) {
        self.errors = self.errors.saturating_add(1);
    }

    /// A command came. Those that bring no message nearer are errors when there are too many of them.
    pub(super) fn command(&mut self, verb: Verb, settings: &SessionSettings) {
        if matches!(verb, Verb::Helo | Verb::Ehlo | Verb::Lhlo | Verb::Rset | Verb::Noop | Verb::Vrfy) {
            self.junk = self.junk.saturating_add(1);
            if self.junk > settings.junk_limit {
                self.error();
            }
        }
    }

    /// A message was taken: a client that does its work is welcome.
    pub(super) fn renew(&mut self) {
        *self = Self::default();
    }

    /// What the client hears instead of an answer to its next command (Postfix `smtpd_hard_error_limit`).
    pub(super) fn check(&self, settings: &SessionSettings) -> Result<(), Reply> {
        if self.errors < settings.error_limit {
            return Ok(());
        }
        let text = format!("{} Error: too many errors", settings.hostname);
        Err(Reply::new(421, EnhancedCode(4, 7, 0), text))
    }
}
