//! A message as a list of raw header fields and a rope of body pieces: slices over what came in, nothing decoded.

use std::iter;

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

impl Field {
    /// A field of our own. Name and value must have been checked: see [`super::apply`].
    pub(super) fn new(name: &str, value: &[u8]) -> Self {
        let raw = Bytes::from([name.as_bytes(), b":", value, b"\r\n"].concat());
        Self { raw, name: name.len(), value: name.len() + 1 }
    }

    /// The field that these lines are, if their beginning is one: printable ASCII without colon, perhaps blanks, a colon.
    fn parse(raw: Bytes) -> Option<Self> {
        let colon = raw.iter().position(|octet| *octet == b':')?;
        let name = raw.get(..colon)?.trim_ascii_end();
        let valid = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        let name = name.len();
        valid.then(|| Self { raw, name, value: colon + 1 })
    }

    /// The same field with another value.
    pub(super) fn with_value(&self, value: &[u8]) -> Self {
        let head = self.raw.get(..self.value).unwrap_or_default();
        Self { raw: Bytes::from([head, value, b"\r\n"].concat()), name: self.name, value: self.value }
    }

    /// The name as it is written, without blanks before the colon.
    pub fn name(&self) -> &str {
        self.raw.get(..self.name).and_then(|name| str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Everything after the colon, folded lines included, without the last line end.
    pub fn value(&self) -> &[u8] {
        let value = self.raw.get(self.value..).unwrap_or_default();
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        value.strip_suffix(b"\r").unwrap_or(value)
    }

    /// The value on one line: line ends of folding removed (RFC 5322 2.2.3), blanks at both ends cut, octets that are no
    /// UTF-8 replaced. For conditions and for people.
    pub fn unfolded(&self) -> String {
        let value: Vec<u8> = self.value().iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')).collect();
        String::from_utf8_lossy(&value).trim().to_owned()
    }

    /// The whole field with its line end.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Whether this is the field with that name; case does not matter (RFC 5322 1.2.2).
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }
}

/// A message (RFC 5322): fields, an empty line, a body. Line ends are CRLF. Clones share the octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub(super) fields: Vec<Field>,
    /// The empty line between header and body; empty where the message has none.
    pub(super) separator: Bytes,
    pub(super) body: Body,
}

impl Message {
    /// Take a raw message apart. Never fails and loses nothing: a line that can't be a field ends the header, as in Postfix,
    /// and is the first of the body.
    pub fn parse(raw: Bytes) -> Self {
        let mut fields = Vec::with_capacity(32);
        let mut at = 0;
        loop {
            let line = line_end(&raw, at);
            if matches!(raw.get(at..line), None | Some(b"" | b"\r\n" | b"\n")) {
                let (separator, body) = (raw.slice(at..line), raw.slice(line..));
                return Self { fields, separator, body: Body::from_pieces(vec![body]) };
            }
            let end = field_end(&raw, line);
            match Field::parse(raw.slice(at..end)) {
                Some(field) => fields.push(field),
                None => {
                    return Self { fields, separator: Bytes::new(), body: Body::from_pieces(vec![raw.slice(at..)]) };
                }
            }
            at = end;
        }
    }

    /// All header fields, top first.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// All fields in their raw form.
    pub fn header_block(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(self.fields.iter().map(|field| field.raw.len()).sum());
        self.fields.iter().for_each(|field| block.extend_from_slice(&field.raw));
        block
    }

    /// Octets of the whole message.
    pub fn size(&self) -> u64 {
        self.pieces().map(|piece| piece.len() as u64).sum()
    }

    /// What follows the header.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The whole message in order, for writing.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        let header = self.fields.iter().map(Field::raw);
        header.chain(iter::once(&self.separator)).chain(self.body.pieces()).filter(|piece| !piece.is_empty())
    }

    /// Put a field of our own on top. The value is everything after the colon.
    pub fn prepend_field(&mut self, name: &str, value: &[u8]) {
        self.fields.insert(0, Field::new(name, value));
        self.keep_apart();
    }

    /// After a change of the header: what now follows a field must not be read as a part of it.
    pub(super) fn keep_apart(&mut self) {
        // Only the last field of a message that was cut short lacks its line end.
        for field in self.fields.iter_mut().filter(|field| !field.raw.ends_with(b"\n")) {
            let value = field.value().to_vec();
            *field = field.with_value(&value);
        }
        if self.separator.is_empty() && matches!(*self.body.read(0, 1), [b' ' | b'\t']) {
            self.separator = Bytes::from_static(b"\r\n");
        }
    }

    /// Put another body in the place of this one.
    pub(super) fn replace_body(&mut self, body: Body) {
        self.body = body;
        if self.separator.is_empty() && !self.body.is_empty() {
            self.separator = Bytes::from_static(b"\r\n");
        }
    }
}

/// Offset after the line that begins at `at`.
fn line_end(raw: &[u8], at: usize) -> usize {
    let rest = raw.get(at..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(raw.len(), |offset| at + offset + 1)
}

/// Offset after the folded lines (RFC 5322 2.2.3) that follow a line which ends at `line`.
fn field_end(raw: &[u8], line: usize) -> usize {
    let mut end = line;
    while matches!(raw.get(end), Some(b' ' | b'\t')) {
        end = line_end(raw, end);
    }
    end
}

/// The body: pieces that follow one another. Clones share the octets.
#[derive(Clone, Debug, Default)]
pub struct Body {
    pieces: Vec<Bytes>,
    len: u64,
}

impl Body {
    /// A body of these pieces.
    pub fn from_pieces(pieces: Vec<Bytes>) -> Self {
        let len = pieces.iter().map(|piece| piece.len() as u64).sum();
        Self { pieces, len }
    }

    /// Octets in all.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Up to `length` octets from `offset`: fewer at the end, none past it.
    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut skip = offset;
        let mut out =
            Vec::with_capacity(length.min(usize::try_from(self.len.saturating_sub(offset)).unwrap_or(length)));
        for piece in &self.pieces {
            let Ok(start) = usize::try_from(skip) else { break };
            let rest = piece.get(start..).unwrap_or_default();
            skip = skip.saturating_sub(piece.len() as u64);
            let missing = length - out.len();
            out.extend_from_slice(rest.get(..missing).unwrap_or(rest));
            if out.len() == length {
                break;
            }
        }
        out
    }
}

impl PartialEq for Body {
    /// By content, however it is cut.
    fn eq(&self, other: &Self) -> bool {
        let octets = |body: &'_ Self| body.pieces.clone().into_iter().flatten();
        self.len == other.len && octets(self).eq(octets(other))
    }
}

impl Eq for Body {}
