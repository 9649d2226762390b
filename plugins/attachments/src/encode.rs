//! Encoders for what takes the place of a stripped attachment (RFC 2045 6.7, 6.8); incremental as the decoders are.

/// Characters of a line.
const WIDTH: usize = 76;

/// Encodes a text once more, as it was encoded before.
#[derive(Debug)]
pub enum Encoder {
    /// `base64`.
    Base64(Base64),
    /// `quoted-printable`.
    QuotedPrintable(QuotedPrintable),
}

impl Encoder {
    /// Encode a piece.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Base64(encoder) => encoder.feed(input, out),
            Self::QuotedPrintable(encoder) => encoder.feed(input, out),
        }
    }

    /// What is left after the last piece.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::Base64(encoder) => encoder.finish(out),
            Self::QuotedPrintable(encoder) => encoder.finish(out),
        }
    }
}

/// Encoder of base64.
#[derive(Debug, Default)]
pub struct Base64 {
    held: Vec<u8>,
    column: usize,
}

impl Base64 {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for octet in input {
            self.held.push(*octet);
            if self.held.len() == 3 {
                self.group(out);
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            self.group(out);
        }
    }

    fn group(&mut self, out: &mut Vec<u8>) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        if self.column == WIDTH {
            out.extend_from_slice(b"\r\n");
            self.column = 0;
        }
        let octet = |index: usize| self.held.get(index).map_or(0, |octet| u32::from(*octet));
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for index in 0..4 {
            let value = (bits >> (18 - 6 * index)) & 63;
            out.push(if index as usize > self.held.len() { b'=' } else { ALPHABET[value as usize] });
        }
        self.column += 4;
        self.held.clear();
    }
}

/// Encoder of quoted-printable.
#[derive(Debug, Default)]
pub struct QuotedPrintable {
    /// A blank or CR that is written when it is known what follows.
    held: Option<u8>,
    column: usize,
}

impl QuotedPrintable {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) {
        for octet in input {
            match (self.held.take(), octet) {
                (Some(b'\r'), b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    self.column = 0;
                    continue;
                }
                (Some(b'\r'), _) => self.escaped(b'\r', out),
                // RFC 2045 6.7 (3): no blank at the end of a line.
                (Some(blank), b'\r') => self.escaped(blank, out),
                (Some(blank), _) => self.write(&[blank], out),
                (None, _) => {}
            }
            match octet {
                b'\r' | b' ' | b'\t' => self.held = Some(*octet),
                b'!'..=b'<' | b'>'..=b'~' => self.write(&[*octet], out),
                _ => self.escaped(*octet, out),
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(held) = self.held.take() {
            self.escaped(held, out);
        }
    }

    fn escaped(&mut self, octet: u8, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        self.write(&[b'=', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]], out);
    }

    fn write(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        if self.column + octets.len() >= WIDTH {
            out.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        out.extend_from_slice(octets);
        self.column += octets.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decode::{Decoder, base64, quoted_printable};

    fn encoded(mut encoder: Encoder, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.feed(text, &mut out);
        encoder.finish(&mut out);
        out
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            proptest::collection::vec(prop_oneof![Just(b' '), Just(b'\r'), Just(b'\n'), Just(b'='), Just(b'x')], 0..300),
        ]) {
            for (encoder, mut decoder) in [
                (Encoder::Base64(Base64::default()), Decoder::Base64(base64::Base64::default())),
                (
                    Encoder::QuotedPrintable(QuotedPrintable::default()),
                    Decoder::QuotedPrintable(quoted_printable::QuotedPrintable::default()),
                ),
            ] {
                let encoded = encoded(encoder, &text);
                prop_assert!(encoded.split(|octet| *octet == b'\n').all(|line| line.len() <= WIDTH + 1));
                let mut decoded = Vec::new();
                prop_assert_eq!(decoder.feed(&encoded, &mut decoded), Ok(()));
                prop_assert_eq!(decoder.finish(&mut decoded), Ok(()));
                prop_assert_eq!(&decoded, &text);
            }
        }
    }
}
