//! The fold with plain Rust filters: order, verdicts, failures, conditions, reports.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use regex::Regex;

use super::*;
use crate::{
    mail::{Address, Body, Change, Client, Edit, Envelope, Message, Position, Recipient, ReversePath},
    smtp::{EnhancedCode, Reply},
};

type Answer = dyn Fn(&Mail) -> Result<Outcome, FilterError> + Send + Sync;

/// A filter that is a closure.
struct Plain(Box<Answer>);

impl Filter for Plain {
    fn message<'a>(&'a self, mail: &'a Arc<Mail>) -> FilterFuture<'a, Outcome> {
        Box::pin(async { (self.0)(mail) })
    }

    fn session<'a>(&'a self, _: &'a Arc<Facts>) -> FilterFuture<'a, Decision> {
        unreachable!("these filters stand in [[message]]")
    }
}

fn stage(name: &str, answer: impl Fn(&Mail) -> Result<Outcome, FilterError> + Send + Sync + 'static) -> Stage {
    let filter = Arc::new(Plain(Box::new(answer)));
    Stage { name: name.into(), filter, condition: None, on_error: OnError::Defer }
}

fn outcome(verdict: Verdict, changes: Vec<Change>) -> Result<Outcome, FilterError> {
    let edits = changes.into_iter().map(|change| Edit { change, reason: None }).collect();
    Ok(Outcome { verdict, reason: None, edits, notes: Vec::new(), files: Vec::new() })
}

fn append(name: &str) -> Change {
    Change::InsertField { position: Position::Bottom, name: name.to_owned(), value: b" 1".to_vec() }
}

/// A stage that adds a field of its own name.
fn adding(name: &'static str) -> Stage {
    stage(name, move |_| outcome(Verdict::Next, vec![append(name)]))
}

fn answering(verdict: Verdict) -> Stage {
    stage("answering", move |_| outcome(verdict.clone(), vec![append("X-Answer")]))
}

fn failing(on_error: OnError) -> Stage {
    let error = FilterError { kind: FailureKind::Trap, message: "it broke".to_owned(), backtrace: Vec::new() };
    Stage { on_error, ..stage("broken", move |_| Err(error.clone())) }
}

fn mail() -> Mail {
    let address = |text: &str| Address::parse(text).expect("an address");
    let to = address("to@example.net");
    Mail {
        id: "Q1".into(),
        client: Arc::new(Client {
            peer: "192.0.2.7:1".parse().expect("an address"),
            name: None,
            helo: None,
            tls: None,
            login: None,
            trusted: false,
        }),
        envelope: Envelope::new(ReversePath::Address(address("from@example.org")), vec![Recipient::new(to)]),
        message: Message::parse(Bytes::from_static(b"Subject: [scan] 1\r\n\r\nx\r\n")),
        explain: false,
    }
}

async fn names(stages: &[Stage]) -> (Vec<String>, Verdict) {
    let ended = run(stages, mail(), &mut ()).await;
    let names = ended.mail.message.fields().iter().map(|field| field.name().to_owned()).collect();
    (names, ended.verdict)
}

#[tokio::test]
async fn each_stage_sees_what_the_one_before_left() {
    let last = stage("last", |mail| {
        let seen: Vec<_> = mail.message.fields().iter().map(|field| field.name()).collect();
        assert_eq!(seen, ["Subject", "X-A", "X-B"]);
        outcome(Verdict::Next, vec![Change::RemoveField(1)])
    });
    let (names, verdict) = names(&[adding("X-A"), adding("X-B"), last]).await;
    assert_eq!((names, verdict), (vec!["Subject".to_owned(), "X-B".to_owned()], Verdict::Next));
}

#[tokio::test]
async fn a_verdict_ends_the_list_and_only_a_refusal_drops_its_edits() {
    let reply = |code| Reply::new(code, EnhancedCode(5, 7, 1), "no");
    for (verdict, edited) in [
        (Verdict::Accept, true),
        (Verdict::Discard("spam".to_owned()), true),
        (Verdict::Hold("look at it".to_owned()), true),
        (Verdict::Reject(reply(554)), false),
        (Verdict::Defer(reply(451)), false),
    ] {
        let never = stage("never", |_| panic!("a stage after the verdict ran"));
        let (names, ended) = names(&[answering(verdict.clone()), never]).await;
        assert_eq!(ended, verdict);
        assert_eq!(names.contains(&"X-Answer".to_owned()), edited, "{verdict:?}");
    }
}

#[tokio::test]
async fn a_failure_becomes_what_the_operator_says() {
    let (_, verdict) = names(&[failing(OnError::Defer), adding("X-A")]).await;
    let expected = Reply::new(451, EnhancedCode(4, 3, 0), "Filter broken failed, try again later");
    assert_eq!(verdict, Verdict::Defer(expected));
    let (_, verdict) = names(&[failing(OnError::Reject), adding("X-A")]).await;
    assert_eq!(verdict, Verdict::Reject(Reply::new(554, EnhancedCode(5, 3, 0), "Filter broken failed")));
    let (names, verdict) = names(&[failing(OnError::Skip), adding("X-A")]).await;
    assert_eq!((names, verdict), (vec!["Subject".to_owned(), "X-A".to_owned()], Verdict::Next));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_a_failure_and_changes_nothing() {
    let wrong = stage("wrong", |_| outcome(Verdict::Next, vec![append("X-Good"), Change::RemoveField(99)]));
    let (names, verdict) = names(&[Stage { on_error: OnError::Skip, ..wrong }]).await;
    assert_eq!((names, verdict), (vec!["Subject".to_owned()], Verdict::Next));
}

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Observer for &Seen {
    fn stage(&mut self, report: StageReport<'_>) {
        let what = match report.result {
            StageResult::Ran { verdict, edits, .. } => format!("{verdict:?}, {} edits", edits.len()),
            StageResult::Skipped(why) => format!("skipped, {why}"),
            StageResult::Failed(error, policy) => format!("{error}, {policy}"),
        };
        let (old, new) = (report.before.message.size(), report.after.message.size());
        self.0.lock().expect("not poisoned").push(format!("{} {}: {what}, {old} to {new}", report.index, report.stage));
    }
}

#[tokio::test]
async fn an_observer_sees_all() {
    let seen = Seen::default();
    let when = Condition { client_trusted: Some(true), ..Condition::default() };
    let skipped = Stage { condition: Some(when), ..adding("X-A") };
    run(&[skipped, adding("X-B"), failing(OnError::Skip)], mail(), &mut &seen).await;
    let expected = [
        "0 X-A: skipped, client.trusted: it is false, 24 to 24",
        "1 X-B: Next, 1 edits, 24 to 32",
        "2 broken: it broke, skip, 32 to 32",
    ];
    assert_eq!(*seen.0.lock().expect("not poisoned"), expected);
}

#[tokio::test]
async fn the_stage_with_the_last_word_is_named() {
    let last_word = async |stages: &[Stage]| run(stages, mail(), &mut ()).await.stage;
    assert_eq!(last_word(&[adding("X-A"), answering(Verdict::Accept)]).await.as_deref(), Some("answering"));
    assert_eq!(last_word(&[failing(OnError::Defer), adding("X-A")]).await.as_deref(), Some("broken"));
    assert_eq!(last_word(&[failing(OnError::Skip), adding("X-A")]).await, None);
}

#[test]
fn a_condition_tells_which_part_is_not_met() {
    let regex = |text: &str| Some(Regex::new(text).expect("a regex"));
    let met = Condition {
        header: vec![("subject".to_owned(), Regex::new(r"^\[scan\]").expect("a regex"))],
        sender: regex("@example.org$"),
        recipient: regex("^to@"),
        client_networks: vec!["192.0.2.0/24".parse().expect("a network")],
        client_name: regex("^unknown$"),
        client_trusted: Some(false),
        client_authenticated: Some(false),
        client_login: None,
        min_size: Some(24),
        max_size: Some(24),
    };
    assert_eq!(met.unmet(&mail()), None);
    for (unmet, why) in [
        (Condition { sender: regex("^$"), ..met.clone() }, "sender: <from@example.org> does not match `^$`"),
        (Condition { recipient: regex("^x"), ..met.clone() }, "recipient: none matches `^x`"),
        (Condition { max_size: Some(23), ..met.clone() }, "size: it has 24 octets"),
        (Condition { client_authenticated: Some(true), ..met.clone() }, "client.authenticated: it is false"),
        (Condition { client_login: regex("^joe$"), ..met.clone() }, "client.login: there is none"),
        (
            Condition { client_networks: vec!["::/0".parse().expect("a network")], ..met.clone() },
            "client.address: 192.0.2.7 is in none of the networks",
        ),
        (
            Condition { header: vec![("X-None".to_owned(), Regex::new("").expect("a regex"))], ..met.clone() },
            "header.X-None: no such field matches ``",
        ),
    ] {
        assert_eq!(unmet.unmet(&mail()).as_deref(), Some(why));
    }
}

#[tokio::test]
async fn nothing_is_copied_while_nobody_watches() {
    let body = Body::from_pieces(vec![Bytes::from(vec![b'x'; 1000])]);
    let first = mail().message.fields()[0].raw().clone();
    let mut letter = mail();
    letter.message = Message::parse([first.as_ref(), b"\r\n", &body.read(0, 1000)].concat().into());
    let place = letter.message.body().pieces()[0].as_ptr();
    let ended = run(&[adding("X-A"), adding("X-B")], letter, &mut ()).await;
    assert_eq!(ended.mail.message.body().pieces()[0].as_ptr(), place);
}
