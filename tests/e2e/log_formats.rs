//! The forms of the log: objects of JSON, and Postfix's lines, which a real pflogsumm counts and a real fail2ban understands.

use std::{io::Write, net::TcpStream, path::Path, process::Command};

use regex::Regex;
use serde_json::Value;

use crate::{
    client::Client,
    program::feed,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// Mail for `dead.example` can't leave now, mail for domains that are in no route never.
fn start(format: &str, sink: &Sink) -> Relay {
    let config = format!(
        r#"
hostname = "relay.example.com"
state-dir = "state"
log-format = "{format}"
[listen.smtp]
addresses = ["127.0.0.1:0"]
[networks]
trusted = ["192.0.2.0/24"]
xclient = ["127.0.0.1"]
[relay]
domains = ["example.net", "dead.example", "unrouted.example"]
[[route]]
domains = ["dead.example"]
next-hop = "smtp://127.0.0.1:1"
[[route]]
domains = ["example.net", "example.org"]
next-hop = "smtp://{}"
"#,
        sink.address()
    );
    Relay::with_config(tempfile::tempdir().expect("a temporary folder"), &config)
}

fn send(relay: &Relay, recipients: &[&str]) -> String {
    let mut client = Client::connect(relay.address()).expect("a session");
    let message = b"Subject: x\r\nMessage-ID: <1@example.org>\r\n\r\ntext\r\n";
    let reply = client.send("a@example.org", recipients, message).expect("a reply");
    client.command("QUIT").expect("a reply");
    reply
}

#[test]
fn pflogsumm_counts_what_was_sent() {
    let sink = Sink::start();
    let mut relay = start("postfix", &sink);
    for recipients in
        [&["b@example.net", "c@example.net"][..], &["d@example.net"], &["e@dead.example"], &["f@unrouted.example"]]
    {
        assert!(send(&relay, recipients).starts_with("250"));
    }
    for _ in 0..2 {
        assert!(send(&relay, &["x@elsewhere.example"]).starts_with("554 5.7.1"));
    }
    wait_until("two messages and a report are delivered", || sink.count() == 3);
    wait_until("the rest is told", || {
        ["deferred", "bounced"].iter().all(|word| relay.log().contains(&format!("status={word}")))
    });
    wait_until("the first is removed", || relay.log().matches(": removed").count() >= 4);
    assert!(relay.stop());
    let log = relay.log();
    let summary = pflogsumm(&log);
    for (what, count) in [("received", 4), ("delivered", 4), ("deferred", 1), ("bounced", 1), ("rejected", 2)] {
        let line = Regex::new(&format!(r"(?m)^ +(\d+) +{what}\b")).expect("a pattern");
        let found = line.captures(&summary).map(|captures| captures[1].parse::<u32>().expect("a number"));
        assert_eq!(found, Some(count), "{what} in\n{summary}\nof\n{log}");
    }
    for pattern in [
        r"postfix/smtpd\[\d+\]: connect from unknown\[127\.0\.0\.1\]\n",
        r"postfix/smtpd\[\d+\]: disconnect from unknown\[127\.0\.0\.1\] ehlo=1 mail=1 rcpt=2 data=1 quit=1 commands=6\n",
        r"postfix/smtpd\[\d+\]: NOQUEUE: reject: RCPT from unknown\[127\.0\.0\.1\]: 554 5\.7\.1 <x@elsewhere\.example>: Relay access denied; from=<a@example\.org> to=<x@elsewhere\.example> proto=ESMTP helo=<client\.example\.org>\n",
        r"postfix/cleanup\[\d+\]: \w+: message-id=<1@example\.org>\n",
        r"postfix/qmgr\[\d+\]: \w+: from=<a@example\.org>, size=\d+, nrcpt=2 \(queue active\)\n",
        r"postfix/smtp\[\d+\]: \w+: to=<d@example\.net>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, delay=[\d.]+, delays=[\d./]+, dsn=2\.0\.0, status=sent \(250 2\.0\.0 Ok\)\n",
    ] {
        assert!(Regex::new(pattern).expect("a pattern").is_match(&log), "{pattern} is not in\n{log}");
    }
}

#[test]
fn logins_that_another_relay_tells_of_are_named_as_such() {
    let sink = Sink::start();
    let relay = start("postfix", &sink);
    let mut client = Client::connect(relay.address()).expect("a session");
    client.command("XCLIENT ADDR=192.0.2.7 NAME=mx.example.org LOGIN=joe").expect("a greeting");
    client.command("EHLO client.example.org").expect("a reply");
    assert!(
        client.send("a@example.org", &["b@example.net"], b"Subject: x\r\n\r\n").expect("a reply").starts_with("250")
    );
    let line = "client=mx.example.org[192.0.2.7], sasl_method=XCLIENT, sasl_username=joe";
    wait_until("it is logged", || relay.log().contains(line));
}

/// The addresses that fail2ban's filter for Postfix finds in a log, one for each line that counts.
pub(crate) fn fail2ban(mode: &str, log: &str) -> Vec<String> {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    // It takes no line for one before its end has come.
    writeln!(file, "{log}").expect("written");
    let package = "/opt/mailweir-test/fail2ban";
    let output = Command::new("python3")
        .env("PYTHONPATH", format!("{package}/usr/lib/python3/dist-packages"))
        .arg(format!("{package}/usr/bin/fail2ban-regex"))
        .args(["--config", &format!("{package}/etc/fail2ban"), "--out", "ip"])
        .arg(file.path())
        .arg(format!("postfix[mode={mode}]"))
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "fail2ban is needed for this test (`make tools`): {said}");
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[test]
fn sessions_that_are_cut_off_are_told_as_by_postfix() {
    let sink = Sink::start();
    let rest = "[networks]\ntrusted = [\"192.0.2.0/24\"]\n[limits]\nerrors = 3\nidle-timeout = \"3s\"\n";
    let relay = Relay::start_with_head("log-format = \"postfix\"\n", rest, sink.address());
    let mut silent = Client::connect(relay.address()).expect("a session");
    let mut guessing = Client::connect(relay.address()).expect("a session");
    guessing.command("MAIL FROM:<a@example.org>").expect("a reply");
    for name in ["a", "b", "c"] {
        let reply = guessing.command(&format!("RCPT TO:<{name}@elsewhere.example>")).expect("a reply");
        assert!(reply.starts_with("554"), "{reply}");
    }
    assert_eq!(guessing.command("NOOP").expect("a reply"), "421 4.7.0 relay.example.com Error: too many errors");
    assert_eq!(silent.reply().expect("last words"), "421 4.4.2 relay.example.com Error: timeout exceeded");
    for line in ["too many errors after RCPT from unknown[127.0.0.1]", "timeout after EHLO from unknown[127.0.0.1]"] {
        wait_until(line, || relay.log().contains(line));
    }
    assert_eq!(fail2ban("errors", &relay.log()), ["127.0.0.1"]);
}

#[test]
fn clients_that_do_not_wait_are_told_as_by_postfix() {
    let sink = Sink::start();
    let rest = "[networks]\ntrusted = [\"192.0.2.0/24\"]\n[limits]\ngreet-delay = \"1s\"\n";
    let relay = Relay::start_with_head("log-format = \"postfix\"\n", rest, sink.address());
    let mut early = TcpStream::connect(relay.address()).expect("connects");
    early.write_all(b"EHLO me\r\n").expect("sent");
    let (_, mut hasty) = Client::greeted(relay.address()).expect("a session");
    let reply = hasty.command("EHLO me\r\nAUTH PLAIN AGpvZQBzZWNyZXQ=").expect("a reply");
    assert_eq!(reply, "554 5.5.0 Error: SMTP protocol synchronization");
    for pattern in [
        r"postfix/postscreen\[\d+\]: PREGREET 9 after [\d.]+ from \[127\.0\.0\.1\]:\d+: EHLO me\\r\\n",
        r"postfix/smtpd\[\d+\]: improper command pipelining after EHLO from unknown\[127\.0\.0\.1\]: AUTH\n",
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        wait_until(pattern.as_str(), || pattern.is_match(&relay.log()));
    }
    let counted = |mode, line: &str| {
        let log = relay.log();
        let lines: Vec<_> = log.lines().filter(|found| found.contains(line)).collect();
        fail2ban(mode, &lines.join("\n"))
    };
    assert_eq!(counted("normal", "improper command pipelining"), ["127.0.0.1"]);
    assert_eq!(counted("ddos", "PREGREET"), ["127.0.0.1"]);
}

fn pflogsumm(log: &str) -> String {
    let output = feed(Path::new("."), "pflogsumm", &[], log);
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn json_lines_are_objects_with_the_queue_id() {
    let sink = Sink::start();
    let mut relay = start("json", &sink);
    let reply = send(&relay, &["b@example.net"]);
    let id = reply.rsplit(' ').next().expect("the id");
    wait_until("it is delivered", || relay.log().contains("\"delivered\""));
    assert!(relay.stop());
    let log = relay.log();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for event in ["received", "delivered"] {
        let told = lines.iter().find(|line| line["message"] == event).expect(event);
        assert_eq!(told["id"], id, "{told}");
    }
}
