//! MIME: parts within parts, messages within messages, names, and what is no attachment.

use serde_json::json;

use super::*;

const MIXED: &str = "\
From: a@example.com
Content-Type: multipart/mixed; boundary=\"=_b\"

A preamble.
--=_b
Content-Type: text/plain

The text.
--=_b
Content-Type: application/octet-stream; name=old.bin
Content-Disposition: attachment; filename=hello.bin
Content-Transfer-Encoding: base64

SGVs
bG8=
--=_b
Content-Type: text/plain; name=\"=?utf-8?Q?Gr=C3=BC=C3=9Fe.txt?=\"
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe=
, ja

--=_b
Content-Type: image/png

\u{fffd}PNG
--=_b--
An epilogue.
--=_b
Content-Disposition: attachment; filename=no.txt

no
";

#[test]
fn every_part_that_is_a_file_is_saved() {
    let (files, notes) = files(MIXED);
    let expected = [("hello.bin", "Hello"), ("Grüße.txt", "Grüße, ja\r\n"), ("part-4.png", "\u{fffd}PNG")]
        .map(|(name, content)| (name.to_owned(), content.to_owned()));
    assert_eq!(files, expected);
    assert_eq!(
        notes[0],
        "hello.bin (application/octet-stream, base64, 5 octets, part 2): saved as hello.bin, kept; no rule fits"
    );
}

#[test]
fn parts_within_parts_and_messages_within_messages_are_opened() {
    let text = "\
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner

plain
--inner
Content-Type: text/html

<p>html</p>
--inner
Content-Type: application/pdf; name=a.pdf

pdf
--outer
Content-Type: message/rfc822

Subject: forwarded
Content-Type: multipart/mixed; boundary=deep

--deep
Content-Disposition: attachment; filename=b.txt

b
--deep--
--outer
Content-Type: multipart/digest; boundary=digest

--digest

Content-Type: image/gif
Content-Transfer-Encoding: base64

R0lG
--digest--
--outer--
";
    let (files, notes) = files(text);
    let expected = [("a.pdf", "pdf"), ("b.txt", "b"), ("part-3.1.1.gif", "GIF")];
    assert_eq!(files, expected.map(|(name, content)| (name.to_owned(), content.to_owned())));
    assert!(notes[0].contains("part 1.3)") && notes[1].contains("part 2.1)"), "{notes:?}");
    // Or a message is a file.
    let (_, saved, _) = run(json!({ "nested": "save" }), &message(text));
    let names: Vec<_> = saved.iter().map(|file| file.0.as_str()).collect();
    assert_eq!(names, ["a.pdf", "part-2.eml", "part-3.1.eml"]);
    assert!(saved[1].1.starts_with(b"Subject: forwarded\r\n") && saved[1].1.ends_with(b"--deep--"), "{saved:?}");
}

#[test]
fn a_message_can_be_an_attachment_itself() {
    let (files, _) = files("Content-Type: application/pdf\nContent-Transfer-Encoding: binary\n\nPDF\nend\n");
    assert_eq!(files, [("part-1.pdf".to_owned(), "PDF\r\nend\r\n".to_owned())]);
}

#[test]
fn texts_and_reports_are_no_attachments() {
    for text in [
        "Subject: x\n\nhello\n",
        "Content-Type: text/html\n\n<p>\n",
        "Content-Type: nonsense\n\nhello\n",
        "Content-Type: multipart/mixed\n\n--x\nContent-Disposition: attachment\n\nhello\n",
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nx\n--b--\n",
    ] {
        assert_eq!(files(text), (vec![], vec!["no attachments".to_owned()]), "{text}");
    }
}

#[test]
fn a_part_that_nothing_ends_is_damaged_and_saved() {
    let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: attachment; filename=a\n\nx\ny";
    let (files, notes) = files(text);
    assert_eq!(files, [("a".to_owned(), "x\r\ny".to_owned())]);
    assert!(notes[0].ends_with("; damaged: line 7: its end is missing"), "{notes:?}");
}

#[test]
fn what_is_too_deep_is_saved_as_it_is() {
    let mut text = String::from("X: y\n");
    for depth in 0..40 {
        text.push_str(&format!("Content-Type: multipart/mixed; boundary=b{depth}\n\n--b{depth}\n"));
    }
    text.push_str("Content-Type: image/png\n\ndeep\n");
    let (files, notes) = files(&text);
    assert_eq!(files.len(), 1, "{notes:?}");
    assert!(files[0].1.contains("deep") && notes[0].contains("multipart/mixed"), "{notes:?}");
    let nested = "Content-Type: message/rfc822\n\n".repeat(100);
    let (files, _) = super::files(&format!("{nested}Content-Type: image/png\n\ndeep\n"));
    assert_eq!(files.len(), 1);
    assert!(files[0].0.ends_with(".eml"), "{files:?}");
}

#[test]
fn damage_is_told_with_its_line_in_the_message() {
    let text = "A: b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAAA\nBB*BB\nCC!CC\n";
    let (_, notes) = files(text);
    let told = "damaged: line 6: characters that base64 does not have, and 1 more";
    assert!(notes[0].ends_with(told), "{notes:?}");
}

#[test]
fn line_ends_of_texts_can_become_lf() {
    let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/csv; name=a.csv\n\n1\n2\n\n--b\n\
                Content-Type: image/x; name=a.img\n\n1\n2\n\n--b--\n";
    let (_, files, _) = run(json!({ "line-ends": "lf" }), &message(text));
    assert_eq!(files, [("a.csv".to_owned(), b"1\n2\n".to_vec()), ("a.img".to_owned(), b"1\r\n2\r\n".to_vec())]);
}
