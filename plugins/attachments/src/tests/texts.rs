//! Files in texts. Those that real encoders make are tested end to end; here are the cases that no encoder makes.

use serde_json::json;

use super::*;

fn named(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

const UU: &str = "begin 644 cat.txt\n#0V%T\n`\nend\n";

/// `Cat`, `yEnc` in two parts.
const YENC: [&str; 2] = [
    "=ybegin part=1 total=2 line=128 size=3 name=cat.txt\n=ypart begin=1 end=2\nm\u{8b}\n=yend size=2 part=1 pcrc32=a0385ff7\n",
    "=ybegin part=2 total=2 line=128 size=3 name=cat.txt\n=ypart begin=3 end=3\n\u{9e}\n=yend size=1 part=2 crc32=a6130548\n",
];

#[test]
fn a_file_in_a_text_is_found() {
    let (files, notes) = files(&format!("Subject: x\n\nHello,\nbegin 644 the day\n{UU}Bye\n"));
    assert_eq!(files, named(&[("cat.txt", "Cat")]));
    assert!(notes[0].starts_with("cat.txt (application/octet-stream, uuencode, 3 octets, part 1)"), "{notes:?}");
}

#[test]
fn names_can_be_encoded_and_base64_stand_between_begin_and_end() {
    let text = "X: y\n\nbegin-base64 644 a.txt\nSGVsbG8=\n====\nbegin-encoded 644 Yi50eHQ=\n#0V%T\n`\nend\n";
    assert_eq!(files(text).0, named(&[("a.txt", "Hello"), ("b.txt", "Cat")]));
}

#[test]
fn a_text_that_is_encoded_itself_is_decoded_first() {
    let text = "Content-Transfer-Encoding: quoted-printable\n\nHello\nbegin=20644 cat.txt=0D=0A#0V%T\n`\nend\n";
    assert_eq!(files(text).0, named(&[("cat.txt", "Cat")]));
    let text = "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n\
                aGkKYmVnaW4gNjQ0IGNhdC50eHQKIzBWJVQKYAplbmQKYnllCg==\n";
    assert_eq!(files(text).0, named(&[("cat.txt", "Cat")]));
}

#[test]
fn what_only_looks_like_a_file_is_text() {
    for text in [
        "begin 644 reasons to stay\nI can't think of one\n",
        "begin 999 x\n#0V%T\n`\nend\n",
        "(This file must be converted with BinHex 4.0)\n\nIt was not.\n",
        "=ybegin without sense\n",
    ] {
        assert_eq!(files(&format!("X: y\n\n{text}")), (vec![], vec!["no attachments".to_owned()]), "{text}");
    }
}

#[test]
fn a_lost_end_does_not_swallow_the_text() {
    let tail = "And now some words that follow.\n".repeat(10);
    let (files, notes) = files(&format!("X: y\n\n{}{tail}{UU}", UU.replace("`\nend\n", "")));
    assert_eq!(files[0], ("cat.txt".to_owned(), "Cat".to_owned()));
    assert_eq!(files[1].1, "Cat", "the next file is found: {notes:?}");
    assert!(notes[0].contains("damaged"), "{notes:?}");
}

#[test]
fn damaged_lines_are_told() {
    let text = "X: y\n\nbegin 644 cat.txt\n#0V%T\n#0V\n#0v%T\n`\nend\n";
    let (files, notes) = files(text);
    // Without a backquote before it a short line may have lost blanks; the foreign character is damage in any case.
    assert_eq!(files[0].1.len(), 9);
    assert!(notes[0].contains("damaged: line 6: characters that uuencode does not have"), "{notes:?}");
}

fn yenc(parts: &[&str]) -> (Vec<File>, Vec<String>) {
    let text = format!("X: y\r\n\r\n{}", parts.concat().replace('\n', "\r\n"));
    // The octets of yEnc are not those of UTF-8.
    let octets: Vec<u8> = text.chars().map(|c| c as u8).collect();
    let (_, files, notes) = run(json!({}), &message_of(&octets));
    (files, notes)
}

#[test]
fn parts_of_yenc_are_put_together_in_any_order() {
    for parts in [[YENC[0], YENC[1]], [YENC[1], YENC[0]]] {
        let (files, notes) = yenc(&parts);
        assert_eq!(files, [("cat.txt".to_owned(), b"Cat".to_vec())]);
        assert!(!notes[0].contains("damaged"), "{notes:?}");
    }
}

#[test]
fn damage_of_yenc_is_told() {
    for (parts, told) in [
        (vec![YENC[1].to_owned()], "its parts do not fit together: the one from octet 1 is missing"),
        (vec![YENC[0].to_owned()], "2 octets, should be 3"),
        (vec![YENC[0].replace("m\u{8b}", "m\u{8c}"), YENC[1].to_owned()], "should be a0385ff7"),
        (vec![YENC[0].to_owned(), YENC[1].replace("a6130548", "a6130540")], "should be a6130540"),
        (vec![YENC[0].to_owned(), YENC[1].replace("=yend", "=nend")], "its end is missing"),
        (vec!["=ybegin line=128 size=9 name=a\nm\n=yend size=1\n".to_owned()], "1 octets, should be 9"),
    ] {
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        let (files, notes) = yenc(&parts);
        assert_eq!(files.len(), 1, "{notes:?}");
        assert!(notes[0].contains("damaged: ") && notes[0].contains(told), "{told}: {notes:?}");
    }
}

#[test]
fn only_the_encodings_that_are_wanted_are_looked_for() {
    let (_, files, _) = run(json!({ "in-text": ["yenc"] }), &message(&format!("X: y\n\n{UU}")));
    assert_eq!(files, []);
}
