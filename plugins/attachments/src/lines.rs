//! Octets cut into lines, in bounded memory.

/// A line longer than this comes in pieces.
pub const LONGEST: usize = 4096;

/// A line, or a piece of a long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Without its line end.
    pub octets: &'a [u8],
    /// CRLF or LF; empty where the line goes on, or is the last and has none.
    pub end: &'static [u8],
    /// Whether a line begins here; otherwise this is the rest of one.
    pub starts: bool,
    /// Where it begins, counted from the first octet of all.
    pub at: u64,
}

impl Line<'_> {
    /// Where the next one begins.
    pub fn next(&self) -> u64 {
        self.at + (self.octets.len() + self.end.len()) as u64
    }
}

/// Cuts pieces into lines. How the pieces are cut makes no difference.
#[derive(Debug)]
pub struct Lines {
    /// The beginning of a line whose end has not come yet.
    carry: Vec<u8>,
    at: u64,
    starts: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self { carry: Vec::new(), at: 0, starts: true }
    }
}

impl Lines {
    /// Take a piece; `each` gets the lines that are complete.
    pub fn feed(&mut self, piece: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = piece;
        while !rest.is_empty() {
            let room = LONGEST - self.carry.len();
            let near = rest.get(..room + 1).unwrap_or(rest);
            match memchr::memchr(b'\n', near) {
                Some(newline) => {
                    let (line, after) = rest.split_at(newline + 1);
                    rest = after;
                    if self.carry.is_empty() {
                        self.give(line, &mut each);
                    } else {
                        self.carry.extend_from_slice(line);
                        self.give_carry(&mut each);
                    }
                }
                None if near.len() > room => {
                    let (line, after) = rest.split_at(room);
                    rest = after;
                    self.carry.extend_from_slice(line);
                    self.give_carry(&mut each);
                }
                None => {
                    self.carry.extend_from_slice(rest);
                    return;
                }
            }
        }
    }

    /// The last line, if it has no end.
    pub fn finish(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.carry.is_empty() {
            self.give_carry(&mut each);
        }
    }

    fn give_carry(&mut self, each: &mut impl FnMut(Line<'_>)) {
        let mut carry = std::mem::take(&mut self.carry);
        self.give(&carry, each);
        carry.clear();
        self.carry = carry;
    }

    fn give(&mut self, octets: &[u8], each: &mut impl FnMut(Line<'_>)) {
        let (octets, end): (&[u8], &'static [u8]) = match octets {
            [line @ .., b'\r', b'\n'] => (line, b"\r\n"),
            [line @ .., b'\n'] => (line, b"\n"),
            line => (line, b""),
        };
        let line = Line { octets, end, starts: self.starts, at: self.at };
        (self.at, self.starts) = (line.next(), !end.is_empty());
        each(line);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<(Vec<u8>, usize, bool, u64)> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        let mut each = |line: Line<'_>| found.push((line.octets.to_vec(), line.end.len(), line.starts, line.at));
        pieces.iter().for_each(|piece| lines.feed(piece, &mut each));
        lines.finish(&mut each);
        found
    }

    #[test]
    fn lines_end_with_lf_or_crlf() {
        let found = cut(&[b"a\r\n\nb\rc\n", b"d"]);
        let expected: [(&[u8], usize, bool, u64); 4] =
            [(b"a", 2, true, 0), (b"", 1, true, 3), (b"b\rc", 1, true, 4), (b"d", 0, true, 8)];
        assert_eq!(found, expected.map(|(octets, end, starts, at)| (octets.to_vec(), end, starts, at)));
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        let long = [&b"x".repeat(LONGEST + 1)[..], b"\r\ny"].concat();
        let lengths: Vec<_> = cut(&[&long]).iter().map(|line| (line.0.len(), line.1, line.2)).collect();
        assert_eq!(lengths, [(LONGEST, 0, true), (1, 2, false), (1, 0, true)]);
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'x')], 0..200),
            stretch in 0_usize..3,
            at in 0_usize..10_000,
        ) {
            let text = text.repeat(1 + stretch * 40);
            let (a, b) = text.split_at(at.min(text.len()));
            prop_assert_eq!(cut(&[a, b]), cut(&[&text]));
            let whole: Vec<u8> = cut(&[&text]).into_iter().flat_map(|line| line.0).collect();
            prop_assert!(whole.len() <= text.len());
        }
    }
}
