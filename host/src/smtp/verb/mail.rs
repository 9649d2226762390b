//! MAIL (RFC 5321 4.1.1.2) with the parameters SIZE (RFC 1870) and BODY (RFC 6152).

use crate::{
    mail::ReversePath,
    smtp::{
        EnhancedCode, Reply,
        command::CommandError,
        path::Parameters,
        session::{Action, Question, Session, Transaction, bad_sequence},
    },
};

/// A well-formed MAIL command. BODY is checked and not kept: octets pass as they are, and delivery looks at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailCommand {
    /// The reverse-path.
    pub sender: ReversePath,
    /// SIZE in octets; none if it wasn't given.
    pub size: Option<u64>,
}

impl MailCommand {
    pub(in crate::smtp) fn parse(path: &str, parameters: Parameters<'_>) -> Result<Self, CommandError> {
        if !path.is_ascii() {
            return Err(CommandError::NeedsUtf8);
        }
        let sender = ReversePath::parse(path).map_err(|_| CommandError::BadSender)?;
        let mut size = None;
        for (keyword, value) in parameters.parse()? {
            match (keyword.as_str(), value) {
                ("SIZE", Some(digits)) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                    size = Some(digits.parse().map_err(|_| CommandError::SizeTooLarge)?);
                }
                ("BODY", Some(body)) if ["7BIT", "8BITMIME"].iter().any(|known| known.eq_ignore_ascii_case(body)) => {}
                ("SIZE" | "BODY", _) => return Err(CommandError::BadParameter(keyword)),
                _ => return Err(CommandError::UnknownParameter(keyword)),
            }
        }
        Ok(Self { sender, size })
    }
}

impl Session {
    pub(in crate::smtp) fn mail(&self, command: MailCommand) -> Action {
        if self.hello.is_none() {
            return Action::Reply(bad_sequence("send HELO/EHLO first"));
        }
        if self.transaction.is_some() {
            return Action::Reply(bad_sequence("nested MAIL command"));
        }
        let MailCommand { sender, size } = command;
        if size.is_some_and(|size| size > self.settings.size_limit) {
            return Action::Reply(CommandError::SizeTooLarge.reply());
        }
        Action::Ask(Question::Mail(Transaction { sender, size, recipients: vec![], rcpt_seen: false }))
    }

    pub(in crate::smtp) fn accept_mail(&mut self, transaction: Transaction) -> Reply {
        self.transaction = Some(transaction);
        Reply::new(250, EnhancedCode(2, 1, 0), "Ok")
    }
}
