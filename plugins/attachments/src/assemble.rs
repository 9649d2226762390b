//! yEnc files in several parts (yEnc draft 1.3, "multipart"): put together in the order of their octets, however they came.

use std::{collections::BTreeMap, ops::Range};

use mailweir_sdk::Message;

use crate::{
    collector::{Collector, NewFound, Piece},
    decode::{Damage, yenc::Yenc},
    lines::Lines,
};

/// Octets of the body that are read at a time; the most that the relay gives.
const READ: u64 = 65_536;

/// A place in the body, piece by piece.
pub fn read(message: &Message, place: Range<u64>) -> impl Iterator<Item = Vec<u8>> {
    let mut at = place.start;
    std::iter::from_fn(move || {
        let wanted = place.end.saturating_sub(at).min(READ) as u32;
        let piece = if wanted == 0 { Vec::new() } else { message.read_body(at, wanted) };
        at += piece.len() as u64;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Make files of the pieces that were found.
pub fn assemble(message: &Message, collector: &mut Collector<'_>) {
    let mut files: BTreeMap<(Option<String>, u64), Vec<Piece>> = BTreeMap::new();
    for piece in std::mem::take(&mut collector.pieces) {
        files.entry((piece.name.clone(), piece.size)).or_default().push(piece);
    }
    for ((name, size), mut pieces) in files {
        pieces.sort_by_key(|piece| piece.begin);
        let path = pieces.first().map(|piece| piece.path.clone()).unwrap_or_default();
        let media_type = "application/octet-stream".to_owned();
        collector.begin(NewFound { path, name, encoding: "yEnc", media_type });
        let mut decoder = Yenc::default();
        for piece in &pieces {
            let expected = decoder.size() + 1;
            if let Some((line, damage)) = &piece.damage {
                collector.damage_at(*line, damage.clone());
            } else if piece.begin != expected {
                collector.damage(Damage::MissingPart(expected));
            }
            decode(message, piece.data.clone(), &mut decoder, collector);
        }
        let crc = pieces.iter().find_map(|piece| piece.crc);
        if let Err(damage) = decoder.check(Some(size), crc) {
            collector.damage(damage);
        }
        collector.end(pieces.into_iter().map(|piece| piece.cut).collect());
    }
}

fn decode(message: &Message, data: Range<u64>, decoder: &mut Yenc, collector: &mut Collector<'_>) {
    let mut lines = Lines::default();
    for piece in read(message, data) {
        lines.feed(&piece, |line| decoder.feed(line.octets, collector.out()));
        collector.pump();
    }
    lines.finish(|line| decoder.feed(line.octets, collector.out()));
}
