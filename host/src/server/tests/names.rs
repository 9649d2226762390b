//! The names of clients, as a session with an own DNS server shows them in the Received field.

use tokio::io::duplex;

use super::*;
use crate::{
    dns::{DnsSettings, Resolver, tests::dns_server::DnsServer},
    events::Observers,
    mail,
    server::{
        connection::Connection,
        decide::{Desk, Listener, Shared},
    },
    spool::IdSource,
};

/// `192.0.2.9` is named, `192.0.2.8` claims a name that isn't its own, nobody answers for `192.0.2.7`.
const ZONE: [&str; 5] = [
    "9.2.0.192.in-addr.arpa PTR mx.partner.example",
    "mx.partner.example A 192.0.2.9",
    "8.2.0.192.in-addr.arpa PTR mx.partner.example",
    "7.2.0.192.in-addr.arpa SILENT",
    "6.2.0.192.in-addr.arpa SERVFAIL",
];

/// First line of the message that a client at this address has sent.
async fn first_line(settings: Settings, peer: &str) -> String {
    let listener = ListenerSettings::new("smtp", vec![]);
    let listener = Arc::new(Listener { session: Arc::new(settings.session(&listener)), settings: listener });
    let (spool, ids, failed_logins) = (Arc::new(MemorySpool::default()), Arc::new(IdSource::new()), Arc::default());
    let (pipeline, observers, memory) = (Arc::default(), Observers::default(), settings.memory());
    let shared = Shared { settings, pipeline, spool: spool.clone(), observers, memory, ids, failed_logins };
    let peer = peer.parse().expect("an address");
    let client = mail::Client { peer, name: None, helo: None, tls: None, login: None, trusted: true };
    let ((mut near, far), (_shutdown, stop)) = (duplex(4096), watch::channel(false));
    let session = tokio::spawn(Connection::new(far, Desk::new(Arc::new(shared), listener, client), stop).run());
    let all = b"EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@ours.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n";
    near.write_all(all).await.expect("sends");
    timeout(PATIENCE, session).await.expect("in time").expect("no panic");
    let messages = spool.messages.lock().expect("no panic");
    String::from_utf8_lossy(&octets(&messages[0])).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_client_has_the_name_that_leads_back_to_it() {
    let (dns, patience) = (DnsServer::start(&ZONE), Duration::from_millis(300));
    let asked = DnsSettings { servers: vec![dns.address()], timeout: patience, attempts: 1, ..DnsSettings::default() };
    let resolver = Resolver::new(&asked).expect("a resolver");
    let settings = Settings { forbid_unauth_pipelining: false, ..settings() };
    let named = Settings { client_names: Some((resolver, patience)), ..settings.clone() };
    for (client, name) in [(9, "mx.partner.example"), (8, "unknown"), (7, "unknown"), (6, "unknown"), (5, "unknown")] {
        let line = first_line(named.clone(), &format!("192.0.2.{client}:1000")).await;
        assert_eq!(line, format!("Received: from me ({name} [192.0.2.{client}])"));
    }
    assert_eq!(first_line(settings, "192.0.2.9:1000").await, "Received: from me (unknown [192.0.2.9])");
}
