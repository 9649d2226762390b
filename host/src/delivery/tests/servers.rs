//! Which servers a next hop has: MX and address records of a real DNS server, loops found by address (guard 1).

use super::*;
use crate::{
    delivery::servers::{Place, servers},
    dns::{DnsSettings, Resolver, tests::dns_server::DnsServer},
};

/// The servers by name and address, or the reply.
async fn found(zone: &[&str], next_hop: &str, own: &OwnAddresses) -> Result<Vec<String>, String> {
    let server = DnsServer::start(zone);
    let resolver = resolver(&server, false);
    let next_hop = next_hop.parse().expect("a next hop");
    let found = servers(&next_hop, &resolver, own).await;
    found.map(|all| all.iter().map(ToString::to_string).collect()).map_err(|reply| reply.to_string())
}

fn resolver(server: &DnsServer, ipv6_first: bool) -> Resolver {
    let timeout = Duration::from_millis(300);
    Resolver::new(&DnsSettings { servers: vec![server.address()], timeout, attempts: 1, ipv6_first })
        .expect("a resolver")
}

fn nobody() -> OwnAddresses {
    OwnAddresses::default()
}

const ZONE: [&str; 11] = [
    "example.org MX 20 b.example.org",
    "example.org MX 10 a.example.org",
    "example.org MX 30 none.example.org",
    "a.example.org A 192.0.2.1",
    "a.example.org AAAA 2001:db8::1",
    "b.example.org A 192.0.2.2",
    "bare.example A 192.0.2.3",
    "null.example MX 0 .",
    "xn--bcher-kva.example MX 10 b.example.org",
    "broken.example SERVFAIL",
    "nowhere.example MX 10 nothing.example",
];

#[tokio::test]
async fn exchangers_come_by_preference_and_family() {
    let expected = ["a.example.org[192.0.2.1]:25", "a.example.org[2001:db8::1]:25", "b.example.org[192.0.2.2]:25"];
    assert_eq!(found(&ZONE, "mx://example.org", &nobody()).await, Ok(expected.map(str::to_owned).to_vec()));
    let server = DnsServer::start(&ZONE);
    let next_hop = "mx://example.org:2525".parse().expect("a next hop");
    let all = servers(&next_hop, &resolver(&server, true), &nobody()).await.expect("servers");
    assert_eq!(all[0].place, Place::Tcp("[2001:db8::1]:2525".parse().expect("an address")));
}

#[tokio::test]
async fn exchangers_of_equal_preference_take_turns() {
    let zone = ["example.org MX 10 a.example.org", "example.org MX 10 b.example.org", ZONE[3], ZONE[5]];
    let server = DnsServer::start(&zone);
    let (resolver, next_hop) = (resolver(&server, false), "mx://example.org".parse().expect("a next hop"));
    let mut firsts = std::collections::BTreeSet::new();
    for _ in 0..100 {
        firsts.insert(servers(&next_hop, &resolver, &nobody()).await.expect("servers")[0].name.clone());
    }
    assert_eq!(firsts.len(), 2);
}

#[tokio::test]
async fn domains_have_other_ways_to_say_where_mail_goes() {
    for (next_hop, expected) in [
        ("mx://bare.example", Ok("bare.example[192.0.2.3]:25")),
        ("mx://b\u{fc}cher.example", Ok("b.example.org[192.0.2.2]:25")),
        ("smtp://b.example.org:2525", Ok("b.example.org[192.0.2.2]:2525")),
        ("lmtp:///run/lmtp", Ok("localhost[/run/lmtp]")),
        ("mx://null.example", Err("556 5.1.10 domain null.example does not accept mail (null MX)")),
        ("mx://none.example", Err("550 5.4.4 none.example: no such domain")),
        ("mx://nowhere.example", Err("550 5.4.4 no mail exchanger of nowhere.example has an address")),
        ("smtp://none.example", Err("451 4.3.5 next hop of a route: none.example: no such domain")),
    ] {
        let expected = expected.map(|one| vec![one.to_owned()]).map_err(str::to_owned);
        assert_eq!(found(&ZONE, next_hop, &nobody()).await, expected, "{next_hop}");
    }
    let broken = found(&ZONE, "mx://broken.example", &nobody()).await;
    assert!(broken.as_ref().is_err_and(|reply| reply.starts_with("451 4.4.3 broken.example: ")), "{broken:?}");
}

#[tokio::test]
async fn an_address_literal_is_asked_as_it_stands() {
    let literal = |domain: &str| crate::delivery::NextHop::Mx { domain: Some(domain.to_owned()), port: 25 };
    let server = DnsServer::start(&[]);
    let resolver = resolver(&server, false);
    for (domain, expected) in [("[192.0.2.9]", "192.0.2.9[192.0.2.9]:25"), ("[ipv6:::1]", "::1[::1]:25")] {
        let found = servers(&literal(domain), &resolver, &nobody()).await.expect("a server");
        assert_eq!(found[0].to_string(), expected);
    }
}

#[tokio::test]
async fn nobody_sends_to_an_exchanger_that_is_not_better_than_himself() {
    let own = |address: &str| OwnAddresses {
        listeners: vec!["127.0.0.1:25".parse().expect("an address")],
        proxies: vec![address.parse().expect("an address")],
    };
    let loops = "550 5.4.6 mail for example.org loops back to myself";
    for (next_hop, own, expected) in [
        // The second of two: only the first is left.
        (
            "mx://example.org",
            own("192.0.2.2"),
            Ok(vec!["a.example.org[192.0.2.1]:25", "a.example.org[2001:db8::1]:25"]),
        ),
        // The best, by one of its addresses.
        ("mx://example.org", own("2001:db8::1"), Err(loops)),
        ("mx://bare.example", own("192.0.2.3"), Err("550 5.4.6 mail for bare.example loops back to myself")),
        (
            "smtp://b.example.org",
            own("192.0.2.2"),
            Err("451 4.3.5 next hop of a route: b.example.org:25 is this relay itself"),
        ),
        // What listens on other ports of the same machine is somebody else.
        ("smtp://b.example.org:10025", own("192.0.2.2"), Ok(vec!["b.example.org[192.0.2.2]:10025"])),
    ] {
        let expected = expected.map(|all| all.into_iter().map(str::to_owned).collect()).map_err(str::to_owned);
        assert_eq!(found(&ZONE, next_hop, &own).await, expected, "{next_hop}");
    }
    let better_is_gone = ["example.org MX 10 gone.example.org", "example.org MX 20 b.example.org", ZONE[5]];
    let reply = found(&better_is_gone, "mx://example.org", &own("192.0.2.2")).await;
    let expected = "451 4.4.4 no better mail exchanger of example.org than this one has an address";
    assert_eq!(reply, Err(expected.to_owned()));
}
