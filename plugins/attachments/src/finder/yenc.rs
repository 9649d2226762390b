//! yEnc in a text: a whole file, or one of several parts, which are put together when all of the message has been read.

use super::{Finder, State};
use crate::{
    charset,
    collector::{Collector, Piece},
    decode::{
        Damage,
        yenc::{Keys, Yenc},
    },
    lines::Line,
};

/// A yEnc file, or one of its parts.
#[derive(Debug)]
pub(super) struct YencFile {
    keys: Keys,
    /// `=ypart`, where it is one of several.
    part: Option<Keys>,
    decoder: Yenc,
    /// Where its data lines begin.
    data_at: u64,
}

impl YencFile {
    /// One of several parts that can be put together later.
    fn is_piece(&self, encoded: bool) -> bool {
        self.keys.part.is_some() && !encoded
    }

    fn expected_size(&self) -> Option<u64> {
        match &self.part {
            Some(part) => part.begin.zip(part.end).and_then(|(begin, end)| end.checked_sub(begin)?.checked_add(1)),
            None => self.keys.size,
        }
    }
}

impl Finder {
    pub(super) fn begin_yenc(&mut self, keys: Keys, collector: &mut Collector<'_>) {
        let file = YencFile { keys, part: None, decoder: Yenc::default(), data_at: self.good };
        if !file.is_piece(self.encoded) {
            collector.begin_in_text(name(&file.keys), "yEnc");
            if file.keys.part.is_some() {
                collector.damage(Damage::EncodedParts);
            }
        }
        self.state = State::Yenc(Box::new(file));
    }

    pub(super) fn yenc(&mut self, mut file: Box<YencFile>, line: &Line<'_>, collector: &mut Collector<'_>) {
        if line.starts && line.octets.starts_with(b"=y") {
            if let Some(end) = Keys::parse(line.octets, b"=yend") {
                return self.end_yenc(*file, &end, line, collector);
            }
            if let Some(part) = Keys::parse(line.octets, b"=ypart") {
                file.part = Some(part);
                file.data_at = line.next();
                self.good = line.next();
                self.state = State::Yenc(file);
                return;
            }
            if line.octets.starts_with(b"=ybegin ") {
                self.lost_yenc(*file, collector);
                return self.outside(line, collector);
            }
        }
        let (before, expected) = (collector.out().len(), file.expected_size());
        file.decoder.feed(line.octets, collector.out());
        if expected.is_some_and(|expected| file.decoder.size() > expected.saturating_add(line.octets.len() as u64)) {
            // More than there can be: the end mark was lost, and this is text.
            collector.out().truncate(before);
            return self.lost_yenc(*file, collector);
        }
        self.good = line.next();
        if file.is_piece(self.encoded) {
            collector.out().truncate(before);
        }
        collector.pump();
        self.state = State::Yenc(file);
    }

    fn end_yenc(&mut self, file: YencFile, end: &Keys, line: &Line<'_>, collector: &mut Collector<'_>) {
        let crc = if file.keys.part.is_some() { end.part_crc } else { end.crc.or(end.part_crc) };
        let size = end.size.or(file.expected_size());
        let mut damage = file.decoder.check(size, crc).err();
        if damage.is_none() && file.keys.part.is_none() {
            damage = file.decoder.check(file.keys.size, None).err();
        }
        self.close(file, end.crc, damage, line.at, line.next(), collector);
    }

    pub(super) fn lost_yenc(&mut self, file: YencFile, collector: &mut Collector<'_>) {
        self.close(file, None, Some(Damage::NoEnd), self.good, self.good, collector);
    }

    fn close(
        &mut self,
        file: YencFile,
        crc: Option<u32>,
        damage: Option<Damage>,
        data_end: u64,
        end: u64,
        collector: &mut Collector<'_>,
    ) {
        if !file.is_piece(self.encoded) {
            damage.into_iter().for_each(|damage| collector.damage(damage));
            return collector.end_in_text(self.at..end);
        }
        let piece = Piece {
            name: name(&file.keys),
            size: file.keys.size.unwrap_or(0),
            begin: file.part.as_ref().and_then(|part| part.begin).unwrap_or(1),
            length: file.decoder.size(),
            crc,
            data: file.data_at..data_end,
            cut: collector.cut_in_text(self.at..end),
            damage: damage.map(|damage| (collector.line, damage)),
            path: collector.text_path(),
        };
        collector.piece(piece);
    }
}

fn name(keys: &Keys) -> Option<String> {
    // Some programs put it in quotes.
    let name = keys.name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(&keys.name);
    Some(charset::guess(name)).filter(|name| !name.is_empty())
}
