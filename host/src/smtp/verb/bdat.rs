//! BDAT (RFC 3030 2). Whatever is wrong, the octets of a chunk are taken off the connection before the reply, so that they are never read
//! as commands; where nobody can know how many there are, the connection is closed.

use std::mem;

use bytes::BytesMut;

use crate::{
    mail::BodyType,
    smtp::{
        DataDecoder, EnhancedCode, Reply,
        command::{CommandError, Verb},
        data::Framing,
        session::{Action, Question, Session, State, access_denied, bad_sequence},
    },
};

/// The argument of BDAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Octets that follow the command.
    pub size: u64,
    /// Whether they are the last of the message.
    pub last: bool,
}

impl ChunkHeader {
    pub(in crate::smtp) fn parse(argument: &str) -> Option<Self> {
        let mut words = argument.split([' ', '\t']).filter(|word| !word.is_empty());
        let digits = words.next().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
        let last = match (words.next(), words.next()) {
            (None, _) => false,
            (Some(last), None) if last.eq_ignore_ascii_case("LAST") => true,
            _ => return None,
        };
        Some(Self { size: digits.parse().ok()?, last })
    }
}

/// What the chunks of this transaction have come to.
#[derive(Debug, Default)]
pub(in crate::smtp) enum Chunks {
    /// There was none.
    #[default]
    None,
    /// All were good.
    Good(DataDecoder),
    /// One was refused; those that follow are thrown away until the last one, or RSET.
    Refused,
}

/// A chunk that is coming in.
#[derive(Debug)]
pub(in crate::smtp) struct Chunk {
    header: ChunkHeader,
    left: u64,
    /// What will be said, if its octets are thrown away.
    refusal: Option<Reply>,
}

impl Session {
    pub(in crate::smtp) fn bdat(&mut self, header: ChunkHeader) -> Action {
        if self.refused {
            return self.skip(header, access_denied());
        }
        if self.must_secure(Verb::Bdat) {
            return self.skip(header, CommandError::NeedsTls.reply());
        }
        // As Postfix: empty chunks would be a way to keep a session busy with nothing.
        if header.size == 0 && !header.last {
            return self.skip(header, Reply::new(551, EnhancedCode(5, 7, 1), "Null BDAT request"));
        }
        let (so_far, first) = match &self.chunks {
            Chunks::Refused => {
                let text = format!("Discarded {} bytes after earlier error", header.size);
                return self.skip(header, Reply::new(551, EnhancedCode(5, 0, 0), text));
            }
            Chunks::None => (0, true),
            Chunks::Good(decoder) => (decoder.size(), false),
        };
        if first && let Err(reply) = self.ready_for_data() {
            return self.skip(header, reply);
        }
        if so_far.saturating_add(header.size) > self.settings.size_limit {
            return self.skip(header, CommandError::SizeTooLarge.reply());
        }
        if first { Action::Ask(Question::Data(Some(header))) } else { self.begin(header) }
    }

    /// The first chunk may come.
    pub(in crate::smtp) fn accept_bdat(&mut self, header: ChunkHeader) -> Action {
        let transaction = self.transaction.as_ref();
        let binary = transaction.is_some_and(|transaction| transaction.parameters.body == BodyType::BinaryMime);
        let framing = if binary { Framing::Octets } else { Framing::Lines(self.settings.bare_line_ends) };
        self.chunks = Chunks::Good(self.decoder(framing));
        self.begin(header)
    }

    /// Throw the octets of a chunk away, then say why. A client that sends far more than any message may have isn't listened to any longer
    /// (Postfix draws the line there, too).
    pub(in crate::smtp) fn skip(&mut self, header: ChunkHeader, refusal: Reply) -> Action {
        self.discarded = self.discarded.saturating_add(header.size);
        self.chunks = Chunks::Refused;
        let limit = self.settings.size_limit;
        if refusal.closes() || self.discarded > limit.saturating_add(limit / 2) {
            return Action::Close(refusal);
        }
        self.state = State::Chunk(Chunk { header, left: header.size, refusal: Some(refusal) });
        Action::Continue
    }

    fn begin(&mut self, header: ChunkHeader) -> Action {
        self.state = State::Chunk(Chunk { header, left: header.size, refusal: None });
        Action::Continue
    }

    /// Go on with what has come in of a chunk.
    pub(in crate::smtp) fn chunk(&mut self, mut chunk: Chunk, input: &mut BytesMut) -> Action {
        let length = usize::try_from(chunk.left).unwrap_or(usize::MAX).min(input.len());
        let octets = input.split_to(length);
        chunk.left -= length as u64;
        if let Chunks::Good(decoder) = &mut self.chunks
            && let Err(error) = decoder.append(&octets)
        {
            self.chunks = Chunks::Refused;
            chunk.refusal = Some(error.reply());
        }
        if chunk.left > 0 {
            self.state = State::Chunk(chunk);
            return Action::Read;
        }
        match (chunk.refusal, chunk.header) {
            (None, ChunkHeader { last: true, .. }) => match mem::take(&mut self.chunks) {
                Chunks::Good(mut decoder) => self.end_data(decoder.finish()),
                Chunks::None | Chunks::Refused => Action::Reply(bad_sequence("need MAIL command")),
            },
            (None, ChunkHeader { size, .. }) => {
                Action::Reply(Reply::new(250, EnhancedCode(2, 0, 0), format!("Ok: {size} bytes")))
            }
            (Some(refusal), ChunkHeader { last, .. }) => {
                let times = if last { self.replies() } else { 1 };
                if last {
                    self.reset();
                }
                Self::repeat(refusal, times)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        for (argument, size, last) in
            [("0", 0, false), ("10", 10, false), ("7 LAST", 7, true), ("0  last", 0, true), ("007\tLast", 7, true)]
        {
            assert_eq!(ChunkHeader::parse(argument), Some(ChunkHeader { size, last }), "{argument}");
        }
        for bad in ["", "LAST", "-1", "+1", "1x", "1 2", "1 LAST x", "1LAST", "99999999999999999999"] {
            assert_eq!(ChunkHeader::parse(bad), None, "{bad}");
        }
    }
}
