//! What the spool does on this disk: messages per fsync under one, twenty and a hundred sessions, and how an empty queue and one of a
//! million messages open, take in, lend and remove. Run with `cargo bench -p mailweir --bench spool`; another number of messages in
//! the long queue with `-- 100000`. The folder is made below TMPDIR: name a disk there, not a memory file system.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use mailweir::{
    mail::{Address, Client, Envelope, Message, Recipient, ReversePath},
    spool::{Disposition, IdSource, NewMessage, Settlement, Spool, SqliteSpool},
};
use tokio::runtime::Runtime;

/// Octets of the reference message of the peer bench.
const SIZE: usize = 10_000;
/// Messages of one measurement.
const MESSAGES: usize = 5000;
const SESSIONS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let long: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (empty, full) = (tempfile::tempdir()?, tempfile::tempdir()?);
    println!("{:>9} {:>12} {:>12} {:>16}", "sessions", "messages/s", "fsyncs/s", "messages/fsync");
    for sessions in [1, 20, 100] {
        group_commit(&runtime, sessions)?;
    }
    println!(
        "\na queue of {long} messages that wait for their next attempt, beside an empty one; {SIZE} octets each, {SESSIONS} sessions"
    );
    let (spool, _) = open(empty.path())?;
    drop(spool);
    fill(&runtime, full.path(), long)?;
    println!("{:>9} {:>10} {:>12} {:>12} {:>12}", "queue", "opens", "enqueue/s", "lease/s", "remove/s");
    for _ in 0..3 {
        measure(&runtime, "empty", empty.path())?;
        measure(&runtime, "long", full.path())?;
    }
    Ok(())
}

fn open(folder: &Path) -> Result<(Arc<SqliteSpool>, Duration), Box<dyn std::error::Error>> {
    let begin = Instant::now();
    let spool = Arc::new(SqliteSpool::open(folder)?);
    Ok((spool, begin.elapsed()))
}

fn message(ids: &IdSource, size: usize, due: SystemTime) -> NewMessage {
    let address = |text: &str| Address::parse(text).expect("an address");
    NewMessage {
        id: ids.next(),
        client: Arc::new(Client {
            peer: "192.0.2.1:40000".parse().expect("an address"),
            name: Some("client.example.org".to_owned()),
            helo: Some("client.example.org".to_owned()),
            tls: None,
            login: None,
            trusted: true,
        }),
        envelope: Envelope::new(
            ReversePath::Address(address("a@example.org")),
            vec![Recipient::new(address("b@example.net"))],
        ),
        message: Message::parse(Bytes::from([b"Subject: bench\r\n\r\n", "x".repeat(size).as_bytes()].concat())),
        received: due,
        hold: None,
        files: Vec::new(),
    }
}

/// Enqueue `count` messages from so many sessions, each waiting for its commit as it would before its 250.
async fn enqueue(spool: &Arc<SqliteSpool>, sessions: usize, count: usize, size: usize, due: SystemTime) -> Duration {
    let ids = Arc::new(IdSource::new());
    let begin = Instant::now();
    let sessions: Vec<_> = (0..sessions)
        .map(|session| {
            let (spool, ids) = (Arc::clone(spool), Arc::clone(&ids));
            tokio::spawn(async move {
                for _ in (session..count).step_by(sessions) {
                    spool.enqueue(message(&ids, size, due)).await.expect("kept");
                }
            })
        })
        .collect();
    for session in sessions {
        session.await.expect("no session panicked");
    }
    begin.elapsed()
}

fn group_commit(runtime: &Runtime, sessions: usize) -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let (spool, _) = open(folder.path())?;
    let before = spool.syncs();
    let count = MESSAGES.min(1000 * sessions);
    let elapsed = runtime.block_on(enqueue(&spool, sessions, count, SIZE, SystemTime::now()));
    let syncs = (spool.syncs() - before) as f64;
    println!(
        "{sessions:>9} {:>12.0} {:>12.0} {:>16.1}",
        count as f64 / elapsed.as_secs_f64(),
        syncs / elapsed.as_secs_f64(),
        count as f64 / syncs
    );
    Ok(())
}

/// Small messages that are due in a day.
fn fill(runtime: &Runtime, folder: &Path, count: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (spool, _) = open(folder)?;
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    let elapsed = runtime.block_on(enqueue(&spool, 1000, count, 500, tomorrow));
    println!("filled in {:.0} s", elapsed.as_secs_f64());
    Ok(())
}

fn measure(runtime: &Runtime, name: &str, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    // Opened twice: once taken in from memory, once everything comes from disk.
    let (spool, opened) = open(folder)?;
    let enqueued = runtime.block_on(enqueue(&spool, SESSIONS, MESSAGES, SIZE, SystemTime::now()));
    drop(spool);
    let (spool, _) = open(folder)?;
    let (leased, removed) = runtime.block_on(async {
        let begin = Instant::now();
        let mut leased = Vec::new();
        loop {
            let more = spool.lease_due(SystemTime::now(), 100, vec![]).await.expect("leased");
            if more.is_empty() {
                break;
            }
            leased.extend(more.into_iter().map(|one| one.number));
        }
        let lent = begin.elapsed();
        assert_eq!(leased.len(), MESSAGES, "what was kept is lent, and nothing else");
        let begin = Instant::now();
        let ended = leased.chunks(MESSAGES / SESSIONS).map(|numbers| {
            let (spool, numbers) = (Arc::clone(&spool), numbers.to_vec());
            tokio::spawn(async move {
                for number in numbers {
                    let recipients = vec![(0, Disposition::Done)];
                    spool.settle(Settlement { number, recipients, report: None }).await.expect("settled");
                }
            })
        });
        for one in ended.collect::<Vec<_>>() {
            one.await.expect("no task panicked");
        }
        (lent, begin.elapsed())
    });
    let rate = |elapsed: Duration| MESSAGES as f64 / elapsed.as_secs_f64();
    println!(
        "{name:>9} {:>8.2} s {:>12.0} {:>12.0} {:>12.0}",
        opened.as_secs_f64(),
        rate(enqueued),
        rate(leased),
        rate(removed)
    );
    Ok(())
}
