//! HELP (RFC 5321 4.1.1.8).

use crate::smtp::{
    EnhancedCode, Reply,
    command::Verb,
    session::{Action, Session},
};

impl Session {
    pub(in crate::smtp) fn help(&self) -> Action {
        let here = |verb: &Verb| self.speaks(*verb) && (*verb != Verb::Xclient || self.may_say_xclient);
        let verbs: Vec<_> = Verb::ALL.into_iter().filter(here).map(Verb::name).collect();
        let verbs = verbs.join(" ");
        Action::Reply(Reply::new(214, EnhancedCode(2, 0, 0), format!("Commands:\n{verbs}\nEnd of HELP info")))
    }
}
