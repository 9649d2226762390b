//! MAIL (RFC 5321 4.1.1.2) with the parameters SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461).

use crate::{
    mail::{BodyType, MailParameters, Ret, ReversePath, parse_envid},
    smtp::{
        EnhancedCode, Reply,
        command::CommandError,
        path::Parameters,
        session::{Action, Question, Session, Transaction, bad_sequence},
        settings::AuthOffer,
    },
};

/// A well-formed MAIL command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailCommand {
    /// The reverse-path.
    pub sender: ReversePath,
    /// SIZE in octets; none if it wasn't given.
    pub size: Option<u64>,
    /// What goes on with the message.
    pub parameters: MailParameters,
    /// Whether AUTH says who the sender was elsewhere (RFC 4954 5). Nobody is believed that.
    pub auth: bool,
}

impl MailCommand {
    pub(in crate::smtp) fn parse(path: &str, parameters: Parameters<'_>) -> Result<Self, CommandError> {
        let sender = ReversePath::parse(path).map_err(|_| CommandError::BadSender)?;
        let mut command = Self { sender, size: None, parameters: MailParameters::default(), auth: false };
        for (keyword, value) in parameters.parse()? {
            command.take(keyword, value)?;
        }
        if !path.is_ascii() && !command.parameters.utf8 {
            return Err(CommandError::NeedsUtf8);
        }
        Ok(command)
    }

    fn take(&mut self, keyword: String, value: Option<&str>) -> Result<(), CommandError> {
        let Self { size, parameters, auth, .. } = self;
        let known = match (keyword.as_str(), value) {
            ("SIZE", Some(digits)) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                *size = Some(digits.parse().map_err(|_| CommandError::SizeTooLarge)?);
                true
            }
            ("BODY", Some(body)) => {
                let body = BodyType::parse(body);
                parameters.body = body.unwrap_or_default();
                body.is_some()
            }
            ("SMTPUTF8", None) => {
                parameters.utf8 = true;
                true
            }
            ("RET", Some(ret)) => {
                parameters.ret = Ret::parse(ret);
                parameters.ret.is_some()
            }
            ("ENVID", Some(envid)) => {
                parameters.envid = parse_envid(envid);
                parameters.envid.is_some()
            }
            ("AUTH", Some(_)) => {
                *auth = true;
                true
            }
            ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => false,
            _ => return Err(CommandError::UnknownParameter(keyword)),
        };
        if known { Ok(()) } else { Err(CommandError::BadParameter(keyword)) }
    }
}

impl Session {
    pub(in crate::smtp) fn mail(&self, command: MailCommand) -> Action {
        if let Err(reply) = self.introduced() {
            return Action::Reply(reply);
        }
        if self.transaction.is_some() {
            return Action::Reply(bad_sequence("nested MAIL command"));
        }
        if self.is_chunked() {
            return Action::Reply(bad_sequence("MAIL after BDAT"));
        }
        if self.settings.auth_required && !self.authenticated {
            // RFC 4954 6.
            return Action::Reply(Reply::new(530, EnhancedCode(5, 7, 0), "Authentication required"));
        }
        let MailCommand { sender, size, parameters, auth } = command;
        if auth && self.settings.auth == AuthOffer::Absent {
            return Action::Reply(CommandError::UnknownParameter("AUTH".to_owned()).reply());
        }
        if size.is_some_and(|size| size > self.settings.size_limit) {
            return Action::Reply(CommandError::SizeTooLarge.reply());
        }
        let sender = match sender {
            ReversePath::Address(address) if self.is_too_long(&address) => {
                return Action::Reply(CommandError::LongSender(self.settings.local_part_limit).reply());
            }
            ReversePath::Address(address) => ReversePath::Address(self.complete(&address)),
            ReversePath::Null => ReversePath::Null,
        };
        let recipients = vec![];
        let transaction = Transaction { sender, size, parameters, recipients, accepted: 0, rcpt_seen: false };
        Action::Ask(Question::Mail(transaction))
    }

    pub(in crate::smtp) fn accept_mail(&mut self, transaction: Transaction) -> Reply {
        self.transaction = Some(transaction);
        Reply::new(250, EnhancedCode(2, 1, 0), "Ok")
    }
}
