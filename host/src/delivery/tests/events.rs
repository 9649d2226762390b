//! What those are told who watch: one event for each answer, in the words of what becomes of the recipient.

use super::*;

/// All but connections.
fn told(bench: &Bench) -> Vec<String> {
    bench.seen.lines().into_iter().filter(|line| !line.contains("contacted")).collect()
}

#[tokio::test]
async fn each_answer_is_told() {
    let answers = vec![("RCPT TO:<no@", "550 5.1.1 no"), ("RCPT TO:<later@", "450 4.2.1 later"), (".", "250 2.0.0 ok")];
    let (bench, _next_hop) = Bench::with(answers).await;
    bench.send("Q1", sender(), &["a@b.example", "no@b.example", "later@b.example"]).await;
    bench.settles(1, 0).await;
    let seen = told(&bench);
    let expected = [
        "Q1 delivered (250 2.0.0 ok) <from@example.org> > a@b.example 26 []",
        "Q1 bounced (550 5.1.1 no) <from@example.org> > no@b.example 26 []",
        "Q1 deferred (450 4.2.1 later) <from@example.org> > later@b.example 26 []",
        "Q1 reported to from@example.org",
    ];
    assert_eq!(seen.get(..4).expect("four"), expected);
    // That the report is removed may be told by now, too.
    assert!(seen.len() >= 5 && seen[4].contains("delivered (250 2.0.0 ok) <> > from@example.org"), "{seen:?}");
}

#[tokio::test]
async fn what_is_over_and_what_is_kept_is_told_as_that() {
    let next_hop = NextHop::start(vec![("RCPT TO:<a@", "450 4.2.1 later")]).await;
    let retry = RetrySchedule { lifetime: Duration::ZERO, ..RetrySchedule::default() };
    let bench = Bench::start(&next_hop, vec![], retry);
    bench.send("Q1", ReversePath::Null, &["a@b.example"]).await;
    bench.settles(0, 1).await;
    assert_eq!(told(&bench), ["Q1 held (undeliverable bounce: 450 4.2.1 later) <> > a@b.example 26 []"]);
    bench.send("Q2", sender(), &["a@b.example"]).await;
    bench.settles(0, 1).await;
    assert_eq!(told(&bench)[1], "Q2 expired (450 4.2.1 later) <from@example.org> > a@b.example 26 []");
}
