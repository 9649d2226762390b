//! One message to one destination: several servers, LMTP, what is asked of a server and what it offers.

use tokio::net::TcpListener;

use super::*;
use crate::{
    dns::tests::dns_server::DnsServer,
    mail::{BodyType, MailParameters, Notify, Ret},
};

/// Two servers of one domain, on one port: one that the system chose for the first may be taken at the second's address.
async fn two_servers(first: Script, second: Script) -> (Bench, NextHop, NextHop, DnsServer) {
    let (one, two, port) = loop {
        let one = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = one.local_addr().expect("an address").port();
        if let Ok(two) = TcpListener::bind(("127.0.0.2", port)).await {
            break (one, two, port);
        }
    };
    let (one, two) = (NextHop::serve(one, first, None), NextHop::serve(two, second, None));
    let zone = [
        "b.example MX 10 one.example",
        "b.example MX 20 two.example",
        "one.example A 127.0.0.1",
        "two.example A 127.0.0.2",
    ];
    let dns = DnsServer::start(&zone);
    let bench = Bench::with_settings(with_dns(vec![route(&format!("mx:{port}"))], dns.address()), vec![]);
    (bench, one, two, dns)
}

#[tokio::test]
async fn the_next_server_is_asked_when_one_is_in_trouble() {
    for first in [
        vec![("greeting", "421 not now")],
        vec![("greeting", "554 not you")],
        vec![("greeting", "")],
        vec![("MAIL", "451 4.3.0 later")],
        vec![("MAIL", "")],
        vec![("RCPT", "450 4.2.1 later")],
        vec![("RCPT", "")],
        vec![("DATA", "451 4.3.0 later")],
        vec![(".", "452 4.3.1 full")],
    ] {
        let (bench, one, two, _dns) = two_servers(first.clone(), vec![]).await;
        bench.send("Q1", sender(), &["first@b.example"]).await;
        bench.settles(0, 0).await;
        assert_eq!((one.count("connected"), two.count("RCPT TO:<first@b.example>")), (1, 1), "{first:?}");
    }
}

#[tokio::test]
async fn only_those_without_an_answer_are_tried_again() {
    let (bench, one, two, _dns) = two_servers(vec![("RCPT TO:<grey@", "450 4.7.1 greylisted")], vec![]).await;
    bench.send("Q0", sender(), &["fine@b.example"]).await;
    bench.settles(0, 0).await;
    // On the connection that is kept from the first.
    bench.send("Q1", sender(), &["grey@b.example", "fine@b.example"]).await;
    bench.settles(0, 0).await;
    assert_eq!((one.count("RCPT TO:<fine@"), two.count("RCPT TO:<fine@"), two.count("RCPT TO:<grey@")), (2, 0, 1));
}

#[tokio::test]
async fn a_message_that_may_have_arrived_goes_to_no_other_server() {
    let (bench, one, two, _dns) = two_servers(vec![(".", "")], vec![]).await;
    bench.send("Q1", sender(), &["a@b.example"]).await;
    bench.settles(1, 0).await;
    assert_eq!((one.count("DATA"), two.count("connected")), (1, 0));
}

#[tokio::test]
async fn who_answers_with_our_name_is_ourselves() {
    let next_hop = NextHop::start(vec![("EHLO", "250 relay.example.com")]).await;
    let dns = DnsServer::start(&["b.example A 127.0.0.1", "example.org MX 10 b.example"]);
    let route = route(&format!("mx:{}", next_hop.address.port()));
    let bench = Bench::with_settings(with_dns(vec![route], dns.address()), vec![]);
    bench.send("Q1", ReversePath::Null, &["a@b.example"]).await;
    bench.settles(0, 1).await;
    assert_eq!(next_hop.count("MAIL"), 0);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_costs_nothing() {
    let next_hop = NextHop::start(vec![("MAIL FROM:<twice@", "")]).await;
    let bench = Bench::start(&next_hop, vec![], RetrySchedule::default());
    bench.send("Q1", sender(), &["a@b.example"]).await;
    bench.settles(0, 0).await;
    // On the kept connection, and once more on a new one.
    bench.send("Q2", ReversePath::Address(address("twice@b.example")), &["a@b.example"]).await;
    bench.settles(1, 0).await;
    assert_eq!((next_hop.count("connected"), next_hop.count("MAIL FROM:<twice@")), (2, 2));
}

#[tokio::test]
async fn lmtp_has_an_answer_for_each_recipient() {
    let script = vec![
        (". RCPT TO:<full@", "452 4.2.2 full"),
        (". RCPT TO:<no@", "550 5.2.1 gone"),
        ("RCPT TO:<un", "550 5.1.1 who?"),
    ];
    let next_hop = NextHop::start(script).await;
    let bench = Bench::with_settings(settings(vec![route(&format!("lmtp://{}", next_hop.address))]), vec![]);
    let recipients = ["a@b.example", "unknown@b.example", "full@b.example", "no@b.example", "z@b.example"];
    bench.send("Q1", ReversePath::Null, &recipients).await;
    bench.settles(1, 2).await;
    assert!(next_hop.heard().contains(&"LHLO relay.example.com".to_owned()));
}

#[tokio::test]
async fn many_recipients_go_in_several_transactions() {
    let (bench, next_hop) = Bench::with(vec![]).await;
    let recipients: Vec<_> = (0..120).map(|number| format!("r{number}@b.example")).collect();
    bench.send("Q1", sender(), &recipients.iter().map(String::as_str).collect::<Vec<_>>()).await;
    bench.settles(0, 0).await;
    assert_eq!((next_hop.count("RCPT"), next_hop.count("DATA")), (120, 3));
}

async fn with_offers(offers: &'static str, parameters: MailParameters, text: &'static str) -> Vec<String> {
    let (bench, next_hop) = Bench::with(vec![("EHLO", offers)]).await;
    let mut recipient = Recipient::new(address("a@b.example"));
    recipient.notify = Some(Notify { success: true, failure: true, delay: false });
    recipient.orcpt = Some("rfc822;old@b.example".to_owned());
    let envelope = Envelope { sender: sender(), recipients: vec![recipient], parameters };
    bench.send_envelope("Q1", envelope, text).await;
    bench.settles(0, 0).await;
    next_hop.heard().into_iter().skip(2).collect()
}

#[tokio::test]
async fn what_the_sender_asked_for_is_passed_on_where_it_is_known() {
    let parameters =
        MailParameters { ret: Some(Ret::Hdrs), envid: Some("id+2B1".to_owned()), ..MailParameters::default() };
    let heard = with_offers("250-mx\r\n250 DSN", parameters, "Subject: x\r\n\r\ny\r\n").await;
    assert_eq!(heard[0], "MAIL FROM:<from@example.org> RET=HDRS ENVID=id+2B1");
    assert_eq!(heard[1], "RCPT TO:<a@b.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;old@b.example");
}

#[tokio::test]
async fn binary_goes_by_bdat_unchanged_or_as_base64() {
    let binary = || MailParameters { body: BodyType::BinaryMime, ..MailParameters::default() };
    let text = "MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\na\rb\nc\r\n.\r\n";
    let heard = with_offers("250-mx\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 BINARYMIME", binary(), text).await;
    assert_eq!(heard[0], "MAIL FROM:<from@example.org> BODY=BINARYMIME");
    assert_eq!((heard[2].as_str(), heard[3].as_str()), ("BDAT 66 LAST", text));
    let heard = with_offers("250-mx\r\n250 CHUNKING", binary(), text).await;
    let expected = "MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\nYQ1iCmMNCi4NCg==\n";
    assert_eq!((heard[2].as_str(), heard[3].as_str()), ("DATA", expected));
}

#[tokio::test]
async fn a_server_of_seven_bits_gets_quoted_printable() {
    let text = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{fc}\r\n";
    let heard = with_offers("250 mx", MailParameters::default(), text).await;
    assert_eq!(heard[0], "MAIL FROM:<from@example.org>");
    assert!(heard[3].ends_with("Content-Transfer-Encoding: quoted-printable\n\n=C3=BC\n"), "{heard:?}");
}
