//! HELP (RFC 5321 4.1.1.8).

use crate::smtp::{
    EnhancedCode, Reply,
    command::Verb,
    session::{Action, Session},
};

impl Session {
    pub(in crate::smtp) fn help() -> Action {
        let verbs = Verb::ALL.map(Verb::name).join(" ");
        Action::Reply(Reply::new(214, EnhancedCode(2, 0, 0), format!("Commands:\n{verbs}\nEnd of HELP info")))
    }
}
