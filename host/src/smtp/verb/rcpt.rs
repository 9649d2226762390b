//! RCPT (RFC 5321 4.1.1.3). It has no parameters that we offer.

use crate::{
    mail::{Address, Recipient},
    smtp::{
        EnhancedCode, Reply,
        command::CommandError,
        path::Parameters,
        session::{Action, Question, Session, bad_sequence},
    },
};

/// The recipient of a RCPT command; the null path is none.
pub(in crate::smtp) fn parse_recipient(path: &str, parameters: Parameters<'_>) -> Result<Address, CommandError> {
    if !path.is_ascii() {
        return Err(CommandError::NeedsUtf8);
    }
    let address = Address::parse(path).map_err(|_| CommandError::BadRecipient)?;
    match parameters.parse()?.into_iter().next() {
        Some((keyword, _)) => Err(CommandError::UnknownParameter(keyword)),
        None => Ok(address),
    }
}

impl Session {
    pub(in crate::smtp) fn rcpt(&self, original: Address) -> Action {
        let Some(transaction) = &self.transaction else {
            return Action::Reply(bad_sequence("need MAIL command"));
        };
        if transaction.recipients.len() >= self.settings.recipient_limit {
            return Action::Reply(Reply::new(452, EnhancedCode(4, 5, 3), "Error: too many recipients"));
        }
        Action::Ask(Question::Rcpt(Recipient { address: self.complete(&original), ..Recipient::new(original) }))
    }

    /// RFC 5321 4.5.1: the bare `postmaster` is ours.
    fn complete(&self, address: &Address) -> Address {
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
        let same = |known: &Recipient| known.address.as_str().eq_ignore_ascii_case(recipient.address.as_str());
        if !transaction.recipients.iter().any(same) {
            transaction.recipients.push(recipient);
        }
        Reply::new(250, EnhancedCode(2, 1, 5), "Ok")
    }
}
