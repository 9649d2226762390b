//! The decoder against what RFC 5321 and RFC 3030 say, in all framings.

use proptest::{collection::vec, prelude::*};

use super::*;

const STRICT: Framing = Framing::Dots(BareLineEnds::Reject);

fn decode(limit: u64, chunks: &[&[u8]]) -> (Option<Result<Bytes, DataError>>, Vec<u8>) {
    decode_as(STRICT, limit, chunks)
}

/// What a decoder makes of `chunks`, and what it leaves.
fn decode_as(framing: Framing, limit: u64, chunks: &[&[u8]]) -> (Option<Result<Bytes, DataError>>, Vec<u8>) {
    let (mut decoder, mut input) = (DataDecoder::new(framing, limit, None), BytesMut::new());
    let mut chunks = chunks.iter();
    for chunk in chunks.by_ref() {
        input.extend_from_slice(chunk);
        if let Some(end) = decoder.take(&mut input) {
            return (Some(end), [&input[..], &chunks.copied().collect::<Vec<_>>().concat()].concat());
        }
    }
    (None, input.to_vec())
}

fn decode_all(octets: &[u8]) -> Result<Bytes, DataError> {
    let (end, rest) = decode(1000, &[octets]);
    assert!(rest.is_empty());
    end.expect("ends")
}

#[test]
fn messages() {
    for (wire, message) in [
        (&b".\r\n"[..], &b""[..]),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"\r\n.\r\n", b"\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"...\r\n.\r\n", b"..\r\n"),
        (b".a\r\n..b\r\na.\r\n.\r\n", b"a\r\n.b\r\na.\r\n"),
        (b"a: b\r\n\r\nbody\r\n\r\n.\r\n", b"a: b\r\n\r\nbody\r\n\r\n"),
    ] {
        assert_eq!(decode_all(wire), Ok(Bytes::copy_from_slice(message)), "{wire:?}");
    }
}

#[test]
fn nothing_but_crlf_dot_crlf_ends_and_bare_line_ends_are_refused() {
    for smuggled in [
        &b"a\n.\r\n"[..],
        b"a\n.\n",
        b"a\r\n.\n",
        b"a\r.\r\n",
        b"a\r.\r",
        b"a\r\n.\r",
        b"a\n\r\n.\r\r\n",
        b"\n.\r\n",
        b"a\r\r\n",
        b".\n",
        b".\r.\r\n",
    ] {
        let wire = [smuggled, b"MAIL FROM:<evil@example.org>\r\n.\r\n"].concat();
        let expected = Err(DataError::BareLineEnd);
        assert_eq!(decode(1000, &[&wire]), (Some(expected), vec![]), "{:?}", String::from_utf8_lossy(smuggled));
    }
}

#[test]
fn what_follows_the_end_is_left() {
    let (end, rest) = decode(1000, &[b"a\r\n.\r\nQUIT\r\n"]);
    assert_eq!((end, rest.as_slice()), (Some(Ok(Bytes::from_static(b"a\r\n"))), &b"QUIT\r\n"[..]));
}

#[test]
fn size_counts_without_stuffing_and_end() {
    assert_eq!(decode(3, &[b"..\r\n.\r\n"]).0, Some(Ok(Bytes::from_static(b".\r\n"))));
    assert_eq!(decode(2, &[b"..\r\n.\r\n"]).0, Some(Err(DataError::TooLarge)));
    assert_eq!(decode(0, &[b".\r\n"]).0, Some(Ok(Bytes::new())));
}

#[test]
fn a_refused_message_takes_no_memory() {
    let mut decoder = DataDecoder::new(STRICT, 10, Some(u64::MAX));
    assert_eq!(decoder.take(&mut BytesMut::from(&[b'a'; 5000][..])), None);
    assert_eq!((decoder.message.capacity(), decoder.size()), (0, 5000));
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => Just(b"\r\n".to_vec()), 3 => Just(b".".to_vec()), 1 => Just(b"\r".to_vec()), 1 => Just(b"\n".to_vec()),
        1 => Just(b"\r\n.\r\n".to_vec()), 3 => vec(any::<u8>(), 0..8), 1 => vec(Just(b'x'), 0..300),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Octet by octet as RFC 5321 says it, to compare with.
fn reference(limit: usize, wire: &[u8]) -> Option<(Result<Vec<u8>, DataError>, usize)> {
    let end = match wire.strip_prefix(b".\r\n") {
        Some(_) => 0,
        None => wire.windows(5).position(|window| window == b"\r\n.\r\n")? + 2,
    };
    let text = &wire[..end];
    let stuffed = |i: usize| text[i] == b'.' && (i == 0 || text[..i].ends_with(b"\r\n"));
    let message: Vec<u8> = (0..end).filter(|&i| !stuffed(i)).map(|i| text[i]).collect();
    let result = match (has_bare(text), message.len() > limit) {
        (true, _) => Err(DataError::BareLineEnd),
        (_, true) => Err(DataError::TooLarge),
        _ => Ok(message),
    };
    Some((result, end + 3))
}

fn has_bare(text: &[u8]) -> bool {
    let cr_alone = |i: usize| text[i] == b'\r' && text.get(i + 1) != Some(&b'\n');
    let lf_alone = |i: usize| text[i] == b'\n' && (i == 0 || text[i - 1] != b'\r');
    (0..text.len()).any(|i| cr_alone(i) || lf_alone(i))
}

/// What `octets` are after half line ends have been made harmless.
fn normalized(octets: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    for (at, octet) in octets.iter().enumerate() {
        match octet {
            b'\r' if octets.get(at + 1) != Some(&b'\n') => out.push(b' '),
            b'\n' if at == 0 || octets[at - 1] != b'\r' => out.extend(b"\r\n"),
            octet => out.push(*octet),
        }
    }
    out
}

/// Pieces of `all`, with lengths that go round and round.
fn cut<'a>(all: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let (mut pieces, mut rest) = (vec![], all);
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, tail) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

fn append(framing: Framing, limit: u64, pieces: &[&[u8]]) -> Result<Bytes, DataError> {
    let mut decoder = DataDecoder::new(framing, limit, None);
    for piece in pieces {
        decoder.append(piece).ok();
    }
    decoder.finish()
}

#[test]
fn what_was_drained_comes_before_the_rest() {
    let mut decoder = DataDecoder::new(Framing::Lines(BareLineEnds::Reject), 100, None);
    assert_eq!(decoder.append(b"a\r"), Ok(()));
    assert_eq!((decoder.held(), decoder.drain()), (1, Bytes::from_static(b"a")));
    assert_eq!(decoder.append(b"\nb"), Ok(()));
    assert_eq!((decoder.size(), decoder.finish()), (4, Ok(Bytes::from_static(b"\r\nb"))));
}

#[test]
fn a_message_that_was_given_up_is_refused() {
    let mut decoder = DataDecoder::new(Framing::Octets, 100, None);
    assert_eq!(decoder.append(b"a"), Ok(()));
    decoder.give_up();
    assert_eq!(
        (decoder.append(b"b"), decoder.held(), decoder.finish()),
        (Err(DataError::NoRoom), 0, Err(DataError::NoRoom))
    );
}

#[test]
fn normalized_messages() {
    for (wire, message) in [
        (&b"a\nb\r\n.\r\n"[..], &b"a\r\nb\r\n"[..]),
        (b"a\rb\r\n.\r\n", b"a b\r\n"),
        // Stuffed dots come out behind a bare LF, too, but the end doesn't begin there.
        (b"a\n..b\n.\nc\r\n.\r\n", b"a\r\n.b\r\n\r\nc\r\n"),
        (b"a\n.\r\nMAIL FROM:<evil@example.org>\r\n.\r\n", b"a\r\n\r\nMAIL FROM:<evil@example.org>\r\n"),
        (b"a\r\n.\nb\r\n.\r\n", b"a\r\n\r\nb\r\n"),
        (b"a\r\n.\rb\r\n.\r\n", b"a\r\n b\r\n"),
        (b"a\r\r\n.\r\n", b"a \r\n"),
    ] {
        let (end, rest) = decode_as(Framing::Dots(BareLineEnds::Normalize), 1000, &[wire]);
        assert_eq!(end, Some(Ok(Bytes::copy_from_slice(message))), "{:?}", String::from_utf8_lossy(wire));
        assert!(rest.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_chunks_give_what_the_reference_gives(
        wire in octets(), cuts in vec(1usize..20, 1..20), limit in 0usize..400,
    ) {
        let chunks = cut(&wire, &cuts);
        let expected = reference(limit, &wire).map_or((None, vec![]), |(result, end)| {
            (Some(result.map(Bytes::from)), wire[end..].to_vec())
        });
        prop_assert_eq!(decode(limit as u64, &chunks), expected.clone());
        prop_assert_eq!(decode(limit as u64, &[&wire]), expected);
    }

    #[test]
    fn a_normalized_message_has_no_half_line_ends(wire in octets(), cuts in vec(1usize..20, 1..20)) {
        let framing = Framing::Dots(BareLineEnds::Normalize);
        let (end, rest) = decode_as(framing, 10_000, &cut(&wire, &cuts));
        prop_assert_eq!(&decode_as(framing, 10_000, &[&wire]), &(end.clone(), rest.clone()));
        // It ends where a strict reader sees the end, and nowhere else.
        prop_assert_eq!(rest, reference(10_000, &wire).map_or(vec![], |(_, end)| wire[end..].to_vec()));
        if let Some(message) = end {
            prop_assert!(!has_bare(&message.expect("small enough")));
        }
    }

    #[test]
    fn counted_lines(octets in octets(), cuts in vec(1usize..20, 1..20), limit in 0u64..400) {
        let pieces = cut(&octets, &cuts);
        let fits = |message: Vec<u8>| {
            if message.len() as u64 > limit { Err(DataError::TooLarge) } else { Ok(Bytes::from(message)) }
        };
        let strict = if has_bare(&octets) { Err(DataError::BareLineEnd) } else { fits(octets.clone()) };
        prop_assert_eq!(append(Framing::Lines(BareLineEnds::Reject), limit, &pieces), strict);
        let normalized = fits(normalized(&octets));
        prop_assert_eq!(append(Framing::Lines(BareLineEnds::Normalize), limit, &pieces), normalized);
        prop_assert_eq!(append(Framing::Octets, limit, &pieces), fits(octets.clone()));
    }
}
