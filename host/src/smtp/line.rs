//! From octets to command lines.
//!
//! A line ends in CRLF. A bare LF ends a line too, or a client that sends only LF would wait for ever, but such a line is
//! refused unless the setting says otherwise, as with Postfix's `smtpd_forbid_bare_newline`.

use bytes::{Buf, BytesMut};

use super::{
    data::BareLineEnds,
    reply::{EnhancedCode, Reply},
};

/// Longest command line in octets, line end included. RFC 5321 4.5.3.1.4 asks for 512 and more for each extension;
/// this is Postfix's `line_length_limit`.
pub const LINE_LIMIT: usize = 2048;

/// Why a line is no command line. The line is gone and the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// More than [`LINE_LIMIT`] octets: `500 5.5.2`.
    #[error("Error: line too long")]
    TooLong,
    /// It ended in LF without CR: `550 5.5.2`.
    #[error("Error: bare <LF> received, lines end in <CR><LF>")]
    BareLineFeed,
}

impl LineError {
    /// What the client hears.
    pub fn reply(self) -> Reply {
        let code = match self {
            Self::TooLong => 500,
            Self::BareLineFeed => 550,
        };
        Reply::new(code, EnhancedCode(5, 5, 2), self.to_string())
    }
}

/// Takes lines off the front of a buffer. Remembers only whether it is in the middle of a line that is too long.
#[derive(Debug, Default)]
pub struct LineReader {
    skipping: bool,
}

impl LineReader {
    /// The next line without its line end; none while it isn't complete. What is returned has left `input`; of a line
    /// that is too long nothing is kept.
    pub fn take(&mut self, input: &mut BytesMut, bare: BareLineEnds) -> Option<Result<BytesMut, LineError>> {
        let Some(end) = memchr::memchr(b'\n', input) else {
            if self.skipping || input.len() >= LINE_LIMIT {
                self.skipping = true;
                input.clear();
            }
            return None;
        };
        if std::mem::take(&mut self.skipping) || end >= LINE_LIMIT {
            input.advance(end + 1);
            return Some(Err(LineError::TooLong));
        }
        let mut line = input.split_to(end + 1);
        if line.ends_with(b"\r\n") {
            line.truncate(end - 1);
        } else if bare == BareLineEnds::Normalize {
            line.truncate(end);
        } else {
            return Some(Err(LineError::BareLineFeed));
        }
        Some(Ok(line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Result<Vec<u8>, LineError>> {
        lines_as(BareLineEnds::Reject, chunks)
    }

    fn lines_as(bare: BareLineEnds, chunks: &[&[u8]]) -> Vec<Result<Vec<u8>, LineError>> {
        let (mut reader, mut input, mut lines) = (LineReader::default(), BytesMut::new(), vec![]);
        for chunk in chunks {
            input.extend_from_slice(chunk);
            while let Some(line) = reader.take(&mut input, bare) {
                lines.push(line.map(|line| line.to_vec()));
            }
            assert!(input.len() < LINE_LIMIT, "memory is bounded");
        }
        lines
    }

    #[test]
    fn the_longest_line_and_one_octet_more() {
        let exact = [vec![b'a'; LINE_LIMIT - 2], b"\r\n".to_vec()].concat();
        assert_eq!(lines(&[&exact]), [Ok(vec![b'a'; LINE_LIMIT - 2])]);
        let long = [b"a".to_vec(), exact, b"NOOP\r\n".to_vec()].concat();
        assert_eq!(lines(&[&long]), [Err(LineError::TooLong), Ok(b"NOOP".to_vec())]);
    }

    #[test]
    fn bare_line_ends() {
        assert_eq!(lines(&[b"NOOP\nRSET\r\n"]), [Err(LineError::BareLineFeed), Ok(b"RSET".to_vec())]);
        assert_eq!(lines(&[b"\n"]), [Err(LineError::BareLineFeed)]);
        let normalized = lines_as(BareLineEnds::Normalize, &[b"NOOP\nRSET\r\n\n"]);
        assert_eq!(normalized, [Ok(b"NOOP".to_vec()), Ok(b"RSET".to_vec()), Ok(vec![])]);
        assert_eq!(lines(&[b"NO\rOP\r\n"]), [Ok(b"NO\rOP".to_vec())], "the command parser refuses it");
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            pieces in vec(prop_oneof![
                Just(b"\r\n".to_vec()), Just(b"\n".to_vec()), Just(b"\r".to_vec()), vec(any::<u8>(), 0..40),
                (2000usize..2100).prop_map(|n| vec![b'x'; n]),
            ], 0..12),
            cuts in vec(1usize..700, 1..40),
        ) {
            let all = pieces.concat();
            let (mut chunks, mut rest) = (vec![], all.as_slice());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (chunk, tail) = rest.split_at((*cut).min(rest.len()));
                chunks.push(chunk);
                rest = tail;
            }
            prop_assert_eq!(lines(&chunks), lines(&[&all]));
        }
    }
}
