//! A message in the form of DATA (RFC 5321 4.5.2): dots doubled, lines ended by CRLF and nothing else, the end of data behind.

use bytes::{Bytes, BytesMut};

/// What stood last, as far as it matters for what comes next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    LineEnd,
    Cr,
    Text,
}

/// The whole message as it goes out. A bare CR or LF, which a next hop could take for a line end that we don't see (SMTP smuggling),
/// becomes CRLF.
pub(super) fn encode<'a>(pieces: impl Iterator<Item = &'a Bytes>, size: u64) -> BytesMut {
    let mut out = BytesMut::with_capacity(usize::try_from(size).unwrap_or(0) + 512);
    let mut last = Last::LineEnd;
    for piece in pieces {
        last = append(piece, last, &mut out);
    }
    out.extend_from_slice(match last {
        Last::LineEnd => b".\r\n",
        Last::Cr => b"\n.\r\n",
        Last::Text => b"\r\n.\r\n",
    });
    out
}

fn append(mut rest: &[u8], mut last: Last, out: &mut BytesMut) -> Last {
    while let Some(&first) = rest.first() {
        match (first, last) {
            (b'\n', Last::Cr) => {
                out.extend_from_slice(b"\n");
                (rest, last) = (rest.get(1..).unwrap_or_default(), Last::LineEnd);
                continue;
            }
            (_, Last::Cr) => {
                out.extend_from_slice(b"\n");
                last = Last::LineEnd;
            }
            _ => {}
        }
        if first == b'.' && last == Last::LineEnd {
            out.extend_from_slice(b".");
        }
        let length = memchr::memchr2(b'\r', b'\n', rest);
        let (text, after) = rest.split_at(length.unwrap_or(rest.len()));
        out.extend_from_slice(text);
        if !text.is_empty() {
            last = Last::Text;
        }
        rest = match after.first() {
            Some(b'\r') => {
                out.extend_from_slice(b"\r");
                last = Last::Cr;
                after.get(1..).unwrap_or_default()
            }
            Some(_) => {
                out.extend_from_slice(b"\r\n");
                last = Last::LineEnd;
                after.get(1..).unwrap_or_default()
            }
            None => after,
        };
    }
    last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::{BareLineEnds, DataDecoder, Framing};

    fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
        let pieces: Vec<_> = pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
        encode(pieces.iter(), 0).to_vec()
    }

    #[test]
    fn doubles_dots_and_ends() {
        for (message, wire) in [
            (&b""[..], &b".\r\n"[..]),
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n..\r\n.a\r\n", b"..\r\n...\r\n..a\r\n.\r\n"),
            (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r.\rb\r", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
            (b"\n\r", b"\r\n\r\n.\r\n"),
        ] {
            assert_eq!(encoded(&[message]), wire, "{message:?}");
        }
    }

    /// What our own server makes of it, which takes no half line ends.
    fn decoded(wire: &[u8]) -> Bytes {
        let mut decoder = DataDecoder::new(Framing::Dots(BareLineEnds::Reject), u64::MAX, None);
        let mut input = BytesMut::from(wire);
        let message = decoder.take(&mut input).expect("it has an end").expect("it has whole line ends");
        assert!(input.is_empty(), "nothing is behind the end");
        message
    }

    proptest! {
        #[test]
        fn comes_out_as_it_went_in(lines in proptest::collection::vec("[.a\u{fc}]{0,3}", 0..8), cut in 0_usize..20) {
            let message: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let (one, two) = message.as_bytes().split_at(cut.min(message.len()));
            prop_assert_eq!(&decoded(&encoded(&[one, two]))[..], message.as_bytes());
        }

        #[test]
        fn no_bare_line_end_leaves(octets in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..40), cut in 0_usize..40) {
            let (one, two) = octets.split_at(cut.min(octets.len()));
            decoded(&encoded(&[one, two]));
        }
    }
}
