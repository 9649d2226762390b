//! What the relay takes on: clients with too many sessions, sessions that hardly say anything, and everybody else beside them.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use regex::Regex;

use crate::{
    client::Client,
    clients::text as text_of,
    metrics::scrape,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// Nobody on this machine is trusted.
const STRANGERS: &str = "[networks]\ntrusted = [\"192.0.2.0/24\"]\n[relay]\ndomains = [\"example.net\"]\n";

#[test]
fn a_client_has_so_many_sessions_and_no_more() {
    let sink = Sink::start();
    let rest = "[limits]\nsessions-per-client = 2\n[admin]\naddress = \"127.0.0.1:0\"\n";
    let relay = Relay::start(&format!("{STRANGERS}{rest}"), sink.address());
    let _sessions: Vec<_> = (0..2).map(|_| Client::connect(relay.address()).expect("a session")).collect();
    let (greeting, _) = Client::greeted(relay.address()).expect("a connection");
    assert_eq!(greeting, "421 4.7.0 relay.example.com Error: too many connections from 127.0.0.1");
    assert_eq!(scrape(&relay)["mailweir_refusals_total{command=\"connect\",class=\"4\"}"], 1.0);
}

#[test]
fn sessions_that_trickle_end_and_nobody_else_notices() {
    let sink = Sink::start();
    let limits = "[limits]\nsessions-per-client = 100\nidle-timeout = \"2s\"\n";
    let relay = Relay::start(&format!("{STRANGERS}{limits}"), sink.address());
    let address = relay.address();
    let slow = thread::spawn(move || {
        let mut streams: Vec<_> = (0..60).map(|_| TcpStream::connect(address).expect("a connection")).collect();
        let enough = Duration::from_secs(60);
        streams.iter().for_each(|stream| stream.set_read_timeout(Some(enough)).expect("a timeout"));
        // One octet a second each, until the relay has had enough of all of them.
        while streams.iter_mut().map(|stream| stream.write_all(b"N")).filter(Result::is_ok).count() > 0 {
            thread::sleep(Duration::from_secs(1));
        }
        let last_words = |stream: &mut TcpStream| {
            let mut said = Vec::new();
            // A reset may take the rest away; what came before it counts.
            stream.read_to_end(&mut said).ok();
            String::from_utf8_lossy(&said).into_owned()
        };
        streams.iter_mut().map(last_words).collect::<Vec<_>>()
    });
    let mut sent = 0;
    while !slow.is_finished() {
        let mut client = Client::connect(relay.address()).expect("a session");
        let reply = client.send("a@example.org", &["b@example.net"], b"Subject: x\r\n\r\n").expect("a reply");
        assert!(reply.starts_with("250"), "{reply}");
        sent += 1;
    }
    for said in slow.join().expect("no panic") {
        assert!(said.ends_with("421 4.4.2 relay.example.com Error: timeout exceeded\r\n"), "{said:?}");
    }
    assert!(sent > 0);
}

/// The relay's command where a process may have 600 open files, of which it has to ask for 400.
fn with_few_files(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -Sn 200 && ulimit -Hn 600 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_mailweir")]);
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

#[test]
fn as_many_files_are_open_as_may_be_and_check_says_if_that_is_too_few() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = |sessions: usize| {
        let text = format!(
            "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n\
             [limits]\nsessions = {sessions}\n[[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://127.0.0.1:2526\"\n"
        );
        fs::write(folder.path().join("mailweir.toml"), text).expect("written");
        text_of(&with_few_files(folder.path(), &["check"]).output().expect("it runs"))
    };
    let said = config(337);
    assert!(
        said.contains("mailweir.toml:5:12: warning: 337 sessions and 100 attempts to deliver want 601 open files"),
        "{said}"
    );
    let said = config(336);
    assert!(!said.contains("open files"), "{said}");
    let mut relay = with_few_files(folder.path(), &["serve"]).stderr(Stdio::null()).spawn().expect("it starts");
    let limits = format!("/proc/{}/limits", relay.id());
    let raised = Regex::new(r"(?m)^Max open files +600 +600 ").expect("a pattern");
    wait_until("the limit is raised", || raised.is_match(&fs::read_to_string(&limits).expect("it runs")));
    relay.kill().expect("it runs");
    relay.wait().expect("it ends");
}

#[test]
fn messages_with_long_lines_or_large_headers_are_refused_whole() {
    let sink = Sink::start();
    let relay = Relay::start("[limits]\nline-length = 998\nheader-size = \"4KiB\"\n", sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let mut send =
        |message: String| client.send("a@example.org", &["b@example.net"], message.as_bytes()).expect("a reply");
    assert!(send(format!("Subject: x\r\n\r\n{}\r\n", "y".repeat(998))).starts_with("250"));
    let long = send(format!("Subject: x\r\n\r\n{}\r\n", "y".repeat(999)));
    assert_eq!(long, "550 5.6.0 Error: a line is longer than 998 octets");
    let large = send(format!("{}\r\n", "Subject: x\r\n".repeat(400)));
    assert_eq!(large, "552 5.3.4 Error: message header size exceeds fixed limit");
}

#[test]
fn a_stop_sends_idle_clients_away_and_waits_for_a_message() {
    let sink = Sink::start();
    let mut relay = Relay::start("", sink.address());
    let mut idle = Client::connect(relay.address()).expect("a session");
    let mut busy = Client::connect(relay.address()).expect("a session");
    busy.all_accepted(&["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.net>", "DATA"]);
    thread::scope(|scope| {
        let stopping = scope.spawn(|| relay.stop());
        let farewell = "421 4.3.2 relay.example.com Error: service shutting down";
        assert_eq!(idle.reply().expect("the last words"), farewell);
        let reply = busy.command("Subject: x\r\n\r\n.").expect("a reply");
        assert!(reply.starts_with("250"), "{reply}");
        assert_eq!(busy.reply().expect("the last words"), farewell);
        assert!(stopping.join().expect("no panic"), "it ends well");
    });
    relay.restart();
    wait_until("what was taken is delivered", || sink.count() == 1);
}
