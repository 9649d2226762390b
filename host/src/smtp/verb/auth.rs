//! AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).

#[cfg(test)]
mod tests;

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
        if let Err(reply) = self.ready_for_auth() {
            return Action::Reply(reply);
        }
        let AuthCommand { mechanism, initial } = command;
        let exchange = match Mechanism::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(&mechanism)) {
            Some(Mechanism::Plain) => Exchange::Plain,
            Some(Mechanism::Login) => Exchange::LoginName,
            None => {
                let reply = Reply::new(504, EnhancedCode(5, 5, 4), "Error: unknown authentication mechanism");
                return if is_mechanism(&mechanism) { self.fail(mechanism, reply) } else { Action::Reply(reply) };
            }
        };
        match initial.as_deref() {
            None => self.challenge(exchange),
            // RFC 4954 4: a response that is there and empty.
            Some("=") => self.respond(exchange, ""),
            Some(response) => self.respond(exchange, response),
        }
    }

    /// Whether the client may log in now.
    fn ready_for_auth(&self) -> Result<(), Reply> {
        if self.settings.auth == AuthOffer::Absent {
            return Err(CommandError::AuthNotEnabled.reply());
        }
        self.introduced()?;
        if self.transaction.is_some() {
            return Err(bad_sequence("MAIL transaction in progress"));
        }
        if self.authenticated {
            return Err(bad_sequence("already authenticated"));
        }
        if self.settings.auth == AuthOffer::UnderTls && !self.secured {
            // RFC 4954 6.
            let text = "Encryption required for requested authentication mechanism";
            return Err(Reply::new(538, EnhancedCode(5, 7, 11), text));
        }
        Ok(())
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

/// RFC 4422 3.1. What isn't one may be a password in the wrong place, which nobody should read.
fn is_mechanism(text: &str) -> bool {
    let is_good = |octet: u8| octet.is_ascii_uppercase() || octet.is_ascii_digit() || matches!(octet, b'-' | b'_');
    (1..=20).contains(&text.len()) && text.bytes().all(is_good)
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
