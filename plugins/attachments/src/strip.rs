//! Takes attachments out of the message: a note stands in the place of each, and all else stays to the last octet.

use std::ops::Range;

use mailweir_sdk::{Body, Message, Outcome};

use crate::{
    assemble::read,
    collector::{Cut, Found, Saved, Text},
    config::{Settings, Then},
    encode::{self, Encoder},
    entity::{DESCRIBING, Encoding},
};

/// What stands in the place of some octets of the body.
enum Instead {
    Octets(Vec<u8>),
    /// The same text, encoded as it was, with notes instead of these lines of it.
    Recoded(Encoding, Vec<(Range<u64>, Vec<u8>)>),
}

/// The edits that strip what is to be stripped.
pub fn strip(message: &Message, found: &[Found], texts: &[Text], settings: &Settings, outcome: &mut Outcome) {
    let mut changes: Vec<(Range<u64>, Instead)> = Vec::new();
    let mut recoded: Vec<Vec<(Range<u64>, Vec<u8>)>> = texts.iter().map(|_| Vec::new()).collect();
    for one in found.iter().filter(|one| one.then == Then::Strip) {
        let note = note(&settings.note, one);
        // The note is for the place of the first; the others just go.
        for (cut, note) in one.cuts.iter().zip(std::iter::once(note.as_str()).chain(std::iter::repeat(""))) {
            match cut {
                Cut::None => {}
                Cut::Message(content) => {
                    describe_note(message, outcome);
                    changes.push((content.clone(), Instead::Octets(quoted(note))));
                }
                Cut::Part { header, fields, content } => {
                    let mut places = fields.iter().cloned();
                    let first = places.next().unwrap_or(*header..*header);
                    changes.push((first, Instead::Octets(description())));
                    changes.extend(places.map(|place| (place, Instead::Octets(Vec::new()))));
                    changes.push((content.clone(), Instead::Octets(quoted(note))));
                }
                Cut::Text { text, lines } => {
                    let Some(of) = texts.get(*text) else { continue };
                    let note = plain(note);
                    if of.encoding.decoder().is_identity() {
                        changes.push((lines.clone(), Instead::Octets(note)));
                    } else if let Some(recoded) = recoded.get_mut(*text) {
                        recoded.push((lines.clone(), note));
                    }
                }
            }
        }
    }
    let recoded = texts.iter().zip(recoded).filter(|(_, lines)| !lines.is_empty());
    changes.extend(recoded.map(|(text, lines)| (text.content.clone(), Instead::Recoded(text.encoding, lines))));
    if !changes.is_empty() {
        let names: Vec<_> = found.iter().filter(|one| one.then == Then::Strip).map(|one| one.name.as_str()).collect();
        let body = rewritten(message, changes);
        outcome.replace_body(body).because(|| format!("stripped: {}", names.join(", ")));
    }
}

/// The body with its changes, written piece by piece.
fn rewritten(message: &Message, mut changes: Vec<(Range<u64>, Instead)>) -> Body {
    changes.sort_by_key(|(place, _)| (place.start, place.end));
    let mut body = Body::new();
    let mut at = 0;
    for (place, instead) in changes {
        read(message, at..place.start).for_each(|piece| body.write(&piece));
        match instead {
            Instead::Octets(octets) => {
                if !octets.is_empty() {
                    body.write(&octets);
                }
            }
            Instead::Recoded(encoding, lines) => recode(message, place.clone(), encoding, lines, &mut body),
        }
        at = place.end;
    }
    read(message, at..message.body_size()).for_each(|piece| body.write(&piece));
    body
}

/// Decode a text, leave lines out, and encode it again.
fn recode(
    message: &Message,
    place: Range<u64>,
    encoding: Encoding,
    mut lines: Vec<(Range<u64>, Vec<u8>)>,
    body: &mut Body,
) {
    let mut decoder = encoding.decoder();
    let mut encoder = match encoding {
        Encoding::Base64 => Encoder::Base64(encode::Base64::default()),
        _ => Encoder::QuotedPrintable(encode::QuotedPrintable::default()),
    };
    lines.sort_by_key(|(lines, _)| lines.start);
    let mut left = lines.into_iter().peekable();
    let (mut text, mut out, mut at) = (Vec::new(), Vec::new(), 0);
    let mut pieces = read(message, place);
    loop {
        let piece = pieces.next();
        // Damage stays as it is; the text is no file.
        drop(match &piece {
            Some(piece) => decoder.feed(piece, &mut text),
            None => decoder.finish(&mut text),
        });
        let mut rest = text.as_slice();
        while let Some((cut, note)) = left.peek() {
            let before = usize::try_from(cut.start.saturating_sub(at)).unwrap_or(usize::MAX);
            let (kept, after) = rest.split_at(before.min(rest.len()));
            encoder.feed(kept, &mut out);
            at += kept.len() as u64;
            if at < cut.start {
                rest = after;
                break;
            }
            if at == cut.start {
                encoder.feed(note, &mut out);
            }
            let gone = usize::try_from(cut.end.saturating_sub(at)).unwrap_or(usize::MAX).min(after.len());
            rest = after.get(gone..).unwrap_or_default();
            at += gone as u64;
            if at < cut.end {
                break;
            }
            left.next();
        }
        encoder.feed(rest, &mut out);
        at += rest.len() as u64;
        text.clear();
        if piece.is_none() {
            encoder.finish(&mut out);
        }
        body.write(&out);
        out.clear();
        if piece.is_none() {
            return;
        }
    }
}

/// The fields of a note.
const DESCRIPTION: [(&str, &str); 3] = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Content-Transfer-Encoding", "quoted-printable"),
    ("Content-Disposition", "inline"),
];

fn description() -> Vec<u8> {
    DESCRIPTION.map(|(name, value)| format!("{name}: {value}\r\n")).concat().into_bytes()
}

/// Let the message's own header describe the note that is its content now.
fn describe_note(message: &Message, outcome: &mut Outcome) {
    for field in message.fields(&DESCRIBING) {
        outcome.remove_field(field.index).because(|| "it described the stripped content".to_owned());
    }
    for (name, value) in DESCRIPTION {
        outcome
            .insert_field(mailweir_sdk::Position::Bottom, name, value)
            .because(|| "it describes the note".to_owned());
    }
}

/// The text of the note about an attachment.
fn note(template: &str, found: &Found) -> String {
    let saved = match &found.saved {
        Saved::As(name) => name.as_str(),
        Saved::Exists | Saved::No => "",
    };
    let visible = |text: &str| text.chars().map(|c| if c.is_control() { '_' } else { c }).collect::<String>();
    let mut note = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        note.push_str(before);
        let Some((placeholder, after)) = after.split_once('}') else {
            note.push('{');
            rest = after;
            continue;
        };
        match placeholder {
            "name" => note.push_str(&visible(&found.name)),
            "type" => note.push_str(&visible(&found.media_type)),
            "size" => note.push_str(&found.size.to_string()),
            _ => note.push_str(&visible(saved)),
        }
        rest = after;
    }
    note.push_str(rest);
    note.trim_end().replace('\n', "\r\n")
}

/// A note as content of a part.
fn quoted(note: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::QuotedPrintable(encode::QuotedPrintable::default());
    encoder.feed(note.as_bytes(), &mut out);
    encoder.finish(&mut out);
    out
}

/// A note as lines of a text whose character set need not be ours.
fn plain(note: &str) -> Vec<u8> {
    if note.is_empty() {
        return Vec::new();
    }
    let ascii: String = note.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    format!("{ascii}\r\n").into_bytes()
}
