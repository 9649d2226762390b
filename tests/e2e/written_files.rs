//! Files that filters write: there when the message was accepted, and only then, also after a kill at any moment.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{client::Client, relay::Relay, sink::Sink};

fn config(files: &Path, more: &str) -> String {
    let guests = env!("MAILWEIR_GUESTS");
    format!(
        "[[message]]\nplugin = \"{guests}/misbehave.wasm\"\nconfig.act = \"write-file\"\nfiles = \"{}\"\n{more}",
        files.display()
    )
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

fn visible(folder: &Path) -> BTreeSet<String> {
    names(folder).into_iter().filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn a_refused_message_leaves_no_file() {
    let files = tempfile::tempdir().expect("a folder");
    let refuse = format!(
        "[[message]]\nplugin = \"{}/misbehave.wasm\"\nname = \"refuse\"\nconfig.act = \"fail\"\n\
         when = {{ header.x-refuse = \"yes\" }}\n",
        env!("MAILWEIR_GUESTS")
    );
    let sink = Sink::start();
    let relay = Relay::start(&config(files.path(), &refuse), sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let message = b"Subject: ../../report.txt\r\nX-Refuse: yes\r\n\r\ncontent\r\n";
    let reply = client.send("a@example.org", &["b@example.net"], message).expect("a reply");
    assert!(reply.starts_with("451"), "{reply}");
    assert_eq!(names(files.path()), BTreeSet::new());
    let message = b"Subject: ../../report.txt\r\n\r\ncontent\r\n";
    let reply = client.send("a@example.org", &["b@example.net"], message).expect("a reply");
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(names(files.path()), BTreeSet::from(["report.txt".to_owned()]));
    assert_eq!(fs::read(files.path().join("report.txt")).expect("a file"), b"content\r\n");
}

/// Sends messages with names of their own until the relay is gone; returns the names that got 250.
fn send_until_killed(address: std::net::SocketAddr, session: usize, round: usize) -> Vec<String> {
    let mut accepted = Vec::new();
    let Ok(mut client) = Client::connect(address) else { return accepted };
    for number in 0.. {
        let name = format!("file-{round}-{session}-{number}.txt");
        let message = format!("Subject: {name}\r\n\r\n{name}\r\n");
        match client.send("a@example.org", &["b@example.net"], message.as_bytes()) {
            Ok(reply) if reply.starts_with("250") => accepted.push(name),
            _ => break,
        }
    }
    accepted
}

#[test]
fn a_kill_loses_no_file_of_an_accepted_message() {
    let files: PathBuf = tempfile::tempdir().map(TempDir::keep).expect("a folder");
    let sink = Sink::start();
    let mut relay = Relay::start(&config(&files, ""), sink.address());
    let mut accepted = Vec::new();
    for round in 0..5 {
        let address = relay.address();
        let clients: Vec<_> =
            (0..8).map(|session| thread::spawn(move || send_until_killed(address, session, round))).collect();
        thread::sleep(Duration::from_millis(150 + 37 * round as u64));
        relay.kill();
        for client in clients {
            accepted.extend(client.join().expect("no panic"));
        }
        relay.restart();
    }
    assert!(accepted.len() > 50, "only {} messages were accepted before the kills", accepted.len());
    let there = visible(&files);
    let lost: Vec<_> = accepted.iter().filter(|name| !there.contains(*name)).collect();
    assert!(lost.is_empty(), "accepted, but their files are not there: {lost:?}");
    // None twice, and each complete.
    assert!(there.iter().all(|name| name.matches('-').count() == 3), "{there:?}");
    for name in &there {
        assert_eq!(fs::read_to_string(files.join(name)).expect("a file"), format!("{name}\r\n"));
    }
    fs::remove_dir_all(&files).expect("removed");
}
