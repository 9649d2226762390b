//! Base64 (RFC 2045 6.8): characters outside the alphabet are left out and told, line ends and blanks are nothing; data after padding is a
//! new beginning, as some mailers join two encodings.

use super::Damage;

/// No character of the alphabet. The tables hold values that are already where they belong in a group of 24 bits, so one `or` joins
/// a group, and this bit shows a foreign character in any of the four.
const FOREIGN: u32 = 1 << 24;

static TABLES: [[u32; 256]; 4] = [table(18), table(12), table(6), table(0)];

const fn table(shift: u32) -> [u32; 256] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [FOREIGN; 256];
    let mut value = 0;
    while value < 64 {
        table[ALPHABET[value as usize] as usize] = value << shift;
        value += 1;
    }
    table
}

fn value(octet: u8) -> u32 {
    TABLES[3][octet as usize]
}

/// Decoder of base64.
#[derive(Debug, Default)]
pub struct Base64 {
    /// Bits of the group so far.
    bits: u32,
    /// Characters of the group so far, 0 to 3.
    held: u8,
    /// `=` that may still follow.
    padding: u8,
}

impl Base64 {
    /// Decode a piece; see [`Decoder::feed`](super::Decoder::feed).
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Damage> {
        let mut told = Ok(());
        let mut rest = input;
        while !rest.is_empty() {
            if self.held == 0 {
                rest = whole_groups(rest, out);
            }
            // Up to the next place where groups can be taken together.
            let mut used = 0;
            for octet in rest {
                used += 1;
                if self.step(*octet, out).is_err() {
                    told = Err(Damage::Foreign("base64"));
                }
                if self.held == 0 && used >= 4 {
                    break;
                }
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        told
    }

    /// One character.
    fn step(&mut self, octet: u8, out: &mut Vec<u8>) -> Result<(), ()> {
        let value = value(octet);
        match octet {
            b' ' | b'\t' | b'\r' | b'\n' => Ok(()),
            b'=' if self.held >= 2 => {
                self.padding = 3 - self.held;
                self.flush(out);
                Ok(())
            }
            b'=' if self.held == 0 && self.padding > 0 => {
                self.padding -= 1;
                Ok(())
            }
            _ if value == FOREIGN => Err(()),
            _ => {
                self.padding = 0;
                self.bits = self.bits << 6 | value;
                self.held += 1;
                if self.held == 4 {
                    out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
                    (self.bits, self.held) = (0, 0);
                }
                Ok(())
            }
        }
    }

    /// The octets of a group of two or three characters.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let octets = (self.bits << (6 * (4 - u32::from(self.held)))).to_be_bytes();
        out.extend_from_slice(&octets[1..usize::from(self.held)]);
        (self.bits, self.held) = (0, 0);
    }

    /// What is left: a group without its padding is damage, its octets come all the same.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Damage> {
        if self.held == 0 {
            return Ok(());
        }
        self.flush(out);
        Err(Damage::Incomplete("base64"))
    }
}

/// Decode groups of four until something else than the alphabet comes; returns the rest.
fn whole_groups<'a>(input: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let begin = out.len();
    out.resize(begin + input.len() / 4 * 3, 0);
    let mut done = 0;
    let room = out.get_mut(begin..).unwrap_or_default();
    for (group, room) in input.as_chunks::<4>().0.iter().zip(room.as_chunks_mut::<3>().0) {
        let [a, b, c, d] = group.map(usize::from);
        let bits = TABLES[0][a] | TABLES[1][b] | TABLES[2][c] | TABLES[3][d];
        if bits >= FOREIGN {
            break;
        }
        let [_, octets @ ..] = bits.to_be_bytes();
        *room = octets;
        done += 1;
    }
    out.truncate(begin + done * 3);
    input.get(done * 4..).unwrap_or_default()
}
