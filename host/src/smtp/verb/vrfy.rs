//! VRFY (RFC 5321 4.1.1.6).

use crate::smtp::{
    EnhancedCode, Reply,
    session::{Action, Session},
};

impl Session {
    /// RFC 5321 7.3: who exists is nobody's business, and a relay doesn't know it either.
    pub(in crate::smtp) fn vrfy() -> Action {
        Action::Reply(Reply::new(252, EnhancedCode(2, 0, 0), "Cannot verify addresses; send the message and see"))
    }
}
