//! `kill -9` under load: what got 250 arrives, whatever the moment.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    client::Client,
    relay::{Relay, wait_until},
    sink::Sink,
};

const ROUNDS: u64 = 20;
const SESSIONS: u64 = 20;

const PIPELINE: &str = r#"
[[message]]
plugin = "masquerade"
config.domains = ["example.org"]
"#;

/// Recipients whose message got 250.
type Accepted = Arc<Mutex<BTreeSet<String>>>;

/// Send until the relay is gone. Each message has a recipient of its own, noted only after its 250.
fn send_until_killed(address: SocketAddr, name: &str, stop: &AtomicBool, accepted: &Accepted) {
    let Ok(mut client) = Client::connect(address) else { return };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let recipient = format!("{name}-{number}@example.net");
        let message = format!("Subject: {recipient}\r\n\r\n{}\r\n", "x".repeat(2000));
        match client.send("from@host.example.org", &[&recipient], message.as_bytes()) {
            Ok(reply) if reply.starts_with("250") => {
                accepted.lock().expect("no client panicked").insert(recipient);
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

#[test]
fn nothing_accepted_is_lost_when_killed_under_load() {
    let sink = Sink::start();
    let mut relay = Relay::start(PIPELINE, sink.address());
    let accepted = Accepted::default();
    for round in 0..ROUNDS {
        let stop = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..SESSIONS)
            .map(|session| {
                let (stop, accepted, address) = (Arc::clone(&stop), Arc::clone(&accepted), relay.address());
                thread::spawn(move || send_until_killed(address, &format!("r{round}-s{session}"), &stop, &accepted))
            })
            .collect();
        // Another moment each round, from the first connections to full load.
        thread::sleep(Duration::from_millis(15 + (round * 7919) % 400));
        relay.kill();
        stop.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().expect("no client panicked");
        }
        relay.restart();
    }
    let accepted = accepted.lock().expect("no client panicked").clone();
    assert!(accepted.len() > 100, "only {} messages got 250: no load", accepted.len());
    let missing = || {
        let arrived: BTreeSet<_> = sink.delivered().into_iter().flat_map(|message| message.recipients).collect();
        accepted.difference(&arrived).cloned().collect::<Vec<_>>()
    };
    wait_until("every accepted message has arrived", || missing().is_empty());
    println!("{} messages got 250 in {ROUNDS} rounds, {} arrived", accepted.len(), sink.count());
}
