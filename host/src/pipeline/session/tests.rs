//! Session stages with plain Rust filters: phases, delayed refusals, notes, effects, failures.

use std::{
    pin::pin,
    sync::Mutex,
    task::{Context, Poll, Waker},
};

use super::*;
use crate::{
    mail::{Client, ReversePath},
    pipeline::{FailureKind, FilterFuture, Mail, Outcome},
    smtp::EnhancedCode,
};

type Answer = dyn Fn(&Facts) -> Result<Decision, FilterError> + Send + Sync;

/// A filter that is a closure.
struct Plain(Box<Answer>);

impl Filter for Plain {
    fn message<'a>(&'a self, _: &'a Arc<Mail>) -> FilterFuture<'a, Outcome> {
        unreachable!("these filters stand in [[session]]")
    }

    fn session<'a>(&'a self, facts: &'a Arc<Facts>) -> FilterFuture<'a, Decision> {
        Box::pin(async { (self.0)(facts) })
    }
}

fn stage(
    phases: &[Phase],
    answer: impl Fn(&Facts) -> Result<Decision, FilterError> + Send + Sync + 'static,
) -> SessionStage {
    let filter = Arc::new(Plain(Box::new(answer)));
    SessionStage {
        name: "test".into(),
        filter,
        on_error: OnError::Defer,
        phases: phases.to_vec(),
        may_permit_relay: false,
    }
}

fn decision(verdict: Verdict, effects: Vec<Effect>) -> Result<Decision, FilterError> {
    Ok(Decision { verdict, reason: None, effects, trail: vec![] })
}

/// A stage that always says the same.
fn saying(phases: &[Phase], verdict: Verdict, effects: &[Effect]) -> SessionStage {
    let effects = effects.to_vec();
    stage(phases, move |_| decision(verdict.clone(), effects.clone()))
}

fn reject(text: &str) -> Verdict {
    Verdict::Reject(Reply::new(554, EnhancedCode(5, 7, 1), text))
}

fn field(name: &str, value: &[u8]) -> Effect {
    Effect::PrependField { name: name.to_owned(), value: value.to_vec() }
}

fn note(key: &str, value: &str) -> Effect {
    Effect::Note(Note { key: key.to_owned(), value: value.as_bytes().to_vec() })
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

fn facts(phase: Phase) -> Facts {
    let peer = "192.0.2.1:1000".parse().expect("an address");
    Facts {
        phase,
        client: Arc::new(Client { peer, name: None, helo: None, tls: None, login: None, trusted: false }),
        sender: Some(ReversePath::Null),
        recipient: None,
        recipient_is_ours: false,
        recipients: vec![],
        size: None,
        notes: vec![],
        explain: false,
    }
}

/// A connection with these stages.
fn connection(stages: Vec<SessionStage>) -> SessionStages {
    SessionStages::new(stages.into(), true)
}

/// What is told at this phase; none means yes.
fn decide(stages: &mut SessionStages, phase: Phase) -> Option<String> {
    decide_about(stages, facts(phase))
}

/// The filters above never wait.
fn decide_about(stages: &mut SessionStages, facts: Facts) -> Option<String> {
    let future = pin!(stages.decide(facts.phase, || facts));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.err().map(|refusal| refusal.reply.to_string()),
        Poll::Pending => panic!("the filters above never wait"),
    }
}

const ALL: [Phase; 6] = [Phase::Connect, Phase::Helo, Phase::Mail, Phase::Rcpt, Phase::Data, Phase::EndOfData];

#[test]
fn times_are_told_once() {
    let named = |name: &str, phases: &[Phase]| SessionStage { name: name.into(), ..saying(phases, Verdict::Next, &[]) };
    let mut session = connection(vec![named("a", &[Phase::Rcpt]), named("b", &[Phase::Mail, Phase::Rcpt])]);
    let names = |session: &mut SessionStages| {
        let times = session.take_times();
        times.iter().map(|time| (time.stage.to_string(), time.elapsed > Duration::ZERO)).collect::<Vec<_>>()
    };
    decide(&mut session, Phase::Mail);
    assert_eq!(names(&mut session), [("b".to_owned(), true)]);
    decide(&mut session, Phase::Rcpt);
    decide(&mut session, Phase::Rcpt);
    assert_eq!(names(&mut session), [("a".to_owned(), true), ("b".to_owned(), true)]);
    assert_eq!(names(&mut session), []);
}

#[test]
fn each_stage_is_asked_at_its_phases_in_order() {
    let asked = Arc::new(Mutex::new(vec![]));
    let recording = |name: &'static str, phases: &[Phase]| {
        let asked = Arc::clone(&asked);
        stage(phases, move |facts| {
            asked.lock().expect("no panic").push((name, facts.phase));
            decision(Verdict::Next, vec![])
        })
    };
    let mut session = connection(vec![recording("a", &ALL), recording("b", &[Phase::Rcpt, Phase::Connect])]);
    for phase in ALL {
        assert_eq!(decide(&mut session, phase), None);
    }
    let mut expected: Vec<_> = ALL.map(|phase| ("a", phase)).to_vec();
    expected.insert(1, ("b", Phase::Connect));
    expected.insert(5, ("b", Phase::Rcpt));
    assert_eq!(*asked.lock().expect("no panic"), expected);
}

#[test]
fn facts_are_not_gathered_for_nobody() {
    let mut session = connection(vec![saying(&[Phase::Rcpt], Verdict::Next, &[])]);
    let future = pin!(session.decide(Phase::Mail, || panic!("nobody asked")));
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn refusals_before_rcpt_are_told_at_rcpt_and_last_as_long_as_their_part() {
    for (phase, after_mail, after_helo) in
        [(Phase::Connect, true, true), (Phase::Helo, true, false), (Phase::Mail, false, false)]
    {
        let once = Mutex::new(Some(reject("no")));
        let mut session = connection(vec![stage(&[phase], move |_| {
            decision(once.lock().expect("no panic").take().unwrap_or(Verdict::Next), vec![])
        })]);
        for phase in [Phase::Connect, Phase::Helo, Phase::Mail] {
            assert_eq!(decide(&mut session, phase), None);
        }
        let refusal = Some("554 5.7.1 no".to_owned());
        assert_eq!(decide(&mut session, Phase::Rcpt), refusal, "{phase:?}");
        assert_eq!(decide(&mut session, Phase::Rcpt), refusal, "for every recipient");
        assert_eq!(decide(&mut session, Phase::Mail), None);
        assert_eq!(decide(&mut session, Phase::Rcpt).is_some(), after_mail, "{phase:?}");
        assert_eq!(decide(&mut session, Phase::Helo), None);
        assert_eq!(decide(&mut session, Phase::Rcpt).is_some(), after_helo, "{phase:?}");
    }
}

#[test]
fn without_delay_refusals_are_told_at_once() {
    for phase in ALL {
        let mut session = SessionStages::new(vec![saying(&[phase], reject("no"), &[])].into(), false);
        assert_eq!(decide(&mut session, phase), Some("554 5.7.1 no".to_owned()));
        assert_eq!(decide(&mut session, Phase::Mail).is_some(), phase == Phase::Mail, "nothing is kept");
    }
}

#[test]
fn refusals_at_rcpt_concern_one_recipient() {
    let mut session = connection(vec![stage(&[Phase::Rcpt], |facts| {
        let verdict = if facts.recipient.is_some() { reject("no") } else { Verdict::Next };
        decision(verdict, vec![])
    })]);
    let about = Facts { recipient: Some(address("a@b.example")), ..facts(Phase::Rcpt) };
    assert_eq!(decide_about(&mut session, about), Some("554 5.7.1 no".to_owned()));
    assert_eq!(decide(&mut session, Phase::Rcpt), None);
}

#[test]
fn accept_ends_one_decision_only() {
    let mut session = connection(vec![
        saying(&[Phase::Connect], Verdict::Accept, &[]),
        saying(&[Phase::Connect, Phase::Rcpt], reject("no"), &[]),
    ]);
    assert_eq!(decide(&mut session, Phase::Connect), None);
    assert_eq!(decide(&mut session, Phase::Rcpt), Some("554 5.7.1 no".to_owned()), "trap 17");
}

#[test]
fn discard_ends_all_questions_and_hold_none() {
    let discard = || Verdict::Discard("spam".to_owned());
    let mut session = connection(vec![saying(&[Phase::Mail], discard(), &[]), saying(&ALL, reject("no"), &[])]);
    decide(&mut session, Phase::Mail);
    assert_eq!(decide(&mut session, Phase::Rcpt), None);
    assert_eq!(session.gathered().discard.as_deref(), Some("spam"));

    let hold = |reason: &str| Verdict::Hold(reason.to_owned());
    let mut session = connection(vec![
        saying(&[Phase::Connect], hold("first"), &[]),
        saying(&[Phase::Connect, Phase::Rcpt], hold("second"), &[]),
        saying(&[Phase::Data], reject("no"), &[]),
    ]);
    for phase in [Phase::Connect, Phase::Rcpt] {
        assert_eq!(decide(&mut session, phase), None);
    }
    assert_eq!(session.gathered().hold.as_deref(), Some("first"));
    assert_eq!(decide(&mut session, Phase::Data), Some("554 5.7.1 no".to_owned()));
}

#[test]
fn effects_are_gathered_in_order_for_every_transaction_of_their_part() {
    let mut session = connection(vec![
        saying(&[Phase::Connect], Verdict::Next, &[field("X-A", b" 1"), Effect::Redirect(address("a@b.example"))]),
        saying(&[Phase::Helo], Verdict::Next, &[field("X-B", b" 2")]),
        saying(&[Phase::Rcpt], Verdict::Next, &[Effect::AddRecipient(address("c@b.example"))]),
        saying(&[Phase::Data], Verdict::Next, &[Effect::Redirect(address("d@b.example"))]),
    ]);
    for phase in ALL {
        decide(&mut session, phase);
    }
    let edit = |change| Edit { change, reason: None };
    let field = |name: &str, value: &[u8]| {
        edit(Change::InsertField { position: Position::Top, name: name.to_owned(), value: value.to_vec() })
    };
    let connection_and_helo = vec![field("X-A", b" 1"), field("X-B", b" 2")];
    let mut all = connection_and_helo.clone();
    all.push(edit(Change::AddRecipient(address("c@b.example"))));
    let redirect = |text| Some(address(text));
    let expected = Gathered { edits: all, redirect: redirect("d@b.example"), ..Gathered::default() };
    assert_eq!(session.gathered(), expected);
    decide(&mut session, Phase::Mail);
    let expected = Gathered { edits: connection_and_helo, redirect: redirect("a@b.example"), ..Gathered::default() };
    assert_eq!(session.gathered(), expected, "a new transaction");
}

#[test]
fn beside_a_refusal_only_notes_count() {
    let mut session = connection(vec![
        saying(&[Phase::Rcpt], Verdict::Next, &[field("X-A", b" 1"), note("seen", "yes")]),
        saying(&[Phase::Rcpt], reject("no"), &[field("X-B", b" 2")]),
    ]);
    decide(&mut session, Phase::Rcpt);
    assert_eq!(session.gathered(), Gathered::default());
    assert_eq!(session.notes[0].len(), 1);
}

#[test]
fn notes_belong_to_the_stage_and_keep_their_order() {
    let counting = |key: &'static str| {
        stage(&[Phase::Rcpt], move |facts| {
            let count = facts.notes.first().map_or(0, |note| note.value.len());
            assert!(facts.notes.iter().all(|note| note.key == key || note.key == "other"));
            decision(Verdict::Next, vec![note(key, &"x".repeat(count + 1)), note("other", "")])
        })
    };
    let mut session = connection(vec![counting("a"), counting("b")]);
    for _ in 0..3 {
        decide(&mut session, Phase::Helo);
        assert_eq!(decide(&mut session, Phase::Rcpt), None);
    }
    let kept: Vec<_> = session.notes[1].iter().map(|note| (note.key.as_str(), note.value.len())).collect();
    assert_eq!(kept, [("b", 3), ("other", 0)]);
}

#[test]
fn answers_over_the_limits_are_invalid_as_a_whole() {
    let many = |count: usize| (0..count).map(|key| note(&key.to_string(), "")).collect::<Vec<_>>();
    let fits = [many(64), vec![note("0", "again"), note("1", &"x".repeat(1024))]].concat();
    let mut session = connection(vec![saying(&[Phase::Rcpt], Verdict::Next, &fits)]);
    assert_eq!(decide(&mut session, Phase::Rcpt), None);
    for bad in [
        many(65),
        vec![note("ok", ""), note(&"k".repeat(65), "")],
        vec![note("ok", ""), note("k", &"x".repeat(1025))],
        vec![note("ok", ""), field("X-A", b" a\r\nBcc: evil")],
        vec![note("ok", ""), field("X A", b" a")],
    ] {
        let mut session = connection(vec![saying(&[Phase::Rcpt], Verdict::Next, &bad)]);
        let said = decide(&mut session, Phase::Rcpt);
        assert_eq!(said, Some("451 4.3.0 Filter test failed, try again later".to_owned()), "{bad:?}");
        assert_eq!((session.notes[0].len(), session.gathered()), (0, Gathered::default()));
    }
}

#[test]
fn failures_follow_the_policy() {
    for (on_error, told) in [
        (OnError::Defer, Some("451 4.3.0 Filter test failed, try again later")),
        (OnError::Reject, Some("554 5.3.0 Filter test failed")),
        (OnError::Skip, Some("554 5.7.1 the next")),
    ] {
        let broken =
            |_: &Facts| Err(FilterError { kind: FailureKind::Trap, message: "it broke".to_owned(), backtrace: vec![] });
        let mut session = connection(vec![
            SessionStage { on_error, ..stage(&[Phase::Mail], broken) },
            saying(&[Phase::Mail], reject("the next"), &[]),
        ]);
        assert_eq!(decide(&mut session, Phase::Mail), None);
        assert_eq!(decide(&mut session, Phase::Rcpt).as_deref(), told);
    }
}
