//! What uuenview, uuencode, macutils and Python's email package make comes back bit for bit, and damage is told.

use std::{fs, path::Path};

use super::*;
use crate::program::feed;

/// What a program prints, run in a folder with this input.
fn run(folder: &Path, program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let output = feed(folder, program, arguments, input);
    assert!(!output.stdout.is_empty(), "{program} {arguments:?} printed nothing");
    output.stdout
}

fn with_crlf(text: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = text.split(|octet| *octet == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

/// Files of several lengths, and each of them encoded as text by each program.
fn encoded(folder: &Path) -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let mut encoded = Vec::new();
    for length in [1, 2, 45, 46, 3_000, 70_001] {
        for (encoder, program, arguments) in [
            ("uu", "uuenview", &["-u"][..]),
            ("xx", "uuenview", &["-x"]),
            ("yenc", "uuenview", &["-y"]),
            ("uuencode", "uuencode", &[]),
            ("base64", "uuencode", &["-m"]),
            ("encoded", "uuencode", &["-e"]),
            ("hqx", "binhex", &["-d"]),
            ("hqx-no-runs", "binhex", &["-d", "-R"]),
        ] {
            let (name, content) = (format!("{encoder}-{length}.bin"), content(length));
            fs::write(folder.join(&name), &content).expect("written");
            let remote = if program == "uuencode" { vec![name.as_str(), name.as_str()] } else { vec![name.as_str()] };
            let text = run(folder, program, &[arguments, &remote].concat(), b"");
            encoded.push((name, content, text));
        }
    }
    encoded
}

#[test]
fn all_that_encoders_put_into_a_text_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let encoded = encoded(folder.path());
    let mut message = b"From: a@example.com\nSubject: several in one\n\nHello,\n\n".to_vec();
    for (name, _, text) in &encoded {
        message.extend_from_slice(format!("here is {name}:\n").as_bytes());
        message.extend_from_slice(text);
        message.extend_from_slice(b"\nThat was it.\n");
    }
    for message in [with_crlf(&message), message] {
        let (told, code, files) = unpack(&message);
        assert_eq!(code, Some(0), "{told:#}");
        assert_eq!(files.len(), encoded.len());
        for (name, content, _) in &encoded {
            assert!(files.get(name) == Some(content), "{name} differs");
        }
    }
}

#[test]
fn each_encoding_comes_back_without_a_header_too() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content, text) in encoded(folder.path()).into_iter().filter(|(_, content, _)| content.len() == 3_000) {
        let (told, code, files) = unpack(&text);
        assert!(files.get(&name) == Some(&content) && code == Some(0), "{name}: {told:#}");
    }
}

#[test]
fn base64_of_uuenview_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let files: Vec<_> = [1, 2, 3, 50_000].iter().map(|length| (format!("b-{length}.bin"), content(*length))).collect();
    files.iter().for_each(|(name, content)| fs::write(folder.path().join(name), content).expect("written"));
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    let letter = b"From: a@example.com\nTo: b@example.com\nSubject: x\n\nSee below.\n";
    let message = run(folder.path(), "uuenview", &[&["-b", "-a"], names.as_slice()].concat(), letter);
    for message in [with_crlf(&message), message] {
        let (told, code, found) = unpack(&message);
        assert!(found == files.iter().cloned().collect() && code == Some(0), "{told:#}");
    }
}

const PYTHON: &str = r#"
import sys, email.policy
from email.message import EmailMessage
data = open("data.bin", "rb").read()
inner = EmailMessage(); inner["Subject"] = "inner"; inner.set_content("inner text")
inner.add_attachment(data, maintype="application", subtype="zip", filename="inner.zip")
m = EmailMessage(); m["Subject"] = "Grüße"; m["From"] = "a@example.com"; m.set_content("text")
m.add_alternative("<p>html</p>", subtype="html")
m.add_attachment(data, maintype="application", subtype="octet-stream", filename="plain name.bin")
m.add_attachment(data, maintype="image", subtype="png", filename="Grüße aus Köln " + "sehr " * 20 + "lang.png")
m.add_attachment("Grüße\nzwei = 2\n", filename="quoted.txt", cte="quoted-printable")
m.add_attachment("short\nlines\n", filename="seven.txt", cte="7bit")
m.add_attachment("Grüße\n", filename="eight.txt", cte="8bit")
m.add_attachment(inner)
sys.stdout.buffer.write(m.as_bytes(policy=email.policy.SMTP if sys.argv[1] == "crlf" else email.policy.default))
"#;

#[test]
fn messages_of_python_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = content(20_000);
    fs::write(folder.path().join("data.bin"), &data).expect("written");
    for (ends, end) in [("lf", "\n"), ("crlf", "\r\n")] {
        let message = run(folder.path(), "python3", &["-c", PYTHON, ends], b"");
        let (told, code, files) = unpack(&message);
        let text = |text: &str| text.replace('\n', end).into_bytes();
        let long = format!("Grüße aus Köln {}lang.png", "sehr ".repeat(20));
        let expected = [
            ("plain name.bin", data.clone()),
            (&long, data.clone()),
            ("quoted.txt", text("Grüße\nzwei = 2\n")),
            ("seven.txt", text("short\nlines\n")),
            ("eight.txt", text("Grüße\n")),
            ("inner.zip", data.clone()),
        ];
        assert!(code == Some(0), "{ends}: {told:#}");
        assert_eq!(files.len(), expected.len(), "{ends}: {told:#}");
        for (name, content) in expected {
            assert!(files.get(name) == Some(&content), "{ends}: {name} differs: {told:#}");
        }
    }
}

/// The same text with one line damaged.
fn damaged(text: &[u8], line: usize, change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut lines: Vec<_> = text.split(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect();
    change(&mut lines[line]);
    lines.join(&b'\n')
}

#[test]
fn damaged_lines_are_told_and_the_rest_is_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content, text) in encoded(folder.path()).into_iter().filter(|(_, content, _)| content.len() == 3_000) {
        let cut_short = |line: &mut Vec<u8>| line.truncate(20);
        let foreign = |line: &mut Vec<u8>| line[10] = 0x7f;
        for (what, bad) in [("cut", damaged(&text, 6, cut_short)), ("foreign", damaged(&text, 6, foreign))] {
            let message = [b"X: y\n\n", bad.as_slice()].concat();
            let (told, code, files) = unpack(&message);
            let attachment = &told["attachments"][0];
            assert_eq!(code, Some(1), "{name}, {what}: {told:#}");
            assert!(attachment["damage"].as_str().is_some_and(|damage| damage.starts_with("line ")), "{told:#}");
            let saved = files.get(&name).unwrap_or_else(|| panic!("{name} is not saved: {told:#}"));
            assert!(saved.len() + 128 > content.len() && *saved != content, "{name}, {what}: {} octets", saved.len());
        }
        let end = text.len() - 400;
        let (told, code, files) = unpack(&[b"X: y\n\n", &text[..end]].concat());
        assert_eq!((code, files.len()), (Some(1), 1), "{name} without its end: {told:#}");
    }
}
