//! A message for a server that takes only 7 bits (RFC 6152 3, as Postfix converts): parts with other octets become quoted-printable, and
//! binary ones base64. A signature over such a part breaks, which is better than no mail; header fields stay as they are.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;

use crate::mail::{self, Body, Change, Edit, Envelope, Message, Position, ReversePath};

/// Parts within parts that are looked into.
const DEEPEST: usize = 20;
/// Characters of an encoded line at most (RFC 2045 6.7, 6.8).
const LONGEST_LINE: usize = 76;

/// The message with all its parts in 7 bits.
pub(super) fn convert(message: &Message) -> Message {
    let mut edits = part(message, DEEPEST);
    if !edits.is_empty() && field(message, "MIME-Version").is_none() {
        edits.push(insert("MIME-Version", "1.0"));
    }
    changed(message, &edits)
}

/// Whether it is all US-ASCII.
pub(super) fn is_seven_bit(body: &Body) -> bool {
    body.pieces().iter().all(|piece| piece.is_ascii())
}

fn changed(message: &Message, edits: &[Edit]) -> Message {
    let mut message = message.clone();
    let mut nobody = Envelope::new(ReversePath::Null, Vec::new());
    match mail::apply(edits, &mut nobody, &mut message) {
        Ok(()) => message,
        Err(error) => {
            tracing::error!("a part can't be converted: {error}");
            message
        }
    }
}

/// What has to change in a message or in a part, which looks like one.
fn part(message: &Message, depth: usize) -> Vec<Edit> {
    let encoding = field(message, "Content-Transfer-Encoding").unwrap_or_default();
    let is_binary = encoding == "binary";
    let encoded = encoding == "base64" || encoding == "quoted-printable";
    if depth == 0 || encoded || !is_binary && is_seven_bit(message.body()) {
        return Vec::new();
    }
    let content_type = field(message, "Content-Type").unwrap_or_default();
    let body = Bytes::from(message.body().pieces().concat());
    let (encoding, body) = if let Some(boundary) = boundary(message, &content_type) {
        ("7bit", parts(&body, &boundary, depth))
    } else if content_type.starts_with("message/") {
        ("7bit", octets(&inner(body, depth)))
    } else if is_binary {
        ("base64", base64_lines(&body))
    } else {
        ("quoted-printable", quoted_printable(&body))
    };
    let body = Edit { change: Change::ReplaceBody(Body::from_pieces(vec![body.into()])), reason: None };
    vec![body, set(message, "Content-Transfer-Encoding", encoding)]
}

fn inner(raw: Bytes, depth: usize) -> Message {
    let message = Message::parse(raw);
    let edits = part(&message, depth - 1);
    changed(&message, &edits)
}

fn octets(message: &Message) -> Vec<u8> {
    message.pieces().fold(Vec::new(), |mut out, piece| {
        out.extend_from_slice(piece);
        out
    })
}

/// A field's value in lower case, without folding.
fn field(message: &Message, name: &str) -> Option<String> {
    message.fields().iter().find(|field| field.is(name)).map(|field| field.unfolded().to_ascii_lowercase())
}

fn set(message: &Message, name: &str, value: &str) -> Edit {
    let index = message.fields().iter().zip(0..).find(|(field, _)| field.is(name)).map(|(_, index)| index);
    index.map_or_else(
        || insert(name, value),
        |index| Edit { change: Change::ReplaceField(index, format!(" {value}").into()), reason: None },
    )
}

fn insert(name: &str, value: &str) -> Edit {
    let (name, value) = (name.to_owned(), format!(" {value}").into());
    Edit { change: Change::InsertField { position: Position::Bottom, name, value }, reason: None }
}

/// The boundary of a multipart (RFC 2046 5.1.1), with the case that it has in the message.
fn boundary(message: &Message, content_type: &str) -> Option<Vec<u8>> {
    let at = content_type.starts_with("multipart/").then(|| content_type.find("boundary="))??;
    let value = message.fields().iter().find(|field| field.is("Content-Type"))?.unfolded();
    let value = value.get(at + "boundary=".len()..)?;
    let boundary = match value.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => value.split([';', ' ', '\t']).next()?,
    };
    (!boundary.is_empty()).then(|| format!("--{boundary}").into_bytes())
}

/// Each part of a multipart converted; what stands before, between and behind them stays.
fn parts(body: &Bytes, delimiter: &[u8], depth: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 8);
    let (mut start, mut inside, mut at) = (0, false, 0);
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(delimiter) {
            append(&mut out, body.slice(start..at), inside, depth);
            out.extend_from_slice(line);
            start = at + line.len();
            inside = !line.get(delimiter.len()..).unwrap_or_default().starts_with(b"--");
        }
        at += line.len();
    }
    append(&mut out, body.slice(start..), inside, depth);
    out
}

fn append(out: &mut Vec<u8>, piece: Bytes, is_part: bool, depth: usize) {
    if !is_part {
        out.extend_from_slice(&piece);
        return;
    }
    // The line end before a delimiter belongs to the delimiter.
    let end = [&b"\r\n"[..], b"\n"].into_iter().find(|end| piece.ends_with(end)).unwrap_or_default();
    out.extend_from_slice(&octets(&inner(piece.slice(..piece.len() - end.len()), depth)));
    out.extend_from_slice(end);
}

fn base64_lines(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 2 * 3);
    for chunk in body.chunks(LONGEST_LINE / 4 * 3) {
        out.extend_from_slice(BASE64.encode(chunk).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// RFC 2045 6.7. Line ends stay.
fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 4);
    for line in body.split_inclusive(|octet| *octet == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let mut column = 0;
        for (index, octet) in text.iter().enumerate() {
            let last = index + 1 == text.len();
            let literal = matches!(octet, b'!'..=b'<' | b'>'..=b'~') || matches!(octet, b' ' | b'\t') && !last;
            let width = if literal { 1 } else { 3 };
            // Room for the `=` of a soft line end, unless the line ends here.
            if column + width + usize::from(!last) > LONGEST_LINE {
                out.extend_from_slice(b"=\r\n");
                column = 0;
            }
            if literal {
                out.push(*octet);
            } else {
                out.extend_from_slice(format!("={octet:02X}").as_bytes());
            }
            column += width;
        }
        if line.len() > text.len() {
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn converted(text: &str) -> String {
        let message = convert(&Message::parse(Bytes::copy_from_slice(text.as_bytes())));
        String::from_utf8(octets(&message)).expect("UTF-8")
    }

    #[test]
    fn text_becomes_quoted_printable() {
        let text = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e = \r\n";
        let expected = "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
                        MIME-Version: 1.0\r\n\r\nGr=C3=BC=C3=9Fe =3D=20\r\n";
        assert_eq!(converted(text), expected);
        assert_eq!(
            converted("Subject: gr\u{fc}n\r\n\r\nplain = text\r\n"),
            "Subject: gr\u{fc}n\r\n\r\nplain = text\r\n"
        );
    }

    #[test]
    fn only_the_parts_that_need_it_change() {
        let text = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"Ab\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
                    before\r\n--Ab\r\n\r\nplain =\r\n--Ab\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
                    \u{fc}\r\n--Ab\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\n\u{e4}\r\n--Ab--\r\nbehind\r\n";
        let expected = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"Ab\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
                    before\r\n--Ab\r\n\r\nplain =\r\n--Ab\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                    =C3=BC\r\n--Ab\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: in\r\n\
                    Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n--Ab--\r\nbehind\r\n";
        assert_eq!(converted(text), expected);
    }

    #[test]
    fn binary_becomes_base64() {
        let text = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\na\rb\nc\0";
        assert!(
            converted(text).ends_with("Content-Transfer-Encoding: base64\r\n\r\nYQ1iCmMA\r\n"),
            "{}",
            converted(text)
        );
    }

    fn decoded(text: &[u8]) -> Vec<u8> {
        let (mut out, mut rest) = (Vec::new(), text);
        while let Some((first, after)) = rest.split_first() {
            if let Some(after) = rest.strip_prefix(b"=\r\n") {
                rest = after;
            } else if *first == b'=' {
                let digits = str::from_utf8(&after[..2]).expect("ASCII");
                out.push(u8::from_str_radix(digits, 16).expect("hexadecimal"));
                rest = &after[2..];
            } else {
                out.push(*first);
                rest = after;
            }
        }
        out
    }

    proptest! {
        #[test]
        fn quoted_printable_means_the_same_in_short_lines(lines in proptest::collection::vec("[a\u{fc}= \t]{0,100}", 0..5)) {
            let text = lines.join("\r\n");
            let encoded = quoted_printable(text.as_bytes());
            prop_assert!(encoded.is_ascii());
            prop_assert!(encoded.split(|octet| *octet == b'\n').all(|line| line.len() <= LONGEST_LINE + 1));
            prop_assert_eq!(decoded(&encoded), text.as_bytes());
        }

        #[test]
        fn any_octets_are_survived(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            convert(&Message::parse(Bytes::from(octets)));
        }
    }
}
