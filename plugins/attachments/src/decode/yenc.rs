//! yEnc (draft 1.3): all octets but a few as they are, plus 42.

use super::Damage;

/// Decodes data lines and keeps their CRC-32 and number.
#[derive(Clone, Debug, Default)]
pub struct Yenc {
    escaped: bool,
    crc: crc32fast::Hasher,
    size: u64,
}

impl Yenc {
    /// Decode a piece of a data line; line ends are not data.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        let mut rest = input;
        while let Some(octet) = rest.first() {
            if std::mem::take(&mut self.escaped) {
                out.push(octet.wrapping_sub(64 + 42));
                rest = rest.get(1..).unwrap_or_default();
            } else {
                let end = memchr::memchr(b'=', rest).unwrap_or(rest.len());
                let (plain, after) = rest.split_at(end);
                out.extend(plain.iter().map(|octet| octet.wrapping_sub(42)));
                self.escaped = !after.is_empty();
                rest = after.get(1..).unwrap_or_default();
            }
        }
        let new = out.get(begin..).unwrap_or_default();
        self.crc.update(new);
        self.size += new.len() as u64;
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// CRC-32 so far.
    pub fn crc(&self) -> u32 {
        self.crc.clone().finalize()
    }

    /// Compare with what the sender says.
    pub fn check(&self, size: Option<u64>, crc: Option<u32>) -> Result<(), Damage> {
        let found = self.crc();
        match (size, crc) {
            (Some(expected), _) if expected != self.size => Err(Damage::Size { expected, found: self.size }),
            (_, Some(expected)) if expected != found => Err(Damage::Checksum { expected, found }),
            _ if self.escaped => Err(Damage::Incomplete("yEnc")),
            _ => Ok(()),
        }
    }
}

/// A line that begins with `=ybegin`, `=ypart` or `=yend`: its keys. `name` is the last one and takes all that follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// `size`: octets of the whole file, or, at `=yend`, of this part.
    pub size: Option<u64>,
    /// `part`: from 1.
    pub part: Option<u64>,
    /// `begin`: first octet of this part, from 1.
    pub begin: Option<u64>,
    /// `end`: last octet of this part.
    pub end: Option<u64>,
    /// `pcrc32`: of this part.
    pub part_crc: Option<u32>,
    /// `crc32`: of the whole file.
    pub crc: Option<u32>,
    /// `name`.
    pub name: Vec<u8>,
}

impl Keys {
    /// The keys after `keyword`, none if the line doesn't begin with it and a blank.
    pub fn parse(line: &[u8], keyword: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(keyword)?;
        let rest = rest.strip_prefix(b" ")?;
        let (pairs, name) = match memchr::memmem::find(rest, b"name=") {
            Some(at) => (rest.get(..at)?, rest.get(at + b"name=".len()..)?),
            None => (rest, &b""[..]),
        };
        let mut keys = Self { name: name.trim_ascii().to_vec(), ..Self::default() };
        for pair in pairs.split(u8::is_ascii_whitespace) {
            let Some((key, value)) = str::from_utf8(pair).ok().and_then(|pair| pair.split_once('=')) else { continue };
            match key {
                "size" => keys.size = value.parse().ok(),
                "part" => keys.part = value.parse().ok(),
                "begin" => keys.begin = value.parse().ok(),
                "end" => keys.end = value.parse().ok(),
                "pcrc32" => keys.part_crc = u32::from_str_radix(value, 16).ok(),
                "crc32" => keys.crc = u32::from_str_radix(value, 16).ok(),
                _ => {}
            }
        }
        Some(keys)
    }
}
