//! A message as a list of raw header fields and a rope of body pieces: slices over what came in, nothing decoded.

use bytes::Bytes;

/// One header field (RFC 5322 2.2), raw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The whole field as received: name, colon, value with folded lines, and its line end.
    raw: Bytes,
    /// Octets of `raw` that are the name, blanks before the colon not counted.
    name: usize,
    /// Offset in `raw` of the first octet after the colon.
    value: usize,
}

/// A message (RFC 5322): fields, and a body after an empty line. Line ends are CRLF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub(super) fields: Vec<Field>,
    /// The empty line between header and body; empty where the message has none.
    pub(super) separator: Bytes,
    pub(super) body: Body,
}

/// The body: pieces that follow one another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    pieces: Vec<Bytes>,
    len: u64,
}
