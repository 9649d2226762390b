//! `examples/postfix-migration`: its `main.cf` with a real Postfix beside its `mailweir.toml`; the same mail goes through both.

use std::{fs, net::Ipv4Addr, path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    client::Client,
    clients::text,
    postfix::Postfix,
    relay::{Relay, wait_until},
    sink::Sink,
};

const INSIDE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Who sends, from what address, to whom. The same addresses stand in From and To.
const MAIL: [(Ipv4Addr, &str, &[&str]); 13] = [
    (INSIDE, "jdoe+list@example.com", &["someone@world.example", "jdoe@example.com"]),
    (INSIDE, "cron@web7.example.com", &["joe@pc1.lab.example.com", "x@partner.example"]),
    (INSIDE, "root@web7.example.com", &["ann@old.example.com"]),
    (INSIDE, "joe@host", &["ann+x@example.com"]),
    (INSIDE, "scanner17@devices.example.com", &["someone@world.example"]),
    (INSIDE, "backup@lab.example.com", &["someone@world.example", "joe@intern.example.com"]),
    (INSIDE, "", &["ann@example.com"]),
    (INSIDE, "a@web7.example.com", &["left@example.com"]),
    (INSIDE, "a@web7.example.com", &["all+x@example.com"]),
    (OUTSIDE, "a@web7.example.com", &["ann@example.com", "x@sub.partner.example"]),
    (OUTSIDE, "a@world.example", &["b@world.example"]),
    (OUTSIDE, "news@spam.example", &["ann@example.com"]),
    (OUTSIDE, "friend@spam.example", &["ann@example.com"]),
];

/// The example's files, with all mail going to one next hop.
fn copy(sink: &Sink) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (hop, port) = (sink.address().to_string(), sink.address().port());
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/postfix-migration");
    for entry in fs::read_dir(example).expect("the example") {
        let entry = entry.expect("an entry");
        let mut text = fs::read_to_string(entry.path()).expect("UTF-8");
        for host in ["10.0.0.5:25", "10.0.0.6:25", "10.0.0.7:25", "smtp.isp.example:587"] {
            text = text.replace(&format!("smtp://{host}"), &format!("smtp://{hop}"));
        }
        for host in ["[10.0.0.5]:25", "[10.0.0.6]:25", "[10.0.0.7]:25", "[smtp.isp.example]:587"] {
            text = text.replace(host, &format!("[127.0.0.1]:{port}"));
        }
        let text = text.replace("127.0.0.1:2525", "127.0.0.1:0").replace("hash:/etc", "texthash:/etc");
        let text = text.replace("/etc/postfix", &folder.path().display().to_string());
        fs::write(folder.path().join(entry.file_name()), text).expect("written");
    }
    folder
}

/// The last reply, and what arrived: recipients with the sender, then From and To.
fn send(
    server: std::net::SocketAddr,
    sink: &Sink,
    (client, sender, recipients): (Ipv4Addr, &str, &[&str]),
) -> Vec<String> {
    let before = sink.count();
    let (_, mut client) = Client::greeted_from(client, server).expect("a greeting");
    client.command("EHLO client.example").expect("a reply");
    let header = format!(
        "From: Jane B. Doe <{sender}>\r\nTo: {}\r\nDate: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-Id: <1@example.org>",
        recipients.join(",\r\n\t")
    );
    let reply = client.send(sender, recipients, format!("{header}\r\n\r\ntext\r\n").as_bytes()).expect("a reply");
    if !reply.starts_with("250") {
        return vec![reply];
    }
    let arrived = || sink.delivered().split_off(before);
    let all = || arrived().iter().map(|one| one.recipients.len()).sum::<usize>() == recipients.len();
    wait_until("all recipients have it", all);
    let mut told: Vec<_> = Vec::new();
    for one in arrived() {
        told.extend(one.recipients.iter().map(|recipient| format!("<{}> to <{recipient}>", one.sender)));
        let data = String::from_utf8(one.data).expect("UTF-8").replace("\r\n\t", " ");
        told.extend(
            data.lines()
                .filter(|line| line.starts_with("From:") || line.starts_with("To:"))
                .map(|line| line.replace("B. Doe", "B.Doe")),
        );
    }
    told.sort();
    told.dedup();
    told
}

#[test]
fn the_same_mail_goes_the_same_way() {
    let (their_sink, our_sink) = (Sink::start(), Sink::start());
    let (theirs, ours) = (copy(&their_sink), copy(&our_sink));
    let main_cf = fs::read_to_string(theirs.path().join("main.cf")).expect("main.cf");
    // Postfix runs as somebody else.
    Command::new("chmod").args(["-R", "a+rX"]).arg(theirs.path()).status().expect("chmod runs");
    let postfix = Postfix::start(&format!("{main_cf}disable_dns_lookups = yes\nsmtpd_peername_lookup = no\n"));
    let toml = fs::read_to_string(ours.path().join("mailweir.toml")).expect("mailweir.toml");
    let relay = Relay::with_config(ours, &toml);
    for mail in MAIL {
        let expected = send(postfix.address(), &their_sink, mail);
        assert_eq!(send(relay.address(), &our_sink, mail), expected, "{mail:?}");
    }
}

#[test]
fn it_passes_its_own_tests() {
    let folder = copy(&Sink::start());
    let output = Command::new(env!("CARGO_BIN_EXE_mailweir")).arg("test").current_dir(folder.path()).output();
    let output = output.expect("mailweir runs");
    assert!(output.status.success() && text(&output).ends_with("5 passed, 0 failed\n"), "{}", text(&output));
}
