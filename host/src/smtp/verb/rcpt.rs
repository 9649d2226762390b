//! RCPT (RFC 5321 4.1.1.3) with the parameters NOTIFY and ORCPT (RFC 3461).

use crate::{
    mail::{Address, Notify, Recipient, parse_orcpt},
    smtp::{
        EnhancedCode, Reply,
        command::CommandError,
        path::Parameters,
        session::{Action, Question, Session, bad_sequence},
    },
};

/// A well-formed RCPT command. Whether it may go beyond US-ASCII is for the transaction to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptCommand {
    /// The forward-path; the null path is none.
    pub address: Address,
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT in US-ASCII: type, semicolon, address in xtext.
    pub orcpt: Option<String>,
    /// Whether path or ORCPT had something that only SMTPUTF8 allows (RFC 6531 3.3).
    pub(in crate::smtp) needs_utf8: bool,
}

impl RcptCommand {
    pub(in crate::smtp) fn parse(path: &str, parameters: Parameters<'_>) -> Result<Self, CommandError> {
        let address = Address::parse(path).map_err(|_| CommandError::BadRecipient)?;
        let mut command = Self { address, notify: None, orcpt: None, needs_utf8: !path.is_ascii() };
        for (keyword, value) in parameters.parse()? {
            let known = match (keyword.as_str(), value) {
                ("NOTIFY", Some(words)) => {
                    command.notify = Notify::parse(words);
                    command.notify.is_some()
                }
                ("ORCPT", Some(orcpt)) => {
                    command.needs_utf8 |= !orcpt.is_ascii();
                    command.orcpt = parse_orcpt(orcpt, true);
                    command.orcpt.is_some()
                }
                ("NOTIFY" | "ORCPT", _) => false,
                _ => return Err(CommandError::UnknownParameter(keyword)),
            };
            if !known {
                return Err(CommandError::BadParameter(keyword));
            }
        }
        Ok(command)
    }
}

impl Session {
    pub(in crate::smtp) fn rcpt(&self, command: RcptCommand) -> Action {
        let Some(transaction) = &self.transaction else {
            return Action::Reply(bad_sequence("need MAIL command"));
        };
        if self.is_chunked() {
            return Action::Reply(bad_sequence("RCPT after BDAT"));
        }
        if command.needs_utf8 && !transaction.parameters.utf8 {
            return Action::Reply(CommandError::NeedsUtf8.reply());
        }
        if self.is_too_long(&command.address) {
            return Action::Reply(CommandError::LongRecipient(self.settings.local_part_limit).reply());
        }
        if transaction.recipients.len() >= self.settings.recipient_limit {
            return Action::Reply(Reply::new(452, EnhancedCode(4, 5, 3), "Error: too many recipients"));
        }
        let RcptCommand { address: original, notify, orcpt, .. } = command;
        Action::Ask(Question::Rcpt(Recipient { address: self.complete(&original), original, notify, orcpt }))
    }

    /// RFC 5321 4.5.3.1.1.
    pub(in crate::smtp) fn is_too_long(&self, address: &Address) -> bool {
        address.local_part().len() > self.settings.local_part_limit
    }

    /// RFC 5321 4.5.1: the bare `postmaster` is ours.
    pub(in crate::smtp) fn complete(&self, address: &Address) -> Address {
        match address.domain() {
            Some(_) => address.clone(),
            None => Address::parse(&format!("{}@{}", address.as_str(), self.settings.hostname))
                .unwrap_or_else(|_| address.clone()),
        }
    }

    /// The same address twice counts once, without regard to case, and in its first spelling (rule S5).
    pub(in crate::smtp) fn accept_rcpt(&mut self, recipient: Recipient) -> Reply {
        let Some(transaction) = &mut self.transaction else {
            return bad_sequence("need MAIL command");
        };
        transaction.accepted = transaction.accepted.saturating_add(1);
        let same = |known: &Recipient| known.address.as_str().eq_ignore_ascii_case(recipient.address.as_str());
        if !transaction.recipients.iter().any(same) {
            transaction.recipients.push(recipient);
        }
        Reply::new(250, EnhancedCode(2, 1, 5), "Ok")
    }
}
