//! Collects what is found: writes it into files as it comes, judges it by the rules at its end, and remembers what there is to tell.

use std::ops::Range;

use mailweir_sdk::{Failure, files};

use crate::{
    config::{Damaged, LineEnds, Settings, Then},
    decode::Damage,
    entity::Encoding,
};

/// Octets that are gathered before they go to the relay.
const PIECE: usize = 48 << 10;
/// Attachments of one message; the relay makes no more files.
const MOST: usize = 10_000;

/// A file that begins.
pub struct NewFound {
    /// Number of its part, `2.1`.
    pub path: String,
    /// The name that its sender gave it.
    pub name: Option<String>,
    /// As people call it.
    pub encoding: &'static str,
    /// Lower case.
    pub media_type: String,
}

/// What has to go when it is stripped. Places count octets of the body of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing is there.
    None,
    /// All of the message's content.
    Message(Range<u64>),
    /// A part.
    Part {
        /// Where its header begins.
        header: u64,
        /// Its fields that describe the content.
        fields: Vec<Range<u64>>,
        /// Its content.
        content: Range<u64>,
    },
    /// Lines of a text.
    Text {
        /// Which of [`Collector::texts`].
        text: usize,
        /// Counted in the decoded text.
        lines: Range<u64>,
    },
}

/// A text with files in it.
#[derive(Clone, Debug)]
pub struct Text {
    path: String,
    /// In the body of the message.
    pub content: Range<u64>,
    /// How it is encoded.
    pub encoding: Encoding,
}

/// A part of a yEnc file.
#[derive(Debug)]
pub struct Piece {
    /// Name of the file.
    pub name: Option<String>,
    /// Octets of the whole file, as its sender says.
    pub size: u64,
    /// Its first octet, from 1.
    pub begin: u64,
    /// Its octets.
    pub length: u64,
    /// Checksum of the whole file, as its sender says.
    pub crc: Option<u32>,
    /// Its data lines in the body.
    pub data: Range<u64>,
    /// What has to go when the file is stripped.
    pub cut: Cut,
    /// What is wrong with it, and where.
    pub damage: Option<(u64, Damage)>,
    /// Number of the part of the message.
    pub path: String,
}

/// Where the octets went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Into the file of this name.
    As(String),
    /// Nowhere: there is a file of that name, and it is to stay.
    Exists,
    /// Nowhere, as its rule says.
    No,
}

/// An attachment.
#[derive(Debug)]
pub struct Found {
    /// Number of its part.
    pub path: String,
    /// Its sender's name for it, or one that was made up.
    pub name: String,
    /// As people call it.
    pub encoding: &'static str,
    /// Lower case.
    pub media_type: String,
    /// Decoded octets.
    pub size: u64,
    /// Where they went.
    pub saved: Saved,
    /// The first damage and its line in the body.
    pub damage: Option<(u64, Damage)>,
    /// How many damages in all.
    pub damages: u64,
    /// What else is to be told.
    pub remarks: Vec<String>,
    /// Which rule fitted; the last one is for the rest.
    pub rule: usize,
    /// What is to become of it.
    pub then: Then,
    /// What has to go when it is stripped.
    pub cuts: Vec<Cut>,
}

struct Open {
    found: Found,
    file: Option<files::File>,
    /// Whether CRLF becomes LF.
    to_lf: bool,
}

/// See above.
pub struct Collector<'a> {
    settings: &'a Settings,
    /// Number of the line of the body that is being read, from 1.
    pub line: u64,
    /// Decoded octets on their way to the file that is open.
    out: Vec<u8>,
    open: Option<Open>,
    /// The attachments.
    pub found: Vec<Found>,
    /// Parts of yEnc files.
    pub pieces: Vec<Piece>,
    /// Texts with files in them.
    pub texts: Vec<Text>,
    /// The text that is being read, and its index in `texts` once something was found in it.
    text: Option<(Text, Option<usize>)>,
    /// Why the work can't be done.
    pub failure: Option<Failure>,
}

impl<'a> Collector<'a> {
    /// With nothing in it.
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            line: 0,
            out: Vec::with_capacity(PIECE + (8 << 10)),
            open: None,
            found: Vec::new(),
            pieces: Vec::new(),
            texts: Vec::new(),
            text: None,
            failure: None,
        }
    }

    /// A file begins.
    pub fn begin(&mut self, new: NewFound) {
        let NewFound { path, name, encoding, media_type } = new;
        let name = name.unwrap_or_else(|| made_up_name(&path, &media_type));
        let file = if self.settings.saves() && self.failure.is_none() {
            match files::create(&name, self.settings.existing.into()) {
                Ok(file) => Some(file),
                Err(failure) => {
                    self.failure = Some(failure);
                    None
                }
            }
        } else {
            None
        };
        let to_lf = self.settings.line_ends == LineEnds::Lf && media_type.starts_with("text/");
        let found = Found {
            path,
            name,
            encoding,
            media_type,
            size: 0,
            saved: Saved::No,
            damage: None,
            damages: 0,
            remarks: Vec::new(),
            rule: 0,
            then: Then::Keep,
            cuts: Vec::new(),
        };
        self.out.clear();
        self.open = Some(Open { found, file, to_lf });
    }

    /// Where decoders put their octets; [`pump`](Self::pump) sends them on.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Send octets on, if there are enough of them.
    pub fn pump(&mut self) {
        if self.out.len() >= PIECE {
            self.send(false);
        }
    }

    fn send(&mut self, last: bool) {
        if let Some(Open { found, file, to_lf }) = &mut self.open {
            // A CR at the end may be half of a line end.
            let held = *to_lf && !last && self.out.last() == Some(&b'\r');
            if held {
                self.out.pop();
            }
            if *to_lf {
                drop_carriage_returns(&mut self.out);
            }
            found.size += self.out.len() as u64;
            if let Some(file) = file.as_mut().filter(|_| !self.out.is_empty()) {
                file.write(&self.out);
            }
            self.out.clear();
            if held {
                self.out.push(b'\r');
            }
        } else {
            self.out.clear();
        }
    }

    /// Something is wrong with the file that is open.
    pub fn damage(&mut self, damage: Damage) {
        let line = self.line;
        self.damage_at(line, damage);
    }

    /// The same with the line of the body where it is.
    pub fn damage_at(&mut self, line: u64, damage: Damage) {
        if let Some(Open { found, .. }) = &mut self.open {
            found.damages += 1;
            found.damage.get_or_insert((line, damage));
        }
    }

    /// Something else is to be told about it.
    pub fn remark(&mut self, remark: String) {
        self.open.iter_mut().for_each(|open| open.found.remarks.push(remark.clone()));
    }

    /// The file that is open is complete.
    pub fn end(&mut self, cuts: Vec<Cut>) {
        self.send(true);
        let Some(Open { mut found, file, .. }) = self.open.take() else { return };
        found.cuts = cuts;
        let damaged = found.damage.is_some();
        let fits =
            |(_, rule): &(usize, &crate::rules::Rule)| rule.fits(&found.name, &found.media_type, found.size, damaged);
        let (mut save, mut then) = (false, Then::Keep);
        if let Some((index, rule)) = self.settings.rules.iter().enumerate().find(fits) {
            (found.rule, save, then) = (index, rule.save, rule.then);
        }
        if damaged && self.settings.damaged == Damaged::Leave {
            save = false;
            then = if then == Then::Strip { Then::Keep } else { then };
        }
        if damaged && self.settings.damaged == Damaged::Fail {
            let (name, why) = (&found.name, found.damage.as_ref().map(|(_, damage)| damage.to_string()));
            self.failure.get_or_insert(Failure(format!("{name} is damaged: {}", why.unwrap_or_default())));
        }
        found.then = then;
        found.saved = match file.filter(|_| save) {
            None => Saved::No,
            Some(file) => file.finish().map_or(Saved::Exists, Saved::As),
        };
        self.found.push(found);
        if self.found.len() + self.pieces.len() > MOST {
            self.failure.get_or_insert(Failure(format!("the message has more than {MOST} attachments")));
        }
    }

    /// A text begins, in which files are looked for.
    pub fn begin_text(&mut self, path: String, at: u64, encoding: Encoding) {
        self.text = Some((Text { path, content: at..at, encoding }, None));
    }

    /// It ends.
    pub fn end_text(&mut self, content: Range<u64>) {
        if let Some((_, Some(index))) = self.text.take()
            && let Some(text) = self.texts.get_mut(index)
        {
            text.content = content;
        }
    }

    /// Number of the part that the text is.
    pub fn text_path(&self) -> String {
        self.text.as_ref().map(|(text, _)| text.path.clone()).unwrap_or_default()
    }

    /// A file begins in the text.
    pub fn begin_in_text(&mut self, name: Option<String>, encoding: &'static str) {
        let (path, media_type) = (self.text_path(), "application/octet-stream".to_owned());
        self.begin(NewFound { path, name, encoding, media_type });
    }

    /// It ends; these are its lines.
    pub fn end_in_text(&mut self, lines: Range<u64>) {
        let cut = self.cut_in_text(lines);
        self.end(vec![cut]);
    }

    /// A part of a yEnc file ends.
    pub fn piece(&mut self, piece: Piece) {
        self.out.clear();
        self.pieces.push(piece);
    }

    /// Lines of the text that is being read.
    pub fn cut_in_text(&mut self, lines: Range<u64>) -> Cut {
        let Some((text, index)) = &mut self.text else { return Cut::None };
        let text = *index.get_or_insert_with(|| {
            self.texts.push(text.clone());
            self.texts.len() - 1
        });
        Cut::Text { text, lines }
    }
}

fn drop_carriage_returns(octets: &mut Vec<u8>) {
    let mut kept = Vec::with_capacity(octets.len());
    let mut rest = octets.as_slice();
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        let (line, after) = rest.split_at(at);
        kept.extend_from_slice(line);
        kept.push(b'\n');
        rest = after.get(2..).unwrap_or_default();
    }
    kept.extend_from_slice(rest);
    *octets = kept;
}

/// For a file without a name: its place, and an extension that fits its type.
fn made_up_name(path: &str, media_type: &str) -> String {
    let extension = match media_type {
        "text/plain" => "txt",
        "text/html" => "html",
        "text/calendar" => "ics",
        "text/csv" => "csv",
        "text/vcard" | "text/x-vcard" => "vcf",
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/tiff" => "tif",
        "image/svg+xml" => "svg",
        "image/webp" => "webp",
        "application/pdf" => "pdf",
        "application/zip" => "zip",
        "application/gzip" => "gz",
        "application/json" => "json",
        "application/xml" | "text/xml" => "xml",
        "application/pgp-signature" => "asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        "audio/mpeg" => "mp3",
        "video/mp4" => "mp4",
        "message/rfc822" | "message/global" | "message/news" => "eml",
        _ => "bin",
    };
    format!("part-{path}.{extension}")
}
