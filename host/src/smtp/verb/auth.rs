//! AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use crate::smtp::{
    EnhancedCode, LineError, Reply,
    command::{CommandError, Verb},
    session::{Action, Question, Session, State, bad_sequence},
    settings::AuthOffer,
};

/// A way to tell who one is. All of them tell the password, for what is known of it here is a hash; so SCRAM, which needs keys
/// made of the password, is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Name and password at once.
    Plain,
    /// First the name, then the password.
    Login,
}

impl Mechanism {
    /// All that there are, as EHLO shows them.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Login];

    /// As it stands on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
        }
    }
}

/// Who the client says that it is, and its proof.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// How it was told.
    pub mechanism: Mechanism,
    /// The name.
    pub login: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    /// Passwords don't belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, {:?})", self.mechanism.name(), self.login)
    }
}

/// A well-formed AUTH command.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthCommand {
    mechanism: String,
    initial: Option<String>,
}

impl fmt::Debug for AuthCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthCommand({:?})", self.mechanism)
    }
}

impl AuthCommand {
    pub(in crate::smtp) fn parse(argument: &str) -> Result<Self, CommandError> {
        let mut words = argument.split_ascii_whitespace().map(str::to_owned);
        match (words.next(), words.next(), words.next()) {
            (Some(mechanism), initial, None) => Ok(Self { mechanism, initial }),
            _ => Err(CommandError::Syntax(Verb::Auth)),
        }
    }
}

/// What the next line is.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::smtp) enum Exchange {
    /// The only response of PLAIN.
    Plain,
    /// The name.
    LoginName,
    /// The password of this name.
    LoginPassword(String),
}

impl Exchange {
    fn mechanism(&self) -> Mechanism {
        match self {
            Self::Plain => Mechanism::Plain,
            Self::LoginName | Self::LoginPassword(_) => Mechanism::Login,
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

impl Session {
    pub(in crate::smtp) fn auth(&mut self, command: AuthCommand) -> Action {
        let refused = match self.settings.auth {
            AuthOffer::Absent => Some(CommandError::AuthNotEnabled.reply()),
            _ if self.hello.is_none() => Some(bad_sequence("send HELO/EHLO first")),
            _ if self.transaction.is_some() => Some(bad_sequence("MAIL transaction in progress")),
            _ if self.authenticated => Some(bad_sequence("already authenticated")),
            // RFC 4954 6.
            AuthOffer::UnderTls if !self.secured => {
                let text = "Encryption required for requested authentication mechanism";
                Some(Reply::new(538, EnhancedCode(5, 7, 11), text))
            }
            AuthOffer::UnderTls | AuthOffer::Always => None,
        };
        if let Some(reply) = refused {
            return Action::Reply(reply);
        }
        let AuthCommand { mechanism, initial } = command;
        let exchange = match Mechanism::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(&mechanism)) {
            Some(Mechanism::Plain) => Exchange::Plain,
            Some(Mechanism::Login) => Exchange::LoginName,
            None => {
                let text = "Error: unknown authentication mechanism";
                return self.fail(mechanism, Reply::new(504, EnhancedCode(5, 5, 4), text));
            }
        };
        match initial.as_deref() {
            None => self.challenge(exchange),
            // RFC 4954 4: a response that is there and empty.
            Some("=") => self.respond(exchange, ""),
            Some(response) => self.respond(exchange, response),
        }
    }

    /// Go on with a line of the exchange. After anything but a response the exchange is over.
    pub(in crate::smtp) fn continue_auth(&mut self, exchange: Exchange, line: Result<&[u8], LineError>) -> Action {
        let reply = match line.map(str::from_utf8) {
            Ok(Ok("*")) => Reply::new(501, EnhancedCode(5, 7, 0), "Authentication aborted"),
            Ok(Ok(response)) => return self.respond(exchange, response),
            Ok(Err(_)) => malformed("bad base64"),
            Err(LineError::TooLong) => {
                Reply::new(500, EnhancedCode(5, 5, 6), "Error: authentication exchange line is too long")
            }
            Err(error) => Reply::new(500, EnhancedCode(5, 5, 2), error.to_string()),
        };
        self.fail(exchange.mechanism().name(), reply)
    }

    /// EHLO shows AUTH while it is allowed.
    pub(in crate::smtp) fn may_authenticate(&self) -> bool {
        let offered = match self.settings.auth {
            AuthOffer::Absent => false,
            AuthOffer::UnderTls => self.secured,
            AuthOffer::Always => true,
        };
        offered && !self.authenticated
    }

    pub(in crate::smtp) fn accept_auth(&mut self) -> Reply {
        self.authenticated = true;
        Reply::new(235, EnhancedCode(2, 7, 0), "Authentication successful")
    }

    /// Ask for the next response: nothing at PLAIN, `Username:` and `Password:` in base64 at LOGIN.
    fn challenge(&mut self, exchange: Exchange) -> Action {
        let text = match exchange {
            Exchange::Plain => "",
            Exchange::LoginName => "VXNlcm5hbWU6",
            Exchange::LoginPassword(_) => "UGFzc3dvcmQ6",
        };
        self.state = State::Auth(exchange);
        Action::Reply(Reply::plain(334, text))
    }

    fn respond(&mut self, exchange: Exchange, response: &str) -> Action {
        let mechanism = exchange.mechanism();
        let Some(text) = BASE64.decode(response).ok().and_then(|octets| String::from_utf8(octets).ok()) else {
            return self.fail(mechanism.name(), malformed("bad base64"));
        };
        let (login, password) = match exchange {
            Exchange::LoginName => return self.challenge(Exchange::LoginPassword(text)),
            Exchange::LoginPassword(login) => (login, text),
            Exchange::Plain => match plain(&text) {
                Ok((login, password)) => (login.to_owned(), password.to_owned()),
                Err(reply) => return self.fail(mechanism.name(), reply),
            },
        };
        // Names stand in logs and conditions.
        if login.is_empty() || login.chars().any(char::is_control) {
            return self.fail(mechanism.name(), failed());
        }
        Action::Ask(Question::Auth(Credentials { mechanism, login, password }))
    }

    fn fail(&mut self, mechanism: impl Into<String>, reply: Reply) -> Action {
        self.failed_mechanism = Some(mechanism.into());
        Action::Reply(reply)
    }

    /// If the last step refused an exchange before there was a name and a password: its mechanism, as the client named it. Told once.
    pub fn take_failed_mechanism(&mut self) -> Option<String> {
        self.failed_mechanism.take()
    }
}

/// Name and password. Nobody may act for another (RFC 4616 2: the first part).
fn plain(text: &str) -> Result<(&str, &str), Reply> {
    let mut parts = text.split('\0');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(""), Some(login), Some(password), None) => Ok((login, password)),
        (Some(other), Some(login), Some(password), None) if other == login => Ok((login, password)),
        (Some(_), Some(_), Some(_), None) => Err(failed()),
        _ => Err(malformed("malformed response")),
    }
}

fn malformed(what: &str) -> Reply {
    Reply::new(501, EnhancedCode(5, 5, 2), format!("Error: {what}"))
}

/// A wrong name or password (RFC 4954 6).
pub(in crate::smtp) fn failed() -> Reply {
    Reply::new(535, EnhancedCode(5, 7, 8), "Error: authentication failed")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::SessionSettings;

    fn session(auth: AuthOffer) -> Session {
        let settings = SessionSettings { auth, ..SessionSettings::new("relay.example") };
        Session::new(Arc::new(settings))
    }

    /// One line; of logins that of `joe` with `secret` is right.
    fn say(session: &mut Session, line: &str) -> String {
        let action = session.step(&mut BytesMut::from(format!("{line}\r\n").as_bytes()));
        let action = match action {
            Action::Ask(Question::Auth(credentials)) => {
                let right = (&*credentials.login, &*credentials.password) == ("joe", "secret");
                session.answer(Question::Auth(credentials), if right { Ok(()) } else { Err(failed()) })
            }
            Action::Ask(question) => session.answer(question, Ok(())),
            action => action,
        };
        if let Action::Reply(reply) = action { reply.to_string() } else { panic!("{action:?}") }
    }

    fn plain(text: &str) -> String {
        format!("AUTH PLAIN {}", BASE64.encode(text))
    }

    const YES: &str = "235 2.7.0 Authentication successful";
    const NO: &str = "535 5.7.8 Error: authentication failed";

    #[test]
    fn mechanisms() {
        for dialogue in [
            &[(&*plain("\0joe\0secret"), YES)][..],
            &[(&*plain("joe\0joe\0secret"), YES)],
            &[("auth plain", "334 "), (&BASE64.encode("\0joe\0secret"), YES)],
            &[("AUTH LOGIN", "334 VXNlcm5hbWU6"), ("am9l", "334 UGFzc3dvcmQ6"), ("c2VjcmV0", YES)],
            &[("AUTH LOGIN am9l", "334 UGFzc3dvcmQ6"), ("c2VjcmV0", YES)],
            &[(&*plain("\0joe\0wrong"), NO), (&*plain("\0joe\0secret"), YES)],
            &[(&*plain("boss\0joe\0secret"), NO)],
            &[(&*plain("\0\0secret"), NO)],
            &[(&*plain("\0j\r\noe\0secret"), NO)],
            &[("AUTH LOGIN =", "334 UGFzc3dvcmQ6"), ("c2VjcmV0", NO)],
        ] {
            let mut session = session(AuthOffer::Always);
            assert!(say(&mut session, "EHLO me").contains(" / AUTH PLAIN LOGIN / "));
            for (line, reply) in dialogue {
                assert_eq!(say(&mut session, line), *reply, "{line}");
            }
        }
    }

    #[test]
    fn what_ends_an_exchange() {
        let long = "A".repeat(3000);
        for (line, reply) in [
            ("*", "501 5.7.0 Authentication aborted"),
            ("not base64", "501 5.5.2 Error: bad base64"),
            ("am9", "501 5.5.2 Error: bad base64"),
            ("/w==", "501 5.5.2 Error: bad base64"),
            ("am9l", "501 5.5.2 Error: malformed response"),
            ("AGEAYgBj", "501 5.5.2 Error: malformed response"),
            (&long, "500 5.5.6 Error: authentication exchange line is too long"),
        ] {
            let mut session = session(AuthOffer::Always);
            say(&mut session, "EHLO me");
            assert_eq!(say(&mut session, "AUTH PLAIN"), "334 ");
            assert_eq!(say(&mut session, line), reply);
            assert_eq!(say(&mut session, "NOOP"), "250 2.0.0 Ok", "a command again after {line}");
        }
    }

    #[test]
    fn when_it_is_allowed() {
        let mut session = session(AuthOffer::UnderTls);
        assert_eq!(say(&mut session, "AUTH PLAIN"), "503 5.5.1 Error: send HELO/EHLO first");
        assert!(!say(&mut session, "EHLO me").contains("AUTH"));
        let secured = "538 5.7.11 Encryption required for requested authentication mechanism";
        assert_eq!(say(&mut session, &plain("\0joe\0secret")), secured);
        session.secured();
        assert!(say(&mut session, "EHLO me").contains(" / AUTH PLAIN LOGIN / "));
        assert_eq!(say(&mut session, "AUTH"), "501 5.5.4 Syntax: AUTH mechanism");
        assert_eq!(say(&mut session, "AUTH CRAM-MD5"), "504 5.5.4 Error: unknown authentication mechanism");
        say(&mut session, "MAIL FROM:<a@b.example>");
        assert_eq!(say(&mut session, "AUTH PLAIN"), "503 5.5.1 Error: MAIL transaction in progress");
        say(&mut session, "RSET");
        assert_eq!(say(&mut session, &plain("\0joe\0secret")), YES);
        assert_eq!(say(&mut session, "AUTH PLAIN"), "503 5.5.1 Error: already authenticated");
        assert!(!say(&mut session, "EHLO me").contains("AUTH"));
    }

    #[test]
    fn who_has_to_log_in_sends_nothing_before() {
        let settings =
            SessionSettings { auth: AuthOffer::Always, auth_required: true, ..SessionSettings::new("r.example") };
        let mut session = Session::new(Arc::new(settings));
        say(&mut session, "EHLO me");
        assert_eq!(say(&mut session, "MAIL FROM:<a@b.example>"), "530 5.7.0 Authentication required");
        assert_eq!(say(&mut session, &plain("\0joe\0secret")), YES);
        assert_eq!(say(&mut session, "MAIL FROM:<a@b.example> AUTH=<>"), "250 2.1.0 Ok");
    }

    #[test]
    fn passwords_are_in_no_log() {
        let credentials =
            Credentials { mechanism: Mechanism::Plain, login: "joe".to_owned(), password: "secret".to_owned() };
        let command = AuthCommand::parse(&format!("PLAIN {}", BASE64.encode("\0joe\0secret"))).expect("well-formed");
        let shown = format!("{credentials:?} {command:?} {:?}", Exchange::LoginPassword("secret".to_owned()));
        assert_eq!(shown, "Credentials(PLAIN, \"joe\") AuthCommand(\"PLAIN\") Exchange");
    }

    proptest! {
        // Without colons: behind the exchange such a line would be a header field, which ends the session.
        #[test]
        fn no_response_is_too_strange(mechanism in "(PLAIN|LOGIN)", lines in proptest::collection::vec("[ -9;-~]{0,60}", 1..4)) {
            let mut session = session(AuthOffer::Always);
            say(&mut session, "EHLO me");
            say(&mut session, &format!("AUTH {mechanism}"));
            for line in lines {
                say(&mut session, &line);
            }
            say(&mut session, "*");
            prop_assert_eq!(say(&mut session, "NOOP"), "250 2.0.0 Ok");
        }
    }
}
