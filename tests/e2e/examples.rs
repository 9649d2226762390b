//! Pipelines of `examples/` that are about routes, run as they stand but for addresses and ports; and what the pages of the filters show.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use crate::{
    client::Client,
    dns_server::DnsServer,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// An example with some of its text replaced; each text must be there.
pub(crate) fn example(name: &str, changes: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    let mut text = fs::read_to_string(path).expect("the example");
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    text
}

pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("an address").port()
}

fn send(relay: &Relay, sender: &str, recipient: &str) {
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send(sender, &[recipient], b"Subject: hello\r\n\r\nbody\r\n").expect("a reply");
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
}

/// The address of the first exchanger is taken, and given free when it has to come back.
#[test]
fn a_backup_exchanger_keeps_mail_until_the_first_is_back() {
    let port = free_port();
    let dns = DnsServer::start(&[
        "example.com MX 10 mx1.example.com",
        "example.com MX 20 mx2.example.com",
        "mx1.example.com A 127.0.0.1",
        "mx2.example.com A 127.0.0.2",
    ]);
    let text = example(
        "backup-mx.toml",
        &[
            ("127.0.0.1:2525", &format!("127.0.0.2:{port}")),
            ("\"mx\"", &format!("\"mx:{port}\"")),
            ("lifetime = \"10d\"", "lifetime = \"10d\"\nfirst-retry = \"200ms\""),
        ],
    );
    let text = format!("{text}\n[dns]\nservers = [\"{}\"]\n", dns.address());
    let relay = Relay::with_config(tempfile::tempdir().expect("a folder"), &text);
    send(&relay, "somebody@elsewhere.example", "user@example.com");
    wait_until("it is deferred", || relay.log().contains("deferred"));
    assert!(!relay.log().contains("loops back"), "the first is only away");
    let first = Sink::start_at(SocketAddr::from(([127, 0, 0, 1], port)));
    wait_until("it is delivered", || first.count() == 1);
    assert_eq!(first.delivered().remove(0).recipients, ["user@example.com"]);
}

#[test]
fn an_exchanger_that_is_the_best_itself_bounces() {
    let port = free_port();
    let dns = DnsServer::start(&["example.com MX 10 mx2.example.com", "mx2.example.com A 127.0.0.2"]);
    let changes = [("127.0.0.1:2525", &*format!("127.0.0.2:{port}")), ("\"mx\"", &*format!("\"mx:{port}\""))];
    let text = format!("{}\n[dns]\nservers = [\"{}\"]\n", example("backup-mx.toml", &changes), dns.address());
    let relay = Relay::with_config(tempfile::tempdir().expect("a folder"), &text);
    send(&relay, "", "user@example.com");
    wait_until("it is given up", || relay.log().contains("550 5.4.6 mail for example.com loops back to myself"));
}

#[test]
fn partners_and_departments_have_ways_of_their_own() {
    let (partner, sales) = (Sink::start(), Sink::start());
    let text = example(
        "smart-host.toml",
        &[
            ("127.0.0.1:2525", "127.0.0.1:0"),
            ("127.0.0.1:2526", &partner.address().to_string()),
            ("127.0.0.1:2527", &sales.address().to_string()),
        ],
    );
    let relay = Relay::with_config(tempfile::tempdir().expect("a folder"), &text);
    send(&relay, "a@sales.example.com", "b@sub.partner.example");
    send(&relay, "a@example.com", "c@partner.example");
    send(&relay, "a@sales.example.com", "d@world.example");
    wait_until("all are delivered", || partner.count() == 2 && sales.count() == 1);
}

#[test]
fn a_relay_in_the_house_gives_people_their_public_addresses() {
    let (house, world) = (Sink::start(), Sink::start());
    let text = example(
        "internal-relay.toml",
        &[
            ("\"127.0.0.1:2525\", \"[::1]:2525\"", "\"127.0.0.1:0\""),
            ("127.0.0.1:2526", &house.address().to_string()),
            ("127.0.0.1:2527", &world.address().to_string()),
        ],
    );
    let relay = Relay::with_config(tempfile::tempdir().expect("a folder"), &text);
    let mut client = Client::connect(relay.address()).expect("a session");
    let letter = b"From: Joe <jdoe@host7.example.com>\r\nSubject: hello\r\n\r\nbody\r\n";
    let reply = client.send("ann@host7.example.com", &["jdoe+x@old.example.com", "b@world.example"], letter);
    assert!(reply.expect("a reply").starts_with("250 2.0.0"));
    wait_until("both are delivered", || house.count() == 1 && world.count() == 1);
    for (sink, recipient) in [(house, "jane.doe+x@example.com"), (world, "b@world.example")] {
        let letter = sink.delivered().remove(0);
        assert_eq!((&*letter.sender, &*letter.recipients), ("ann@example.com", &[recipient.to_owned()][..]));
        let text = String::from_utf8_lossy(&letter.data).into_owned();
        assert!(text.contains("\r\nFrom: Joe <jdoe@example.com>\r\n"), "{text}");
    }
}

/// The first block of TOML on a page.
fn first_block(page: &str) -> &str {
    let (_, rest) = page.split_once("```toml\n").expect("a block");
    rest.split_once("```").expect("an end").0
}

#[test]
fn what_the_pages_of_the_filters_show_is_accepted() {
    for filter in ["access", "attachments", "canonical", "generic", "masquerade"] {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(filter).join("README.md");
        let page = fs::read_to_string(page).expect("its page");
        let folder = tempfile::tempdir().expect("a folder");
        let block = first_block(&page).replace("/srv/scans", &folder.path().display().to_string());
        for name in ["people", "clients", "senders"] {
            fs::write(folder.path().join(name), "ann@example.com x@example.com\n").expect("written");
            let mut build = Command::new(env!("CARGO_BIN_EXE_mailweir"));
            build.args(["table", "build", name]).current_dir(folder.path()).output().expect("mailweir runs");
        }
        fs::write(folder.path().join("clients.cidr"), "192.0.2.0/24 REJECT\n").expect("written");
        let text = format!(
            "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n{block}\n\
             [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://127.0.0.1:1\"\n"
        );
        fs::write(folder.path().join("mailweir.toml"), text).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_mailweir")).arg("check").current_dir(folder.path()).output();
        let output = output.expect("mailweir runs");
        assert!(output.status.success(), "{filter}: {}", crate::clients::text(&output));
    }
}
