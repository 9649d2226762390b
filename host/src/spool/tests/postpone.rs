//! Mail for destinations that are busy or dead stays where it is.

use super::*;

fn after(seconds: u64) -> SystemTime {
    now() + Duration::from_secs(seconds)
}

/// A spool with messages that were deferred once, by id and destination; they came at `now` and are due then.
async fn deferred(folder: &Path, messages: &[(&str, &str)]) -> SqliteSpool {
    let spool = open(folder);
    for (id, destination) in messages {
        spool.enqueue(message(id, &["a@b.example"])).await.expect("kept");
        let number = spool.lease_due(now(), 1, vec![]).await.expect("leased").remove(0).number;
        let later = Disposition::Deferred {
            until: now(),
            reply: "451 later".to_owned(),
            destination: (*destination).to_owned(),
            tried: false,
            warned: false,
        };
        spool.settle(Settlement { number, recipients: vec![(0, later)], report: None }).await.expect("settled");
    }
    spool
}

#[tokio::test]
async fn what_goes_to_a_busy_destination_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = deferred(folder.path(), &[("Q1", "busy"), ("Q2", "free"), ("Q3", "")]).await;
    let mut leased = spool.lease_due(now(), 10, vec!["busy".to_owned()]).await.expect("leased");
    leased.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(ids(&leased), ["Q2", "Q3"]);
    let rest = spool.lease_due(now(), 10, vec![]).await.expect("leased");
    assert_eq!((ids(&rest), rest[0].recipients[0].attempts), (vec!["Q1"], 0), "what was not tried is not counted");
}

#[tokio::test]
async fn a_dead_destination_is_put_off_but_for_what_is_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let spool = deferred(folder.path(), &[("Q1", "dead"), ("Q2", "other"), ("Q3", "dead")]).await;
    let postponement = |received_after, unwarned_received_after| Postponement {
        destination: "dead".to_owned(),
        until: after(60),
        received_after,
        unwarned_received_after,
    };
    // Too old to be tried again, or late and nobody knows: due as before.
    for (old, late) in [(Some(now()), None), (None, Some(now()))] {
        spool.postpone(postponement(old, late)).await.expect("done");
        assert_eq!(spool.counts().await.expect("counts").waiting, 3);
        let leased = spool.lease_due(now(), 1, vec!["other".to_owned()]).await.expect("leased");
        assert_eq!(ids(&leased), ["Q1"]);
        let back = vec![(
            0,
            Disposition::Deferred {
                until: now(),
                reply: String::new(),
                destination: "dead".to_owned(),
                tried: true,
                warned: false,
            },
        )];
        spool.settle(Settlement { number: leased[0].number, recipients: back, report: None }).await.expect("settled");
    }
    spool.postpone(postponement(now().checked_sub(Duration::from_secs(1)), None)).await.expect("done");
    assert_eq!(ids(&spool.lease_due(now(), 10, vec![]).await.expect("leased")), ["Q2"]);
    let mut again = spool.lease_due(after(60), 10, vec![]).await.expect("leased");
    again.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(ids(&again), ["Q1", "Q3"]);
}
