//! One command line, without its line end, as a typed command (RFC 5321 4.1.1).

use super::{
    path::{Parameters, split_path},
    reply::{EnhancedCode, Reply},
    verb::auth::AuthCommand,
    verb::bdat::ChunkHeader,
    verb::mail::MailCommand,
    verb::rcpt::RcptCommand,
    verb::xclient::Xclient,
};

/// The commands that this server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// HELO.
    Helo,
    /// EHLO.
    Ehlo,
    /// LHLO, the greeting of LMTP.
    Lhlo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// BDAT.
    Bdat,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// XCLIENT.
    Xclient,
    /// HELP.
    Help,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth,
    /// QUIT.
    Quit,
}

impl Verb {
    /// All of them, in the order in which HELP tells them.
    pub const ALL: [Self; 15] = [
        Self::Helo,
        Self::Ehlo,
        Self::Lhlo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Bdat,
        Self::Rset,
        Self::Noop,
        Self::Vrfy,
        Self::Xclient,
        Self::Help,
        Self::StartTls,
        Self::Auth,
        Self::Quit,
    ];

    /// As it stands on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Helo => "HELO",
            Self::Ehlo => "EHLO",
            Self::Lhlo => "LHLO",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Bdat => "BDAT",
            Self::Rset => "RSET",
            Self::Noop => "NOOP",
            Self::Vrfy => "VRFY",
            Self::Xclient => "XCLIENT",
            Self::Help => "HELP",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Quit => "QUIT",
        }
    }

    /// How it is written, for `501 Syntax: …`.
    fn usage(self) -> &'static str {
        match self {
            Self::Helo => "HELO hostname",
            Self::Ehlo => "EHLO hostname",
            Self::Lhlo => "LHLO hostname",
            Self::Mail => "MAIL FROM:<address>",
            Self::Rcpt => "RCPT TO:<address>",
            Self::Bdat => "BDAT count [LAST]",
            Self::Vrfy => "VRFY address",
            Self::Auth => "AUTH mechanism",
            Self::Xclient => "XCLIENT attribute=value...",
            Self::Data | Self::Rset | Self::Noop | Self::Help | Self::StartTls | Self::Quit => self.name(),
        }
    }
}

/// Commands of RFC 5321 and its extensions that this server knows but doesn't have.
const NOT_IMPLEMENTED: [&str; 6] = ["ETRN", "EXPN", "SAML", "SEND", "SOML", "TURN"];

/// What web browsers say.
const FOREIGN: [&str; 3] = ["CONNECT", "GET", "POST"];

/// A command that is well formed; whether it is allowed now is the session's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// HELO with the client's name.
    Helo(String),
    /// EHLO with the client's name.
    Ehlo(String),
    /// LHLO with the client's name.
    Lhlo(String),
    /// MAIL.
    Mail(MailCommand),
    /// RCPT.
    Rcpt(RcptCommand),
    /// DATA.
    Data,
    /// BDAT; its octets follow.
    Bdat(ChunkHeader),
    /// RSET.
    Rset,
    /// NOOP; its argument means nothing (RFC 5321 4.1.1.9).
    Noop,
    /// VRFY; we never say who exists, so what was asked isn't kept.
    Vrfy,
    /// XCLIENT.
    Xclient(Xclient),
    /// HELP.
    Help,
    /// STARTTLS.
    StartTls,
    /// AUTH.
    Auth(AuthCommand),
    /// QUIT.
    Quit,
}

/// Why a line is no command. Nothing of the session changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Nothing in it, control characters, or no UTF-8: `500 5.5.2`.
    #[error("Error: bad syntax")]
    BadLine,
    /// An unknown verb: `500 5.5.2`.
    #[error("Error: command not recognized")]
    Unknown,
    /// Another protocol's command, or a header field: `221 2.7.0`, and the end. Somebody makes a browser or a mail program talk to us.
    #[error("Error: this is no SMTP. Goodbye")]
    Foreign,
    /// A verb that we know of and don't have: `502 5.5.1`.
    #[error("Error: command not implemented")]
    NotImplemented,
    /// AUTH where there is none: `503 5.5.1`.
    #[error("Error: authentication not enabled")]
    AuthNotEnabled,
    /// Where nothing is taken without TLS: `530 5.7.0` (RFC 3207 4).
    #[error("Must issue a STARTTLS command first")]
    NeedsTls,
    /// Not written as it should be: `501 5.5.4`, for HELO, EHLO and LHLO `501` (RFC 2034 4), for BDAT `521 5.5.4` and the end.
    #[error("Syntax: {}", .0.usage())]
    Syntax(Verb),
    /// The reverse-path is no address: `501 5.1.7`.
    #[error("Bad sender address syntax")]
    BadSender,
    /// The recipient is no address: `501 5.1.3`.
    #[error("Bad recipient address syntax")]
    BadRecipient,
    /// The reverse-path's local part is longer than the server's limit, in octets: `553 5.1.7`.
    #[error("Local part of the sender address is longer than {0} octets")]
    LongSender(usize),
    /// The recipient's: `553 5.1.3`.
    #[error("Local part of the recipient address is longer than {0} octets")]
    LongRecipient(usize),
    /// An address outside US-ASCII without SMTPUTF8: `553 5.6.7` (RFC 6531 3.7.4.2).
    #[error("Address outside US-ASCII: SMTPUTF8 was not requested")]
    NeedsUtf8,
    /// A parameter that this server didn't offer: `555 5.5.4`.
    #[error("Unsupported option: {0}")]
    UnknownParameter(String),
    /// A parameter that is malformed, given twice, or has a value that it can't have: `501 5.5.4`.
    #[error("Bad parameter: {0}")]
    BadParameter(String),
    /// SIZE is no number that fits: `552 5.3.4`.
    #[error("Message size exceeds fixed limit")]
    SizeTooLarge,
}

impl CommandError {
    /// What the client hears.
    pub fn reply(&self) -> Reply {
        let (code, enhanced) = match self {
            Self::BadLine | Self::Unknown => (500, EnhancedCode(5, 5, 2)),
            Self::Foreign => (221, EnhancedCode(2, 7, 0)),
            Self::NotImplemented => (502, EnhancedCode(5, 5, 1)),
            Self::AuthNotEnabled => (503, EnhancedCode(5, 5, 1)),
            Self::NeedsTls => (530, EnhancedCode(5, 7, 0)),
            Self::Syntax(Verb::Helo | Verb::Ehlo | Verb::Lhlo) => return Reply::plain(501, self.to_string()),
            Self::Syntax(Verb::Bdat) => (521, EnhancedCode(5, 5, 4)),
            Self::Syntax(_) | Self::BadParameter(_) => (501, EnhancedCode(5, 5, 4)),
            Self::BadSender => (501, EnhancedCode(5, 1, 7)),
            Self::BadRecipient => (501, EnhancedCode(5, 1, 3)),
            Self::LongSender(_) => (553, EnhancedCode(5, 1, 7)),
            Self::LongRecipient(_) => (553, EnhancedCode(5, 1, 3)),
            Self::NeedsUtf8 => (553, EnhancedCode(5, 6, 7)),
            Self::UnknownParameter(_) => (555, EnhancedCode(5, 5, 4)),
            Self::SizeTooLarge => (552, EnhancedCode(5, 3, 4)),
        };
        Reply::new(code, enhanced, self.to_string())
    }
}

/// Cut a line into its verb and the argument, without the blanks around it.
pub(super) fn split(line: &[u8]) -> Result<(Verb, &str), CommandError> {
    let text = std::str::from_utf8(line).map_err(|_| CommandError::BadLine)?;
    if text.is_empty() || text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(CommandError::BadLine);
    }
    let (word, argument) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let is = |name: &str| name.eq_ignore_ascii_case(word);
    match Verb::ALL.into_iter().find(|verb| is(verb.name())) {
        Some(verb) => Ok((verb, argument.trim_matches([' ', '\t']))),
        None if NOT_IMPLEMENTED.into_iter().any(is) => Err(CommandError::NotImplemented),
        // As Postfix's smtpd_forbidden_commands.
        None if FOREIGN.into_iter().any(is) || word.ends_with(':') => Err(CommandError::Foreign),
        None => Err(CommandError::Unknown),
    }
}

impl Command {
    /// Parse one command line.
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        split(line).and_then(|(verb, argument)| Self::with_argument(verb, argument))
    }

    /// Parse the argument of a command.
    pub(super) fn with_argument(verb: Verb, argument: &str) -> Result<Self, CommandError> {
        let alone = |command| if argument.is_empty() { Ok(command) } else { Err(CommandError::Syntax(verb)) };
        match verb {
            Verb::Helo => host_name(verb, argument).map(Self::Helo),
            Verb::Ehlo => host_name(verb, argument).map(Self::Ehlo),
            Verb::Lhlo => host_name(verb, argument).map(Self::Lhlo),
            Verb::Mail => {
                let (path, rest) = split_path(argument, "FROM:").ok_or(CommandError::Syntax(verb))?;
                MailCommand::parse(path, Parameters(rest)).map(Self::Mail)
            }
            Verb::Rcpt => {
                let (path, rest) = split_path(argument, "TO:").ok_or(CommandError::Syntax(verb))?;
                RcptCommand::parse(path, Parameters(rest)).map(Self::Rcpt)
            }
            Verb::Data => alone(Self::Data),
            Verb::Bdat => ChunkHeader::parse(argument).map(Self::Bdat).ok_or(CommandError::Syntax(verb)),
            Verb::Rset => alone(Self::Rset),
            Verb::StartTls => alone(Self::StartTls),
            Verb::Auth => AuthCommand::parse(argument).map(Self::Auth),
            Verb::Quit => alone(Self::Quit),
            Verb::Noop => Ok(Self::Noop),
            Verb::Help => Ok(Self::Help),
            Verb::Xclient if argument.is_empty() => Err(CommandError::Syntax(verb)),
            Verb::Xclient => Xclient::parse(argument).map(Self::Xclient),
            Verb::Vrfy if argument.is_empty() => Err(CommandError::Syntax(verb)),
            Verb::Vrfy => Ok(Self::Vrfy),
        }
    }
}

/// The argument of HELO, EHLO and LHLO. Clients say the strangest things here, and Postfix takes them: all that is printable
/// and not longer than a domain may be (RFC 5321 4.5.3.1.2).
fn host_name(verb: Verb, argument: &str) -> Result<String, CommandError> {
    let good = (1..=255).contains(&argument.len()) && argument.bytes().all(|octet| (b' '..0x7f).contains(&octet));
    if good { Ok(argument.to_owned()) } else { Err(CommandError::Syntax(verb)) }
}
