//! `mailweir records`: what became of a message, as the relay wrote it down, also after it was killed.

use std::{collections::HashSet, net::TcpListener};

use serde_json::Value;

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

const PIPELINE: &str = r#"
[[message]]
plugin = "masquerade"
config.domains = ["example.org"]
"#;

/// The exit code and what is shown.
fn records(relay: &Relay, arguments: &[&str]) -> (Option<i32>, String) {
    let output = relay.command(&[&["records"], arguments].concat());
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

fn events(relay: &Relay, arguments: &[&str]) -> Vec<Value> {
    let (_, text) = records(relay, &[arguments, &["--json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_way_of_a_message_is_told_also_after_a_kill() {
    let sink = Sink::start();
    let mut relay = Relay::start(PIPELINE, sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("a@host.example.org", &["b@example.net"], b"Subject: x\r\n\r\ny\r\n").expect("a reply");
    let id = reply.rsplit(' ').next().expect("an id").to_owned();
    wait_until("the delivery is written down", || {
        events(&relay, &[&id]).iter().any(|record| record["event"] == "delivered")
    });
    relay.kill();
    let found = events(&relay, &["--recipient", "@example.net", "--since", "1h"]);
    let short: Vec<_> = found.iter().map(|record| (record["event"].as_str(), record["id"].as_str())).collect();
    assert_eq!(short, [(Some("received"), Some(&*id)), (Some("delivered"), Some(&*id))]);
    let [received, delivered] = found.as_slice() else { panic!("two") };
    assert_eq!((&received["sender"], &received["client"]), (&"a@host.example.org".into(), &"127.0.0.1".into()));
    assert!(received["filter-microseconds"]["masquerade"].as_u64().is_some_and(|time| time > 0), "{received:#}");
    assert_eq!((&delivered["sender"], &delivered["recipient"]), (&"a@example.org".into(), &"b@example.net".into()));
    assert_eq!(delivered["note"], "250 2.0.0 Ok");
    assert!(delivered["delays"]["transfer"].as_f64().is_some_and(|delay| delay < 60.0), "{delivered:#}");

    relay.restart();
    let mut client = Client::connect(relay.address()).expect("a session");
    client.send("a@host.example.org", &["c@example.net"], b"Subject: x\r\n\r\ny\r\n").expect("a reply");
    wait_until("the next one is written down behind", || events(&relay, &["--event", "delivered"]).len() == 2);
}

#[test]
fn each_message_is_received_before_it_is_delivered() {
    let sink = Sink::start();
    let relay = Relay::start("", sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    for _ in 0..50 {
        client.send("a@example.org", &["b@example.net"], b"Subject: x\r\n\r\ny\r\n").expect("a reply");
    }
    wait_until("all are written down", || events(&relay, &["--event", "delivered"]).len() == 50);
    let mut received = HashSet::new();
    for record in events(&relay, &[]) {
        let id = record["id"].to_string();
        match record["event"].as_str() {
            Some("received") => assert!(received.insert(id), "{record:#}"),
            event => assert!(event == Some("delivered") && received.contains(&id), "{record:#}"),
        }
    }
}

#[test]
fn times_of_session_filters_stand_with_messages_and_refusals() {
    let sink = Sink::start();
    let rows = "refused = { type = \"inline\", rows = { \"no@example.net\" = \"REJECT\" } }";
    let stage = "[[session]]\nplugin = \"access\"\nconfig.recipient = [{ check_recipient_access = \"refused\" }]\n";
    let relay = Relay::start(&format!("[tables]\n{rows}\n{stage}{PIPELINE}"), sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    client.send("a@example.org", &["b@example.net"], b"Subject: x\r\n\r\n").expect("a reply");
    let refused = client.send("a@example.org", &["no@example.net"], b"").expect("a reply");
    assert!(refused.starts_with("554"), "{refused}");
    for (event, has_message_stage) in [("received", true), ("rejected", false)] {
        wait_until("it is written down", || events(&relay, &["--event", event]).len() == 1);
        let record = events(&relay, &["--event", event]).remove(0);
        let time = |list: &str, stage: &str| record[list][stage].as_u64().is_some_and(|time| time > 0);
        assert!(time("session-filter-microseconds", "access"), "{record:#}");
        assert_eq!(time("filter-microseconds", "masquerade"), has_message_stage, "{record:#}");
    }
}

#[test]
fn what_operators_do_is_written_down_with_or_without_a_relay() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
    let mut relay = Relay::start("", free);
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("a@example.org", &["b@x.example", "c@y.example"], b"Subject: x\r\n\r\n").expect("a reply");
    let id = reply.rsplit(' ').next().expect("an id").to_owned();
    wait_until("both were tried", || events(&relay, &["--event", "deferred"]).len() == 2);
    let change = |relay: &Relay, args: &[&str]| {
        let output = relay.command(&[&["queue"], args].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    change(&relay, &["hold", "--domain", "x.example"]);
    change(&relay, &["flush", "--domain", "y.example"]);
    wait_until("both changes are written down", || {
        ["held", "flushed"].iter().all(|event| events(&relay, &["--event", event]).len() == 1)
    });
    assert!(relay.stop());
    change(&relay, &["release", "--all"]);
    change(&relay, &["requeue", "--domain", "y.example"]);
    change(&relay, &["delete", &id]);
    let note = format!("by the operator (uid {})", rustix::process::getuid().as_raw());
    let found = events(&relay, &[&id]);
    let short = |record: &Value| format!("{} {}", record["event"], record["recipient"]).replace('"', "");
    let done: Vec<_> = found.iter().filter(|record| record["note"] == *note).map(short).collect();
    assert_eq!(
        done,
        [
            "held b@x.example",
            "flushed c@y.example",
            "released b@x.example",
            "requeued c@y.example",
            "deleted b@x.example",
            "deleted c@y.example"
        ]
    );
    assert!(found.iter().all(|record| record["sender"] == "a@example.org"), "{found:#?}");
}

#[test]
fn people_read_lines_and_scripts_exit_codes() {
    let sink = Sink::start();
    let relay = Relay::start("", sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let denied = client.send("a@example.org", &["b@@"], b"x").expect("a reply");
    assert!(denied.starts_with("501"), "{denied}");
    client.command("RSET").expect("a reply");
    client.send("a@example.org", &["b@example.net"], b"Subject: x\r\n\r\ny\r\n").expect("a reply");
    wait_until("it is written down", || records(&relay, &["--event", "delivered"]).0 == Some(0));
    let (_, text) = records(&relay, &["--recipient", "b@example.net"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].contains("  received   <a@example.org> -> <b@example.net>  from 127.0.0.1  250 2.0.0 Ok"),
        "{text}"
    );
    assert!(lines[1].contains(&format!("  via 127.0.0.1[127.0.0.1]:{}", sink.address().port())), "{text}");
    assert_eq!(records(&relay, &["NOSUCHID"]), (Some(1), String::new()));
    assert_eq!(records(&relay, &["--event", "rejected"]).0, Some(0), "the bad address was refused");
    assert_eq!(records(&relay, &["--state-dir", "nowhere"]).0, Some(1));
}

#[test]
fn none_are_kept_where_none_are_wanted() {
    let sink = Sink::start();
    let mut relay = Relay::start("[records]\nkeep = \"none\"", sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    client.send("a@example.org", &["b@example.net"], b"Subject: x\r\n\r\ny\r\n").expect("a reply");
    wait_until("it has arrived", || sink.count() == 1);
    assert!(relay.stop(), "a clean end");
}
