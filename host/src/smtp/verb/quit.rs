//! QUIT (RFC 5321 4.1.1.10).

use crate::smtp::{
    EnhancedCode, Reply,
    session::{Action, Session},
};

impl Session {
    pub(in crate::smtp) fn quit() -> Action {
        Action::Close(Reply::new(221, EnhancedCode(2, 0, 0), "Bye"))
    }
}
