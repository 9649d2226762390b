//! The state machine of one session: which command is allowed when, and what the transaction has come to. No I/O, no clock.

use std::{mem, sync::Arc};

use bytes::{Bytes, BytesMut};

use super::{
    command::{self, Command, CommandError, Verb},
    data::{DataDecoder, DataError},
    line::{LineError, LineReader},
    patience::Patience,
    reply::{EnhancedCode, Reply},
    settings::SessionSettings,
    verb::{
        auth::{Credentials, Exchange},
        bdat::{Chunk, ChunkHeader, Chunks},
        xclient::Xclient,
    },
};
use crate::mail::{MailParameters, Protocol, Recipient, ReversePath};

/// How the client introduced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The argument of EHLO, HELO or LHLO.
    pub name: String,
    /// Which greeting it was.
    pub protocol: Protocol,
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
    /// RCPT commands that were accepted; some may have named the same recipient.
    pub(super) accepted: usize,
    /// Whether there was a RCPT, accepted or not.
    pub(super) rcpt_seen: bool,
}

/// Something that the protocol leaves to the server. It goes back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// EHLO, HELO or LHLO.
    Hello(Hello),
    /// MAIL: the transaction that would begin.
    Mail(Transaction),
    /// RCPT.
    Rcpt(Recipient),
    /// XCLIENT: the session begins again, as this client's.
    Xclient(Xclient),
    /// DATA, or the first BDAT, with at least one recipient.
    Data(Option<ChunkHeader>),
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
    /// Nothing yet; ask again.
    Continue,
    /// Say this, then ask again.
    Reply(Reply),
    /// Say this so many times, then ask again: LMTP answers for each recipient (RFC 2033 4.2).
    Repeat(Reply, usize),
    /// Decide, then [`Session::answer`].
    Ask(Question),
    /// Take care of the message, then [`Session::conclude`].
    Message(Completed),
    /// Say this, forget what has come in and isn't used, shake hands, then tell [`Session::secured`].
    StartTls(Reply),
    /// Say this and close the connection.
    Close(Reply),
}

#[derive(Debug, Default)]
pub(super) enum State {
    /// The next octets are a command line.
    #[default]
    Command,
    /// The next octets are a message.
    Data(DataDecoder),
    /// The next line is one of an authentication exchange.
    Auth(Exchange),
    /// The next octets are a part of a message, or are thrown away.
    Chunk(Chunk),
}

/// One SMTP session, from the greeting to QUIT.
#[derive(Debug)]
pub struct Session {
    pub(super) settings: Arc<SessionSettings>,
    pub(super) state: State,
    lines: LineReader,
    pub(super) hello: Option<Hello>,
    pub(super) transaction: Option<Transaction>,
    pub(super) chunks: Chunks,
    /// Octets of refused chunks since the last transaction.
    pub(super) discarded: u64,
    verb: Option<Verb>,
    /// The connection is under TLS.
    pub(super) secured: bool,
    /// The client has proved who it is.
    pub(super) authenticated: bool,
    /// The mechanism of the exchange that was just refused.
    pub(super) failed_mechanism: Option<String>,
    patience: Patience,
    /// How many replies the message gets that is being taken care of.
    replies: usize,
    /// The connection was refused with the greeting.
    pub(super) refused: bool,
    pub(super) may_say_xclient: bool,
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
            chunks: Chunks::None,
            discarded: 0,
            verb: None,
            secured: false,
            authenticated: false,
            failed_mechanism: None,
            patience: Patience::default(),
            replies: 1,
            refused: false,
            may_say_xclient: false,
        }
    }

    /// The first words to the client: a welcome, or why it isn't welcome. A refused client may only QUIT
    /// (RFC 5321 3.1).
    pub fn greet(&mut self, answer: Result<(), Reply>) -> Action {
        let action = self.welcome(answer);
        self.counted(action)
    }

    pub(super) fn welcome(&mut self, answer: Result<(), Reply>) -> Action {
        self.refused = answer.is_err();
        match answer {
            Ok(()) => Action::Reply(Reply::plain(220, self.greeting())),
            Err(reply) => Self::say(reply),
        }
    }

    fn greeting(&self) -> String {
        let protocol = if self.settings.lmtp { "LMTP" } else { "ESMTP" };
        format!("{} {protocol} Mailweir", self.settings.hostname)
    }

    /// Go on with what has come in. Takes from the front of `input` what it has used.
    pub fn step(&mut self, input: &mut BytesMut) -> Action {
        let action = match mem::take(&mut self.state) {
            State::Data(mut decoder) => match decoder.take(input) {
                Some(result) => self.end_data(result),
                None => {
                    self.state = State::Data(decoder);
                    Action::Read
                }
            },
            State::Auth(exchange) => match self.lines.take(input, self.settings.bare_line_ends) {
                Some(line) => self.continue_auth(exchange, line.as_deref().map_err(|error| *error)),
                None => {
                    self.state = State::Auth(exchange);
                    Action::Read
                }
            },
            State::Chunk(chunk) => self.chunk(chunk, input),
            State::Command => self.line(input),
        };
        self.counted(action)
    }

    /// Go on with an answer to [`Action::Ask`]: yes, or what is said instead.
    pub fn answer(&mut self, question: Question, answer: Result<(), Reply>) -> Action {
        let action = match (question, answer) {
            (Question::Xclient(xclient), answer) => self.become_of(xclient, answer),
            (Question::Data(Some(chunk)), Err(reply)) => self.skip(chunk, reply),
            (_, Err(reply)) => Self::say(reply),
            (Question::Hello(hello), Ok(())) => Action::Reply(self.accept_hello(hello)),
            (Question::Mail(transaction), Ok(())) => Action::Reply(self.accept_mail(transaction)),
            (Question::Rcpt(recipient), Ok(())) => Action::Reply(self.accept_rcpt(recipient)),
            (Question::Auth(_), Ok(())) => Action::Reply(self.accept_auth()),
            (Question::Data(None), Ok(())) => self.accept_data(),
            (Question::Data(Some(chunk)), Ok(())) => self.accept_bdat(chunk),
        };
        self.counted(action)
    }

    /// Say how it went with a message.
    pub fn conclude(&mut self, reply: Reply) -> Action {
        if !reply.refuses() {
            self.patience.renew();
        }
        let action = Self::repeat(reply, self.replies);
        self.counted(action)
    }

    /// 421 and 521 end the session.
    fn say(reply: Reply) -> Action {
        if reply.closes() { Action::Close(reply) } else { Action::Reply(reply) }
    }

    /// LMTP: one reply for each RCPT that was accepted. What ends the session is said once.
    pub(super) fn repeat(reply: Reply, times: usize) -> Action {
        match Self::say(reply) {
            Action::Reply(reply) if times > 1 => Action::Repeat(reply, times),
            action => action,
        }
    }

    /// How many replies the message of this transaction gets.
    pub(super) fn replies(&self) -> usize {
        let accepted = self.transaction.as_ref().map_or(0, |transaction| transaction.accepted);
        if self.settings.lmtp { accepted.max(1) } else { 1 }
    }

    fn counted(&mut self, action: Action) -> Action {
        if let Action::Reply(reply) | Action::Repeat(reply, _) = &action
            && reply.refuses()
        {
            self.patience.error();
        }
        action
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

    /// Octets so far of the message whose octets are coming in; none while commands do.
    pub fn receiving(&self) -> Option<u64> {
        match (&self.state, &self.chunks) {
            (State::Command | State::Auth(_), _) => None,
            (State::Data(decoder), _) | (State::Chunk(_), Chunks::Good(decoder)) => Some(decoder.size()),
            (State::Chunk(_), Chunks::None | Chunks::Refused) => Some(self.discarded),
        }
    }

    /// Whether this transaction's message comes, or came, by BDAT.
    pub(super) fn is_chunked(&self) -> bool {
        !matches!(self.chunks, Chunks::None)
    }

    /// Forget the transaction.
    pub(super) fn reset(&mut self) {
        self.transaction = None;
        self.chunks = Chunks::None;
        self.discarded = 0;
    }

    fn line(&mut self, input: &mut BytesMut) -> Action {
        if let Err(reply) = self.patience.check(&self.settings) {
            return Action::Close(reply);
        }
        match self.lines.take(input, self.settings.bare_line_ends) {
            None => Action::Read,
            Some(Ok(line)) => self.command(&line),
            Some(Err(error @ LineError::TooLong)) => Action::Reply(error.reply()),
            // As Postfix: nobody knows what else is wrong with such a client.
            Some(Err(error @ LineError::BareLineFeed)) => Action::Close(error.reply()),
        }
    }

    /// What holds the message that is coming in, also between its chunks.
    pub fn incoming(&mut self) -> Option<&mut DataDecoder> {
        match (&mut self.state, &mut self.chunks) {
            (State::Data(decoder), _) | (_, Chunks::Good(decoder)) => Some(decoder),
            _ => None,
        }
    }

    fn command(&mut self, line: &[u8]) -> Action {
        let parsed = command::split(line).and_then(|(verb, argument)| {
            if !self.speaks(verb) {
                return Err(CommandError::Unknown);
            }
            self.verb = Some(verb);
            self.patience.command(verb, &self.settings);
            // A chunk has to be taken off the connection before that is said.
            if self.must_secure(verb) && verb != Verb::Bdat {
                return Err(CommandError::NeedsTls);
            }
            if let (Verb::Rcpt, Some(transaction)) = (verb, &mut self.transaction) {
                transaction.rcpt_seen = true;
            }
            Command::with_argument(verb, argument)
        });
        match parsed {
            Ok(Command::Quit) => Self::quit(),
            // Its octets follow, whatever is said.
            Ok(command @ Command::Bdat(_)) => self.execute(command),
            Err(error @ CommandError::Foreign) => Action::Close(error.reply()),
            Err(CommandError::Syntax(Verb::Bdat)) => Action::Close(CommandError::Syntax(Verb::Bdat).reply()),
            _ if self.refused => Action::Reply(access_denied()),
            Ok(command) => self.execute(command),
            Err(error) => Action::Reply(error.reply()),
        }
    }

    /// Whether a command belongs to this session's protocol (RFC 2033 4.1).
    pub(super) fn speaks(&self, verb: Verb) -> bool {
        match verb {
            Verb::Lhlo => self.settings.lmtp,
            Verb::Helo | Verb::Ehlo => !self.settings.lmtp,
            _ => true,
        }
    }

    fn execute(&mut self, command: Command) -> Action {
        match command {
            Command::Helo(name) => Action::Ask(Question::Hello(Hello { name, protocol: Protocol::Smtp })),
            Command::Ehlo(name) => Action::Ask(Question::Hello(Hello { name, protocol: Protocol::Esmtp })),
            Command::Lhlo(name) => Action::Ask(Question::Hello(Hello { name, protocol: Protocol::Lmtp })),
            Command::Mail(command) => self.mail(command),
            Command::Rcpt(command) => self.rcpt(command),
            Command::Data => self.data(),
            Command::Bdat(chunk) => self.bdat(chunk),
            Command::Rset => self.rset(),
            Command::Noop => Self::noop(),
            Command::Vrfy => Self::vrfy(),
            Command::Xclient(xclient) => self.xclient(xclient),
            Command::Help => self.help(),
            Command::StartTls => self.starttls(),
            Command::Auth(command) => self.auth(command),
            Command::Quit => Self::quit(),
        }
    }

    /// The message is over, and with it the transaction, whatever becomes of it.
    pub(super) fn end_data(&mut self, result: Result<Bytes, DataError>) -> Action {
        self.replies = self.replies();
        let transaction = self.transaction.take();
        self.reset();
        match (result, transaction) {
            (Ok(raw), Some(transaction)) => Action::Message(Completed { transaction, raw }),
            (Ok(_), None) => Action::Reply(bad_sequence("need MAIL command")),
            (Err(error), _) => Self::repeat(error.reply(), self.replies),
        }
    }
}

/// `503 5.7.0`: to a client that was refused with the greeting.
pub(super) fn access_denied() -> Reply {
    Reply::new(503, EnhancedCode(5, 7, 0), "Error: access denied")
}

/// `503 5.5.1`: a command that isn't allowed now.
pub(super) fn bad_sequence(text: &str) -> Reply {
    Reply::new(503, EnhancedCode(5, 5, 1), format!("Error: {text}"))
}
