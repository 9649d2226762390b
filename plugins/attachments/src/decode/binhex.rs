//! BinHex 4.0 (RFC 1741): six bits a character, runs of equal octets, and inside a header, a data fork and a resource fork, each with a CRC.
//!
//! The data fork is the file. The resource fork (icons, fonts, code of old Mac programs) is read for its CRC and dropped.

use super::Damage;

const FOREIGN: u8 = 64;

static VALUES: [u8; 256] = {
    const ALPHABET: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
    let mut table = [FOREIGN; 256];
    let mut value = 0;
    while value < 64 {
        table[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    table
};

/// Begins a run: the octet before it, as often as the next one says; 0 means this octet itself.
const RUN: u8 = 0x90;

/// Octets of a name, as old Macs had it.
const LONGEST_NAME: usize = 63;

/// What the octets at this moment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Header,
    Data,
    Resource,
    Done,
}

/// The header of a BinHex file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The file's name, in the character set of old Macs.
    pub name: Vec<u8>,
    /// Octets of the data fork.
    pub data: u32,
    /// Octets of the resource fork.
    pub resource: u32,
}

/// Decoder of what stands between the two colons.
#[derive(Debug)]
pub struct BinHex {
    bits: u32,
    held: u8,
    /// The octet that a run repeats.
    last: u8,
    in_run: bool,
    section: Section,
    /// The header as it comes in; after it, nothing.
    gathered: Vec<u8>,
    header: Option<Header>,
    /// Octets of this section that are still to come, its CRC's two included.
    left: u64,
    crc: u16,
    /// The CRC that the sender says, as far as it has come.
    expected: u16,
    damage: Option<Damage>,
}

impl Default for BinHex {
    fn default() -> Self {
        Self {
            bits: 0,
            held: 0,
            last: 0,
            in_run: false,
            section: Section::Header,
            gathered: Vec::new(),
            header: None,
            left: 0,
            crc: 0,
            expected: 0,
            damage: None,
        }
    }
}

impl BinHex {
    /// Decode a piece; `out` gets the data fork.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Damage> {
        for octet in input {
            match VALUES[usize::from(*octet)] {
                FOREIGN if octet.is_ascii_whitespace() => {}
                FOREIGN => self.damage = Some(Damage::Foreign("BinHex")),
                value => {
                    self.bits = self.bits << 6 | u32::from(value);
                    self.held += 6;
                    if self.held >= 8 {
                        self.held -= 8;
                        let octet = (self.bits >> self.held) as u8;
                        self.expand(octet, out);
                    }
                }
            }
        }
        self.damage.take().map_or(Ok(()), Err)
    }

    /// The header, once it is there.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// Whether all sections have come; what follows up to the colon is filling.
    pub fn finish(&self) -> Result<(), Damage> {
        match (&self.header, self.section) {
            (_, Section::Done) => Ok(()),
            (None, _) => Err(Damage::BadHeader),
            (Some(_), _) => Err(Damage::Incomplete("BinHex")),
        }
    }

    fn expand(&mut self, octet: u8, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.in_run) {
            if octet == 0 {
                self.last = RUN;
                self.octet(RUN, out);
            } else {
                (1..octet).for_each(|_| self.octet(self.last, out));
            }
        } else if octet == RUN {
            self.in_run = true;
        } else {
            self.last = octet;
            self.octet(octet, out);
        }
    }

    fn octet(&mut self, octet: u8, out: &mut Vec<u8>) {
        match self.section {
            Section::Done => return,
            Section::Header if self.header.is_none() => {
                self.crc = crc16(self.crc, octet);
                return self.gather(octet);
            }
            Section::Data if self.left > 2 => out.push(octet),
            _ => {}
        }
        if self.left > 2 {
            self.crc = crc16(self.crc, octet);
        } else {
            self.expected = self.expected << 8 | u16::from(octet);
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.next_section();
        }
    }

    /// The header: length of the name, name, a zero, type, creator, flags, lengths of the forks, and then its CRC.
    fn gather(&mut self, octet: u8) {
        self.gathered.push(octet);
        let name = usize::from(self.gathered[0]);
        if !(1..=LONGEST_NAME).contains(&name) {
            self.damage = Some(Damage::BadHeader);
            self.section = Section::Done;
            return;
        }
        if self.gathered.len() < 1 + name + 19 {
            return;
        }
        let number = |at: usize| {
            let octets = self.gathered.get(at..at + 4).and_then(|octets| octets.try_into().ok());
            u32::from_be_bytes(octets.unwrap_or_default())
        };
        let (data, resource) = (number(1 + name + 11), number(1 + name + 15));
        let name = self.gathered.get(1..=name).unwrap_or_default().to_vec();
        self.header = Some(Header { name, data, resource });
        self.gathered = Vec::new();
        self.left = 2;
    }

    fn next_section(&mut self) {
        if self.crc != self.expected {
            let (expected, found) = (u32::from(self.expected), u32::from(self.crc));
            self.damage = Some(Damage::Checksum { expected, found });
        }
        (self.crc, self.expected) = (0, 0);
        let length = |of: fn(&Header) -> u32| self.header.as_ref().map_or(0, of);
        (self.section, self.left) = match self.section {
            Section::Header => (Section::Data, u64::from(length(|header| header.data)) + 2),
            Section::Data => (Section::Resource, u64::from(length(|header| header.resource)) + 2),
            Section::Resource | Section::Done => (Section::Done, 0),
        };
    }
}

/// CRC-16 of the CCITT polynomial, from 0, most significant bit first.
fn crc16(crc: u16, octet: u8) -> u16 {
    static TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let mut crc = (index as u16) << 8;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
                bit += 1;
            }
            table[index] = crc;
            index += 1;
        }
        table
    };
    crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ octet)]
}
