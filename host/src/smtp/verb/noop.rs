//! NOOP (RFC 5321 4.1.1.9).

use crate::smtp::{
    EnhancedCode, Reply,
    session::{Action, Session},
};

impl Session {
    pub(in crate::smtp) fn noop() -> Action {
        Action::Reply(Reply::new(250, EnhancedCode(2, 0, 0), "Ok"))
    }
}
