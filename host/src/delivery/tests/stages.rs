//! `[[delivery]]` stages: they see and change the copy that leaves, and their trouble is that copy's alone.

use super::*;
use crate::{
    mail::{Change, Edit},
    pipeline::{Decision, Facts, Filter, FilterError, FilterFuture, Mail, OnError, Outcome, Verdict},
    smtp::{EnhancedCode, Reply},
};

/// A filter that always says the same.
struct Saying(Result<(Verdict, Vec<Change>), FilterError>);

impl Filter for Saying {
    fn message<'a>(&'a self, _: &'a Arc<Mail>) -> FilterFuture<'a, Outcome> {
        Box::pin(async {
            let (verdict, changes) = self.0.clone()?;
            let edits = changes.into_iter().map(|change| Edit { change, reason: None }).collect();
            Ok(Outcome { verdict, reason: None, edits, notes: Vec::new(), files: Vec::new() })
        })
    }

    fn session<'a>(&'a self, _: &'a Arc<Facts>) -> FilterFuture<'a, Decision> {
        unreachable!("it stands in [[delivery]]")
    }
}

async fn with_stage(verdict: Verdict, changes: Vec<Change>) -> (Bench, NextHop) {
    let next_hop = NextHop::start(vec![]).await;
    let filter = Arc::new(Saying(Ok((verdict, changes))));
    let stage = Stage { name: "saying".into(), filter, condition: None, on_error: OnError::Defer };
    let bench = Bench::start(&next_hop, vec![stage], RetrySchedule::default());
    (bench, next_hop)
}

#[tokio::test]
async fn edits_change_the_copy_that_leaves() {
    let changes = vec![
        Change::SetSender(ReversePath::Address(address("outside@isp.example"))),
        Change::ReplaceRecipient(0, address("other@isp.example")),
        Change::RemoveField(0),
    ];
    let (bench, next_hop) = with_stage(Verdict::Next, changes).await;
    bench.send("Q1", sender(), &["a@b.example"]).await;
    bench.settles(0, 0).await;
    let heard = next_hop.heard();
    assert!(heard.contains(&"MAIL FROM:<outside@isp.example> SIZE=8".to_owned()), "{heard:?}");
    assert!(heard.contains(&"RCPT TO:<other@isp.example>".to_owned()), "{heard:?}");
    assert!(heard.contains(&"\n..dot\n".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn verdicts_decide_about_the_copy() {
    let reply = |code, class| Reply::new(code, EnhancedCode(class, 7, 1), "no");
    for (verdict, waiting, held) in [
        (Verdict::Accept, 0, 0),
        (Verdict::Defer(reply(451, 4)), 1, 0),
        (Verdict::Hold("look".to_owned()), 0, 1),
        (Verdict::Discard("gone".to_owned()), 0, 0),
    ] {
        let delivered = usize::from(verdict == Verdict::Accept);
        let (bench, next_hop) = with_stage(verdict, vec![]).await;
        bench.send("Q1", sender(), &["a@b.example"]).await;
        bench.settles(waiting, held).await;
        assert_eq!((next_hop.count("DATA"), next_hop.count("RCPT TO:<from@")), (delivered, 0), "no copy, no report");
    }
    // The report about a rejected copy meets the same filter, and nobody can be told about that: it is held.
    let (bench, _next_hop) = with_stage(Verdict::Reject(reply(554, 5)), vec![]).await;
    bench.send("Q1", sender(), &["a@b.example"]).await;
    bench.settles(0, 1).await;
}

#[tokio::test]
async fn recipients_can_not_appear_or_vanish_here() {
    let (bench, next_hop) = with_stage(Verdict::Next, vec![Change::AddRecipient(address("more@b.example"))]).await;
    bench.send("Q1", sender(), &["a@b.example"]).await;
    bench.settles(1, 0).await;
    assert_eq!(next_hop.count("DATA"), 0);
}
