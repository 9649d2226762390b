//! From events to what the reader shows, through the database.

use std::fs;

use super::*;
use crate::{
    events::{Attempted, Delays, Fate, Observers, Outcome, Received, Refused, Reported, Security},
    mail::{Address, Client, Envelope, Recipient, ReversePath},
    pipeline::StageTime,
    smtp::{EnhancedCode, Reply},
};

const DAY: Duration = Duration::from_secs(86_400);
const SETTINGS: RecordSettings = RecordSettings { keep: DAY, reserve: 0 };

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn client() -> Client {
    let peer = "192.0.2.7:1000".parse().expect("an address");
    Client { peer, name: None, helo: None, tls: None, login: None, trusted: false }
}

/// A message that was received with two recipients, delivered to one, refused for the other and reported.
fn tell_all(observer: &dyn Observer, time: SystemTime) {
    let (client, sender) = (client(), ReversePath::Address(address("from@a.example")));
    let mut rewritten = Recipient::new(address("new@b.example"));
    rewritten.original = address("old@b.example");
    let envelope = Envelope::new(sender.clone(), vec![rewritten, Recipient::new(address("no@c.example"))]);
    let filters = [StageTime { stage: "canonical".into(), elapsed: Duration::from_micros(213) }];
    let session_filters = [StageTime { stage: "access".into(), elapsed: Duration::from_micros(45) }];
    let ok = Reply::new(250, EnhancedCode(2, 0, 0), "Ok");
    observer.observe(
        time,
        &Event::Received(Received {
            id: "Q1",
            client: &client,
            login_method: None,
            sender: &sender,
            envelope: &envelope,
            size: 1234,
            message_id: "",
            fate: Fate::Queued,
            elapsed: Duration::ZERO,
            stage: None,
            session_filters: &session_filters,
            filters: &filters,
            reply: &ok,
            extended: true,
        }),
    );
    let no = Reply::new(550, EnhancedCode(5, 1, 1), "no");
    for (recipient, outcome) in envelope.recipients.iter().zip([Outcome::Delivered(&ok), Outcome::Bounced(&no)]) {
        let delays = Delays { queued: Duration::from_millis(1500), ..Delays::default() };
        observer.observe(
            time,
            &Event::Attempted(Attempted {
                id: "Q1",
                client: &client,
                sender: &sender,
                recipient,
                size: 1300,
                destination: "smtp://mx.example",
                server: Some("mx.example[192.0.2.1]:25"),
                security: &Security::default(),
                tried: true,
                delays,
                filters: &[],
                outcome,
            }),
        );
    }
    observer.observe(time, &Event::Reported(Reported { id: "Q1", report: "Q2", to: &address("from@a.example") }));
}

/// What is shown, as `event recipient note`.
fn shown(folder: &Path, selection: &RecordSelection) -> Vec<String> {
    let mut lines = Vec::new();
    let view = RecordsView::open(folder).expect("records");
    let add = |row: RecordRow| {
        lines.push(format!("{} {} {}", row.event, row.recipient, row.note));
        true
    };
    view.visit(selection, add).expect("readable");
    lines
}

#[test]
fn what_is_told_is_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, writer) = Records::start(folder.path(), SETTINGS);
    tell_all(&*records, SystemTime::now());
    drop(writer);
    let all = [
        "received new@b.example 250 2.0.0 Ok",
        "received no@c.example 250 2.0.0 Ok",
        "delivered new@b.example 250 2.0.0 Ok",
        "bounced no@c.example 550 5.1.1 no",
        "reported from@a.example Q2",
    ];
    assert_eq!(shown(folder.path(), &RecordSelection::default()), all);
    let default = RecordSelection::default;
    for (selection, lines) in [
        (RecordSelection { ids: vec!["Q1".to_owned(), "Q9".to_owned()], ..default() }, all.as_slice()),
        (RecordSelection { ids: vec![String::new()], ..default() }, &[]),
        (RecordSelection { recipient: Some("OLD@b.example".to_owned()), ..default() }, &[all[0], all[2]]),
        (RecordSelection { recipient: Some("@c.example".to_owned()), ..default() }, &[all[1], all[3]]),
        (RecordSelection { sender: Some("<>".to_owned()), ..default() }, &all[4..]),
        (RecordSelection { events: vec!["bounced".to_owned(), "reported".to_owned()], ..default() }, &all[3..]),
        (RecordSelection { since: SystemTime::now().checked_add(DAY), ..default() }, &[]),
    ] {
        assert_eq!(shown(folder.path(), &selection), lines, "{selection:?}");
    }
}

#[test]
fn a_row_has_all_that_is_known() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, writer) = Records::start(folder.path(), SETTINGS);
    tell_all(&*records, SystemTime::now());
    drop(writer);
    let mut rows = Vec::new();
    let view = RecordsView::open(folder.path()).expect("records");
    view.visit(&RecordSelection::default(), |row| {
        rows.push(row);
        rows.len() < 3
    })
    .expect("readable");
    let (received, delivered) = (&rows[0], &rows[2]);
    assert_eq!((received.client.as_deref(), received.size), (Some("192.0.2.7"), Some(1234)));
    assert_eq!(received.original.as_deref(), Some("old@b.example"));
    assert_eq!(received.filters.as_deref(), Some(r#"{"canonical":213}"#));
    assert_eq!(received.session_filters.as_deref(), Some(r#"{"access":45}"#));
    assert_eq!((&delivered.filters, &delivered.session_filters), (&None, &None));
    assert_eq!(delivered.server.as_deref(), Some("mx.example[192.0.2.1]:25"));
    assert_eq!(delivered.delays.map(|[queued, ..]| queued), Some(Duration::from_millis(1500)));
}

#[test]
fn an_older_database_is_brought_up_to_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let tell = |expected: usize| {
        let (records, writer) = Records::start(folder.path(), SETTINGS);
        tell_all(&*records, SystemTime::now());
        drop(writer);
        assert_eq!(shown(folder.path(), &RecordSelection::default()).len(), expected);
    };
    tell(5);
    let older = rusqlite::Connection::open(folder.path().join("records.db")).expect("a database");
    older.execute_batch("ALTER TABLE records DROP COLUMN session_filters; PRAGMA user_version = 1").expect("layout 1");
    drop(older);
    tell(10);
}

#[test]
fn refusals_are_kept_once_there_is_a_sender() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, writer) = Records::start(folder.path(), SETTINGS);
    let (client, reply) = (client(), Reply::new(554, EnhancedCode(5, 7, 1), "no"));
    records.observe(SystemTime::now(), &Event::Refused(Refused::connection(&client, &reply)));
    drop(writer);
    assert_eq!(shown(folder.path(), &RecordSelection::default()), [""; 0]);
}

#[test]
fn old_records_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, writer) = Records::start(folder.path(), SETTINGS);
    let now = SystemTime::now();
    tell_all(&*records, now - DAY * 2);
    tell_all(&*records, now - DAY / 2);
    drop(writer);
    assert_eq!(shown(folder.path(), &RecordSelection::default()).len(), 5);
}

#[test]
fn what_cannot_be_written_is_counted_and_stops_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("records.db")).expect("a folder in the way");
    let (records, writer) = Records::start(folder.path(), SETTINGS);
    tell_all(&*records, SystemTime::now());
    drop(writer);
    assert_eq!(records.lost(), 4);
}

#[test]
fn the_reserve_is_left_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let (records, writer) = Records::start(folder.path(), RecordSettings { reserve: u64::MAX, ..SETTINGS });
    tell_all(&*records, SystemTime::now());
    drop(writer);
    assert_eq!(records.lost(), 4);
}

#[test]
fn a_rush_loses_records_and_never_waits() {
    let (queue, notes) = bounded(1);
    let records = Arc::new(Records { queue, lost: Arc::default() });
    Observers::new([Arc::clone(&records) as _]).tell(&Event::Reported(Reported {
        id: "Q1",
        report: "Q2",
        to: &address("from@a.example"),
    }));
    tell_all(&*records, SystemTime::now());
    assert_eq!((records.lost(), notes.len()), (4, 1));
}
