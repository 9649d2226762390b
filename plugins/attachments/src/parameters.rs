//! `Content-Type` and `Content-Disposition` (RFC 2045 5.1, RFC 2183): a value and its parameters, in the pieces and character sets of
//! RFC 2231, and as real mailers write them.

use std::collections::BTreeMap;

use crate::{charset, words};

/// Parameters of one field; more are not looked at.
const MOST: usize = 200;

/// A value with its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Structured {
    /// Before the first semicolon, lower case.
    pub value: String,
    parameters: BTreeMap<String, String>,
    /// As they stand, for those that must not be decoded (`boundary`).
    raw: BTreeMap<String, Vec<u8>>,
}

impl Structured {
    /// Take the value of a field apart. Never fails: what makes no sense is left out.
    pub fn parse(field: &[u8]) -> Self {
        let mut pairs = split(field).into_iter();
        let value = pairs.next().map(|first| charset::guess(first.trim_ascii()).to_ascii_lowercase());
        let mut raw = BTreeMap::new();
        let mut pieces: BTreeMap<String, BTreeMap<u32, (bool, Vec<u8>)>> = BTreeMap::new();
        for pair in pairs.take(MOST) {
            let Some(at) = memchr::memchr(b'=', &pair) else { continue };
            let (key, text) = (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default());
            let key = charset::guess(key.trim_ascii()).to_ascii_lowercase();
            let text = unquoted(text.trim_ascii());
            match piece_of(&key) {
                // RFC 2231 3 and 4: `name*`, `name*0`, `name*0*`.
                Some((name, number, encoded)) => {
                    pieces.entry(name.to_owned()).or_default().entry(number).or_insert((encoded, text));
                }
                None => drop(raw.entry(key).or_insert(text)),
            }
        }
        let mut parameters: BTreeMap<String, String> =
            raw.iter().map(|(key, text)| (key.clone(), words::decode(text))).collect();
        // RFC 2231 and plain beside each other are for old readers and new ones.
        parameters.extend(pieces.into_iter().map(|(key, pieces)| (key, joined(pieces))));
        Self { value: value.unwrap_or_default(), parameters, raw }
    }

    /// A parameter as text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.parameters.get(key).map(String::as_str)
    }

    /// A parameter as it stands, or, where it came in pieces, put together.
    pub fn octets(&self, key: &str) -> Option<&[u8]> {
        let joined = || self.parameters.get(key).map(String::as_bytes);
        self.raw.get(key).map(Vec::as_slice).or_else(joined)
    }
}

/// The pieces between semicolons that stand in no quotes; comments (RFC 822 3.4.3) are left out.
fn split(field: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let (mut quoted, mut escaped, mut comment) = (false, false, 0_u32);
    for octet in field.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n')) {
        let was_escaped = std::mem::take(&mut escaped);
        match octet {
            _ if was_escaped => {}
            b'\\' if quoted => escaped = true,
            b'"' if comment == 0 => quoted = !quoted,
            b'(' if !quoted => {
                comment += 1;
                continue;
            }
            b')' if !quoted && comment > 0 => {
                comment -= 1;
                continue;
            }
            b';' if !quoted && comment == 0 => {
                parts.push(Vec::new());
                continue;
            }
            _ => {}
        }
        if comment == 0 {
            parts.last_mut().into_iter().for_each(|part| part.push(octet));
        }
    }
    parts
}

/// Without quotes. A backslash before another character than `"` and `\` stays: Windows paths are written so.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let Some(inner) = text.strip_prefix(b"\"") else { return text.to_vec() };
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    let mut out = Vec::with_capacity(inner.len());
    let mut octets = inner.iter().copied().peekable();
    while let Some(octet) = octets.next() {
        match octets.peek() {
            Some(next @ (b'"' | b'\\')) if octet == b'\\' => {
                out.push(*next);
                octets.next();
            }
            _ => out.push(octet),
        }
    }
    out
}

/// Name, number of the piece, and whether it is percent-encoded; none for a plain key.
fn piece_of(key: &str) -> Option<(&str, u32, bool)> {
    let (name, rest) = key.split_once('*')?;
    match rest.strip_suffix('*') {
        _ if rest.is_empty() => Some((name, 0, true)),
        Some(number) => number.parse().ok().map(|number| (name, number, true)),
        None => rest.parse().ok().map(|number| (name, number, false)),
    }
}

/// The pieces in their order; the first encoded one says the character set: `utf-8'de'Gr%C3%BC%C3%9Fe`.
fn joined(pieces: BTreeMap<u32, (bool, Vec<u8>)>) -> String {
    let mut label = None;
    let mut octets = Vec::new();
    for (encoded, text) in pieces.into_values() {
        if !encoded {
            octets.extend_from_slice(&text);
            continue;
        }
        let mut text = text.as_slice();
        if label.is_none() {
            let mut marks = memchr::memchr_iter(b'\'', text);
            if let (Some(first), Some(second)) = (marks.next(), marks.next()) {
                label = Some(charset::guess(text.get(..first).unwrap_or_default()));
                text = text.get(second + 1..).unwrap_or_default();
            }
        }
        percent_decoded(text, &mut octets);
    }
    match label.filter(|label| !label.is_empty()) {
        Some(label) => charset::decode(&octets, &label),
        None => charset::guess(&octets),
    }
}

fn percent_decoded(text: &[u8], out: &mut Vec<u8>) {
    let digit = |octet: &u8| (*octet as char).to_digit(16).map(|digit| digit as u8);
    let mut rest = text;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match after {
            [high, low, after @ ..] if *octet == b'%' => match (digit(high), digit(low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(*octet),
            },
            _ => out.push(*octet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Structured;

    #[test]
    fn names_come_out_of_every_form() {
        for (field, expected) in [
            (r#" attachment; filename="report.pdf""#, "report.pdf"),
            (" attachment; filename=report.pdf", "report.pdf"),
            (" attachment;\r\n\tfilename = \"a;b.pdf\" ; size=3", "a;b.pdf"),
            (r#" attachment; filename="a\"b\\c.pdf""#, r#"a"b\c.pdf"#),
            (r#" attachment; filename="C:\x""#, r"C:\x"),
            (" attachment (a comment; filename=no) ; filename=yes", "yes"),
            (" attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt", "Grüße.txt"),
            (" attachment; filename*=iso-8859-1'de'Gr%FC%DFe.txt", "Grüße.txt"),
            (" attachment; filename*0=long; filename*1=-name; filename*2=.txt", "long-name.txt"),
            (" attachment; filename*1=b.txt; filename*0=a", "ab.txt"),
            (" attachment; filename*0*=utf-8''Gr%C3; filename*1*=%BC; filename*2=%41.txt", "Grü%41.txt"),
            (" attachment; filename=old.txt; filename*=utf-8''new.txt", "new.txt"),
            (" attachment; filename=\"=?utf-8?Q?Gr=C3=BC=C3=9Fe.txt?=\"", "Grüße.txt"),
            (" attachment; filename*=nonsense%zz", "nonsense%zz"),
            (" attachment; FILENAME=\"unclosed.txt", "unclosed.txt"),
        ] {
            assert_eq!(Structured::parse(field.as_bytes()).text("filename"), Some(expected), "{field}");
        }
        let field = Structured::parse(b" Multipart/Mixed; boundary=\"=?a?Q?b?=\"");
        assert_eq!((field.value.as_str(), field.octets("boundary")), ("multipart/mixed", Some(&b"=?a?Q?b?="[..])));
        assert_eq!(Structured::parse(b"").text("name"), None);
    }
}
