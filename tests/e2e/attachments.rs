//! The stock filter attachments in the real relay, as `examples/save-scans.toml` sets it up.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

const EXAMPLE: &str = include_str!("../../examples/save-scans.toml");

/// A folder with all that the example needs.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("scans")).expect("a folder");
    folder
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    entries.map(|path| (name(&path), fs::read(&path).expect("a file"))).collect()
}

fn message(subject: &str, name: &str) -> String {
    let text = format!(
        "From: copier@example.com\nSubject: {subject}\nContent-Type: multipart/mixed; boundary=\"=_b\"\n\n\
         Preamble\n--=_b\nContent-Type: text/plain\n\n.Here  it is. \n\n--=_b\nContent-Type: application/pdf\n\
         Content-Disposition: attachment; filename=\"{name}\"\nContent-Transfer-Encoding: base64\n\n\
         JVBERi0x\nLjQK\n--=_b--\nEpilogue\n"
    );
    text.replace('\n', "\r\n")
}

#[test]
fn a_scan_is_saved_and_a_note_is_delivered() {
    let (sink, folder) = (Sink::start(), folder());
    let scans = folder.path().join("scans");
    let text = EXAMPLE.replace("127.0.0.1:2525", "127.0.0.1:0").replace("127.0.0.1:2526", &sink.address().to_string());
    let relay = Relay::with_config(folder, &text);
    let mut client = Client::connect(relay.address()).expect("a session");
    let mut send = |subject: &str, name: &str| {
        let message = message(subject, name);
        client.send("copier@example.com", &["ann@example.com"], message.as_bytes()).expect("a reply")
    };
    // Refused by the first stage, whatever it calls itself.
    assert_eq!(send("[scan] 1", "scan.exe"), "550 5.7.1 Attachment scan.exe is not accepted here");
    assert_eq!(files(&scans), BTreeMap::new());
    // No scan: nothing is saved, and it arrives as it was sent.
    assert!(send("a letter", "letter.pdf").starts_with("250"));
    assert_eq!(files(&scans), BTreeMap::new());
    for _ in 0..2 {
        assert!(send("[scan] 2", "../../etc/p\u{e4}ge.pdf").starts_with("250"));
    }
    let expected = ["p\u{e4}ge.pdf", "p\u{e4}ge-2.pdf"].map(|name| (name.to_owned(), b"%PDF-1.4\n".to_vec()));
    assert_eq!(files(&scans), BTreeMap::from(expected));

    wait_until("three messages arrive", || sink.count() == 3);
    let mut delivered: Vec<_> = sink.delivered().into_iter().map(|mail| body(&mail.data)).collect();
    delivered.sort();
    let sent = |name: &str| body(message("", name).as_bytes());
    assert!(delivered.contains(&sent("letter.pdf")));
    let note = |saved: &str| {
        sent("../../etc/p\u{e4}ge.pdf")
            .replace(
                "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"../../etc/p\u{e4}ge.pdf\"\r\n\
                 Content-Transfer-Encoding: base64\r\n",
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
                 Content-Disposition: inline\r\n",
            )
            .replace(
                "JVBERi0x\r\nLjQK",
                &format!(
                    "The scan ../../etc/p=C3=A4ge.pdf (9 octets) is in the folder \"scans\" as p=\r\n=C3=A4{saved}.pdf."
                ),
            )
    };
    for saved in ["ge", "ge-2"] {
        assert!(delivered.contains(&note(saved)), "{delivered:#?}\nlacks\n{}", note(saved));
    }
    wait_until("the log says so", || relay.log().contains("is to be saved as p"));
}

/// What follows the header.
fn body(message: &[u8]) -> String {
    let text = String::from_utf8(message.to_vec()).expect("UTF-8");
    text.split_once("\r\n\r\n").expect("a header").1.to_owned()
}

#[test]
fn trace_tells_what_becomes_of_each_attachment() {
    let folder = folder();
    fs::write(folder.path().join("mailweir.toml"), EXAMPLE).expect("written");
    fs::write(folder.path().join("letter.eml"), message("[scan] 3", "scan.pdf")).expect("written");
    let arguments = ["trace", "letter.eml", "--json", "--from", "copier@example.com", "--to", "ann@example.com"];
    let output = Command::new(env!("CARGO_BIN_EXE_mailweir")).args(arguments).current_dir(folder.path()).output();
    let output = output.expect("mailweir runs");
    let traced: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let scans = &traced["stages"][1];
    assert_eq!(
        scans["notes"][0],
        "scan.pdf (application/pdf, base64, 9 octets, part 2): saved as scan.pdf, stripped; rule 1"
    );
    assert_eq!(scans["edits"][0]["reason"], "stripped: scan.pdf");
    let kept = "scan.pdf (application/pdf, base64, 9 octets, part 2): not saved, kept; no rule fits";
    assert_eq!(traced["stages"][0]["notes"][0], kept);
    assert_eq!(files(&folder.path().join("scans")), BTreeMap::new(), "trace leaves nothing");
}
