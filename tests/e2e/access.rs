//! The access filter in front of real clients: order of the lists, relaying, the DNS, what happens to whole messages.

use std::{fs, path::Path, process::Command};

use crate::dns_server::DnsServer;
use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// What each recipient of a transaction hears.
fn rcpt(client: &mut Client, sender: &str, recipients: &[&str]) -> Vec<String> {
    client.command("RSET").expect("a reply");
    let mail = client.command(&format!("MAIL FROM:<{sender}>")).expect("a reply");
    assert!(mail.starts_with("250"), "{mail}");
    recipients.iter().map(|to| client.command(&format!("RCPT TO:<{to}>")).expect("a reply")).collect()
}

const LISTS: &str = r#"
[networks]
trusted = ["192.0.2.0/24"]
[relay]
domains = ["ours.example"]
[tables]
senders = { type = "inline", rows = { "bad.example" = "550 5.1.8 Nobody there", "slow.example" = "DEFER_IF_PERMIT later" } }
recipients = { type = "inline", rows = { "closed@ours.example" = "REJECT", "held@ours.example" = "HOLD", "trash@ours.example" = "DISCARD" } }
people = { type = "inline", rows = { "@ours.example" = "x" } }
[[session]]
plugin = "access"
[session.config]
client = ["permit_mynetworks"]
helo = ["reject_invalid_helo_hostname"]
sender = [{ check_sender_access = "senders" }]
recipient = [{ check_recipient_access = "recipients" }, "reject_non_fqdn_recipient"]
listed-recipients = ["people"]
data = ["reject_multi_recipient_bounce"]
"#;

#[test]
fn each_recipient_is_judged_by_all_lists() {
    let (sink, ok) = (Sink::start(), "250 2.1.5 Ok");
    let relay = Relay::start(LISTS, sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let heard = rcpt(&mut client, "joe@sender.example", &["ann@ours.example", "closed@ours.example", "x@y.example"]);
    let denied = "554 5.7.1 <x@y.example>: Relay access denied";
    let closed = "554 5.7.1 <closed@ours.example>: Recipient address rejected: Access denied";
    assert_eq!(heard, [ok, closed, denied]);
    // The sender's list comes before relay control; what only defers a permission comes last. The bare postmaster is always taken.
    let bad = "550 5.1.8 <a@bad.example>: Sender address rejected: Nobody there";
    assert_eq!(rcpt(&mut client, "a@bad.example", &["x@y.example", "postmaster"]), [bad, ok]);
    let slow = "450 4.7.1 <a@slow.example>: Sender address rejected: later";
    assert_eq!(rcpt(&mut client, "a@slow.example", &["ann@ours.example", "x@y.example"]), [slow, denied]);
    client.command("EHLO a..b").expect("a reply");
    let helo = "501 5.5.2 <a..b>: Helo command rejected: Invalid name";
    assert_eq!(rcpt(&mut client, "joe@sender.example", &["ann@ours.example", "Postmaster"]), [helo, ok]);
    wait_until("the log names the stage", || relay.log().contains("stage=\"access\""));
}

#[test]
fn bounces_go_to_one_recipient() {
    let sink = Sink::start();
    let relay = Relay::start(LISTS, sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    rcpt(&mut client, "", &["a@ours.example", "b@ours.example"]);
    let data = client.command("DATA").expect("a reply");
    assert_eq!(data, "550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce");
}

#[test]
fn actions_hit_the_whole_message() {
    // Rule trap 18
    let sink = Sink::start();
    let relay = Relay::start(LISTS, sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    for (recipient, event) in [("held@ours.example", "held"), ("trash@ours.example", "discarded")] {
        let reply = client.send("a@b.example", &["ann@ours.example", recipient], b"Subject: x\r\n\r\n");
        assert!(reply.expect("a reply").starts_with("250 2.0.0"));
        wait_until(event, || relay.log().contains(&format!(" {event} ")));
    }
    let reply = client.send("a@b.example", &["ann@ours.example"], b"Subject: y\r\n\r\n").expect("a reply");
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
    wait_until("the third is delivered", || sink.count() == 1);
    assert!(String::from_utf8_lossy(&sink.delivered()[0].data).contains("Subject: y"));
}

#[test]
fn what_the_dns_says_counts_where_it_is_granted() {
    let dns = DnsServer::start(&["here.example MX 10 mx.here.example", "broken.example SERVFAIL"]);
    let config = format!(
        r#"
[networks]
trusted = ["127.0.0.0/8"]
[dns]
servers = ["{}"]
timeout = "1s"
[[session]]
plugin = "access"
dns = true
config.sender = ["reject_unknown_sender_domain"]
"#,
        dns.address()
    );
    let sink = Sink::start();
    let relay = Relay::start(&config, sink.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    let not_found = |domain: &str| format!("450 4.1.8 <a@{domain}>: Sender address rejected: Domain not found");
    for (domain, heard) in [
        ("here.example", "250 2.1.5 Ok".to_owned()),
        ("missing.example", not_found("missing.example")),
        ("broken.example", not_found("broken.example")),
    ] {
        assert_eq!(rcpt(&mut client, &format!("a@{domain}"), &["b@c.example"]), [heard]);
    }
}

#[test]
fn without_delay_a_refused_client_hears_it_at_once() {
    // Rule S9
    let config = "[networks]\ntrusted = []\n[[session]]\nplugin = \"access\"\nconfig.client = [\"reject\"]\n";
    let sink = Sink::start();
    let relay = Relay::start_with_head("delay-reject = false\n", config, sink.address());
    let (greeting, mut client) = Client::greeted(relay.address()).expect("a session");
    assert_eq!(greeting, "554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: Access denied");
    assert!(client.command("EHLO a.example").expect("a reply").starts_with("503 5.7.0"));
}

/// `examples/restricted-hosts.toml`: some hosts reach certain domains only, others everything.
#[test]
fn some_hosts_reach_certain_domains_only() {
    let sink = Sink::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/restricted-hosts.toml");
    let config = fs::read_to_string(example).expect("the example");
    for (host, may_everywhere) in [("10.0.0.17", false), ("10.0.0.18", true)] {
        // The test can't come from these addresses: it takes their place.
        let folder = tempfile::tempdir_in(folder.path()).expect("a temporary folder");
        let config = config.replace(host, "127.0.0.1").replace("127.0.0.1:2525", "127.0.0.1:0");
        let relay = Relay::with_config(folder, &config.replace("127.0.0.1:2526", &sink.address().to_string()));
        let mut client = Client::connect(relay.address()).expect("a session");
        let heard =
            rcpt(&mut client, "scanner@example.com", &["a@example.com", "b@partner.example", "c@elsewhere.example"]);
        let ok = |reply: &String| reply.starts_with("250");
        assert_eq!(heard.iter().map(ok).collect::<Vec<_>>(), [true, true, may_everywhere], "{host}: {heard:?}");
        if !may_everywhere {
            assert_eq!(
                heard[2],
                "554 5.7.1 <unknown[127.0.0.1]>: Client host rejected: This host may send inside only"
            );
        }
    }
}

#[test]
fn trace_tells_list_restriction_table_and_key() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/restricted-hosts.toml");
    fs::copy(example, folder.path().join("mailweir.toml")).expect("a copy");
    fs::write(folder.path().join("letter.eml"), "Subject: x\n\n").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .args(["trace", "letter.eml", "--from", "a@b.example", "--to", "c@d.example", "--client", "10.0.0.17"])
        .current_dir(folder.path())
        .output()
        .expect("mailweir runs");
    let text = String::from_utf8_lossy(&output.stdout);
    for step in [
        "relay[0] check_client_access hosts: `10.0.0.17` is `inside_only`",
        "inside_only[0] check_recipient_access inside: no row for `c@d.example`, `d.example`, `example`, `c@`",
        "refused: 554 5.7.1 <unknown[10.0.0.17]>: Client host rejected: This host may send inside only",
    ] {
        assert!(text.contains(step), "{step} is not in:\n{text}");
    }
}
