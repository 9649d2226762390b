//! DATA (RFC 5321 4.1.1.4).

use crate::smtp::{
    DataDecoder, EnhancedCode, Reply,
    data::DataError,
    session::{Action, Question, Session, bad_sequence},
};

impl Session {
    pub(in crate::smtp) fn data(&self) -> Action {
        match &self.transaction {
            None => Action::Reply(bad_sequence("need MAIL command")),
            Some(transaction) if !transaction.recipients.is_empty() => Action::Ask(Question::Data),
            // RFC 2920 3.1: a client that pipelines finds out only now that no recipient was accepted.
            Some(transaction) if transaction.rcpt_seen => {
                Action::Reply(Reply::new(554, EnhancedCode(5, 5, 1), "Error: no valid recipients"))
            }
            Some(_) => Action::Reply(bad_sequence("need RCPT command")),
        }
    }

    pub(in crate::smtp) fn data_decoder(&self) -> DataDecoder {
        let expected = self.transaction.as_ref().and_then(|transaction| transaction.size);
        DataDecoder::new(self.settings.size_limit, expected)
    }
}

impl DataError {
    /// What the client hears after the end of its message.
    pub fn reply(self) -> Reply {
        let (code, enhanced) = match self {
            Self::BareLineEnd => (550, EnhancedCode(5, 5, 2)),
            Self::TooLarge => (552, EnhancedCode(5, 3, 4)),
            Self::NoRoom => (452, EnhancedCode(4, 3, 1)),
        };
        Reply::new(code, enhanced, self.to_string())
    }
}
