//! Delivery with a real spool and real sockets: what each answer of a next hop does to each recipient.

mod events;
mod exchange;
mod next_hop;
mod queue;
mod reports;
mod security;
mod servers;
mod stages;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use tokio::sync::watch;

use self::next_hop::{NextHop, Script};
use super::*;
use crate::{
    dns::DnsSettings,
    events::Seen,
    mail::{Address, Client, Envelope, Message, Recipient, ReversePath},
    pipeline::Stage,
    spool::{Counts, NewMessage, Spool, SqliteSpool},
};

/// A running delivery with its spool; ends when dropped.
struct Bench {
    spool: Arc<SqliteSpool>,
    waker: Waker,
    renewer: Renewer,
    seen: Seen,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start(next_hop: &NextHop, stages: Vec<Stage>, retry: RetrySchedule) -> Self {
        let route = route(&format!("smtp://{}", next_hop.address));
        Self::with_settings(Settings { retry, ..settings(vec![route]) }, stages)
    }

    fn with_settings(settings: Settings, stages: Vec<Stage>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Arc::new(SqliteSpool::open(folder.path()).expect("a spool"));
        let (stop, shutdown) = watch::channel(false);
        let seen = Seen::default();
        let delivery = Delivery::start(settings, spool.clone(), stages.into(), seen.observers(), shutdown);
        let (waker, renewer) = (delivery.waker(), delivery.renewer());
        Self { spool, waker, renewer, seen, _stop: stop, _folder: folder }
    }

    async fn with(script: Script) -> (Self, NextHop) {
        let next_hop = NextHop::start(script).await;
        (Self::start(&next_hop, vec![], RetrySchedule::default()), next_hop)
    }

    async fn send(&self, id: &str, sender: ReversePath, recipients: &[&str]) {
        let recipient = |text: &&str| Recipient::new(address(text));
        let envelope = Envelope::new(sender, recipients.iter().map(recipient).collect());
        self.send_envelope(id, envelope, "Subject: grüße\r\n\r\n.dot\r\n").await;
    }

    async fn send_envelope(&self, id: &str, envelope: Envelope, text: &'static str) {
        let message = NewMessage {
            id: id.to_owned(),
            client: Arc::new(Client {
                peer: "192.0.2.1:1000".parse().expect("an address"),
                name: None,
                helo: None,
                tls: None,
                login: None,
                trusted: true,
            }),
            envelope,
            message: Message::parse(Bytes::from_static(text.as_bytes())),
            received: SystemTime::now(),
            hold: None,
            files: Vec::new(),
        };
        self.spool.enqueue(message).await.expect("kept");
    }

    /// Wait until the spool holds this.
    async fn settles(&self, waiting: u64, held: u64) {
        let expected = Counts { waiting, leased: 0, held };
        for _ in 0..3000 {
            if self.spool.counts().await.expect("counts") == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?} in the spool, not {expected:?}", self.spool.counts().await);
    }
}

/// A route for everything.
fn route(next_hop: &str) -> Route {
    Route {
        recipients: vec![Pattern::Any],
        senders: vec![],
        way: Way::To(next_hop.parse().expect("a next hop")),
        tls: Tls::new(TlsMode::May, None, None).expect("TLS"),
        login: None,
        concurrency: 5,
    }
}

fn settings(routes: Vec<Route>) -> Settings {
    with_dns(routes, "127.0.0.1:9".parse().expect("an address"))
}

fn with_dns(routes: Vec<Route>, server: SocketAddr) -> Settings {
    let dns = DnsSettings { servers: vec![server], attempts: 1, ..DnsSettings::default() };
    Settings {
        hostname: "relay.example.com".to_owned(),
        routes,
        resolver: Resolver::new(&dns).expect("a resolver"),
        own: OwnAddresses::default(),
        retry: RetrySchedule::default(),
        concurrency: 50,
        delay_warning: None,
        double_bounces: DoubleBounces::Hold,
        bounce_size: 50_000,
        timeouts: Timeouts::default(),
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn sender() -> ReversePath {
    ReversePath::Address(address("from@example.org"))
}

#[tokio::test]
async fn a_message_goes_out_in_one_round_trip_a_phase() {
    let (bench, next_hop) = Bench::with(vec![]).await;
    bench.send("Q1", sender(), &["a@b.example", "c@d.example"]).await;
    bench.settles(0, 0).await;
    let expected = [
        "connected",
        "EHLO relay.example.com",
        "MAIL FROM:<from@example.org> SIZE=26 BODY=8BITMIME",
        "RCPT TO:<a@b.example>",
        "RCPT TO:<c@d.example>",
        "DATA",
        "Subject: grüße\n\n..dot\n",
    ];
    assert_eq!(next_hop.heard(), expected);
}

#[tokio::test]
async fn a_connection_serves_several_messages() {
    let (bench, next_hop) = Bench::with(vec![]).await;
    for number in 0..5 {
        bench.send(&format!("Q{number}"), sender(), &["a@b.example"]).await;
        bench.settles(0, 0).await;
    }
    assert_eq!((next_hop.count("connected"), next_hop.count("DATA")), (1, 5));
}

#[tokio::test]
async fn a_server_of_the_old_school_gets_helo_and_step_by_step() {
    let (bench, next_hop) = Bench::with(vec![("EHLO", "502 5.5.2 what?"), ("RCPT TO:<no", "550 5.1.1 unknown")]).await;
    bench.send("Q1", ReversePath::Null, &["a@b.example", "no@b.example"]).await;
    // The null sender can't be told, so what failed is kept.
    bench.settles(0, 1).await;
    assert!(next_hop.heard().contains(&"HELO relay.example.com".to_owned()));
    assert!(next_hop.heard().contains(&"MAIL FROM:<>".to_owned()), "{:?}", next_hop.heard());
    assert_eq!(next_hop.count("Subject:"), 1);
}

#[tokio::test]
async fn trouble_for_now_defers_and_nothing_is_lost() {
    for script in [
        vec![("greeting", "421 4.3.2 not now")],
        vec![("greeting", "554 no service")],
        vec![("greeting", "SSH-2.0-OpenSSH_9.2")],
        vec![("greeting", "")],
        vec![("EHLO", "")],
        vec![("MAIL", "")],
        vec![("MAIL", "451 4.3.0 later")],
        vec![("RCPT", "450 4.2.1 later")],
        vec![("RCPT", "")],
        vec![("DATA", "")],
        vec![("DATA", "451 4.3.0 later")],
        vec![(".", "452 4.3.1 full")],
        vec![(".", "")],
    ] {
        let (bench, _next_hop) = Bench::with(script.clone()).await;
        bench.send("Q1", sender(), &["a@b.example", "c@d.example"]).await;
        bench.settles(2, 0).await;
    }
}

#[tokio::test]
async fn nobody_there_defers() {
    let mut gone = NextHop::start(vec![]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    gone.address = free.local_addr().expect("an address");
    drop(free);
    let bench = Bench::start(&gone, vec![], RetrySchedule::default());
    bench.send("Q1", sender(), &["a@b.example"]).await;
    bench.settles(1, 0).await;
}

/// The report that came back to the sender, as the next hop heard it.
async fn report(bench: &Bench, next_hop: &NextHop) -> String {
    bench.settles(0, 0).await;
    assert!(next_hop.heard().contains(&"RCPT TO:<from@example.org>".to_owned()), "{:?}", next_hop.heard());
    let heard = next_hop.heard().into_iter().find(|text| text.contains("multipart/report"));
    heard.expect("a report")
}

#[tokio::test]
async fn a_refusal_for_good_is_reported_to_the_sender() {
    for script in [
        vec![("RCPT TO:<a@", "550 5.1.1 no such user")],
        vec![("MAIL FROM:<from", "550 5.1.1 no such user")],
        vec![("MAIL FROM:<from", "550-5.1.1 no such\r\n550 5.1.1 user")],
    ] {
        let (bench, next_hop) = Bench::with(script).await;
        bench.send("Q1", sender(), &["a@b.example"]).await;
        let report = report(&bench, &next_hop).await;
        assert!(next_hop.heard().iter().any(|line| line.starts_with("MAIL FROM:<> ")), "{:?}", next_hop.heard());
        for line in [
            "To: <from@example.org>\n",
            "Final-Recipient: rfc822; a@b.example\n",
            "Action: failed\n",
            "Status: 5.1.1\n",
            "Diagnostic-Code: smtp; 550 5.1.1 no such",
            "X-Mailweir-Queue-ID: Q1\n",
            "Subject: grüße\n",
        ] {
            assert!(report.contains(line), "no {line:?} in\n{report}");
        }
    }
}

#[tokio::test]
async fn one_refused_recipient_of_three_harms_only_itself() {
    let (bench, next_hop) =
        Bench::with(vec![("RCPT TO:<no@", "550 5.1.1 no"), ("RCPT TO:<later@", "450 4.2.1 later")]).await;
    bench.send("Q1", sender(), &["a@b.example", "no@b.example", "later@b.example"]).await;
    bench.settles(1, 0).await;
    let bodies: Vec<_> = next_hop.heard().into_iter().filter(|text| text.ends_with("..dot\n")).collect();
    assert_eq!(bodies.len(), 1);
    assert_eq!(next_hop.count("RCPT TO:<from@example.org>"), 1);
}

#[tokio::test]
async fn what_is_too_old_is_reported() {
    let next_hop = NextHop::start(vec![("RCPT TO:<a@", "450 4.2.1 later")]).await;
    let retry = RetrySchedule { lifetime: Duration::ZERO, ..RetrySchedule::default() };
    let bench = Bench::start(&next_hop, vec![], retry);
    bench.send("Q1", sender(), &["a@b.example"]).await;
    let report = report(&bench, &next_hop).await;
    assert!(report.contains("Diagnostic-Code: smtp; 450 4.2.1 later\n"), "{report}");
}

#[tokio::test]
async fn a_deferred_message_is_tried_again() {
    let next_hop = NextHop::start(vec![("RCPT", "450 4.2.1 later")]).await;
    let retry = RetrySchedule { first: Duration::from_millis(10), ..RetrySchedule::default() };
    let bench = Bench::start(&next_hop, vec![], retry);
    bench.send("Q1", sender(), &["a@b.example"]).await;
    for _ in 0..3000 {
        if next_hop.count("RCPT") >= 3 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("tried only {} times", next_hop.count("RCPT"));
}
