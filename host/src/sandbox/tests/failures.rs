//! Every way in which a filter can fail at a message or in a session: each has its kind, a text, and harms nobody else.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::pipeline::{Decision, OnError, Stage, Verdict, run};

async fn call(act: &str) -> Result<Outcome, FilterError> {
    let place = Place::new();
    let filter = place.misbehave(act, Role::Message).await.expect("it loads");
    filter.message(&mail()).await
}

async fn failure(act: &str) -> FilterError {
    call(act).await.expect_err("it fails")
}

async fn decide(act: &str) -> Result<Decision, FilterError> {
    let place = Place::new();
    let filter = place.misbehave(act, Role::Session).await.expect("it loads");
    filter.session(&facts()).await
}

/// Whether a frame of the backtrace names this function of the guest.
fn names(error: &FilterError, function: &str) -> bool {
    error.backtrace.iter().any(|frame| frame.contains(function))
}

#[tokio::test]
async fn a_panic_is_a_trap_with_a_backtrace() {
    let log = Log::default();
    let guard = log.listen();
    let error = failure("panic").await;
    drop(guard);
    assert_eq!(error.kind, FailureKind::Trap, "{error}");
    assert!(error.message.contains("unreachable"), "{error}");
    assert!(names(&error, "panic"), "{:?}", error.backtrace);
    assert!(log.text().contains("panics as told"), "the SDK tells the log why: {}", log.text());
}

#[tokio::test]
async fn recursion_is_a_trap() {
    let error = failure("recurse").await;
    assert_eq!(error.kind, FailureKind::Trap, "{error}");
    assert!(names(&error, "misbehave::recurse"), "{:?}", error.backtrace);
}

#[tokio::test]
async fn spinning_is_a_timeout_and_the_backtrace_says_where() {
    let error = failure("spin").await;
    assert_eq!(error.kind, FailureKind::Timeout, "{error}");
    assert!(names(&error, "misbehave::Misbehave"), "{:?}", error.backtrace);
}

#[tokio::test]
async fn eating_memory_is_named_so() {
    let error = failure("eat-memory").await;
    assert_eq!(error.kind, FailureKind::Memory, "{error}");
}

#[tokio::test]
async fn too_many_lookups_are_named_so() {
    assert_eq!(failure("lookup-flood").await.kind, FailureKind::Lookups);
}

#[tokio::test]
async fn too_many_edits_are_named_so() {
    let error = failure("many-edits").await;
    assert_eq!(error.kind, FailureKind::Edits, "{error}");
    assert!(error.message.contains("20000 edits"), "{error}");
}

#[tokio::test]
async fn too_large_a_body_is_named_so() {
    assert_eq!(failure("huge-output").await.kind, FailureKind::Output);
}

#[tokio::test]
async fn an_answer_that_would_fill_the_host_is_not_taken() {
    let error = failure("huge-answer").await;
    assert_eq!(error.kind, FailureKind::InvalidAnswer, "{error}");
    assert!(error.message.contains("too much data"), "{error}");
}

#[tokio::test]
async fn a_call_that_would_keep_the_host_busy_is_not_answered() {
    let error = failure("many-names").await;
    assert_eq!(error.kind, FailureKind::InvalidAnswer, "{error}");
    assert!(names(&error, "misbehave"), "{:?}", error.backtrace);
}

#[tokio::test]
async fn nonsense_is_an_invalid_answer() {
    for (act, said) in [
        ("bad-address", "is no address"),
        ("bad-reply", "reply code 250"),
        ("bad-enhanced-code", "enhanced code `4.7.1` beside 550"),
    ] {
        let error = failure(act).await;
        assert_eq!(error.kind, FailureKind::InvalidAnswer, "{act}: {error}");
        assert!(error.message.contains(said), "{act}: {error}");
        assert!(!error.message.contains(['\r', '\n']), "{act}: {error:?}");
    }
}

#[tokio::test]
async fn its_own_error_is_a_failure_on_one_line() {
    let error = failure("fail").await;
    assert_eq!((error.kind, error.message.as_str()), (FailureKind::Failed, "fails  as told"));
}

#[tokio::test]
async fn in_a_session_it_is_the_same() {
    assert_eq!(decide("nothing").await.expect("it answers").verdict, Verdict::Next);
    for (act, kind) in [
        ("panic", FailureKind::Trap),
        ("spin", FailureKind::Timeout),
        ("fail", FailureKind::Failed),
        ("bad-reply", FailureKind::InvalidAnswer),
    ] {
        let error = decide(act).await.expect_err("it fails");
        assert_eq!(error.kind, kind, "{act}: {error}");
    }
}

#[tokio::test]
async fn a_flood_of_log_lines_is_cut_and_counted() {
    let log = Log::default();
    let guard = log.listen();
    call("log-flood").await.expect("a flood of lines is no failure");
    drop(guard);
    let text = log.text();
    assert!(text.contains("line 0 stage=\"stage\" id=\"4TestId\""), "{text}");
    assert!(text.contains("log lines were dropped"), "{text}");
    assert!(text.len() < 1 << 20, "{} octets of log", text.len());
}

/// An edit that can't be applied is found behind the sandbox, in the fold: the message stays as it was.
#[tokio::test]
async fn an_edit_that_cannot_be_applied_leaves_the_message_alone() {
    let place = Place::new();
    for act in ["edit-out-of-range", "inject-field"] {
        let filter = place.misbehave(act, Role::Message).await.expect("it loads");
        let stage = |on_error| Stage { name: "it".into(), filter: Arc::clone(&filter), condition: None, on_error };
        let ended = run(&[stage(OnError::Skip)], Mail::clone(&mail()), &mut ()).await;
        assert_eq!((&ended.mail.message, ended.verdict), (&mail().message, Verdict::Next), "{act}");
        let ended = run(&[stage(OnError::Defer)], Mail::clone(&mail()), &mut ()).await;
        let Verdict::Defer(reply) = ended.verdict else { panic!("{act}: {:?}", ended.verdict) };
        assert!(reply.code == 451 && reply.text.contains("it"), "{act}: {reply:?}");
    }
}

/// On a runtime with one thread, so that a guest which doesn't give it back would stop everything. The other task waits for
/// timers, which come from where input comes from.
#[tokio::test(flavor = "current_thread")]
async fn a_spinning_guest_does_not_stop_the_relay() {
    let place = Place::new();
    let filter = place.misbehave("spin", Role::Message).await.expect("it loads");
    let turns = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let error = filter.message(&mail()).await.expect_err("it spins");
    other.abort();
    assert_eq!(error.kind, FailureKind::Timeout, "{error}");
    let turns = turns.load(Ordering::Relaxed);
    // Hundreds where nothing else runs. A guest that keeps the thread leaves none, or the one before its call.
    assert!(turns > 5, "another task got its turn {turns} times meanwhile");
}
