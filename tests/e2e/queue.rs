//! `mailweir queue`, beside a running relay and without one: what it shows, what it changes, what it says about mistakes.

use std::{
    net::{SocketAddr, TcpListener},
    process::Output,
};

use serde_json::Value;

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

const LETTER: &[u8] = b"Subject: letter\r\n\r\ntext\r\n";

/// A relay whose next hop is not there, and where it should be. Messages with a certain subject are held.
fn start() -> (Relay, SocketAddr) {
    let guests = env!("MAILWEIR_GUESTS");
    let holding = format!(
        "[[message]]\nplugin = \"{guests}/misbehave.wasm\"\nconfig.act = \"hold\"\nwhen.header.subject = \"^suspicious\"\n"
    );
    let next_hop = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
    (Relay::start(&holding, next_hop), next_hop)
}

fn send(relay: &Relay, recipients: &[&str], message: &[u8]) -> String {
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("From@Example.org", recipients, message).expect("a reply");
    let id = reply.strip_prefix("250 2.0.0 Ok: queued as ").unwrap_or_else(|| panic!("{reply}"));
    id.to_owned()
}

fn queue(relay: &Relay, args: &[&str]) -> Output {
    relay.command(&[&["queue"], args].concat())
}

/// What `list` says with these filters: `id state address`, for each recipient.
fn list(relay: &Relay, filters: &[&str]) -> Vec<String> {
    let output = queue(relay, &[&["list", "--json"], filters].concat());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut found = Vec::new();
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).expect("JSON");
        for recipient in message["recipients"].as_array().expect("recipients") {
            let words = [&message["id"], &recipient["state"], &recipient["address"]];
            found.push(words.map(|word| word.as_str().expect("a word")).join(" "));
        }
    }
    assert_eq!(output.status.code(), Some(if found.is_empty() { 1 } else { 0 }));
    found
}

/// What a change says: the exit code and the figures.
fn change(relay: &Relay, args: &[&str]) -> (Option<i32>, u64) {
    let output = queue(relay, &[args, &["--json"]].concat());
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), said["changed"].as_u64().expect("a figure"))
}

fn wait_until_deferred(relay: &Relay, count: usize) {
    wait_until("the attempts have failed", || list(relay, &["--reason", "refused"]).len() == count);
}

#[test]
fn people_and_scripts_see_what_hangs_where() {
    let (relay, _) = start();
    let one = send(&relay, &["a@x.example", "b@Y.example"], LETTER);
    let held = send(&relay, &["c@x.example"], b"Subject: suspicious\r\n\r\n");
    wait_until_deferred(&relay, 2);
    let all = [
        format!("{one} waiting a@x.example"),
        format!("{one} waiting b@Y.example"),
        format!("{held} held c@x.example"),
    ];
    assert_eq!(list(&relay, &[]), all);
    for (filters, expected) in [
        (vec!["--domain", "X.example"], vec![&all[0], &all[2]]),
        (vec!["--recipient", "b@y.example"], vec![&all[1]]),
        (vec!["--state", "held"], vec![&all[2]]),
        (vec!["--reason", "as TOLD"], vec![&all[2]]),
        (vec!["--sender", "from@example.org", &one], vec![&all[0], &all[1]]),
        (vec!["--sender", "@example.org", "-n", "1"], vec![&all[0], &all[1]]),
        (vec!["--younger-than", "1h", &held], vec![&all[2]]),
        (vec!["--sender", "<>"], vec![]),
        (vec!["--older-than", "1h"], vec![]),
        (vec!["nosuchid"], vec![]),
    ] {
        assert_eq!(list(&relay, &filters).iter().collect::<Vec<_>>(), expected, "{filters:?}");
    }
    let stats: Value = serde_json::from_slice(&queue(&relay, &["stats", "--json"]).stdout).expect("JSON");
    assert_eq!((&stats["messages"], &stats["waiting"], &stats["held"]), (&2.into(), &2.into(), &1.into()));
    assert_eq!((&stats["domains"][0]["domain"], &stats["domains"][1]["waiting"]), (&"x.example".into(), &1.into()));

    let shown: Value = serde_json::from_slice(&queue(&relay, &["show", &one, "--json"]).stdout).expect("JSON");
    assert_eq!(
        (&shown["sender"], &shown["client"]["helo"]),
        (&"From@Example.org".into(), &"client.example.org".into())
    );
    assert_eq!(shown["recipients"][1]["attempts"], 1);
    assert!(shown["recipients"][0]["reason"].as_str().is_some_and(|reason| reason.contains("refused")), "{shown:#}");
    let raw = queue(&relay, &["show", &one, "--raw"]).stdout;
    assert!(raw.starts_with(b"Received: from client.example.org") && raw.ends_with(b"\r\n\r\ntext\r\n"));
    let text = String::from_utf8(queue(&relay, &["show", &held]).stdout).expect("UTF-8");
    assert!(
        text.contains("\n  state    held\n  reason   as told\n") && text.contains("\r\nSubject: suspicious\r\n"),
        "{text}"
    );
}

#[test]
fn changes_count_while_the_relay_runs_and_while_it_does_not() {
    let (mut relay, next_hop) = start();
    let one = send(&relay, &["a@x.example", "b@y.example"], LETTER);
    let two = send(&relay, &["c@x.example", "d@y.example"], LETTER);
    let held = send(&relay, &["e@x.example"], b"Subject: suspicious\r\n\r\n");
    wait_until_deferred(&relay, 4);
    assert_eq!(change(&relay, &["delete", "--domain", "y.example", &one]), (Some(0), 1));
    assert_eq!(change(&relay, &["hold", &one]), (Some(0), 1));
    assert_eq!(change(&relay, &["hold", &one]), (Some(1), 0));
    assert_eq!(change(&relay, &["flush", "--recipient", "c@x.example"]), (Some(0), 1));
    wait_until("it was tried again", || {
        let shown = queue(&relay, &["show", &two, "--json"]).stdout;
        let shown: Value = serde_json::from_slice(&shown).expect("JSON");
        // One that was only put off, since its destination was left alone, is not counted.
        let attempts = |index: usize| shown["recipients"][index]["attempts"].as_u64();
        attempts(0) == attempts(1).map(|others| others + 1)
    });
    assert!(relay.stop());
    assert_eq!(
        list(&relay, &["--state", "held"]),
        [format!("{one} held a@x.example"), format!("{held} held e@x.example")]
    );
    assert_eq!(change(&relay, &["release", &one]), (Some(0), 1));
    assert_eq!(change(&relay, &["requeue", "--state", "held", "--all"]), (Some(0), 1));
    assert_eq!(change(&relay, &["delete", "--recipient", "@y.example"]), (Some(0), 1));
    let sink = Sink::start_at(next_hop);
    relay.restart();
    assert_eq!(change(&relay, &["flush"]).0, Some(0));
    wait_until("the queue is empty", || list(&relay, &[]).is_empty());
    let mut recipients: Vec<_> = sink.delivered().into_iter().flat_map(|message| message.recipients).collect();
    recipients.sort();
    assert_eq!(recipients, ["a@x.example", "c@x.example", "e@x.example"]);
}

#[test]
fn mistakes_are_told() {
    let (mut relay, _) = start();
    assert!(relay.stop());
    for (args, says) in [
        (vec!["delete"], "which ones? Give queue ids or filters, or --all"),
        (vec!["show", "0QFJ4X8M2TZ7K"], "0QFJ4X8M2TZ7K is not in the queue"),
        (vec!["list", "--state-dir", "elsewhere"], "elsewhere/spool.db: there is no queue"),
        (vec!["flush", "--state-dir", "elsewhere"], "elsewhere/spool.db: there is no queue"),
        (vec!["stats", "--config", "other.toml"], "--state-dir names the state directory without it"),
    ] {
        let output = queue(&relay, &args);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && text.contains(says), "{args:?}: {text}");
    }
    let output = queue(&relay, &["list", "--older-than", "yesterday"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`yesterday` is no duration"));
    assert!(!relay.folder().join("elsewhere").exists());
}
