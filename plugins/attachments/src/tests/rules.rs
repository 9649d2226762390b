//! Rules, and what they do to the message.

use mailweir_sdk::{Verdict, native};
use serde_json::json;

use super::*;

const MIXED: &str = "\
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain

Some text
begin 644 cat.txt
#0V%T
`
end
and more
--b
X-Own: stays
Content-Type: application/x-msdownload;
\tname=virus.exe
Content-Disposition: attachment
Content-Transfer-Encoding: base64

TVqQ
--b
Content-Type: image/png; name=logo.png

PNG
--b--
";

#[test]
fn the_first_rule_that_fits_counts() {
    let config = json!({ "rules": [
        { "extension": "exe", "save": false },
        { "type": ["image/*"], "size": { "max": "1KiB" }, "save": false },
        { "name": "*" },
    ] });
    let (outcome, files, notes) = run(config, &message(MIXED));
    assert_eq!(outcome, Outcome::next());
    assert_eq!(files, [("cat.txt".to_owned(), b"Cat".to_vec())]);
    let ends: Vec<_> = notes.iter().map(|note| note.split_once("): ").expect("two parts").1).collect();
    assert_eq!(ends, ["saved as cat.txt, kept; rule 3", "not saved, kept; rule 1", "not saved, kept; rule 2"]);
}

#[test]
fn a_note_takes_the_place_of_what_is_stripped() {
    let config = json!({ "save": false, "then": "strip", "note": "gone: {name} ({size})" });
    let (outcome, files, _) = run(config, &message(MIXED));
    assert_eq!((outcome.verdict.clone(), files), (Verdict::Next, vec![]));
    let note = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\
                Content-Disposition: inline\n";
    let expected = MIXED
        .split_once("\n\n")
        .expect("a body")
        .1
        .replace("begin 644 cat.txt\n#0V%T\n`\nend\n", "gone: cat.txt (3)\n")
        .replace("Content-Type: application/x-msdownload;\n\tname=virus.exe\n", note)
        .replace("Content-Disposition: attachment\nContent-Transfer-Encoding: base64\n", "")
        .replace("TVqQ", "gone: virus.exe (3)")
        .replace("Content-Type: image/png; name=logo.png\n", note)
        .replace("PNG", "gone: logo.png (3)");
    assert_eq!(new_body(&outcome), expected);
    assert_eq!(outcome.edits[0].reason.as_deref(), Some("stripped: cat.txt, virus.exe, logo.png"));
}

#[test]
fn a_message_that_is_an_attachment_becomes_its_note() {
    let text = "Subject: x\nContent-Type: application/pdf; name=\"gr\u{fc}n.pdf\"\nContent-Transfer-Encoding: base64\n\nUERG\n";
    let (outcome, files, _) = run(json!({ "then": "strip", "note": "{name} is {saved}" }), &message(text));
    assert_eq!(files, [("grün.pdf".to_owned(), b"PDF".to_vec())]);
    assert_eq!(new_body(&outcome), "gr=C3=BCn.pdf is gr=C3=BCn.pdf");
    let changes: Vec<_> = outcome.edits.iter().map(|edit| &edit.change).collect();
    assert!(matches!(changes[..2], [Change::RemoveField(1), Change::RemoveField(2)]), "{changes:?}");
    let added: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::InsertField(_, name, _) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(added, ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"]);
}

#[test]
fn a_file_is_stripped_from_an_encoded_text() {
    let config = || json!({ "save": false, "then": "strip", "note": "gone" });
    // hi, uuencode, bye; in pieces that are no lines of it.
    let text = "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n\
                aGkKYmVnaW4gNjQ0IGNhdC50eHQKIzBW\nJVQKYAplbmQKYnllCg==\n";
    let (outcome, ..) = run(config(), &message(text));
    // hi, gone, bye
    assert_eq!(new_body(&outcome), "aGkKZ29uZQ0KYnllCg==");
    let text = "Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe\nbegin 644 cat.txt\n#0V%T\n`\nend\nbye =\n\
                begin\n";
    let (outcome, ..) = run(config(), &message(text));
    assert_eq!(new_body(&outcome), "Gr=C3=BC=C3=9Fe\ngone\nbye begin\n");
}

#[test]
fn one_bad_attachment_rejects_the_message() {
    let config = json!({ "rules": [{ "name": "*.exe", "then": "reject" }] });
    let (outcome, ..) = run(config, &message(MIXED));
    let Verdict::Reject(reply) = &outcome.verdict else { panic!("{outcome:?}") };
    assert_eq!((reply.code, reply.enhanced.as_deref()), (550, Some("5.7.1")));
    assert_eq!(reply.text, "Attachment virus.exe is not accepted here");
    assert_eq!(outcome.reason.as_deref(), Some("rule 1 rejects virus.exe"));
}

#[test]
fn the_operator_says_what_becomes_of_damage() {
    let text = "Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\nAA*A\n";
    let (_, saved, _) = run(json!({}), &message(text));
    assert_eq!(saved.len(), 1);
    let (outcome, files, notes) = run(json!({ "damaged": "leave", "then": "strip" }), &message(text));
    assert_eq!((outcome, files), (Outcome::next(), vec![]));
    assert!(notes[0].contains("not saved, kept"), "{notes:?}");
    let failure = filter(json!({ "damaged": "fail" })).filter(&message(text)).expect_err("a failure");
    assert_eq!(failure.0, "a.png is damaged: characters that base64 does not have");
    let config = json!({ "rules": [{ "damaged": true, "then": "reject" }] });
    assert!(matches!(run(config, &message(text)).0.verdict, Verdict::Reject(_)));
}

#[test]
fn names_that_are_there_get_a_number_or_not() {
    let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png; name=a.png\n\n1\n--b\n\
                Content-Type: image/png; name=a.png\n\n2\n--b--\n";
    for (existing, expected) in [
        ("number", vec![("a.png", "1"), ("a-2.png", "2")]),
        ("overwrite", vec![("a.png", "2")]),
        ("skip", vec![("a.png", "1")]),
    ] {
        let (_, files, notes) = run(json!({ "existing": existing }), &message(text));
        let expected: Vec<_> =
            expected.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        assert_eq!(files, expected, "{existing}");
        assert_eq!(notes[1].contains("not saved, there is a file of that name"), existing == "skip", "{notes:?}");
    }
}

#[test]
fn a_program_is_told_in_json() {
    let filter = filter(json!({ "report": "json" }));
    let (_, notes) = native::explained(|| filter.filter(&message(MIXED)));
    native::files();
    let told: Value = serde_json::from_str(&notes[1]).expect("JSON");
    let expected = json!({
        "part": "2", "name": "virus.exe", "type": "application/x-msdownload", "encoding": "base64", "size": 3,
        "saved": "virus.exe", "exists": false, "then": "kept", "damage": null, "remarks": [],
    });
    assert_eq!(told, expected);
}

#[test]
fn mistakes_are_told_with_their_keys() {
    let config = json!({
        "note": "{nome}",
        "rules": [
            { "size": { "min": "10 apples" } },
            { "size": { "min": 10, "max": 9 }, "extension": ["exe", ".com"], "type": "image" },
        ],
    });
    assert_eq!(
        mistakes(config),
        [
            "rules[0].size.min: `10 apples` is no size; a number of octets, or a text with its unit such as \"10MiB\"",
            "rules[1].size: no size is both above `min` and below `max`",
            "rules[1].extension[1]: `.com` is no extension; write \"pdf\" without dot, and other patterns into `name`",
            "rules[1].type[0]: `image` is no media type; write \"image/png\" or \"image/*\"",
            "note: unknown placeholder {nome}; there are {name}, {type}, {size}, {saved}",
        ]
    );
}
