//! Decoders: pure state machines that take octets as they come, in pieces of any length, and never stop at damage: they tell it
//! and go on with what follows.

pub mod base64;
pub mod binhex;
pub mod quoted_printable;
pub mod uu;
pub mod yenc;

/// What is wrong with an encoded file. What could be read of it is there all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Characters outside the alphabet; they are left out.
    #[error("characters that {0} does not have")]
    Foreign(&'static str),
    /// An encoded group lacks characters.
    #[error("{0} ends within a group")]
    Incomplete(&'static str),
    /// `=` in quoted-printable without two hexadecimal digits; it stays as it is.
    #[error("`=` without two hexadecimal digits")]
    BadEscape,
    /// A line of uuencode or xxencode is shorter or longer than its first character says.
    #[error("a line of {found} characters that should have {expected}")]
    LineLength {
        /// As the first character says.
        expected: usize,
        /// As it is.
        found: usize,
    },
    /// There is no end mark: `end`, `====`, `:`, `=yend`, or a boundary of multipart.
    #[error("its end is missing")]
    NoEnd,
    /// A checksum differs.
    #[error("checksum is {found:x}, should be {expected:x}")]
    Checksum {
        /// As the sender says.
        expected: u32,
        /// Of what came.
        found: u32,
    },
    /// The size differs.
    #[error("{found} octets, should be {expected}")]
    Size {
        /// As the sender says.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A header inside the encoding (BinHex, yEnc) makes no sense.
    #[error("its own header makes no sense")]
    BadHeader,
    /// A part of a yEnc file in several parts is not there, or there twice, or overlaps another.
    #[error("its parts do not fit together: the one from octet {0} is missing")]
    MissingPart(u64),
    /// Parts of yEnc in a text that is encoded once more.
    #[error("its parts stand in an encoded text and are not put together")]
    EncodedParts,
}

/// Decodes the content of a MIME part (RFC 2045 6).
#[derive(Debug)]
pub enum Decoder {
    /// 7bit, 8bit, binary: as it is.
    Identity,
    /// `base64`.
    Base64(base64::Base64),
    /// `quoted-printable`.
    QuotedPrintable(quoted_printable::QuotedPrintable),
}

impl Decoder {
    /// Decode a piece. An error is the first damage in it; all of the piece is decoded even so.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), Damage> {
        match self {
            Self::Identity => {
                out.extend_from_slice(input);
                Ok(())
            }
            Self::Base64(decoder) => decoder.feed(input, out),
            Self::QuotedPrintable(decoder) => decoder.feed(input, out),
        }
    }

    /// What is left after the last piece.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Damage> {
        match self {
            Self::Identity => Ok(()),
            Self::Base64(decoder) => decoder.finish(out),
            Self::QuotedPrintable(decoder) => decoder.finish(out),
        }
    }

    /// Whether what goes in comes out.
    pub fn is_identity(&self) -> bool {
        matches!(self, Self::Identity)
    }
}

#[cfg(test)]
mod tests;
