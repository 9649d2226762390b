//! What operators do to the queue, and what becomes of it when the recipient is just being delivered.

use std::sync::Mutex;

use super::*;

fn of(recipient: &str) -> Selection {
    Selection { recipient: Some(recipient.to_owned()), ..Selection::default() }
}

fn changed(selected: u64, changed: u64, under_way: u64) -> Changed {
    Changed { selected, changed, under_way }
}

async fn settle(spool: &SqliteSpool, number: i64, recipients: Vec<(u32, Disposition)>) {
    spool.settle(Settlement { number, recipients, report: None }).await.expect("settled");
}

fn deferred() -> Disposition {
    Disposition::deferred(now(), "451 later".to_owned())
}

async fn done(spool: &SqliteSpool, change: Change, selection: Selection) -> Result<Changed, SpoolError> {
    spool.change(change, selection, &|_| {}).await
}

/// State and note of each recipient.
fn states(folder: &Path) -> Vec<(State, Option<String>)> {
    let mut found = Vec::new();
    let view = QueueView::open(folder).expect("a queue");
    view.visit(&Selection::default(), |queued| {
        found.extend(queued.recipients.into_iter().map(|one| (one.state, one.note)));
        true
    })
    .expect("read");
    found
}

#[tokio::test]
async fn what_waits_in_memory_can_be_held_and_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["a@b.example", "c@d.example"])).await.expect("kept");
    spool.enqueue(message("Q2", &["e@f.example"])).await.expect("kept");
    assert_eq!(done(&spool, Change::Hold, of("@B.example")).await.expect("done"), changed(1, 1, 0));
    assert_eq!(done(&spool, Change::Delete, of("e@f.example")).await.expect("done"), changed(1, 1, 0));
    let leased = spool.lease_due(now(), 10, vec![]).await.expect("leased");
    assert_eq!(ids(&leased), ["Q1"]);
    assert_eq!(leased[0].recipients[0].position, 1);
    assert_eq!(spool.counts().await.expect("counts"), Counts { waiting: 0, leased: 1, held: 1 });
}

#[tokio::test]
async fn a_change_of_what_is_under_way_counts_if_it_is_not_delivered() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["0@x.example", "1@x.example", "2@x.example", "3@x.example"])).await.expect("kept");
    let number = spool.lease_due(now(), 1, vec![]).await.expect("leased").remove(0).number;
    for (recipient, change) in [(0, Change::Hold), (1, Change::Hold), (2, Change::Delete), (3, Change::Hold)] {
        let told = done(&spool, change, of(&format!("{recipient}@x.example"))).await.expect("done");
        assert_eq!(told, changed(1, 0, 1));
    }
    assert_eq!(done(&spool, Change::Release, of("3@x.example")).await.expect("done"), changed(1, 1, 0));
    settle(&spool, number, vec![(0, Disposition::Done), (1, deferred()), (2, deferred()), (3, deferred())]).await;
    let held = Some("held by the operator: 451 later".to_owned());
    let waiting = Some("451 later".to_owned());
    assert_eq!(states(folder.path()), [(State::Held, held), (State::Waiting, waiting)]);
    // The wish is fulfilled: after a release it does not come back.
    done(&spool, Change::Release, of("1@x.example")).await.expect("done");
    let leased = spool.lease_due(now(), 1, vec![]).await.expect("leased").remove(0);
    assert_eq!(leased.recipients.len(), 2);
    settle(&spool, number, vec![(1, deferred()), (3, deferred())]).await;
    assert!(states(folder.path()).iter().all(|(state, _)| *state == State::Waiting));
}

#[tokio::test]
async fn each_recipient_that_changes_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["a@x.example"])).await.expect("kept");
    assert_eq!(spool.lease_due(now(), 1, vec![]).await.expect("leased").len(), 1);
    spool.enqueue(message("Q2", &["b@x.example", "c@y.example"])).await.expect("kept");
    let told = Mutex::new(Vec::new());
    let tell = |one: &ChangedRecipient| {
        told.lock().expect("not poisoned").push(format!("{} {} {}", one.id, one.address, one.under_way));
    };
    for change in [Change::Hold, Change::Hold, Change::Delete] {
        spool.change(change, of("@x.example"), &tell).await.expect("done");
    }
    // Of the second hold nothing is told but what it says once more of the one that is under way.
    let [a, b] = ["Q1 a@x.example true", "Q2 b@x.example false"];
    assert_eq!(told.into_inner().expect("not poisoned"), [a, b, a, a, b]);
}

#[tokio::test]
async fn a_change_of_what_is_under_way_outlives_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["a@x.example", "b@x.example"])).await.expect("kept");
    spool.enqueue(message("Q2", &["c@y.example"])).await.expect("kept");
    assert_eq!(spool.lease_due(now(), 2, vec![]).await.expect("leased").len(), 2);
    done(&spool, Change::Hold, of("b@x.example")).await.expect("done");
    done(&spool, Change::Delete, of("@y.example")).await.expect("done");
    let copy = crashed(folder.path());
    let after = open(copy.path());
    assert_eq!(after.counts().await.expect("counts"), Counts { waiting: 1, leased: 0, held: 1 });
    assert_eq!(ids(&after.lease_due(now(), 2, vec![]).await.expect("leased")), ["Q1"]);
}

#[tokio::test]
async fn a_requeued_message_begins_anew_and_a_deleted_one_leaves_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(large("Q1")).await.expect("kept");
    let number = spool.lease_due(now(), 1, vec![]).await.expect("leased").remove(0).number;
    settle(&spool, number, vec![(0, deferred())]).await;
    let before = SystemTime::now();
    assert_eq!(done(&spool, Change::Requeue, Selection::default()).await.expect("done"), changed(1, 1, 0));
    let again = spool.lease_due(SystemTime::now(), 1, vec![]).await.expect("leased").remove(0);
    assert_eq!(again.recipients[0].attempts, 0);
    assert!(again.received + Duration::from_millis(1) >= before);
    settle(&spool, number, vec![(0, deferred())]).await;
    assert_eq!(done(&spool, Change::Delete, Selection::default()).await.expect("done"), changed(1, 1, 0));
    assert!(files(folder.path()).is_empty());
    assert_eq!(spool.counts().await.expect("counts"), Counts::default());
}

#[tokio::test]
async fn numbers_of_deleted_messages_are_not_used_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    spool.enqueue(message("Q1", &["a@b.example"])).await.expect("kept");
    let number = spool.lease_due(now(), 1, vec![]).await.expect("leased").remove(0).number;
    settle(&spool, number, vec![(0, Disposition::Done)]).await;
    spool.enqueue(message("Q2", &["a@b.example"])).await.expect("kept");
    // As if the end of the first lease came twice.
    settle(&spool, number, vec![(0, Disposition::Done)]).await;
    assert_eq!(spool.counts().await.expect("counts").leased, 1);
}

#[tokio::test]
async fn thousands_are_changed_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = open(folder.path());
    for number in 0..25 {
        let recipients: Vec<_> = (0..100).map(|recipient| format!("{recipient}@d{number}.example")).collect();
        let recipients: Vec<_> = recipients.iter().map(String::as_str).collect();
        spool.enqueue(message(&format!("Q{number}"), &recipients)).await.expect("kept");
    }
    assert_eq!(done(&spool, Change::Hold, Selection::default()).await.expect("done"), changed(2500, 2500, 0));
    let stats = QueueView::open(folder.path()).expect("a queue").stats(&Selection::default()).expect("read");
    assert_eq!((stats.messages, stats.all.held, stats.domains.len()), (25, 2500, 25));
    assert_eq!(stats.reasons["held by the operator"], Share { held: 2500, oldest: Some(now()), ..Share::default() });
}
