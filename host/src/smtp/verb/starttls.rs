//! STARTTLS (RFC 3207).

use crate::smtp::{
    EnhancedCode, Reply,
    command::{CommandError, Verb},
    session::{Action, Session},
    settings::StartTls,
};

impl Session {
    pub(in crate::smtp) fn starttls(&self) -> Action {
        if self.secured {
            return Action::Reply(Reply::new(554, EnhancedCode(5, 5, 1), "Error: TLS already active"));
        }
        if self.settings.starttls == StartTls::Absent {
            return Action::Reply(CommandError::NotImplemented.reply());
        }
        Action::StartTls(Reply::new(220, EnhancedCode(2, 0, 0), "Ready to start TLS"))
    }

    /// The connection is under TLS from here on. All that was said before may have been said by anybody on the way, so it is
    /// forgotten (RFC 3207 4.2).
    pub fn secured(&mut self) {
        self.secured = true;
        self.authenticated = false;
        self.hello = None;
        self.reset();
    }

    /// Whether the client has to begin TLS before it may say this; RFC 3207 4 has what it may say.
    pub(in crate::smtp) fn must_secure(&self, verb: Verb) -> bool {
        let always = matches!(verb, Verb::Helo | Verb::Ehlo | Verb::Lhlo | Verb::StartTls | Verb::Noop | Verb::Quit);
        !always && !self.secured && self.settings.starttls == StartTls::Required
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;

    use super::*;
    use crate::smtp::{Question, SessionSettings};

    fn session(starttls: StartTls) -> Session {
        Session::new(Arc::new(SessionSettings { starttls, ..SessionSettings::new("relay.example") }))
    }

    /// One line; questions are answered with yes.
    fn say(session: &mut Session, line: &str) -> String {
        let action = session.step(&mut BytesMut::from(format!("{line}\r\n").as_bytes()));
        let action = if let Action::Ask(question) = action { session.answer(question, Ok(())) } else { action };
        match action {
            Action::Reply(reply) => reply.to_string(),
            Action::StartTls(reply) => format!("{reply} [TLS]"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_is_shown_while_it_is_true() {
        let mut session = session(StartTls::Offered);
        assert!(say(&mut session, "EHLO me").contains(" / STARTTLS / "));
        assert_eq!(say(&mut session, "STARTTLS now"), "501 5.5.4 Syntax: STARTTLS");
        assert_eq!(say(&mut session, "STARTTLS"), "220 2.0.0 Ready to start TLS [TLS]");
        session.secured();
        assert!(!say(&mut session, "EHLO me").contains("STARTTLS"));
        assert_eq!(say(&mut session, "STARTTLS"), "554 5.5.1 Error: TLS already active");
    }

    #[test]
    fn what_was_said_before_is_forgotten() {
        let mut session = session(StartTls::Offered);
        say(&mut session, "EHLO me");
        say(&mut session, "MAIL FROM:<a@b.example>");
        session.secured();
        assert_eq!((session.hello(), session.transaction()), (None, None));
        assert_eq!(say(&mut session, "MAIL FROM:<a@b.example>"), "503 5.5.1 Error: send HELO/EHLO first");
    }

    #[test]
    fn without_a_certificate_there_is_none() {
        let mut session = session(StartTls::Absent);
        assert!(!say(&mut session, "EHLO me").contains("STARTTLS"));
        assert_eq!(say(&mut session, "STARTTLS"), "502 5.5.1 Error: command not implemented");
    }

    #[test]
    fn where_it_is_required_nothing_is_taken_before() {
        let mut session = session(StartTls::Required);
        say(&mut session, "EHLO me");
        for line in
            ["MAIL FROM:<a@b.example>", "MAIL nonsense", "RCPT TO:<a@b.example>", "DATA", "RSET", "VRFY a", "HELP"]
        {
            assert_eq!(say(&mut session, line), "530 5.7.0 Must issue a STARTTLS command first", "{line}");
        }
        assert_eq!(say(&mut session, "NOOP"), "250 2.0.0 Ok");
        session.secured();
        say(&mut session, "EHLO me");
        assert_eq!(say(&mut session, "MAIL FROM:<a@b.example>"), "250 2.1.0 Ok");
        assert!(matches!(session.step(&mut BytesMut::from(&b"DATA\r\n"[..])), Action::Reply(_)));
        let question = session.step(&mut BytesMut::from(&b"RCPT TO:<c@d.example>\r\n"[..]));
        assert!(matches!(question, Action::Ask(Question::Rcpt(_))));
    }
}
