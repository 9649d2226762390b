//! The octets of a message, framed in every way: how they are cut makes no difference, no half line end comes through, and the end is where a
//! strict reader sees it.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use mailweir_fuzz::{
    pieces,
    smtp::{BareLineEnds, DataDecoder, DataError, Framing},
};

/// Small, so that it is met.
const LIMIT: u64 = 400;

type Decoded = (Option<Result<Bytes, DataError>>, Vec<u8>);

fuzz_target!(|octets: &[u8]| {
    let pieces = pieces(octets);
    for line_ends in [BareLineEnds::Reject, BareLineEnds::Normalize] {
        let (end, rest) = dots(line_ends, &[octets]);
        assert_eq!(dots(line_ends, &pieces), (end.clone(), rest.clone()));
        assert_eq!(end.is_some().then_some(rest.len()), strict_rest(octets));
        if let Some(Ok(message)) = end {
            check(&message);
        }
        let counted = counts(Framing::Lines(line_ends), &pieces);
        assert_eq!(counts(Framing::Lines(line_ends), &[octets]), counted);
        if let Ok(message) = counted {
            check(&message);
        }
    }
    let binary = counts(Framing::Octets, &pieces);
    assert_eq!(binary.ok().as_deref(), (octets.len() as u64 <= LIMIT).then_some(octets));
});

fn dots(line_ends: BareLineEnds, pieces: &[&[u8]]) -> Decoded {
    let (mut decoder, mut input) = (DataDecoder::new(Framing::Dots(line_ends), LIMIT, None), BytesMut::new());
    for (at, piece) in pieces.iter().enumerate() {
        input.extend_from_slice(piece);
        if let Some(end) = decoder.take(&mut input) {
            return (Some(end), [&input, &pieces[at + 1..].concat()[..]].concat());
        }
        assert!(input.is_empty());
    }
    (None, Vec::new())
}

fn counts(framing: Framing, pieces: &[&[u8]]) -> Result<Bytes, DataError> {
    let mut decoder = DataDecoder::new(framing, LIMIT, None);
    let refused = pieces.iter().fold(false, |refused, piece| {
        let now = decoder.append(piece).is_err();
        assert!(now || !refused, "what was refused stays refused");
        now
    });
    let message = decoder.finish();
    assert!(message.is_err() || !refused);
    message
}

fn check(message: &[u8]) {
    assert!(message.len() as u64 <= LIMIT);
    for (at, octet) in message.iter().enumerate() {
        match octet {
            b'\r' => assert_eq!(message.get(at + 1), Some(&b'\n')),
            b'\n' => assert!(at > 0 && message[at - 1] == b'\r'),
            _ => {}
        }
    }
}

/// Octets behind CRLF.CRLF, if that is there (RFC 5321 4.1.1.4).
fn strict_rest(octets: &[u8]) -> Option<usize> {
    let end = match octets.strip_prefix(b".\r\n") {
        Some(_) => 3,
        None => octets.windows(5).position(|window| window == b"\r\n.\r\n")? + 5,
    };
    Some(octets.len() - end)
}
