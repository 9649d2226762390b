//! `reuse`: instances that take several calls, and those that must not.

use super::*;
use crate::mail::Change;

async fn load(place: &Place, act: &str, reuse: u32) -> Arc<dyn Filter> {
    let config = json!({ "act": act, "tables": ["fruit"] });
    let grants = Grants { reuse, ..Grants::default() };
    place.load_as(grants, &guest("misbehave"), &config, Role::Message, limits()).await.expect("it loads")
}

/// What the filter has counted up to in its instance.
async fn count(filter: &Arc<dyn Filter>) -> Result<String, FailureKind> {
    let outcome = filter.message(&mail()).await.map_err(|error| error.kind)?;
    match &outcome.edits[0].change {
        Change::InsertField { value, .. } => Ok(String::from_utf8_lossy(value).trim().to_owned()),
        other => panic!("{other:?}"),
    }
}

async fn counts(filter: &Arc<dyn Filter>, calls: usize) -> Vec<Result<String, FailureKind>> {
    let mut counted = Vec::new();
    for _ in 0..calls {
        counted.push(count(filter).await);
    }
    counted
}

fn ok(number: u32) -> Result<String, FailureKind> {
    Ok(number.to_string())
}

#[tokio::test]
async fn an_instance_takes_as_many_calls_as_the_operator_says() {
    let place = Place::new();
    assert_eq!(counts(&load(&place, "remember", 1).await, 3).await, [ok(1), ok(1), ok(1)]);
    assert_eq!(counts(&load(&place, "remember", 3).await, 5).await, [ok(1), ok(2), ok(3), ok(1), ok(2)]);
}

#[tokio::test]
async fn one_that_trapped_is_not_used_again() {
    let place = Place::new();
    let filter = load(&place, "remember-twice", 100).await;
    let trap = Err(FailureKind::Trap);
    assert_eq!(counts(&filter, 5).await, [ok(1), ok(2), trap.clone(), ok(1), ok(2)]);
}

#[tokio::test]
async fn each_call_has_all_of_its_limits_again() {
    let place = Place::new();
    let limits = FilterLimits { log: 64, ..limits() };
    let config = json!({ "act": "log-flood", "tables": ["fruit"] });
    let grants = Grants { reuse: 100, ..Grants::default() };
    let wasm = guest("misbehave");
    let filter = place.load_as(grants, &wasm, &config, Role::Message, limits).await.expect("it loads");
    let log = Log::default();
    let guard = log.listen();
    for _ in 0..3 {
        filter.message(&mail()).await.expect("it answers");
    }
    drop(guard);
    assert_eq!(log.text().matches(" line 0 ").count(), 3, "{}", log.text());
    assert_eq!(log.text().matches("lines were dropped").count(), 3, "{}", log.text());
}

/// Four places for running calls, and none of them is taken by an instance that only waits.
#[tokio::test]
async fn kept_instances_take_no_place_from_others() {
    let place = Place::new();
    let (kept, fresh) = (load(&place, "remember", 100).await, load(&place, "remember", 1).await);
    let mail = mail();
    for _ in 0..3 {
        let (a, b, c, d) =
            tokio::join!(kept.message(&mail), kept.message(&mail), kept.message(&mail), kept.message(&mail));
        [a, b, c, d].into_iter().for_each(|answer| drop(answer.expect("it answers")));
        let (a, b, c, d) =
            tokio::join!(fresh.message(&mail), fresh.message(&mail), fresh.message(&mail), fresh.message(&mail));
        [a, b, c, d].into_iter().for_each(|answer| drop(answer.expect("it answers")));
    }
}
