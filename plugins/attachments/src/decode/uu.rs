//! uuencode (POSIX) and xxencode: lines whose first character is their length. One line at a time; the lines around them are the finder's.

use super::Damage;

/// Which characters stand for the values 0 to 63.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// 0x20 to 0x5F; a backquote is 0 as well, because blanks get lost.
    Uu,
    /// `+-0-9A-Za-z`.
    Xx,
}

const FOREIGN: u8 = 64;

static XX: [u8; 256] = {
    const ALPHABET: &[u8; 64] = b"+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut table = [FOREIGN; 256];
    let mut value = 0;
    while value < 64 {
        table[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    table
};

impl Alphabet {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uu => "uuencode",
            Self::Xx => "xxencode",
        }
    }

    fn value(self, octet: u8) -> u8 {
        match self {
            Self::Uu if (b' '..=b'`').contains(&octet) => (octet - b' ') & 63,
            Self::Uu => FOREIGN,
            Self::Xx => XX[usize::from(octet)],
        }
    }

    /// The octets that a line says it has, none if it can't be one.
    fn length(self, line: &[u8]) -> Option<usize> {
        let value = self.value(*line.first()?);
        (value < FOREIGN).then_some(usize::from(value))
    }

    /// Characters that follow the first in a line of that many octets.
    fn characters(octets: usize) -> usize {
        octets.div_ceil(3) * 4
    }

    /// The alphabet that fits the first line after `begin`, none if neither does.
    pub fn of_first_line(line: &[u8]) -> Option<Self> {
        // A full line, whatever has become of its characters.
        match (line.first(), line.len()) {
            (Some(b'M'), 61) => return Some(Self::Uu),
            (Some(b'h'), 61) => return Some(Self::Xx),
            _ => {}
        }
        let fits = |alphabet: &Self| {
            let all = line.iter().all(|octet| alphabet.value(*octet) < FOREIGN);
            alphabet.length(line).is_some_and(|octets| {
                let (expected, found) = (Self::characters(octets), line.len() - 1);
                // A checksum character at the end, unpadded last groups, and blanks that got lost.
                all && (found.abs_diff(expected) <= 2 || *alphabet == Self::Uu && found < expected && octets == 45)
            })
        };
        [Self::Uu, Self::Xx].into_iter().find(fits)
    }

    /// Decode one line, without its line end. Whether it is the empty one before `end` shows in its length of 0.
    ///
    /// A line that is too short is filled up with zeros. That is damage only where `strict`: encoders that write blanks for zeros
    /// lose them to mailers that cut blanks.
    pub fn line(self, line: &[u8], strict: bool, out: &mut Vec<u8>) -> Result<usize, Damage> {
        let Some(octets) = self.length(line) else { return Err(Damage::Foreign(self.name())) };
        let characters = line.get(1..).unwrap_or_default();
        let (expected, found) = (Self::characters(octets), characters.len());
        let begin = out.len();
        let mut foreign = false;
        let mut value = |index: usize| match characters.get(index).map_or(0, |octet| self.value(*octet)) {
            FOREIGN => {
                foreign = true;
                0
            }
            value => value,
        };
        for group in (0..expected).step_by(4) {
            let [a, b, c, d] = [0, 1, 2, 3].map(|offset| value(group + offset));
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        }
        out.truncate(begin + octets);
        // An unpadded last group is complete; two characters more may be a checksum and a mark.
        let complete = (octets * 4).div_ceil(3);
        if foreign {
            // Neither characters nor length: this is no line of it.
            if found.abs_diff(expected) > 2 {
                out.truncate(begin);
            }
            Err(Damage::Foreign(self.name()))
        } else if found < complete && strict || found > expected + 2 {
            Err(Damage::LineLength { expected, found })
        } else {
            Ok(octets)
        }
    }
}
