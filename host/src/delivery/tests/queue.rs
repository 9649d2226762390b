//! Destinations that are dead or never answer cost little, and nothing of what the others get.

use tokio::net::TcpListener;

use super::*;

/// A bench whose mail for `dead.example` goes to one next hop and all other to another.
fn bench(dead: SocketAddr, live: &NextHop) -> Bench {
    let mut first = route(&format!("smtp://{dead}"));
    first.recipients = vec![Pattern::Domain("dead.example".to_owned())];
    Bench::with_settings(settings(vec![first, route(&format!("smtp://{}", live.address))]), vec![])
}

#[tokio::test]
async fn a_dead_destination_is_asked_by_one_window_and_then_left_alone() {
    let (dead, live) = (NextHop::start(vec![("greeting", "")]).await, NextHop::start(vec![]).await);
    let bench = bench(dead.address, &live);
    for number in 0..60 {
        bench.send(&format!("D{number}"), sender(), &["a@dead.example"]).await;
    }
    bench.settles(60, 0).await;
    for number in 0..5 {
        bench.send(&format!("L{number}"), sender(), &["a@dead.example", "b@live.example"]).await;
    }
    bench.settles(65, 0).await;
    assert!((1..=5).contains(&dead.count("connected")), "{} connections", dead.count("connected"));
    assert_eq!(live.count("DATA"), 5);
}

#[tokio::test]
async fn a_destination_that_never_answers_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let live = NextHop::start(vec![]).await;
    let bench = bench(silent.local_addr().expect("an address"), &live);
    for number in 0..300 {
        bench.send(&format!("D{number}"), sender(), &["a@dead.example"]).await;
    }
    for number in 0..10 {
        bench.send(&format!("L{number}"), sender(), &["b@live.example"]).await;
    }
    for _ in 0..3000 {
        if live.count("DATA") == 10 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("only {} were delivered", live.count("DATA"));
}

#[tokio::test]
async fn somebody_can_have_it_tried_at_once() {
    let mut gone = NextHop::start(vec![]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    gone.address = free.local_addr().expect("an address");
    drop(free);
    let bench = Bench::start(&gone, vec![], RetrySchedule::default());
    bench.send("Q1", sender(), &["a@b.example"]).await;
    bench.settles(1, 0).await;
    let back = NextHop::start_at(&gone.address.to_string(), vec![], None).await;
    bench.send("Q2", sender(), &["a@b.example"]).await;
    bench.settles(2, 0).await;
    assert_eq!(back.count("connected"), 0, "it is left alone");
    bench.waker.wake();
    bench.send("Q3", sender(), &["a@b.example"]).await;
    bench.settles(2, 0).await;
    assert_eq!(back.count("DATA"), 1);
}

#[tokio::test]
async fn what_is_under_way_keeps_its_settings_and_what_waits_takes_the_new_ones() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let live = NextHop::start(vec![]).await;
    let old = Route { concurrency: 1, ..route(&format!("smtp://{}", silent.local_addr().expect("an address"))) };
    let bench = Bench::with_settings(settings(vec![old]), vec![]);
    bench.send("Q1", sender(), &["a@b.example"]).await;
    let (mut first, _) = silent.accept().await.expect("the first attempt");
    for number in 2..5 {
        bench.send(&format!("Q{number}"), sender(), &["a@b.example"]).await;
    }
    bench.renewer.renew(settings(vec![route(&format!("smtp://{}", live.address))]), Vec::new().into());
    for _ in 0..3000 {
        if live.count("DATA") == 3 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(live.count("DATA"), 3, "those that waited");
    tokio::io::AsyncWriteExt::write_all(&mut first, b"554 5.3.2 no\r\n").await.expect("it still listens");
    drop(first);
    bench.settles(1, 0).await;
    let told = bench.seen.lines();
    assert!(told.iter().any(|line| line.starts_with("Q1 deferred (") && line.contains("5.3.2 no")), "{told:?}");
}
