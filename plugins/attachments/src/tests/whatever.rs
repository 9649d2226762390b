//! No message is too strange.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Lines that mean something to the filter, cut short and mixed at will.
const LINES: [&str; 24] = [
    "--b",
    "--b--",
    "--c",
    "",
    "Content-Type: multipart/mixed; boundary=c",
    "Content-Type: message/rfc822",
    "Content-Type: text/plain; name=a.txt",
    "Content-Type: text/plain",
    "Content-Disposition: attachment; filename*0*=utf-8''%zz; filename*9=x",
    "Content-Transfer-Encoding: base64",
    "Content-Transfer-Encoding: quoted-printable",
    " folded",
    "begin 644 a.txt",
    "#0V%T",
    "MAAAA",
    "`",
    "end",
    "begin-base64 644 b",
    "====",
    "(This file must be converted with BinHex 4.0)",
    ":!3AB",
    "=ybegin part=1 line=128 size=3 name=x",
    "=ypart begin=1 end=18446744073709551615",
    "=yend size=3 part=1 pcrc32=0",
];

fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = (proptest::sample::select(&LINES[..]), 0..60_usize).prop_map(|(line, cut)| {
        line.as_bytes()[..line.len().min(cut.max(4)).max(line.len() * usize::from(cut > 8))].to_vec()
    });
    prop_oneof![8 => known, 1 => proptest::collection::vec(any::<u8>(), 0..80)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever comes, the filter answers, and what it strips is stripped: a second look at the new body finds no file by that rule.
    #[test]
    fn no_message_is_too_strange(lines in proptest::collection::vec(line(), 0..40), ends in any::<bool>()) {
        let body = lines.join(if ends { &b"\r\n"[..] } else { &b"\n"[..] });
        let message = Message::builder().field("Content-Type", "multipart/mixed; boundary=b").body(&body).build();
        let filter = filter(json!({ "then": "strip", "note": "gone" }));
        let outcome = filter.filter(&message).expect("it answers");
        native::files();
        let new = outcome.edits.iter().find_map(|edit| match &edit.change {
            Change::ReplaceBody(body) => Some(body.octets()),
            _ => None,
        });
        if let Some(new) = new {
            // All that stays was there before, in that order.
            let mut old = body.as_slice();
            for line in new.split(|octet| *octet == b'\n').filter(|line| line.starts_with(b"--b")) {
                let at = memchr::memmem::find(old, line);
                prop_assert!(at.is_some());
                old = &old[at.unwrap_or(0)..];
            }
        }
    }

    /// However the octets are encoded, they come back.
    #[test]
    fn what_is_sent_comes_back(content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
        let mut encoded = Vec::new();
        let mut encoder = crate::encode::Encoder::Base64(Default::default());
        encoder.feed(&content, &mut encoded);
        encoder.finish(&mut encoded);
        for (encoding, encoded) in [("base64", &encoded), ("binary", &content)] {
            let head = format!("--b\r\nContent-Type: x/y; name=a\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
            let body = [head.as_bytes(), encoded, b"\r\n--b--\r\n"].concat();
            let message = Message::builder().field("Content-Type", "multipart/mixed; boundary=b").body(&body).build();
            let (_, files, _) = run(json!({}), &message);
            prop_assert_eq!(&files, &[("a".to_owned(), content.clone())]);
        }
    }
}
