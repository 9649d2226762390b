//! The end of DATA (RFC 5321 4.1.1.4, 4.5.2): finds `CRLF . CRLF`, takes the stuffed dots out, counts octets.
//!
//! Only CRLF ends a line here and only CRLF.CRLF ends the message. A CR or LF that stands alone is what SMTP smuggling
//! is made of: such a message is swallowed up to its true end and then refused.

use bytes::{Buf, Bytes, BytesMut};

/// Octets that are set aside at once for a declared size; more is got as it comes.
const FIRST_RESERVE: usize = 1 << 20;

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
    message: BytesMut,
    /// Octets of the message so far, also of one that is no longer kept.
    size: u64,
    limit: u64,
    bare: bool,
    given_up: bool,
}

impl DataDecoder {
    /// A decoder for a message of at most `limit` octets, which may have been declared to have `expected` octets.
    pub fn new(limit: u64, expected: Option<u64>) -> Self {
        let reserve = expected.map_or(0, |size| usize::try_from(size).unwrap_or(FIRST_RESERVE).min(FIRST_RESERVE));
        Self {
            state: State::LineStart,
            message: BytesMut::with_capacity(reserve),
            size: 0,
            limit,
            bare: false,
            given_up: false,
        }
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
        let mut at = 0;
        while let Some(rest) = input.get(at..).filter(|rest| !rest.is_empty()) {
            let (used, ended) = self.line_part(rest);
            at += used;
            if ended {
                input.advance(at);
                return Some(self.finish());
            }
        }
        input.clear();
        None
    }

    /// Decode from `rest`, which isn't empty, at most to the next line start; how much was used, and whether that was
    /// the end.
    fn line_part(&mut self, rest: &[u8]) -> (usize, bool) {
        let first = rest.first().copied().unwrap_or_default();
        match self.state {
            State::LineStart if first == b'.' => (self.hold(State::Dot), false),
            State::Dot if first == b'\r' => (self.hold(State::DotCr), false),
            State::DotCr if first == b'\n' => (1, true),
            State::DotCr => {
                self.refuse();
                self.state = State::InLine;
                (0, false)
            }
            State::Cr if first == b'\n' => {
                self.keep(b"\r\n");
                self.state = State::LineStart;
                (1, false)
            }
            State::Cr => {
                self.refuse();
                self.state = State::InLine;
                (0, false)
            }
            State::LineStart | State::Dot | State::InLine => {
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
                    self.refuse();
                    self.keep(rest.get(..=end).unwrap_or_default());
                    return after;
                }
            }
        }
        self.keep(rest);
        rest.len()
    }

    /// Leave one octet out for now.
    fn hold(&mut self, state: State) -> usize {
        self.state = state;
        1
    }

    fn refuse(&mut self) {
        self.bare = true;
        self.message = BytesMut::new();
    }

    fn keep(&mut self, octets: &[u8]) {
        self.size = self.size.saturating_add(octets.len() as u64);
        if self.size > self.limit {
            self.message = BytesMut::new();
        } else if !self.bare && !self.given_up {
            self.message.extend_from_slice(octets);
        }
    }

    fn finish(&mut self) -> Result<Bytes, DataError> {
        if self.bare {
            Err(DataError::BareLineEnd)
        } else if self.size > self.limit {
            Err(DataError::TooLarge)
        } else if self.given_up {
            Err(DataError::NoRoom)
        } else {
            Ok(std::mem::take(&mut self.message).freeze())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// What a decoder makes of `chunks`, and what it leaves.
    fn decode(limit: u64, chunks: &[&[u8]]) -> (Option<Result<Bytes, DataError>>, Vec<u8>) {
        let (mut decoder, mut input) = (DataDecoder::new(limit, None), BytesMut::new());
        let mut chunks = chunks.iter();
        for chunk in chunks.by_ref() {
            input.extend_from_slice(chunk);
            if let Some(end) = decoder.take(&mut input) {
                return (Some(end), [&input[..], &chunks.copied().collect::<Vec<_>>().concat()].concat());
            }
        }
        (None, input.to_vec())
    }

    fn decode_all(octets: &[u8]) -> Result<Bytes, DataError> {
        let (end, rest) = decode(1000, &[octets]);
        assert!(rest.is_empty());
        end.expect("ends")
    }

    #[test]
    fn messages() {
        for (wire, message) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"\r\n.\r\n", b"\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"...\r\n.\r\n", b"..\r\n"),
            (b".a\r\n..b\r\na.\r\n.\r\n", b"a\r\n.b\r\na.\r\n"),
            (b"a: b\r\n\r\nbody\r\n\r\n.\r\n", b"a: b\r\n\r\nbody\r\n\r\n"),
        ] {
            assert_eq!(decode_all(wire), Ok(Bytes::copy_from_slice(message)), "{wire:?}");
        }
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_ends_and_bare_line_ends_are_refused() {
        for smuggled in [
            &b"a\n.\r\n"[..],
            b"a\n.\n",
            b"a\r\n.\n",
            b"a\r.\r\n",
            b"a\r.\r",
            b"a\r\n.\r",
            b"a\n\r\n.\r\r\n",
            b"\n.\r\n",
            b"a\r\r\n",
            b".\n",
            b".\r.\r\n",
        ] {
            let wire = [smuggled, b"MAIL FROM:<evil@example.org>\r\n.\r\n"].concat();
            let expected = Err(DataError::BareLineEnd);
            assert_eq!(decode(1000, &[&wire]), (Some(expected), vec![]), "{:?}", String::from_utf8_lossy(smuggled));
        }
    }

    #[test]
    fn what_follows_the_end_is_left() {
        let (end, rest) = decode(1000, &[b"a\r\n.\r\nQUIT\r\n"]);
        assert_eq!((end, rest.as_slice()), (Some(Ok(Bytes::from_static(b"a\r\n"))), &b"QUIT\r\n"[..]));
    }

    #[test]
    fn size_counts_without_stuffing_and_end() {
        assert_eq!(decode(3, &[b"..\r\n.\r\n"]).0, Some(Ok(Bytes::from_static(b".\r\n"))));
        assert_eq!(decode(2, &[b"..\r\n.\r\n"]).0, Some(Err(DataError::TooLarge)));
        assert_eq!(decode(0, &[b".\r\n"]).0, Some(Ok(Bytes::new())));
    }

    #[test]
    fn a_refused_message_takes_no_memory() {
        let mut decoder = DataDecoder::new(10, Some(u64::MAX));
        assert_eq!(decoder.take(&mut BytesMut::from(&[b'a'; 5000][..])), None);
        assert_eq!((decoder.message.capacity(), decoder.size()), (0, 5000));
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(b"\r\n".to_vec()), 3 => Just(b".".to_vec()), 1 => Just(b"\r".to_vec()), 1 => Just(b"\n".to_vec()),
            1 => Just(b"\r\n.\r\n".to_vec()), 3 => vec(any::<u8>(), 0..8), 1 => vec(Just(b'x'), 0..300),
        ];
        vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    /// Octet by octet as RFC 5321 says it, to compare with.
    fn reference(limit: usize, wire: &[u8]) -> Option<(Result<Vec<u8>, DataError>, usize)> {
        let end = match wire.strip_prefix(b".\r\n") {
            Some(_) => 0,
            None => wire.windows(5).position(|window| window == b"\r\n.\r\n")? + 2,
        };
        let text = &wire[..end];
        let cr_alone = |i: usize| text[i] == b'\r' && text.get(i + 1) != Some(&b'\n');
        let lf_alone = |i: usize| text[i] == b'\n' && (i == 0 || text[i - 1] != b'\r');
        let bare = (0..end).any(|i| cr_alone(i) || lf_alone(i));
        let stuffed = |i: usize| text[i] == b'.' && (i == 0 || text[..i].ends_with(b"\r\n"));
        let message: Vec<u8> = (0..end).filter(|&i| !stuffed(i)).map(|i| text[i]).collect();
        let result = match (bare, message.len() > limit) {
            (true, _) => Err(DataError::BareLineEnd),
            (_, true) => Err(DataError::TooLarge),
            _ => Ok(message),
        };
        Some((result, end + 3))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_chunks_give_what_the_reference_gives(
            wire in octets(), cuts in vec(1usize..20, 1..20), limit in 0usize..400,
        ) {
            let (mut chunks, mut rest) = (vec![], wire.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (chunk, tail) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = tail;
            }
            let expected = reference(limit, &wire).map_or((None, vec![]), |(result, end)| {
                (Some(result.map(Bytes::from)), wire[end..].to_vec())
            });
            prop_assert_eq!(decode(limit as u64, &chunks), expected.clone());
            prop_assert_eq!(decode(limit as u64, &[&wire]), expected);
        }

        #[test]
        fn stuffing_comes_out_again(lines in vec("[.a-c]{0,4}", 0..20)) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let stuffed = lines.iter().map(|line| {
                format!("{}{line}\r\n", if line.starts_with('.') { "." } else { "" })
            });
            let wire = stuffed.chain([".\r\n".to_owned()]).collect::<String>();
            let expected = (Some(Ok(Bytes::from(message))), vec![]);
            prop_assert_eq!(decode(u64::MAX, &[wire.as_bytes()]), expected);
        }
    }
}
