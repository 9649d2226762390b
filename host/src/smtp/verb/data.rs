//! DATA (RFC 5321 4.1.1.4).

use crate::{
    mail::{BodyType, MailParameters},
    smtp::{
        DataDecoder, EnhancedCode, Reply,
        data::{DataError, Framing},
        session::{Action, Question, Session, State, Transaction, bad_sequence},
    },
};

impl Session {
    pub(in crate::smtp) fn data(&self) -> Action {
        if self.is_chunked() {
            return Action::Reply(bad_sequence("DATA after BDAT"));
        }
        if let Err(reply) = self.ready_for_data() {
            return Action::Reply(reply);
        }
        match &self.transaction {
            // RFC 3030 3: such octets can't be framed by dots.
            Some(Transaction { parameters: MailParameters { body: BodyType::BinaryMime, .. }, .. }) => {
                Action::Reply(bad_sequence("BODY=BINARYMIME wants BDAT"))
            }
            _ => Action::Ask(Question::Data(None)),
        }
    }

    pub(in crate::smtp) fn accept_data(&mut self) -> Action {
        self.state = State::Data(self.decoder(Framing::Dots(self.settings.bare_line_ends)));
        Action::Reply(Reply::plain(354, "End data with <CR><LF>.<CR><LF>"))
    }

    /// Whether a message may come now.
    pub(in crate::smtp) fn ready_for_data(&self) -> Result<(), Reply> {
        match &self.transaction {
            None => Err(bad_sequence("need MAIL command")),
            Some(transaction) if !transaction.recipients.is_empty() => Ok(()),
            // RFC 2920 3.1: a client that pipelines finds out only now that no recipient was accepted.
            Some(transaction) if transaction.rcpt_seen && !self.settings.lmtp => {
                Err(Reply::new(554, EnhancedCode(5, 5, 1), "Error: no valid recipients"))
            }
            // RFC 2033 4.2: in LMTP it is this.
            Some(_) => Err(bad_sequence("need RCPT command")),
        }
    }

    pub(in crate::smtp) fn decoder(&self, framing: Framing) -> DataDecoder {
        let expected = self.transaction.as_ref().and_then(|transaction| transaction.size);
        DataDecoder::new(framing, self.settings.size_limit, expected)
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
