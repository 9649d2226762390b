//! Each decoder by itself: known texts, damage, and that neither the cutting into pieces nor any input matters.

use proptest::prelude::*;

use super::{
    Damage, Decoder, base64::Base64, binhex::BinHex, quoted_printable::QuotedPrintable, uu::Alphabet, yenc::Keys,
    yenc::Yenc,
};

/// Feed pieces; the octets, and whether there was damage.
fn run(mut decoder: Decoder, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut damaged = false;
    for piece in pieces {
        damaged |= decoder.feed(piece, &mut out).is_err();
    }
    damaged |= decoder.finish(&mut out).is_err();
    (out, damaged)
}

fn base64() -> Decoder {
    Decoder::Base64(Base64::default())
}

fn quoted_printable() -> Decoder {
    Decoder::QuotedPrintable(QuotedPrintable::default())
}

fn text(decoder: Decoder, input: &str) -> (String, bool) {
    let (octets, damaged) = run(decoder, &[input.as_bytes()]);
    (String::from_utf8(octets).expect("UTF-8"), damaged)
}

#[test]
fn base64_is_decoded_and_damage_told() {
    for (input, expected, damaged) in [
        ("", "", false),
        ("Zg==", "f", false),
        ("Zm8=", "fo", false),
        ("Zm9v", "foo", false),
        ("Zm9v\r\nYmFy\r\n", "foobar", false),
        // Two encodings, one after the other.
        ("Zg==Zm9v", "ffoo", false),
        ("Zm9*v", "foo", true),
        ("Zm9", "fo", true),
        ("Zm9vY", "foo", true),
        ("=Zm9v", "foo", true),
        ("Zm9v====", "foo", true),
    ] {
        assert_eq!(text(base64(), input), (expected.to_owned(), damaged), "{input}");
    }
}

#[test]
fn quoted_printable_is_decoded_and_damage_told() {
    for (input, expected, damaged) in [
        ("plain", "plain", false),
        ("a=3Db =C3=BC=c3=9F", "a=b üß", false),
        ("soft=\r\n break=\n.", "soft break.", false),
        ("soft= \t\r\nbreak", "softbreak", false),
        ("blanks  \t\r\nat the end \n", "blanks\r\nat the end\n", false),
        ("the end=", "the end", false),
        ("bad=XYescape", "bad=XYescape", true),
        ("bad=4", "bad=4", true),
        ("bad=4Xescape", "bad=4Xescape", true),
        ("=", "", false),
    ] {
        assert_eq!(text(quoted_printable(), input), (expected.to_owned(), damaged), "{input:?}");
    }
}

#[test]
fn the_first_line_tells_uuencode_from_xxencode() {
    for (line, expected) in [
        ("#0V%T", Some(Alphabet::Uu)),
        ("1Eq3o", Some(Alphabet::Xx)),
        ("`", Some(Alphabet::Uu)),
        ("+", Some(Alphabet::Xx)),
        ("to see you", None),
        ("", None),
    ] {
        assert_eq!(Alphabet::of_first_line(line.as_bytes()), expected, "{line}");
    }
}

#[test]
fn a_line_of_uuencode_is_as_long_as_it_says() {
    let decode = |alphabet: Alphabet, line: &str, strict| {
        let mut out = Vec::new();
        let decoded = alphabet.line(line.as_bytes(), strict, &mut out);
        (decoded, out)
    };
    assert_eq!(decode(Alphabet::Uu, "#0V%T", true), (Ok(3), b"Cat".to_vec()));
    assert_eq!(decode(Alphabet::Xx, "1Eq3o", true), (Ok(3), b"Cat".to_vec()));
    assert_eq!(decode(Alphabet::Uu, "`", true), (Ok(0), vec![]));
    // A checksum character at the end.
    assert_eq!(decode(Alphabet::Uu, "#0V%TX", true), (Ok(3), b"Cat".to_vec()));
    // Blanks at the end got lost: zeros, and damage only where they are not written as blanks.
    assert_eq!(decode(Alphabet::Uu, "#0", false), (Ok(3), vec![64, 0, 0]));
    let short = Damage::LineLength { expected: 4, found: 1 };
    assert_eq!(decode(Alphabet::Uu, "#0", true), (Err(short), vec![64, 0, 0]));
    assert_eq!(decode(Alphabet::Uu, "#0v%T", true).0, Err(Damage::Foreign("uuencode")));
}

#[test]
fn yenc_keys_are_read() {
    let keys = Keys::parse(b"=ybegin part=2 line=128 size=5000 name=a file = \xfc.txt ", b"=ybegin").expect("keys");
    assert_eq!((keys.part, keys.size, keys.name.as_slice()), (Some(2), Some(5000), &b"a file = \xfc.txt"[..]));
    let keys = Keys::parse(b"=yend size=5 pcrc32=0000abcd crc32=DEADBEEF", b"=yend").expect("keys");
    assert_eq!((keys.part_crc, keys.crc), (Some(0xabcd), Some(0xdead_beef)));
    assert_eq!(Keys::parse(b"=yendless", b"=yend"), None);
}

#[test]
fn binhex_without_sense_is_damage() {
    let mut out = Vec::new();
    let mut decoder = BinHex::default();
    assert_eq!(decoder.feed(b"!!!!", &mut out), Err(Damage::BadHeader));
    assert_eq!(BinHex::default().finish(), Err(Damage::BadHeader));
}

/// The input in three pieces.
fn cut(input: &[u8], a: usize, b: usize) -> [&[u8]; 3] {
    let (first, rest) = input.split_at(a.min(input.len()));
    let (second, third) = rest.split_at(b.min(rest.len()));
    [first, second, third]
}

/// Octets that are more or less what a decoder takes.
fn likely(alphabet: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let characters = proptest::sample::select(alphabet.as_bytes());
    proptest::collection::vec(prop_oneof![20 => characters, 1 => any::<u8>()], 0..400)
}

const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n";
const BINHEX: &str = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr\r\n";

proptest! {
    #[test]
    fn base64_does_not_depend_on_pieces(input in likely(BASE64), a in 0..400_usize, b in 0..400_usize) {
        let whole = run(base64(), &[&input]);
        prop_assert_eq!(run(base64(), &cut(&input, a, b)), whole.clone());
        prop_assert_eq!(run(base64(), &input.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn quoted_printable_does_not_depend_on_pieces(
        input in likely("ab= \t\r\n4F"), a in 0..400_usize, b in 0..400_usize, stretch in 1..20_usize,
    ) {
        let input = input.repeat(stretch);
        let whole = run(quoted_printable(), &[&input]);
        prop_assert_eq!(run(quoted_printable(), &cut(&input, a, b)), whole.clone());
        prop_assert_eq!(run(quoted_printable(), &input.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn yenc_does_not_depend_on_pieces(input in likely("=ab\u{7f}j"), a in 0..400_usize, b in 0..400_usize) {
        let run = |pieces: &[&[u8]]| {
            let (mut decoder, mut out) = (Yenc::default(), Vec::new());
            pieces.iter().for_each(|piece| decoder.feed(piece, &mut out));
            (out, decoder.crc(), decoder.size())
        };
        let whole = run(&[&input]);
        prop_assert_eq!(run(&cut(&input, a, b)), whole.clone());
        prop_assert_eq!(run(&input.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn yenc_comes_back(content in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut encoded = Vec::new();
        for octet in &content {
            match octet.wrapping_add(42) {
                critical @ (0 | b'\n' | b'\r' | b'=') => encoded.extend([b'=', critical.wrapping_add(64)]),
                plain => encoded.push(plain),
            }
        }
        let (mut decoder, mut out) = (Yenc::default(), Vec::new());
        decoder.feed(&encoded, &mut out);
        prop_assert_eq!(&out, &content);
        prop_assert_eq!(decoder.check(Some(content.len() as u64), Some(crc32fast::hash(&content))), Ok(()));
        prop_assert!(decoder.check(Some(content.len() as u64 + 1), None).is_err());
    }

    #[test]
    fn binhex_does_not_depend_on_pieces(input in likely(BINHEX), a in 0..400_usize, b in 0..400_usize) {
        let run = |pieces: &[&[u8]]| {
            let (mut decoder, mut out) = (BinHex::default(), Vec::new());
            let errors = pieces.iter().filter(|piece| decoder.feed(piece, &mut out).is_err()).count();
            (out, errors > 0, decoder.header().cloned(), decoder.finish())
        };
        // A name of one character, so that the header is soon over.
        let input = [b"!3".to_vec(), input].concat();
        let whole = run(&[&input]);
        prop_assert_eq!(run(&cut(&input, a, b)), whole.clone());
        prop_assert_eq!(run(&input.chunks(1).collect::<Vec<_>>()), whole);
    }

    #[test]
    fn no_line_of_uuencode_is_too_much(line in proptest::collection::vec(any::<u8>(), 0..100), strict in any::<bool>()) {
        for alphabet in [Alphabet::Uu, Alphabet::Xx] {
            let mut out = Vec::new();
            drop(alphabet.line(&line, strict, &mut out));
            prop_assert!(out.len() <= 63);
        }
        prop_assert!(Alphabet::of_first_line(&line).is_none() || !line.is_empty());
    }
}
