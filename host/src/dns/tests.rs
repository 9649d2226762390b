//! The resolver against a DNS server of this machine.

use std::time::Duration;

use super::*;

#[path = "../../../tests/support/dns_server.rs"]
pub(crate) mod dns_server;
use dns_server::DnsServer;

fn resolver(server: &DnsServer) -> Resolver {
    let settings = DnsSettings {
        servers: vec![server.address()],
        timeout: Duration::from_millis(300),
        attempts: 1,
        ..DnsSettings::default()
    };
    Resolver::new(&settings).expect("a resolver")
}

#[tokio::test]
async fn mail_exchanges_come_by_preference() {
    let server = DnsServer::start(&[
        "example.org MX 20 backup.example.org",
        "example.org MX 10 MX.example.org",
        "null.example MX 0 .",
        "bare.example A 192.0.2.1",
    ]);
    let resolver = resolver(&server);
    let host = |preference, host: &str| MailExchange { preference, host: host.to_owned() };
    let expected = MailExchanges::Hosts(vec![host(10, "mx.example.org"), host(20, "backup.example.org")]);
    assert_eq!(resolver.mail_exchanges("Example.ORG").await, Ok(expected));
    assert_eq!(resolver.mail_exchanges("null.example").await, Ok(MailExchanges::Null));
    assert_eq!(resolver.mail_exchanges("bare.example").await, Ok(MailExchanges::Implicit));
}

#[tokio::test]
async fn none_and_unknown_are_not_the_same() {
    let server =
        DnsServer::start(&["broken.example SERVFAIL", "silent.example SILENT", "here.example MX 1 mx.example"]);
    let resolver = resolver(&server);
    assert_eq!(resolver.addresses("here.example").await, Ok(vec![]));
    let missing = resolver.mail_exchanges("missing.example").await;
    assert_eq!(missing, Err(DnsError::NoSuchDomain("missing.example".to_owned())));
    assert_eq!(resolver.addresses("missing.example").await.map_err(|error| error.is_temporary()), Err(false));
    for domain in ["broken.example", "silent.example"] {
        let failed = resolver.mail_exchanges(domain).await.expect_err(domain);
        assert!(failed.is_temporary(), "{domain}: {failed}");
    }
    assert_eq!(resolver.addresses("a..b").await, Err(DnsError::BadName("a..b".to_owned())));
}

#[tokio::test]
async fn addresses_of_both_families_aliases_names_and_servers() {
    let server = DnsServer::start(&[
        "host.example AAAA 2001:db8::1",
        "host.example A 192.0.2.1",
        "www.example CNAME host.example",
        "1.2.0.192.in-addr.arpa PTR Host.example",
        "host.example NS ns.example",
        "xn--bcher-kva.example A 192.0.2.2",
    ]);
    let resolver = resolver(&server);
    let both: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().expect("an address")).to_vec();
    assert_eq!(resolver.addresses("host.example").await, Ok(both.clone()));
    assert_eq!(resolver.addresses("www.example").await, Ok(both.clone()));
    assert_eq!(resolver.names(both[0]).await, Ok(vec!["host.example".to_owned()]));
    assert_eq!(resolver.name_servers("host.example").await, Ok(vec!["ns.example".to_owned()]));
    assert_eq!(resolver.addresses("bücher.example").await.map(|found| found.len()), Ok(1));
}

#[tokio::test]
async fn a_name_counts_that_leads_back() {
    let server = DnsServer::start(&[
        "1.2.0.192.in-addr.arpa PTR host.example",
        "host.example A 192.0.2.1",
        "2.2.0.192.in-addr.arpa PTR liar.example",
        "liar.example A 192.0.2.99",
        "3.2.0.192.in-addr.arpa PTR missing.example",
        "3.2.0.192.in-addr.arpa PTR second.example",
        "second.example A 192.0.2.3",
        "4.2.0.192.in-addr.arpa PTR 192.0.2.4",
        "192.0.2.4 A 192.0.2.4",
        "5.2.0.192.in-addr.arpa SERVFAIL",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR six.example",
        "six.example AAAA 2001:db8::1",
    ]);
    let resolver = resolver(&server);
    let name = async |address: &str| resolver.confirmed_name(address.parse().expect("an address")).await;
    assert_eq!(name("192.0.2.1").await, Ok(Some("host.example".to_owned())));
    assert_eq!(name("192.0.2.2").await, Ok(None), "it leads elsewhere");
    assert_eq!(name("192.0.2.3").await, Ok(Some("second.example".to_owned())));
    assert_eq!(name("192.0.2.4").await, Ok(None), "no host's name");
    assert_eq!(name("192.0.2.5").await.map_err(|error| error.is_temporary()), Err(true));
    assert_eq!(name("192.0.2.6").await, Err(DnsError::NoSuchDomain("192.0.2.6".to_owned())));
    assert_eq!(name("2001:db8::1").await, Ok(Some("six.example".to_owned())));
    assert_eq!(name("127.0.0.1").await, Ok(None));
}
