//! RSET (RFC 5321 4.1.1.5).

use crate::smtp::{
    EnhancedCode, Reply,
    session::{Action, Session},
};

impl Session {
    /// Forget the transaction; the introduction stays.
    pub(in crate::smtp) fn rset(&mut self) -> Action {
        self.reset();
        Action::Reply(Reply::new(250, EnhancedCode(2, 0, 0), "Ok"))
    }
}
