//! The octets of one message: framed by `CRLF . CRLF` with stuffed dots (DATA, RFC 5321 4.1.1.4 and 4.5.2), or by counts (BDAT, RFC 3030).
//!
//! Only CRLF ends a line here and only CRLF.CRLF ends the message of DATA. A CR or LF that stands alone is what SMTP smuggling is made of:
//! such a message is swallowed up to its true end and then refused, or what stands alone is made harmless.

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes, BytesMut};

/// Octets that are set aside at once for a declared size; more is got as it comes.
const FIRST_RESERVE: usize = 1 << 20;

/// What becomes of a CR without LF and an LF without CR in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareLineEnds {
    /// The message is refused (Postfix `smtpd_forbid_bare_newline = reject`).
    #[default]
    Reject,
    /// LF becomes CRLF (`normalize`), CR a blank (`cleanup_replace_stray_cr_lf`).
    Normalize,
}

/// How a message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By DATA: dots are stuffed, and one ends the message.
    Dots(BareLineEnds),
    /// By BDAT, in lines.
    Lines(BareLineEnds),
    /// By BDAT, as octets that are no lines (BINARYMIME, RFC 3030 3).
    Octets,
}

/// Why a message that was received whole is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// A CR without LF or an LF without CR: `550 5.5.2`.
    #[error("Error: bare <CR> or <LF> received, lines end in <CR><LF>")]
    BareLineEnd,
    /// More octets than the limit: `552 5.3.4`.
    #[error("Error: message size exceeds fixed limit")]
    TooLarge,
    /// There was no room for it: `452 4.3.1`.
    #[error("Error: insufficient system storage")]
    NoRoom,
}

/// What came before the next octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// CRLF, or nothing yet.
    LineStart,
    /// An LF that became CRLF: a dot is taken out here, too, but doesn't begin the end.
    LooseLineStart,
    /// A dot at the start of a line, held back.
    Dot,
    /// A dot and CR at the start of a line, both held back.
    DotCr,
    /// Something else.
    InLine,
    /// CR inside a line, held back.
    Cr,
}

/// Decodes the octets of one message.
#[derive(Debug)]
pub struct DataDecoder {
    state: State,
    framing: Framing,
    message: BytesMut,
    /// Octets of the message so far, also of one that is no longer kept.
    size: u64,
    limit: u64,
    bare: bool,
    given_up: bool,
}

impl DataDecoder {
    /// A decoder for a message of at most `limit` octets, which may have been declared to have `expected` octets.
    pub fn new(framing: Framing, limit: u64, expected: Option<u64>) -> Self {
        let reserve = expected.map_or(0, |size| usize::try_from(size).unwrap_or(FIRST_RESERVE).min(FIRST_RESERVE));
        let message = BytesMut::with_capacity(reserve);
        Self { state: State::LineStart, framing, message, size: 0, limit, bare: false, given_up: false }
    }

    /// Octets of the message so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Octets that it holds.
    pub fn held(&self) -> usize {
        self.message.len()
    }

    /// Take out what it holds; what comes later, and what it gives at the end, follow that.
    pub fn drain(&mut self) -> Bytes {
        self.message.split().freeze()
    }

    /// There is no room for this message: it is refused at its end.
    pub fn give_up(&mut self) {
        self.given_up = true;
        self.message = BytesMut::new();
    }

    /// Take what belongs to the message off the front of `input`. Gives the message when its end has been seen; what
    /// comes after the end stays in `input`.
    pub fn take(&mut self, input: &mut BytesMut) -> Option<Result<Bytes, DataError>> {
        let (used, ended) = self.decode(input);
        if ended {
            input.advance(used);
            return Some(self.finish());
        }
        input.clear();
        None
    }

    /// Take the next octets of a message whose end is known otherwise; an error when it will be refused.
    pub fn append(&mut self, octets: &[u8]) -> Result<(), DataError> {
        self.decode(octets);
        self.verdict()
    }

    /// The message, which ends here.
    pub fn finish(&mut self) -> Result<Bytes, DataError> {
        if self.state == State::Cr {
            self.bare_cr();
        }
        self.verdict().map(|()| std::mem::take(&mut self.message).freeze())
    }

    fn verdict(&self) -> Result<(), DataError> {
        if self.bare {
            Err(DataError::BareLineEnd)
        } else if self.size > self.limit {
            Err(DataError::TooLarge)
        } else if self.given_up {
            Err(DataError::NoRoom)
        } else {
            Ok(())
        }
    }

    /// How many octets were used, and whether they were followed by the end.
    fn decode(&mut self, input: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            let (used, ended) = self.line_part(rest);
            at += used;
            if ended {
                return (at, true);
            }
        }
        (at, false)
    }

    /// Decode from `rest`, which isn't empty, at most to the next line start; how much was used, and whether that was
    /// the end.
    fn line_part(&mut self, rest: &[u8]) -> (usize, bool) {
        let first = rest.first().copied().unwrap_or_default();
        match self.state {
            _ if self.framing == Framing::Octets => {
                self.keep(rest);
                (rest.len(), false)
            }
            State::LineStart if self.is_dot(first) => (self.hold(State::Dot), false),
            State::LooseLineStart if self.is_dot(first) => (self.hold(State::InLine), false),
            State::Dot if first == b'\r' => (self.hold(State::DotCr), false),
            State::DotCr if first == b'\n' => (1, true),
            State::Cr if first == b'\n' => {
                self.keep(b"\r\n");
                self.state = State::LineStart;
                (1, false)
            }
            State::Cr | State::DotCr => {
                self.bare_cr();
                (0, false)
            }
            State::LineStart | State::LooseLineStart | State::Dot | State::InLine => {
                self.state = State::InLine;
                (self.lines(rest), false)
            }
        }
    }

    /// Keep whole lines from `rest`, up to the first octet that needs a look at the state.
    fn lines(&mut self, rest: &[u8]) -> usize {
        for end in memchr::memchr2_iter(b'\r', b'\n', rest) {
            let after = end + 1;
            match (rest.get(end), rest.get(after)) {
                (Some(b'\r'), Some(b'\n')) => match rest.get(after + 1) {
                    Some(b'.') | None => {
                        self.keep(rest.get(..=after).unwrap_or_default());
                        self.state = State::LineStart;
                        return after + 1;
                    }
                    Some(_) => {}
                },
                (Some(b'\r'), _) => {
                    self.keep(rest.get(..end).unwrap_or_default());
                    return end + self.hold(State::Cr);
                }
                _ if end > 0 && rest.get(end - 1) == Some(&b'\r') => {}
                _ => {
                    self.keep(rest.get(..end).unwrap_or_default());
                    self.bare(b"\r\n");
                    self.state = State::LooseLineStart;
                    return after;
                }
            }
        }
        self.keep(rest);
        rest.len()
    }

    fn is_dot(&self, octet: u8) -> bool {
        octet == b'.' && matches!(self.framing, Framing::Dots(_))
    }

    /// Leave one octet out for now.
    fn hold(&mut self, state: State) -> usize {
        self.state = state;
        1
    }

    /// The CR that was held back has no LF behind it.
    fn bare_cr(&mut self) {
        self.bare(b" ");
        self.state = State::InLine;
    }

    /// Half a line end; what stands in its place, if anything may.
    fn bare(&mut self, instead: &[u8]) {
        if let Framing::Dots(BareLineEnds::Normalize) | Framing::Lines(BareLineEnds::Normalize) = self.framing {
            self.keep(instead);
        } else {
            self.bare = true;
            self.message = BytesMut::new();
        }
    }

    fn keep(&mut self, octets: &[u8]) {
        self.size = self.size.saturating_add(octets.len() as u64);
        if self.size > self.limit {
            self.message = BytesMut::new();
        } else if !self.bare && !self.given_up {
            self.message.extend_from_slice(octets);
        }
    }
}
