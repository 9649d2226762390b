//! A configuration that is read again while the relay works: what is new holds, what is broken changes nothing, and no mail is lost.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

const MASQUERADE: &str = "[[message]]\nplugin = \"masquerade\"\nconfig.domains = [\"example.org\"]\n";

/// A configuration with this and the usual.
fn write_config(relay: &Relay, extra: &str, next_hop: SocketAddr) {
    let text = format!(
        "hostname = \"relay.example.com\"\nstate-dir = \"state\"\n[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n\
         [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{next_hop}\"\n{extra}"
    );
    fs::write(relay.folder().join("mailweir.toml"), text).expect("written");
}

/// The exit code of a reload, and what it says.
fn reload(relay: &Relay) -> (Option<i32>, String) {
    let output = relay.command(&["reload"]);
    (
        output.status.code(),
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    )
}

/// A relay that can be asked.
fn started(next_hop: SocketAddr) -> Relay {
    let relay = Relay::start_with_head("", "", next_hop);
    wait_until("it listens to requests", || relay.folder().join("state/control").exists());
    relay
}

fn send(relay: &Relay, recipient: &str) {
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("a@host.example.org", &[recipient], b"Subject: x\r\n\r\ny\r\n").expect("a reply");
    assert!(reply.starts_with("250"), "{reply}");
}

/// A port that is free now.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address")
}

#[test]
fn broken_and_good_reloads_under_load_lose_nothing() {
    let sink = Sink::start();
    let relay = started(sink.address());
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let (stop, accepted, address) = (Arc::clone(&stop), Arc::clone(&accepted), relay.address());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut client = Client::connect(address).expect("a session");
                    for _ in 0..5 {
                        let reply = client.send("a@host.example.org", &["b@example.net"], b"Subject: x\r\n\r\ny\r\n");
                        assert!(reply.expect("a reply").starts_with("250"));
                        accepted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    let more = |count: usize| {
        let before = accepted.load(Ordering::Relaxed);
        wait_until("mail goes on", || accepted.load(Ordering::Relaxed) >= before + count);
    };
    more(20);
    write_config(&relay, "[[message]]\nplugin = \"masquerde\"\n", sink.address());
    let (code, said) = reload(&relay);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("mailweir.toml:9:10: error: unknown plugin `masquerde`"), "{said}");
    wait_until("the log has it too", || relay.log().contains("the configuration is broken, the old one goes on"));
    more(20);
    write_config(&relay, MASQUERADE, sink.address());
    assert_eq!(reload(&relay), (Some(0), "reloaded\n".to_owned()));
    more(40);
    stop.store(true, Ordering::Relaxed);
    senders.into_iter().for_each(|sender| sender.join().expect("no client was refused"));
    let accepted = accepted.load(Ordering::Relaxed);
    wait_until("all has arrived", || sink.count() >= accepted);
    let senders: Vec<_> = sink.delivered().into_iter().map(|message| message.sender).collect();
    assert_eq!(senders.len(), accepted);
    assert!(senders.iter().any(|sender| sender == "a@host.example.org"), "before the reload");
    assert!(senders.iter().any(|sender| sender == "a@example.org"), "after it");
}

#[test]
fn sighup_is_a_reload() {
    let sink = Sink::start();
    let relay = started(sink.address());
    write_config(&relay, MASQUERADE, sink.address());
    relay.signal("HUP");
    wait_until("it is read again", || relay.log().contains("the configuration is read again"));
    send(&relay, "b@example.net");
    wait_until("it has arrived", || sink.count() == 1);
    assert_eq!(sink.delivered()[0].sender, "a@example.org");
    write_config(&relay, "[queue]\nfirst-retry = \"soon\"\n", sink.address());
    relay.signal("HUP");
    wait_until("the mistake is told", || relay.log().contains("mailweir.toml:9:15: `soon` is no duration"));
    send(&relay, "b@example.net");
}

#[test]
fn listeners_come_and_go() {
    let sink = Sink::start();
    let relay = started(sink.address());
    let second = free_address();
    write_config(&relay, &format!("[listen.second]\naddresses = [\"{second}\"]\n"), sink.address());
    assert_eq!(reload(&relay).0, Some(0));
    let mut client = Client::connect(second).expect("a session on the new listener");
    write_config(&relay, "", sink.address());
    assert_eq!(reload(&relay).0, Some(0));
    wait_until("the listener is gone", || TcpStream::connect(second).is_err());
    let reply = client.send("a@example.org", &["b@example.net"], b"Subject: x\r\n\r\ny\r\n").expect("a reply");
    assert!(reply.starts_with("250"), "a session that began goes on: {reply}");
    send(&relay, "c@example.net");
    wait_until("both have arrived", || sink.count() == 2);
    // An address that somebody else has: nothing changes.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    write_config(&relay, &format!("[listen.second]\naddresses = [\"{address}\"]\n"), sink.address());
    let (code, said) = reload(&relay);
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("listener second: can't listen on {address}")), "{said}");
    send(&relay, "d@example.net");
}

#[test]
fn waiting_mail_takes_the_new_route() {
    let (nowhere, sink) = (free_address(), Sink::start());
    let relay = started(nowhere);
    send(&relay, "b@example.net");
    wait_until("it was tried", || relay.log().contains("deferred"));
    write_config(&relay, "", sink.address());
    assert_eq!(reload(&relay).0, Some(0));
    assert!(relay.command(&["queue", "flush"]).status.success());
    wait_until("it has arrived", || sink.count() == 1);
}

#[test]
fn what_cannot_change_is_said() {
    let sink = Sink::start();
    let relay = started(sink.address());
    write_config(&relay, "[records]\nkeep = \"1d\"\n", sink.address());
    let (code, said) = reload(&relay);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warning: [records] keep is another one than the running relay's"), "{said}");
    // What stands before the first section.
    let config = relay.folder().join("mailweir.toml");
    let text = fs::read_to_string(&config).expect("readable");
    fs::write(&config, format!("log-format = \"postfix\"\n{text}[telemetry]\notlp = \"http://127.0.0.1:4318\"\n"))
        .expect("written");
    let (code, said) = reload(&relay);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("mailweir.toml:1:14: warning: log-format is another one than the running relay's"), "{said}");
    assert!(said.contains("warning: [telemetry] otlp is another one than the running relay's"), "{said}");
    write_config(&relay, "", sink.address());
    let text = fs::read_to_string(&config).expect("readable").replace("\"state\"", "\"other\"");
    fs::write(&config, text).expect("written");
    let output = relay.command(&["reload", "--state-dir", "state"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("mailweir.toml:2:13: error: the state directory of the running relay is state"), "{said}");
    let output = relay.command(&["reload"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no relay runs on"), "{output:?}");
}

#[test]
fn tables_that_are_open_are_opened_again() {
    let sink = Sink::start();
    let relay = started(sink.address());
    fs::write(relay.folder().join("people"), "a@host.example.org  jane@example.com\n").expect("written");
    let built = relay.command(&["table", "build", "--type", "lmdb", "people"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let canonical = "[tables]\npeople = { type = \"lmdb\", path = \"people.lmdb\" }\n\
                     [[message]]\nplugin = \"canonical\"\nconfig.both = [\"people\"]\n";
    write_config(&relay, canonical, sink.address());
    for _ in 0..3 {
        let (code, said) = reload(&relay);
        assert_eq!(code, Some(0), "{said}");
    }
    send(&relay, "b@example.net");
    wait_until("it has arrived", || sink.count() == 1);
    assert_eq!(sink.delivered()[0].sender, "jane@example.com");
}
