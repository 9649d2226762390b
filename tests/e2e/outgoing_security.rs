//! TLS and AUTH towards next hops as those see them who watch: metrics that add up to what the next hop counted, and the log.

use std::{collections::BTreeMap, fs, net::TcpListener};

use regex::Regex;

use crate::{
    auth::Submission,
    certificates::Authority,
    client::Client,
    metrics::scrape,
    relay::{Relay, wait_until},
    sink::Sink,
};

const ADMIN: &str = "[admin]\naddress = \"127.0.0.1:0\"\n";

/// A relay before `submission`, which takes mail for `untrusted.example` from everybody, the rest from `joe` only.
fn edge(head: &str, submission: &Submission, sink: &Sink) -> Relay {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("secret"), "secret\n").expect("written");
    fs::write(folder.path().join("wrong"), "wrong\n").expect("written");
    fs::write(folder.path().join("stranger.pem"), Authority::new().pem()).expect("written");
    let (next_hop, authority) = (submission.relay.address(), submission.relay.folder().join("ca.pem"));
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
    let route = |domain: &str, rest: &str| {
        format!("[[route]]\ndomains = [\"{domain}\"]\nnext-hop = \"smtp://{next_hop}\"\n{rest}\n")
    };
    let login = |file: &str| format!("auth = {{ user = \"joe\", password-file = \"{file}\" }}");
    let verify = |authority: &str| format!("tls = \"verify\"\ntls-ca = \"{authority}\"");
    let routes = [
        route("verified.example", &format!("{}\n{}", verify(&authority.to_string_lossy()), login("secret"))),
        route("untrusted.example", "tls = \"encrypt\""),
        route("refused.example", &format!("tls = \"encrypt\"\n{}", login("wrong"))),
        route("impostor.example", &verify("stranger.pem")),
        format!("[[route]]\ndomains = [\"plain.example\"]\nnext-hop = \"smtp://{}\"\n", sink.address()),
        format!("[[route]]\ndomains = [\"dead.example\"]\nnext-hop = \"smtp://{dead}\"\n"),
    ];
    let text = format!(
        "{head}hostname = \"edge.example.com\"\nstate-dir = \"state\"\n[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n\
         [queue]\nfirst-retry = \"1h\"\n{ADMIN}{}",
        routes.concat()
    );
    Relay::with_config(folder, &text)
}

/// A message for each domain so many times.
fn send(relay: &Relay, counts: &[(&str, usize)]) {
    let mut client = Client::connect(relay.address()).expect("a session");
    for (domain, count) in counts {
        for _ in 0..*count {
            let reply = client.send("a@example.org", &[&format!("b@{domain}.example")], b"Subject: x\r\n\r\n");
            assert!(reply.expect("a reply").starts_with("250"), "{domain}");
        }
    }
}

fn sum(samples: &BTreeMap<String, f64>, family: &str) -> f64 {
    let family = format!("mailweir_{family}{{");
    samples.iter().filter(|(name, _)| name.starts_with(&family)).map(|(_, value)| value).sum()
}

#[test]
fn metrics_add_up_to_what_the_next_hop_counted() {
    let sink = Sink::start();
    let submission = Submission::start("", &format!("{ADMIN}[relay]\ndomains = [\"untrusted.example\"]\n"));
    let edge = edge("", &submission, &sink);
    send(&edge, &[("verified", 6), ("untrusted", 3), ("plain", 4), ("refused", 1), ("impostor", 1), ("dead", 1)]);
    wait_until("each was tried", || sum(&scrape(&edge), "deliveries_total") == 16.0);
    let (out, taken) = (scrape(&edge), scrape(&submission.relay));
    let sent = |metric: &str| out[&format!("mailweir_{metric}")];
    assert_eq!(sent("recipients_delivered_total{tls=\"verified\",login=\"yes\"}"), 6.0);
    assert_eq!(sent("recipients_delivered_total{tls=\"untrusted\",login=\"no\"}"), 3.0);
    assert_eq!(sent("recipients_delivered_total{tls=\"no\",login=\"no\"}"), 4.0);
    assert_eq!(sum(&out, "recipients_delivered_total"), sent("deliveries_total{result=\"delivered\"}"));
    assert_eq!(sent("deliveries_total{result=\"deferred\"}"), 3.0);
    for (kind, count) in [("connect", 1.0), ("greeting", 0.0), ("tls", 1.0), ("auth", 1.0)] {
        assert_eq!(sent(&format!("next_hop_connection_failures_total{{kind=\"{kind}\"}}")), count, "{kind}");
    }
    let (verified, untrusted) = (
        sent("next_hop_connections_total{tls=\"verified\",login=\"yes\"}"),
        sent("next_hop_connections_total{tls=\"untrusted\",login=\"no\"}"),
    );
    assert!((1.0..=6.0).contains(&verified) && (1.0..=3.0).contains(&untrusted), "{out:#?}");
    let came = |metric: &str| taken[&format!("mailweir_{metric}")];
    assert_eq!(came("logins_total{result=\"accepted\"}"), verified);
    assert_eq!(came("logins_total{result=\"rejected\"}"), 1.0);
    assert_eq!(came("messages_total{result=\"queued\"}"), 9.0);
    // Two more were not taken for what the route wants.
    assert_eq!(came("sessions_total"), verified + untrusted + 2.0);
    for line in [" tls=\"verified TLSv1.3 TLS13_", " tls=\"untrusted TLSv1.3 TLS13_", " login=\"PLAIN\""] {
        wait_until(line, || edge.log().contains(line));
    }
}

#[test]
fn both_sides_tell_of_tls_in_the_words_of_postfix() {
    let (sink, head) = (Sink::start(), "log-format = \"postfix\"\n");
    let submission = Submission::start_with_head(head, "", "[relay]\ndomains = [\"untrusted.example\"]\n");
    let edge = edge(head, &submission, &sink);
    send(&edge, &[("verified", 1), ("untrusted", 1)]);
    let with = r"TLSv1\.3 with cipher TLS13_[A-Z0-9_]+$";
    for (relay, pattern) in [
        (&edge, r"postfix/smtp\[\d+\]: Verified TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: "),
        (&edge, r"postfix/smtp\[\d+\]: Untrusted TLS connection established to 127\.0\.0\.1\[127\.0\.0\.1\]:\d+: "),
        (
            &submission.relay,
            r"postfix/smtpd\[\d+\]: Anonymous TLS connection established from unknown\[127\.0\.0\.1\]: ",
        ),
    ] {
        let pattern = Regex::new(&format!("(?m){pattern}{with}")).expect("a pattern");
        wait_until(pattern.as_str(), || pattern.is_match(&relay.log()));
    }
}
