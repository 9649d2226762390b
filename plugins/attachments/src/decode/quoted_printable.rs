//! Quoted-printable (RFC 2045 6.7): soft line breaks, blanks at line ends that some relay has put there, and escapes that are none, which
//! stay as they are.

use super::Damage;

/// Blanks that are held back because a line end may follow; more than this are content.
const MOST_BLANKS: usize = 1024;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After `=`.
    Escape,
    /// After `=` and a hexadecimal digit.
    High(u8),
    /// After `=` and blanks: a line end should follow.
    Soft,
    /// After `=` and CR.
    SoftCr,
}

/// Decoder of quoted-printable.
#[derive(Debug, Default)]
pub struct QuotedPrintable {
    state: State,
    /// Blanks that are nothing if the line ends after them.
    blanks: Vec<u8>,
}

impl QuotedPrintable {
    /// Decode a piece; see [`Decoder::feed`](super::Decoder::feed).
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Damage> {
        let mut told = Ok(());
        let mut rest = input;
        while let Some((octet, after)) = rest.split_first() {
            if self.state == State::Text {
                let end = memchr::memchr3(b'=', b'\r', b'\n', rest).unwrap_or(rest.len());
                let (text, special) = rest.split_at(end);
                self.text(text, out);
                rest = special;
                if let Some((octet, after)) = special.split_first() {
                    self.special(*octet, out);
                    rest = after;
                }
            } else if self.escape(*octet, out, &mut told) {
                rest = after;
            }
        }
        told
    }

    /// Octets that mean themselves.
    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let end = text.iter().rposition(|octet| !matches!(octet, b' ' | b'\t')).map_or(0, |last| last + 1);
        let (text, blanks) = text.split_at(end);
        if !text.is_empty() {
            out.append(&mut self.blanks);
            out.extend_from_slice(text);
        }
        for blank in blanks {
            self.blanks.push(*blank);
            if self.blanks.len() == MOST_BLANKS {
                out.append(&mut self.blanks);
            }
        }
    }

    fn special(&mut self, octet: u8, out: &mut Vec<u8>) {
        if octet == b'=' {
            out.append(&mut self.blanks);
            self.state = State::Escape;
        } else {
            self.blanks.clear();
            out.push(octet);
        }
    }

    /// One octet after `=`. Returns whether it was used.
    fn escape(&mut self, octet: u8, out: &mut Vec<u8>, told: &mut Result<(), Damage>) -> bool {
        let digit = (octet as char).to_digit(16).map(|digit| digit as u8);
        let mut bad = |octets: &[u8]| {
            out.extend_from_slice(octets);
            *told = Err(Damage::BadEscape);
            State::Text
        };
        let (state, used) = match (self.state, octet, digit) {
            (State::Escape, _, Some(_)) => (State::High(octet), true),
            (State::High(high), _, Some(low)) => {
                let high = (high as char).to_digit(16).unwrap_or(0) as u8;
                out.push(high << 4 | low);
                (State::Text, true)
            }
            (State::High(high), ..) => (bad(&[b'=', high]), false),
            (State::Escape | State::Soft, b' ' | b'\t', _) => (State::Soft, true),
            (State::Escape | State::Soft, b'\r', _) => (State::SoftCr, true),
            (State::Escape | State::Soft | State::SoftCr, b'\n', _) => (State::Text, true),
            (State::SoftCr, ..) => (State::Text, false),
            _ => (bad(b"="), false),
        };
        self.state = state;
        used
    }

    /// What is left. The line end before a boundary is not content, so a soft line break may be the end.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Damage> {
        self.blanks.clear();
        match std::mem::take(&mut self.state) {
            State::High(high) => {
                out.extend_from_slice(&[b'=', high]);
                Err(Damage::BadEscape)
            }
            _ => Ok(()),
        }
    }
}
