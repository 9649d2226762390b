//! Places in the pool: nothing passes from one message to the next, failures give their place back, waiting is no failure.

use super::*;
use crate::mail::Change;

/// The first field that the answer puts in.
fn inserted(outcome: &Outcome) -> &[u8] {
    match outcome.edits.first().map(|edit| &edit.change) {
        Some(Change::InsertField { value, .. }) => value,
        other => panic!("{other:?} where a field should go in"),
    }
}

#[tokio::test]
async fn every_message_meets_the_filter_as_it_was_configured() {
    let place = Place::with_instances(1);
    let filter = place.misbehave("remember", Role::Message).await.expect("it loads");
    for _ in 0..5 {
        assert_eq!(inserted(&filter.message(&mail()).await.expect("it answers")), b" 1");
    }
}

#[tokio::test]
async fn failures_give_their_places_back() {
    let place = Place::with_instances(2);
    let good = place.misbehave("remember", Role::Message).await.expect("it loads");
    let mut bad = Vec::new();
    for act in ["panic", "recurse", "fail", "bad-reply", "lookup-flood", "many-edits"] {
        bad.push(place.misbehave(act, Role::Message).await.expect("it loads"));
    }
    for filter in bad.iter().cycle().take(300) {
        filter.message(&mail()).await.expect_err("it fails");
    }
    for _ in 0..10 {
        assert_eq!(inserted(&good.message(&mail()).await.expect("it answers")), b" 1");
    }
}

/// More calls at once than places, from several threads, good ones among bad ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_wait_for_places() {
    let place = Place::with_instances(2);
    let good = place.misbehave("remember", Role::Message).await.expect("it loads");
    let bad = place.misbehave("panic", Role::Message).await.expect("it loads");
    let calls: Vec<_> = (0..1_000)
        .map(|number| {
            let filter = Arc::clone(if number % 3 == 0 { &bad } else { &good });
            (number, tokio::spawn(async move { filter.message(&mail()).await.map_err(|error| error.kind) }))
        })
        .collect();
    for (number, call) in calls {
        match call.await.expect("no panic") {
            Ok(outcome) => assert_eq!((number % 3 != 0, inserted(&outcome)), (true, &b" 1"[..])),
            Err(kind) => assert_eq!((number % 3, kind), (0, FailureKind::Trap)),
        }
    }
}

#[tokio::test]
async fn waiting_for_a_place_is_not_counted_as_the_filters_time() {
    let place = Place::with_instances(1);
    let spinning = place.misbehave("spin", Role::Message).await.expect("it loads");
    let limits = FilterLimits { timeout: Duration::from_secs(1), ..limits() };
    let config = json!({ "act": "nothing" });
    let good = place.load_with(&guest("misbehave"), &config, Role::Message, limits).await.expect("it loads");
    let mail = mail();
    // It waits for two seconds and may take one.
    let (bad, good) = tokio::join!(biased; spinning.message(&mail), good.message(&mail));
    assert_eq!(bad.expect_err("it spins").kind, FailureKind::Timeout);
    good.expect("it answers");
}

/// The clock that stops spinning guests runs as long as there is a filter.
#[tokio::test]
async fn a_filter_outlives_its_sandbox() {
    let place = Place::new();
    let filter = place.misbehave("spin", Role::Message).await.expect("it loads");
    drop(place);
    assert_eq!(filter.message(&mail()).await.expect_err("it spins").kind, FailureKind::Timeout);
}

#[tokio::test]
async fn an_abandoned_call_gives_its_place_back() {
    let place = Place::with_instances(1);
    let spinning = place.misbehave("spin", Role::Message).await.expect("it loads");
    let good = place.misbehave("nothing", Role::Message).await.expect("it loads");
    for _ in 0..3 {
        let mail = mail();
        tokio::time::timeout(Duration::from_millis(20), spinning.message(&mail)).await.expect_err("it spins");
        good.message(&mail).await.expect("it answers");
    }
}
