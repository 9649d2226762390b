//! Walks through a message (RFC 2046): parts within parts, messages within messages, in one pass over the lines of its body.

use mailweir_sdk::Failure;

use crate::{
    collector::{Collector, Cut, NewFound},
    config::{InText, Nested},
    decode::{Damage, Decoder},
    entity::{Entity, Header},
    finder::Finder,
    lines::{Line, Lines},
};

/// Parts within parts; what is deeper is taken as it is.
const DEEPEST: usize = 30;

/// Where an entity stands.
#[derive(Clone, Debug, Default)]
struct Place {
    /// `2.1` for the first part of the second; empty for the message itself.
    path: String,
    depth: usize,
    /// Whether it is a message, not a part.
    message: bool,
    /// Whether it is a part of multipart/digest, where messages are the default (RFC 2046 5.1.5).
    digest: bool,
}

impl Place {
    fn child(&self, number: usize) -> String {
        if self.path.is_empty() { number.to_string() } else { format!("{}.{number}", self.path) }
    }

    /// The path of what has no parts: the content of a message is its first one.
    fn leaf(&self) -> String {
        if self.message { self.child(1) } else { self.path.clone() }
    }
}

/// A multipart that is open.
#[derive(Debug)]
struct Level {
    boundary: Vec<u8>,
    place: Place,
    parts: usize,
    digest: bool,
}

enum State {
    Header(Place, Header),
    Leaf(Leaf),
    /// Before the first part, or after the last one.
    Between,
}

/// An entity without parts.
struct Leaf {
    decoder: Decoder,
    /// The line end that may belong to a boundary.
    held: &'static [u8],
    /// Where its content begins.
    at: u64,
    what: What,
}

enum What {
    /// A file, and the places of its describing fields.
    File(Header, bool),
    /// A text, and the lines of it where it had to be decoded.
    Text(Finder, Option<Lines>),
    /// A text in which nothing is looked for.
    Nothing,
}

/// What the walk depends on.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is looked for in texts.
    pub in_text: InText,
    /// Messages within the message.
    pub nested: Nested,
}

/// The walk.
pub struct Walker<'a> {
    options: Options,
    levels: Vec<Level>,
    state: State,
    /// Where the last line ended.
    end: u64,
    collector: Collector<'a>,
}

impl<'a> Walker<'a> {
    /// For a message whose header says this.
    pub fn new(entity: Entity, options: Options, collector: Collector<'a>) -> Self {
        let mut walker = Self { options, levels: Vec::new(), state: State::Between, end: 0, collector };
        walker.open(Place { message: true, ..Place::default() }, Header::new(0), entity, 0);
        walker
    }

    /// Take a line of the body.
    pub fn line(&mut self, line: &Line<'_>) {
        self.collector.line += u64::from(line.starts);
        self.end = line.next();
        if line.starts
            && line.octets.starts_with(b"--")
            && let Some((level, closing)) = self.boundary(line.octets)
        {
            return self.part_ends(level, closing, line);
        }
        match &mut self.state {
            State::Between => {}
            State::Leaf(leaf) => leaf.line(line, &mut self.collector),
            State::Header(_, header) => match header.line(line) {
                None => {}
                Some(ended) => self.header_ends(ended, line),
            },
        }
    }

    /// Why the work can't be done.
    pub fn failure(&mut self) -> Option<Failure> {
        self.collector.failure.take()
    }

    /// The body is over.
    pub fn finish(mut self) -> Collector<'a> {
        // A part that nothing ends may lack more than its end.
        if !self.levels.is_empty() && matches!(&self.state, State::Leaf(leaf) if matches!(leaf.what, What::File(..))) {
            self.collector.damage(Damage::NoEnd);
        }
        // Without a boundary the last line end is content.
        if self.levels.is_empty()
            && let State::Leaf(leaf) = &mut self.state
        {
            leaf.give_held(&mut self.collector);
        }
        self.close(self.end);
        self.collector
    }

    /// The open multipart whose boundary this is (RFC 2046 5.1.1), the innermost first, and whether it is the last one.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.get(2..)?.trim_ascii_end();
        let kind = |level: &Level| match rest.strip_prefix(level.boundary.as_slice())? {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        };
        self.levels.iter().enumerate().rev().find_map(|(index, level)| Some((index, kind(level)?)))
    }

    fn part_ends(&mut self, level: usize, closing: bool, line: &Line<'_>) {
        self.close(line.at);
        self.levels.truncate(level + usize::from(!closing));
        self.state = match self.levels.last_mut().filter(|_| !closing) {
            None => State::Between,
            Some(level) => {
                level.parts += 1;
                let place = Place {
                    path: level.place.child(level.parts),
                    depth: level.place.depth + 1,
                    message: false,
                    digest: level.digest,
                };
                State::Header(place, Header::new(line.next()))
            }
        };
    }

    /// After the header of an entity. A line that is no field is the first of its content.
    fn header_ends(&mut self, empty_line: bool, line: &Line<'_>) {
        let State::Header(place, header) = std::mem::replace(&mut self.state, State::Between) else { return };
        let mut entity = header.entity();
        if place.digest && header.places().is_empty() {
            entity.media_type = "message/rfc822".to_owned();
        }
        let at = if empty_line { line.next() } else { line.at };
        self.open(place, header, entity, at);
        if !empty_line {
            self.collector.line -= u64::from(line.starts);
            self.line(line);
        }
    }

    /// Begin the content of an entity.
    fn open(&mut self, place: Place, header: Header, entity: Entity, at: u64) {
        let deep = place.depth >= DEEPEST;
        if entity.is_multipart() && !deep {
            let digest = entity.media_type == "multipart/digest";
            let boundary = entity.boundary.unwrap_or_default();
            self.levels.push(Level { boundary, place, parts: 0, digest });
            self.state = State::Between;
        } else if entity.is_message() && !deep && self.options.nested == Nested::Open {
            let place = Place { depth: place.depth + 1, message: true, digest: false, ..place };
            self.state = State::Header(place, Header::new(at));
        } else {
            let decoder = entity.encoding.decoder();
            let what = if entity.may_contain_files() && !deep {
                let encoded = !decoder.is_identity();
                self.collector.begin_text(place.leaf(), at, entity.encoding);
                What::Text(Finder::new(self.options.in_text, encoded), encoded.then(Lines::default))
            } else if entity.is_attachment() || deep {
                let encoding = entity.encoding.name();
                let (path, media_type, name) = (place.leaf(), entity.media_type, entity.name);
                self.collector.begin(NewFound { path, name, encoding, media_type });
                What::File(header, place.path.is_empty())
            } else {
                What::Nothing
            };
            self.state = State::Leaf(Leaf { decoder, held: b"", at, what });
        }
    }

    /// What is open ends before this octet.
    fn close(&mut self, end: u64) {
        match std::mem::replace(&mut self.state, State::Between) {
            State::Leaf(leaf) => leaf.close(end, &mut self.collector),
            // A header without content.
            State::Header(place, header) => {
                let entity = header.entity();
                if entity.is_attachment() {
                    let (path, name, media_type) = (place.leaf(), entity.name, entity.media_type);
                    self.collector.begin(NewFound { path, name, encoding: entity.encoding.name(), media_type });
                    self.collector.damage(Damage::NoEnd);
                    self.collector.end(Vec::new());
                }
            }
            State::Between => {}
        }
    }
}

impl Leaf {
    fn line(&mut self, line: &Line<'_>, collector: &mut Collector<'_>) {
        match &mut self.what {
            What::Nothing => {}
            What::Text(finder, None) => finder.line(line, collector),
            What::Text(..) | What::File(..) => {
                self.give_held(collector);
                self.give(line.octets, collector);
            }
        }
        self.held = line.end;
    }

    fn give_held(&mut self, collector: &mut Collector<'_>) {
        let held = std::mem::take(&mut self.held);
        // Line ends are nothing in base64.
        if !held.is_empty() && !matches!(self.decoder, Decoder::Base64(_)) && !matches!(self.what, What::Text(_, None))
        {
            self.give(held, collector);
        }
    }

    fn give(&mut self, octets: &[u8], collector: &mut Collector<'_>) {
        match &mut self.what {
            What::File(..) => {
                if let Err(damage) = self.decoder.feed(octets, collector.out()) {
                    collector.damage(damage);
                }
                collector.pump();
            }
            What::Text(finder, Some(lines)) => {
                let mut text = Vec::new();
                // Damage in a text that is no file is not ours to tell.
                drop(self.decoder.feed(octets, &mut text));
                lines.feed(&text, |line| finder.line(&line, collector));
            }
            What::Text(_, None) | What::Nothing => {}
        }
    }

    fn close(mut self, end: u64, collector: &mut Collector<'_>) {
        let content = self.at..end.saturating_sub(self.held.len() as u64).max(self.at);
        let mut rest = Vec::new();
        let finished = self.decoder.finish(&mut rest);
        match self.what {
            What::File(header, whole) => {
                collector.out().append(&mut rest);
                if let Err(damage) = finished {
                    collector.damage(damage);
                }
                let cut = if whole {
                    Cut::Message(content)
                } else {
                    Cut::Part { header: header.at, fields: header.places(), content }
                };
                collector.end(vec![cut]);
            }
            What::Text(mut finder, lines) => {
                if let Some(mut lines) = lines {
                    lines.feed(&rest, |line| finder.line(&line, collector));
                    lines.finish(|line| finder.line(&line, collector));
                }
                finder.finish(collector);
                collector.end_text(content);
            }
            What::Nothing => {}
        }
    }
}
