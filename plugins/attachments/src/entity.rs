//! One entity of a message (RFC 2045 2.4): what its `Content-` fields say.

use std::ops::Range;

use crate::{
    decode::{Decoder, base64::Base64, quoted_printable::QuotedPrintable},
    lines::Line,
    parameters::Structured,
};

/// Octets of `Content-` fields of one entity that are looked at.
const LARGEST_HEADER: usize = 64 << 10;

/// The fields that describe the content as it is, and are wrong as soon as it is another.
pub const DESCRIBING: [&str; 4] = ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-MD5"];

/// The header of a part on its way in: its describing fields, and where they stand in the body of the message.
#[derive(Debug, Default)]
pub struct Header {
    /// Name as written, value, place.
    fields: Vec<(String, Vec<u8>, Range<u64>)>,
    size: usize,
    /// Whether the last field is one of them.
    wanted: bool,
    /// Where it begins.
    pub at: u64,
}

impl Header {
    /// A header that begins at this octet.
    pub fn new(at: u64) -> Self {
        Self { at, ..Self::default() }
    }

    /// Take a line. None if it is part of the header, otherwise whether it is the empty line that ends it; a line that can't be a
    /// field ends it too, and is content.
    pub fn line(&mut self, line: &Line<'_>) -> Option<bool> {
        let octets = line.octets;
        if line.starts && octets.is_empty() {
            return Some(true);
        }
        if line.starts && !matches!(octets, [b' ' | b'\t', ..]) {
            let Some(colon) = memchr::memchr(b':', octets) else { return Some(false) };
            let (name, value) = octets.split_at(colon);
            let name = name.trim_ascii_end();
            if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
                return Some(false);
            }
            self.wanted = DESCRIBING.iter().any(|wanted| wanted.as_bytes().eq_ignore_ascii_case(name));
            if self.wanted {
                let name = String::from_utf8_lossy(name).into_owned();
                self.fields.push((name, Vec::new(), line.at..line.at));
                self.extend(value.get(1..).unwrap_or_default(), line);
            }
        } else if self.wanted {
            self.extend(octets, line);
        }
        None
    }

    fn extend(&mut self, octets: &[u8], line: &Line<'_>) {
        if let Some((_, value, place)) = self.fields.last_mut() {
            place.end = line.next();
            self.size += octets.len();
            if self.size <= LARGEST_HEADER {
                value.extend_from_slice(octets);
            }
        }
    }

    /// Where its describing fields stand.
    pub fn places(&self) -> Vec<Range<u64>> {
        self.fields.iter().map(|(.., place)| place.clone()).collect()
    }

    /// What it says.
    pub fn entity(&self) -> Entity {
        Entity::of(|wanted| {
            let field = self.fields.iter().find(|(name, ..)| name.eq_ignore_ascii_case(wanted));
            field.map(|(_, value, _)| value.as_slice())
        })
    }
}

/// `Content-Transfer-Encoding` (RFC 2045 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Anything that leaves the octets as they are; the name for people.
    Identity(&'static str),
    /// `base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
    /// `x-uuencode` and relatives: the content is what the finder looks for.
    Announced,
}

impl Encoding {
    fn parse(token: &str) -> Self {
        match token {
            "base64" => Self::Base64,
            "quoted-printable" => Self::QuotedPrintable,
            "x-uuencode" | "x-uue" | "uuencode" | "x-xxencode" | "x-yencode" | "x-yenc" | "x-binhex" | "x-binhex40" => {
                Self::Announced
            }
            "8bit" => Self::Identity("8bit"),
            "binary" => Self::Identity("binary"),
            // RFC 2045 6.1 for none. One that nobody knows leaves the octets as they are (6.4).
            _ => Self::Identity("7bit"),
        }
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity(name) => name,
            Self::Base64 => "base64",
            Self::QuotedPrintable => "quoted-printable",
            Self::Announced => "7bit",
        }
    }

    /// A decoder for it.
    pub fn decoder(self) -> Decoder {
        match self {
            Self::Identity(_) | Self::Announced => Decoder::Identity,
            Self::Base64 => Decoder::Base64(Base64::default()),
            Self::QuotedPrintable => Decoder::QuotedPrintable(QuotedPrintable::default()),
        }
    }
}

/// What an entity is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// `type/subtype`, lower case.
    pub media_type: String,
    /// The name that its sender gave it.
    pub name: Option<String>,
    /// How its content is encoded.
    pub encoding: Encoding,
    /// Of a multipart.
    pub boundary: Option<Vec<u8>>,
    /// Whether the sender calls it an attachment (RFC 2183 2.2).
    called_attachment: bool,
}

impl Entity {
    /// From fields by name.
    pub fn of<'a>(field: impl Fn(&str) -> Option<&'a [u8]>) -> Self {
        let structured = |name: &str| field(name).map(Structured::parse).unwrap_or_default();
        let (content, disposition) = (structured("Content-Type"), structured("Content-Disposition"));
        // RFC 2045 5.2: what says nothing, or nonsense, is plain text.
        let media_type = if content.value.contains('/') { content.value.clone() } else { "text/plain".to_owned() };
        let name = disposition.text("filename").or_else(|| content.text("name"));
        Self {
            media_type,
            name: name.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned),
            encoding: Encoding::parse(&structured("Content-Transfer-Encoding").value),
            boundary: content.octets("boundary").filter(|boundary| !boundary.is_empty()).map(<[u8]>::to_vec),
            called_attachment: disposition.value == "attachment",
        }
    }

    /// Whether it is one with parts that a boundary separates.
    pub fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/") && self.boundary.is_some()
    }

    /// Whether its content is a message of its own (RFC 2046 5.2.1, RFC 6532 3.7, RFC 5537) that can be read in place.
    pub fn is_message(&self) -> bool {
        matches!(self.media_type.as_str(), "message/rfc822" | "message/global" | "message/news")
            && matches!(self.encoding, Encoding::Identity(_))
    }

    /// Whether files are to be looked for in its content instead of taking it as one.
    pub fn may_contain_files(&self) -> bool {
        self.encoding == Encoding::Announced
            || self.media_type == "application/mac-binhex40"
            || !self.is_attachment()
                && (self.media_type.starts_with("text/") || self.media_type.starts_with("multipart/"))
    }

    /// Whether it is a file: called so, or named, or nothing that a mail program shows as text. Reports about mail (RFC 3464) are text
    /// for this purpose.
    pub fn is_attachment(&self) -> bool {
        let shown = ["text/", "multipart/", "message/"].iter().any(|top| self.media_type.starts_with(top));
        let whole_message = matches!(self.media_type.as_str(), "message/rfc822" | "message/global" | "message/news");
        self.called_attachment || self.name.is_some() || !shown || whole_message
    }
}
