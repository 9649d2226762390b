//! The state machine of one session: which command is allowed when, and what the transaction has come to. No I/O, no clock.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{
    command::{self, Command, CommandError, Verb},
    data::{DataDecoder, DataError},
    line::LineReader,
    reply::{EnhancedCode, Reply},
    verb::auth::{Credentials, Exchange},
};
use crate::mail::{MailParameters, Recipient, ReversePath};

/// What a session has to know about its server.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Our name in the greeting and behind a bare `postmaster`.
    pub hostname: String,
    /// Largest message in octets.
    pub size_limit: u64,
    /// Most recipients of one transaction.
    pub recipient_limit: usize,
    /// Whether the client may, or has to, begin TLS.
    pub starttls: StartTls,
    /// Whether the client may log in.
    pub auth: AuthOffer,
    /// Whether it has to before MAIL.
    pub auth_required: bool,
}

impl SessionSettings {
    /// Plain SMTP, with Postfix's limits.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            size_limit: 10_240_000,
            recipient_limit: 1000,
            starttls: StartTls::Absent,
            auth: AuthOffer::Absent,
            auth_required: false,
        }
    }
}

/// Whether a client may tell a password (RFC 4954).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthOffer {
    /// There is no AUTH: `503 5.5.1`.
    Absent,
    /// Where nobody else can read it.
    UnderTls,
    /// Everywhere.
    Always,
}

/// Whether a session without TLS may, or has to, go on under TLS (RFC 3207).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTls {
    /// There is no STARTTLS.
    #[default]
    Absent,
    /// The client may begin TLS.
    Offered,
    /// Before TLS nothing is taken: `530 5.7.0`.
    Required,
}

/// How the client introduced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The argument of EHLO or HELO.
    pub name: String,
    /// EHLO: the client speaks ESMTP.
    pub extended: bool,
}

/// What MAIL and RCPT have brought together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// From MAIL.
    pub sender: ReversePath,
    /// From MAIL's SIZE parameter, in octets.
    pub size: Option<u64>,
    /// What else MAIL said, and goes on with the message.
    pub parameters: MailParameters,
    /// Those that were accepted, in order, none twice.
    pub recipients: Vec<Recipient>,
    /// Whether there was a RCPT, accepted or not.
    pub(super) rcpt_seen: bool,
}

/// Something that the protocol leaves to the server. It goes back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// EHLO or HELO.
    Hello(Hello),
    /// MAIL: the transaction that would begin.
    Mail(Transaction),
    /// RCPT.
    Rcpt(Recipient),
    /// DATA, with at least one recipient.
    Data,
    /// AUTH.
    Auth(Credentials),
}

/// A message that came in whole, with its envelope; the session has forgotten the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The envelope.
    pub transaction: Transaction,
    /// The octets of the message, dots unstuffed.
    pub raw: Bytes,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Get more octets, then ask again.
    Read,
    /// Say this, then ask again.
    Reply(Reply),
    /// Decide, then [`Session::answer`].
    Ask(Question),
    /// Take care of the message, then [`Session::say`] how that went.
    Message(Completed),
    /// Say this, forget what has come in and isn't used, shake hands, then tell [`Session::secured`].
    StartTls(Reply),
    /// Say this and close the connection.
    Close(Reply),
}

#[derive(Debug)]
pub(super) enum State {
    /// The next octets are a command line.
    Command,
    /// The next octets are a message.
    Data(DataDecoder),
    /// The next line is one of an authentication exchange.
    Auth(Exchange),
}

/// One SMTP session, from the greeting to QUIT.
#[derive(Debug)]
pub struct Session {
    pub(super) settings: Arc<SessionSettings>,
    pub(super) state: State,
    lines: LineReader,
    pub(super) hello: Option<Hello>,
    pub(super) transaction: Option<Transaction>,
    verb: Option<Verb>,
    /// The connection is under TLS.
    pub(super) secured: bool,
    /// The client has proved who it is.
    pub(super) authenticated: bool,
    /// The connection was refused with the greeting.
    refused: bool,
}

impl Session {
    /// A session in which nothing has been said.
    pub fn new(settings: Arc<SessionSettings>) -> Self {
        Self {
            settings,
            state: State::Command,
            lines: LineReader::default(),
            hello: None,
            transaction: None,
            verb: None,
            secured: false,
            authenticated: false,
            refused: false,
        }
    }

    /// The first words to the client: a welcome, or why it isn't welcome. A refused client may only QUIT
    /// (RFC 5321 3.1).
    pub fn greet(&mut self, answer: Result<(), Reply>) -> Action {
        match answer {
            Ok(()) => Action::Reply(Reply::plain(220, format!("{} ESMTP Mailweir", self.settings.hostname))),
            Err(reply) => {
                self.refused = true;
                self.say(reply)
            }
        }
    }

    /// Go on with what has come in. Takes from the front of `input` what it has used.
    pub fn step(&mut self, input: &mut BytesMut) -> Action {
        if let State::Data(decoder) = &mut self.state {
            return match decoder.take(input) {
                None => Action::Read,
                Some(result) => self.end_data(result),
            };
        }
        let Some(line) = self.lines.take(input) else { return Action::Read };
        if let State::Auth(exchange) = &mut self.state {
            let exchange = exchange.clone();
            self.state = State::Command;
            return self.continue_auth(exchange, line.as_deref().map_err(|error| *error));
        }
        match line {
            Ok(line) => self.command(&line),
            Err(error) => Action::Reply(Reply::new(500, EnhancedCode(5, 5, 2), error.to_string())),
        }
    }

    /// Go on with an answer to [`Action::Ask`]: yes, or what is said instead.
    pub fn answer(&mut self, question: Question, answer: Result<(), Reply>) -> Action {
        if let Err(reply) = answer {
            return self.say(reply);
        }
        Action::Reply(match question {
            Question::Hello(hello) => self.accept_hello(hello),
            Question::Mail(transaction) => self.accept_mail(transaction),
            Question::Rcpt(recipient) => self.accept_rcpt(recipient),
            Question::Auth(_) => self.accept_auth(),
            Question::Data => {
                self.state = State::Data(self.data_decoder());
                Reply::plain(354, "End data with <CR><LF>.<CR><LF>")
            }
        })
    }

    /// Say something that was decided outside; 421 and 521 end the session.
    pub fn say(&self, reply: Reply) -> Action {
        if reply.closes() { Action::Close(reply) } else { Action::Reply(reply) }
    }

    /// How the client introduced itself last.
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// The transaction, from MAIL to the end of the message.
    pub fn transaction(&self) -> Option<&Transaction> {
        self.transaction.as_ref()
    }

    /// The last command that was one, for the log.
    pub fn verb(&self) -> Option<Verb> {
        self.verb
    }

    /// Octets of the message that is coming in; none between messages.
    pub fn receiving(&self) -> Option<u64> {
        match &self.state {
            State::Command | State::Auth(_) => None,
            State::Data(decoder) => Some(decoder.size()),
        }
    }

    /// What holds the message that is coming in.
    pub fn incoming(&mut self) -> Option<&mut DataDecoder> {
        match &mut self.state {
            State::Command | State::Auth(_) => None,
            State::Data(decoder) => Some(decoder),
        }
    }

    fn command(&mut self, line: &[u8]) -> Action {
        let parsed = command::split(line).and_then(|(verb, argument)| {
            self.verb = Some(verb);
            if self.must_secure(verb) {
                return Err(CommandError::NeedsTls);
            }
            if let (Verb::Rcpt, Some(transaction)) = (verb, &mut self.transaction) {
                transaction.rcpt_seen = true;
            }
            Command::with_argument(verb, argument)
        });
        match parsed {
            Ok(Command::Quit) => Self::quit(),
            _ if self.refused => Action::Reply(Reply::new(503, EnhancedCode(5, 7, 0), "Error: access denied")),
            Ok(command) => self.execute(command),
            Err(error) => Action::Reply(error.reply()),
        }
    }

    fn execute(&mut self, command: Command) -> Action {
        match command {
            Command::Helo(name) => Action::Ask(Question::Hello(Hello { name, extended: false })),
            Command::Ehlo(name) => Action::Ask(Question::Hello(Hello { name, extended: true })),
            Command::Mail(command) => self.mail(command),
            Command::Rcpt(command) => self.rcpt(command),
            Command::Data => self.data(),
            Command::Rset => self.rset(),
            Command::Noop => Self::noop(),
            Command::Vrfy => Self::vrfy(),
            Command::Help => Self::help(),
            Command::StartTls => self.starttls(),
            Command::Auth(command) => self.auth(command),
            Command::Quit => Self::quit(),
        }
    }

    /// The message is over, and with it the transaction, whatever becomes of it.
    fn end_data(&mut self, result: Result<Bytes, DataError>) -> Action {
        self.state = State::Command;
        let transaction = self.transaction.take();
        match (result, transaction) {
            (Ok(raw), Some(transaction)) => Action::Message(Completed { transaction, raw }),
            (Ok(_), None) => Action::Reply(bad_sequence("need MAIL command")),
            (Err(error), _) => Action::Reply(error.reply()),
        }
    }
}

/// `503 5.5.1`: a command that isn't allowed now.
pub(super) fn bad_sequence(text: &str) -> Reply {
    Reply::new(503, EnhancedCode(5, 5, 1), format!("Error: {text}"))
}
