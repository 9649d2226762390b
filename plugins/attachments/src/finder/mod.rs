//! Finds encoded files in lines of text: uuencode, xxencode, `begin-base64`, BinHex and yEnc.

mod yenc;

use self::yenc::YencFile;
use crate::{
    charset,
    collector::Collector,
    config::InText,
    decode::{Damage, base64::Base64, binhex::BinHex, uu::Alphabet, yenc::Keys},
    lines::Line,
};

/// So many lines one after the other that are no data: the end mark was lost, and text follows.
const MOST_BAD_LINES: u32 = 4;
/// Lines between the announcement of BinHex and its first colon.
const MOST_LINES_BEFORE_COLON: u32 = 10;

/// Where it is in the text.
#[derive(Debug, Default)]
enum State {
    #[default]
    Outside,
    /// After `begin 644 name`; the next line shows what it is.
    Begin(String),
    Uu(Uu),
    Base64(Base64Lines),
    /// So many lines after `(This file must be converted …`.
    Announced(u32),
    BinHex(Box<BinHex>),
    Yenc(Box<YencFile>),
}

#[derive(Clone, Copy, Debug)]
struct Uu {
    alphabet: Alphabet,
    /// Whether zeros are written as something that does not get lost.
    strict: bool,
}

#[derive(Debug, Default)]
struct Base64Lines {
    decoder: Base64,
    /// Of the first line; only the last one may be shorter.
    width: Option<usize>,
    /// Width of a line that was shorter.
    short: Option<usize>,
}

impl Base64Lines {
    fn feed(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), Damage> {
        let width = *self.width.get_or_insert(line.len());
        let short = self.short.take();
        self.short = Some(line.len()).filter(|found| *found < width);
        self.decoder.feed(line, out)?;
        short.map_or(Ok(()), |found| Err(Damage::LineLength { expected: width, found }))
    }
}

/// Looks at the lines of one text.
#[derive(Debug)]
pub struct Finder {
    state: State,
    wanted: InText,
    /// Whether the text was encoded once more.
    encoded: bool,
    /// Where the file begins that is being read.
    at: u64,
    /// After its last line that made sense.
    good: u64,
    bad_lines: u32,
}

impl Finder {
    /// For a text; `encoded` where these lines don't stand in the message as they are.
    pub fn new(wanted: InText, encoded: bool) -> Self {
        Self { state: State::Outside, wanted, encoded, at: 0, good: 0, bad_lines: 0 }
    }

    /// Take a line.
    pub fn line(&mut self, line: &Line<'_>, collector: &mut Collector<'_>) {
        match std::mem::take(&mut self.state) {
            State::Outside => self.outside(line, collector),
            State::Begin(name) => self.after_begin(name, line, collector),
            State::Uu(uu) => self.uu(uu, line, collector),
            State::Base64(lines) => self.base64(lines, line, collector),
            State::Announced(lines) => self.announced(lines, line, collector),
            State::BinHex(decoder) => self.binhex(decoder, line, collector),
            State::Yenc(file) => self.yenc(file, line, collector),
        }
    }

    /// The text is over.
    pub fn finish(&mut self, collector: &mut Collector<'_>) {
        match std::mem::take(&mut self.state) {
            State::Outside | State::Begin(_) | State::Announced(_) => {}
            State::BinHex(decoder) => {
                begin_binhex(&decoder, collector);
                self.lost(collector);
            }
            State::Uu(_) | State::Base64(_) => self.lost(collector),
            State::Yenc(file) => self.lost_yenc(*file, collector),
        }
    }

    /// The end mark of a file is missing.
    fn lost(&mut self, collector: &mut Collector<'_>) {
        collector.damage(Damage::NoEnd);
        collector.end_in_text(self.at..self.good);
    }

    fn outside(&mut self, line: &Line<'_>, collector: &mut Collector<'_>) {
        // A look at the first octet spares most lines the rest.
        if !line.starts || !matches!(line.octets.first(), Some(b'b' | b'=' | b'(')) {
            return;
        }
        (self.at, self.good, self.bad_lines) = (line.at, line.next(), 0);
        // Different programs end this sentence differently.
        if self.wanted.binhex && line.octets.starts_with(b"(This file must be converted") {
            self.state = State::Announced(0);
        } else if self.wanted.yenc && line.octets.starts_with(b"=ybegin ") {
            if let Some(keys) = Keys::parse(line.octets, b"=ybegin").filter(|keys| keys.size.is_some()) {
                self.begin_yenc(keys, collector);
            }
        } else if line.octets.starts_with(b"begin") {
            self.begin(line.octets, collector);
        }
    }

    /// `begin 644 name`, `begin-base64 …`; with `-encoded` the name is base64 (GNU sharutils).
    fn begin(&mut self, octets: &[u8], collector: &mut Collector<'_>) {
        let mut words = octets.splitn(3, |octet| *octet == b' ');
        let (Some(word), Some(mode), Some(name)) = (words.next(), words.next(), words.next()) else { return };
        let octal = (3..=4).contains(&mode.len()) && mode.iter().all(|digit| (b'0'..=b'7').contains(digit));
        let mut name = name.trim_ascii().to_vec();
        if !octal || name.is_empty() {
            return;
        }
        let (encoded, base64) = match word {
            b"begin" => (false, false),
            b"begin-base64" => (false, true),
            b"begin-encoded" => (true, false),
            b"begin-base64-encoded" | b"begin-encoded-base64" => (true, true),
            _ => return,
        };
        if encoded {
            let (mut decoder, encoded) = (Base64::default(), std::mem::take(&mut name));
            // A damaged name is a name all the same.
            drop(decoder.feed(&encoded, &mut name));
            drop(decoder.finish(&mut name));
        }
        let name = charset::guess(&name);
        if !base64 {
            self.state = State::Begin(name);
        } else if self.wanted.uuencode {
            collector.begin_in_text(Some(name), "uuencode -m");
            self.state = State::Base64(Base64Lines::default());
        }
    }

    fn after_begin(&mut self, name: String, line: &Line<'_>, collector: &mut Collector<'_>) {
        let alphabet = match line.octets.trim_ascii_end() {
            b"end" => Some(Alphabet::Uu),
            octets => Alphabet::of_first_line(octets),
        };
        let wanted = alphabet.filter(|alphabet| match alphabet {
            Alphabet::Uu => self.wanted.uuencode,
            Alphabet::Xx => self.wanted.xxencode,
        });
        match wanted {
            Some(alphabet) => {
                collector.begin_in_text(Some(name), alphabet.name());
                self.uu(Uu { alphabet, strict: alphabet == Alphabet::Xx }, line, collector);
            }
            // Words of a letter that look like one.
            None => self.outside(line, collector),
        }
    }

    fn uu(&mut self, mut uu: Uu, line: &Line<'_>, collector: &mut Collector<'_>) {
        let octets = line.octets;
        if octets.trim_ascii_end() == b"end" {
            return collector.end_in_text(self.at..line.next());
        }
        if is_heading(octets) {
            self.lost(collector);
            return self.outside(line, collector);
        }
        if !octets.is_empty() {
            uu.strict |= memchr::memchr(b'`', octets).is_some();
            let decoded = uu.alphabet.line(octets, uu.strict, collector.out());
            if !self.judge(decoded.map(drop), line, collector) {
                return self.lost(collector);
            }
        }
        self.state = State::Uu(uu);
    }

    fn base64(&mut self, mut lines: Base64Lines, line: &Line<'_>, collector: &mut Collector<'_>) {
        if line.octets.trim_ascii_end() == b"====" {
            let finished = lines.decoder.finish(collector.out());
            self.judge(finished, line, collector);
            return collector.end_in_text(self.at..line.next());
        }
        if is_heading(line.octets) {
            self.lost(collector);
            return self.outside(line, collector);
        }
        let decoded = lines.feed(line.octets, collector.out());
        if self.judge(decoded, line, collector) {
            self.state = State::Base64(lines);
        } else {
            self.lost(collector);
        }
    }

    fn announced(&mut self, lines: u32, line: &Line<'_>, collector: &mut Collector<'_>) {
        if let [b':', rest @ ..] = line.octets {
            self.binhex_data(Box::default(), rest, line, collector);
        } else if lines < MOST_LINES_BEFORE_COLON {
            self.state = State::Announced(lines + 1);
        } else {
            self.outside(line, collector);
        }
    }

    fn binhex(&mut self, decoder: Box<BinHex>, line: &Line<'_>, collector: &mut Collector<'_>) {
        self.binhex_data(decoder, line.octets, line, collector);
    }

    fn binhex_data(&mut self, mut decoder: Box<BinHex>, octets: &[u8], line: &Line<'_>, collector: &mut Collector<'_>) {
        let colon = memchr::memchr(b':', octets);
        let data = octets.get(..colon.unwrap_or(octets.len())).unwrap_or_default();
        let nameless = decoder.header().is_none();
        // The file begins where its name is known, before its first octet comes.
        let mut out = Vec::new();
        let decoded = decoder.feed(data, &mut out);
        if nameless && (decoder.header().is_some() || colon.is_some()) {
            begin_binhex(&decoder, collector);
        }
        collector.out().append(&mut out);
        if colon.is_some() {
            self.judge(decoded.and_then(|()| decoder.finish()), line, collector);
            collector.end_in_text(self.at..line.next());
        } else if self.judge(decoded, line, collector) {
            self.state = State::BinHex(decoder);
        } else {
            if decoder.header().is_none() {
                begin_binhex(&decoder, collector);
            }
            self.lost(collector);
        }
    }

    /// Tell damage, and whether to go on: not after a number of lines that are none.
    fn judge(&mut self, decoded: Result<(), Damage>, line: &Line<'_>, collector: &mut Collector<'_>) -> bool {
        match decoded {
            Ok(()) => {
                (self.good, self.bad_lines) = (line.next(), 0);
            }
            Err(damage) => {
                collector.damage(damage);
                self.bad_lines += 1;
            }
        }
        collector.pump();
        self.bad_lines < MOST_BAD_LINES
    }
}

/// Whether another file begins here: no data line has these characters in a row.
fn is_heading(octets: &[u8]) -> bool {
    [&b"begin "[..], b"begin-", b"=ybegin ", b"(This file must"].iter().any(|heading| octets.starts_with(heading))
}

fn begin_binhex(decoder: &BinHex, collector: &mut Collector<'_>) {
    let name = decoder.header().map(|header| charset::macintosh(&header.name));
    collector.begin_in_text(name, "BinHex");
    if let Some(header) = decoder.header().filter(|header| header.resource > 0) {
        collector.remark(format!("its resource fork of {} octets is left out", header.resource));
    }
}
