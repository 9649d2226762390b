//! What a guest may ask the DNS, and what becomes of it.

use super::{
    super::{
        bindings::interfaces::dns::{Error, Exchanges, Host, MailExchange},
        guest::{Guest, HostCall},
    },
    *,
};
use crate::dns::{DnsSettings, Resolver, tests::dns_server::DnsServer};

/// A guest that may ask this server, with so much time.
fn guest_of(server: &DnsServer, timeout: Duration) -> Guest {
    let settings = DnsSettings { servers: vec![server.address()], ..DnsSettings::default() };
    let limits = FilterLimits { timeout, ..limits() };
    let mut guest = Guest::new("stage".into(), "id".into(), Arc::new(tables()), &limits);
    guest.resolver = Some(Resolver::new(&settings).expect("a resolver"));
    guest
}

#[tokio::test]
async fn answers_come_as_the_contract_says() {
    let server = DnsServer::start(&[
        "example.org MX 10 mx.example.org",
        "mx.example.org AAAA 2001:db8::1",
        "mx.example.org A 192.0.2.1",
        "example.org NS ns.example.org",
        "1.2.0.192.in-addr.arpa PTR mx.example.org",
        "null.example MX 0 .",
        "broken.example SERVFAIL",
    ]);
    let mut guest = guest_of(&server, Duration::from_secs(20));
    let mut guest = HostCall::begin(&mut guest);
    assert!(guest.granted().expect("no trap"));
    let hosts = match guest.mail_exchanges("Example.ORG".to_owned()).await.expect("no trap") {
        Ok(Exchanges::Hosts(hosts)) => hosts,
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(hosts.as_slice(), [MailExchange { preference: 10, host }] if host == "mx.example.org"),
        "{hosts:?}"
    );
    let null = guest.mail_exchanges("null.example".to_owned()).await.expect("no trap");
    assert!(matches!(null, Ok(Exchanges::Null)), "{null:?}");
    let addresses = guest.addresses("mx.example.org".to_owned()).await.expect("no trap");
    assert_eq!(addresses.ok(), Some(vec!["192.0.2.1".to_owned(), "2001:db8::1".to_owned()]));
    let servers = guest.name_servers("example.org.".to_owned()).await.expect("no trap");
    assert_eq!(servers.ok(), Some(vec!["ns.example.org".to_owned()]));
    let names = guest.names("192.0.2.1".to_owned()).await.expect("no trap");
    assert_eq!(names.ok(), Some(vec!["mx.example.org".to_owned()]));
    for missing in ["missing.example", "no name at all", ""] {
        let answer = guest.addresses(missing.to_owned()).await.expect("no trap");
        assert!(matches!(answer, Err(Error::NoSuchName)), "{missing}: {answer:?}");
    }
    let nonsense = guest.names("no address".to_owned()).await.expect("no trap");
    assert!(matches!(nonsense, Err(Error::NoSuchName)), "{nonsense:?}");
    let broken = guest.addresses("broken.example".to_owned()).await.expect("no trap");
    assert!(matches!(broken, Err(Error::Unavailable(_))), "{broken:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_leaves_time_for_an_answer() {
    let server = DnsServer::start(&["silent.example SILENT"]);
    let mut guest = guest_of(&server, Duration::from_millis(400));
    let mut guest = HostCall::begin(&mut guest);
    let answer = guest.addresses("silent.example".to_owned()).await.expect("no trap");
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    assert!(!guest.time_left().is_zero());
}

#[tokio::test]
async fn without_a_grant_there_is_no_answer_and_with_it_not_without_end() {
    let mut guest = Guest::new("stage".into(), "id".into(), Arc::new(tables()), &limits());
    let mut guest = HostCall::begin(&mut guest);
    assert!(!guest.granted().expect("no trap"));
    let answer = guest.addresses("example.org".to_owned()).await.expect("no trap");
    assert!(matches!(answer, Err(Error::NotGranted)), "{answer:?}");

    let server = DnsServer::start(&["here.example A 192.0.2.1"]);
    let mut guest = guest_of(&server, Duration::from_secs(20));
    let mut guest = HostCall::begin(&mut guest);
    for _ in 0..100 {
        guest.addresses("here.example".to_owned()).await.expect("no trap").expect("an address");
    }
    guest.addresses("here.example".to_owned()).await.expect_err("the end");
    assert_eq!(guest.stopped, Some(FailureKind::Lookups));
}

#[tokio::test]
async fn only_access_may_permit_relaying() {
    let place = Place::new();
    let filter = place.misbehave("permit-relay", Role::Session).await.expect("it loads");
    let error = filter.session(&facts()).await.expect_err("a refusal");
    assert_eq!(error.kind, FailureKind::InvalidAnswer);
}
