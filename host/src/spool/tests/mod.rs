//! The spool on a real disk: what is in it, what comes out, what a crash and a full disk do to it.

mod postpone;
mod queue;

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rusqlite::Connection;

use super::{large::LARGE, memory::BUDGET, writer::Safe, *};
use crate::mail::{Address, BodyType, Notify, Ret};

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn message(id: &str, recipients: &[&str]) -> NewMessage {
    let recipient =
        |text: &&str| Recipient { address: address(text), ..Recipient::new(address("original@example.org")) };
    NewMessage {
        id: id.to_owned(),
        client: Arc::new(Client {
            peer: "[2001:db8::1]:40000".parse().expect("an address"),
            name: Some("client.example".to_owned()),
            helo: Some("helo.example".to_owned()),
            tls: None,
            login: Some("joe".to_owned()),
            trusted: true,
        }),
        envelope: Envelope::new(
            ReversePath::Address(address("from@example.org")),
            recipients.iter().map(recipient).collect(),
        ),
        message: Message::parse(Bytes::from_static(b"Subject: \xff\r\n\r\nbody \0\r\n")),
        received: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        hold: None,
        files: Vec::new(),
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn open(folder: &Path) -> SqliteSpool {
    SqliteSpool::open(folder).expect("a spool")
}

/// As after a crash: a copy of the folder while the first spool is still open.
fn crashed(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for file in ["spool.db", "spool.db-wal"] {
        fs::copy(folder.join(file), copy.path().join(file)).expect("a copy");
    }
    copy
}

fn ids(leased: &[Leased]) -> Vec<&str> {
    leased.iter().map(|one| &*one.id).collect()
}

#[tokio::test]
async fn a_message_is_not_lent_before_it_is_handed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    let full = BUDGET - 10;
    for in_memory in [true, false] {
        if !in_memory {
            assert!(spool.shared.fresh.reserve(full), "there is room");
        }
        let handover = spool.enqueue(message("Q1", &["a@b.example"])).await.expect("kept");
        spool.enqueue(message("Q2", &["a@b.example"])).await.expect("kept");
        let leased = spool.lease_due(now(), 10, vec![]).await.expect("leased");
        assert_eq!(ids(&leased), ["Q2"], "in memory: {in_memory}");
        drop(handover);
        let later = spool.lease_due(now(), 10, vec![]).await.expect("leased");
        assert_eq!(ids(&later), ["Q1"], "in memory: {in_memory}");
        for one in leased.into_iter().chain(later) {
            let recipients = vec![(0, Disposition::Done)];
            spool.settle(Settlement { number: one.number, recipients, report: None }).await.expect("settled");
        }
    }
}

#[tokio::test]
async fn a_message_comes_back_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    let new = message("Q1", &["a@b.example", "c@d.example"]);
    spool.enqueue(new.clone()).await.expect("kept");
    let from_memory = spool.lease_due(now(), 10, vec![]).await.expect("leased").remove(0);
    let copy = crashed(folder.path());
    let from_disk = open(copy.path()).lease_due(now(), 10, vec![]).await.expect("leased").remove(0);
    for leased in [from_memory, from_disk] {
        assert_eq!((&*leased.id, &leased.sender, leased.received), ("Q1", &new.envelope.sender, new.received));
        assert_eq!((&leased.client, &leased.message), (&new.client, &new.message));
        let recipients: Vec<_> =
            leased.recipients.iter().map(|one| (one.position, one.recipient.address.as_str())).collect();
        assert_eq!(recipients, [(0, "a@b.example"), (1, "c@d.example")]);
        assert_eq!(leased.recipients[0].recipient.original.as_str(), "original@example.org");
    }
}

#[tokio::test]
async fn a_lease_is_taken_once_and_is_free_again_after_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["a@b.example"])).await.expect("kept");
    assert_eq!(ids(&spool.lease_due(now(), 10, vec![]).await.expect("leased")), ["Q1"]);
    assert!(spool.lease_due(now(), 10, vec![]).await.expect("leased").is_empty());
    let copy = crashed(folder.path());
    assert_eq!(ids(&open(copy.path()).lease_due(now(), 10, vec![]).await.expect("leased")), ["Q1"]);
}

#[tokio::test]
async fn recipients_are_settled_one_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["a@b.example", "c@d.example", "e@f.example"])).await.expect("kept");
    let number = spool.lease_due(now(), 1, vec![]).await.expect("leased").remove(0).number;
    let later = now() + Duration::from_secs(60);
    let deferred = Disposition::deferred(later, "451 4.3.0 later".to_owned());
    let held = Disposition::Held { reason: "look at it".to_owned() };
    let recipients = vec![(0, Disposition::Done), (1, deferred), (2, held)];
    spool.settle(Settlement { number, recipients, report: None }).await.expect("settled");
    assert_eq!(spool.counts().await.expect("counts"), Counts { waiting: 1, leased: 0, held: 1 });
    assert!(spool.lease_due(now(), 10, vec![]).await.expect("leased").is_empty());
    let again = spool.lease_due(later, 10, vec![]).await.expect("leased").remove(0);
    let recipients: Vec<_> = again.recipients.iter().map(|one| (one.position, one.attempts)).collect();
    assert_eq!(recipients, [(1, 1)]);
}

#[tokio::test]
async fn a_message_without_recipients_is_gone_and_its_report_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["a@b.example"])).await.expect("kept");
    let number = spool.lease_due(now(), 1, vec![]).await.expect("leased").remove(0).number;
    let report = Some(message("Q2", &["from@example.org"]));
    let recipients = vec![(0, Disposition::Done)];
    spool.settle(Settlement { number, recipients, report }).await.expect("settled");
    drop(spool);
    let database = Connection::open(folder.path().join("spool.db")).expect("a database");
    let count = |table| database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    assert_eq!((count("messages"), count("contents")), (Ok(1), Ok(1)));
    assert_eq!(ids(&open(folder.path()).lease_due(now(), 10, vec![]).await.expect("leased")), ["Q2"]);
}

#[tokio::test]
async fn held_mail_is_not_due() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    let hold = Some("suspicious".to_owned());
    spool.enqueue(NewMessage { hold, ..message("Q1", &["a@b.example"]) }).await.expect("kept");
    assert!(spool.lease_due(now(), 10, vec![]).await.expect("leased").is_empty());
    assert_eq!(spool.counts().await.expect("counts").held, 1);
}

#[tokio::test]
async fn the_oldest_message_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    assert_eq!(spool.oldest().await.expect("read"), None);
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    spool.enqueue(NewMessage { received, ..message("Q1", &["a@b.example"]) }).await.expect("kept");
    spool.enqueue(message("Q2", &["a@b.example"])).await.expect("kept");
    assert_eq!(spool.oldest().await.expect("read"), Some(received));
}

#[tokio::test]
async fn many_messages_share_a_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Arc::new(open(folder.path()));
    let before = spool.syncs();
    let senders: Vec<_> = (0..500)
        .map(|number| {
            let spool = Arc::clone(&spool);
            tokio::spawn(async move { spool.enqueue(message(&format!("Q{number}"), &["a@b.example"])).await })
        })
        .collect();
    for sender in senders {
        sender.await.expect("no panic").expect("kept");
    }
    let syncs = spool.syncs() - before;
    assert!(syncs < 250, "500 messages took {syncs} fsyncs");
    assert_eq!(spool.counts().await.expect("counts").leased, 500);
}

#[tokio::test]
async fn a_full_database_refuses_and_recovers() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool
        .writer
        .run(Safe::Soon, |connection| connection.pragma_update(None, "max_page_count", 20))
        .await
        .expect("a small database");
    let large = || {
        let text = [b"Subject: x\r\n\r\n", "x".repeat(200_000).as_bytes()].concat();
        NewMessage { message: Message::parse(Bytes::from(text)), ..message("Q1", &["a@b.example"]) }
    };
    let error = spool.enqueue(large()).await.expect_err("there is no room");
    assert!(error.to_string().contains("full"), "{error}");
    spool.enqueue(message("Q2", &["a@b.example"])).await.expect("a small one fits");
    spool
        .writer
        .run(Safe::Soon, |connection| connection.pragma_update(None, "max_page_count", 10_000))
        .await
        .expect("room");
    spool.enqueue(large()).await.expect("kept");
    assert_eq!(ids(&spool.lease_due(now(), 10, vec![]).await.expect("leased")), ["Q2", "Q1"]);
}

#[tokio::test]
async fn a_duplicate_spoils_only_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    let (one, same, other) = tokio::join!(
        spool.enqueue(message("Q1", &["a@b.example"])),
        spool.enqueue(message("Q1", &["a@b.example"])),
        spool.enqueue(message("Q2", &["a@b.example"]))
    );
    assert_eq!((one.is_ok(), same.is_ok(), other.is_ok()), (true, false, true));
}

#[test]
fn a_second_relay_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _spool = open(folder.path());
    assert!(matches!(SqliteSpool::open(folder.path()), Err(SpoolError::Locked { .. })));
}

#[test]
fn a_newer_database_and_a_broken_one_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(open(folder.path()));
    let database = Connection::open(folder.path().join("spool.db")).expect("a database");
    database.pragma_update(None, "user_version", 99).expect("written");
    drop(database);
    assert!(matches!(SqliteSpool::open(folder.path()), Err(SpoolError::TooNew { found: 99, .. })));
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("spool.db"), "this is no database, and long enough to be read as one")
        .expect("written");
    assert!(matches!(SqliteSpool::open(folder.path()), Err(SpoolError::Unusable { .. })));
}

#[tokio::test]
async fn what_the_client_asked_for_outlives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    let mut sent = message("A1", &["to@example.net"]);
    let (ret, envid) = (Some(Ret::Hdrs), Some("a+2Bb".to_owned()));
    sent.envelope.parameters = MailParameters { ret, envid, body: BodyType::BinaryMime, utf8: true };
    sent.envelope.recipients[0].notify = Notify::parse("SUCCESS,DELAY");
    sent.envelope.recipients[0].orcpt = Some("rfc822;x+2By@example.net".to_owned());
    spool.enqueue(sent.clone()).await.expect("kept");
    drop(spool);
    let leased = open(folder.path()).lease_due(now(), 10, vec![]).await.expect("leased");
    assert_eq!(leased[0].parameters, sent.envelope.parameters);
    assert_eq!(leased[0].recipients[0].recipient, sent.envelope.recipients[0]);
}

#[tokio::test]
async fn recipients_that_are_due_later_are_not_lent_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["a@b.example", "c@d.example"])).await.expect("kept");
    let number = spool.lease_due(now(), 1, vec![]).await.expect("leased").remove(0).number;
    let after = |seconds| now() + Duration::from_secs(seconds);
    let deferred = |seconds| Disposition::deferred(after(seconds), "451 later".to_owned());
    let recipients = vec![(0, deferred(10)), (1, deferred(20))];
    spool.settle(Settlement { number, recipients, report: None }).await.expect("settled");
    let positions = |leased: Vec<Leased>| -> Vec<Vec<u32>> {
        leased.iter().map(|one| one.recipients.iter().map(|recipient| recipient.position).collect()).collect()
    };
    assert_eq!(positions(spool.lease_due(after(15), 10, vec![]).await.expect("leased")), [[0]]);
    // The first is still on its way.
    assert_eq!(positions(spool.lease_due(after(25), 10, vec![]).await.expect("leased")), [[1]]);
}

/// A message that gets a file of its own.
fn large(id: &str) -> NewMessage {
    let text = [b"Subject: large\r\n\r\n".as_slice(), &b"0123456789\r\n".repeat(30_000)].concat();
    NewMessage { message: Message::parse(Bytes::from(text)), ..message(id, &["a@b.example"]) }
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder.join("large")).expect("a folder");
    let mut names: Vec<_> =
        names.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_large_message_is_a_file_as_long_as_it_has_recipients() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    let held = NewMessage { hold: Some("look".to_owned()), ..large("Q2") };
    spool.enqueue(large("Q1")).await.expect("kept");
    spool.enqueue(held).await.expect("kept");
    spool.enqueue(large("Q1")).await.expect_err("this id is taken");
    assert_eq!(files(folder.path()), ["Q1", "Q2"]);
    assert!(fs::metadata(folder.path().join("spool.db-wal")).expect("a log").len() < LARGE);
    drop(spool);
    fs::write(folder.path().join("large/Q3"), "cut off by a crash").expect("written");
    let spool = open(folder.path());
    assert_eq!(files(folder.path()), ["Q1", "Q2"]);
    let leased = spool.lease_due(now(), 10, vec![]).await.expect("leased").remove(0);
    assert_eq!(leased.message, large("Q1").message);
    spool
        .settle(Settlement { number: leased.number, recipients: vec![(0, Disposition::Done)], report: None })
        .await
        .expect("settled");
    assert_eq!(files(folder.path()), ["Q2"]);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(large("Q1")).await.expect("kept");
    spool.enqueue(message("Q2", &["a@b.example"])).await.expect("kept");
    drop(spool);
    let spool = open(folder.path());
    fs::rename(folder.path().join("large/Q1"), folder.path().join("elsewhere")).expect("moved");
    assert_eq!(ids(&spool.lease_due(now(), 10, vec![]).await.expect("leased")), ["Q2"]);
    assert!(spool.lease_due(now(), 10, vec![]).await.expect("leased").is_empty());
    assert_eq!(spool.counts().await.expect("counts"), Counts { waiting: 1, leased: 1, held: 0 });
    fs::rename(folder.path().join("elsewhere"), folder.path().join("large/Q1")).expect("moved back");
    let later = now() + Duration::from_secs(300);
    assert_eq!(ids(&spool.lease_due(later, 10, vec![]).await.expect("leased")), ["Q1"]);
}

#[tokio::test]
async fn a_session_that_is_cut_off_strands_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = Arc::new(open(folder.path()));
    for number in 0..50 {
        let sender = Arc::clone(&spool);
        let sending =
            tokio::spawn(async move { sender.enqueue(message(&format!("Q{number}"), &["a@b.example"])).await });
        tokio::task::yield_now().await;
        sending.abort();
        drop(sending.await);
    }
    // Whatever was kept is handed out, from memory: nothing stays leased to nobody.
    let handed_out = spool.writer.run(Safe::Soon, |_| Ok(())).await.map(|()| spool.lease_due(now(), 100, vec![]));
    let handed_out = handed_out.expect("written").await.expect("leased").len();
    assert_eq!(spool.counts().await.expect("counts"), Counts { leased: handed_out as u64, ..Counts::default() });
}
