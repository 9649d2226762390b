//! Measurements that criterion has no form for; printed.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use mailweir::{
    pipeline::{FailureKind, Mail, Stage, run},
    sandbox::Sandbox,
};
use tokio::runtime::{Builder, Runtime};

use crate::reference;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Time until a chain is ready whose filters have been compiled before.
pub(crate) fn start_up(folder: &Path) {
    let (runtime, tables) = (runtime(), reference::tables());
    let begin = Instant::now();
    let sandbox = reference::sandbox(folder);
    let empty = begin.elapsed();
    runtime.block_on(reference::chain(&sandbox, &tables));
    println!("start-up with five filters from the cache: {:?}, of which the empty sandbox {empty:?}", begin.elapsed());
}

/// Messages a second through the chain on one thread and on two.
pub(crate) fn throughput(stages: &Arc<[Stage]>) {
    const SPAN: Duration = Duration::from_secs(3);
    let count = |threads: usize| -> f64 {
        let one = |stages: Arc<[Stage]>| {
            let mail = reference::mail();
            let mut count = 0_u32;
            let begin = Instant::now();
            runtime().block_on(async {
                while begin.elapsed() < SPAN {
                    run(&stages, Mail::clone(&mail), &mut ()).await;
                    count += 1;
                }
            });
            f64::from(count) / begin.elapsed().as_secs_f64()
        };
        let running: Vec<_> = (0..threads)
            .map(|_| {
                let stages = Arc::clone(stages);
                std::thread::spawn(move || one(stages))
            })
            .collect();
        running.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    };
    let (one, two) = (count(1), count(2));
    println!("five filters: {one:.0} messages/s on one thread, {two:.0} on two ({:.2} times)", two / one);
}

/// How long after its limit a spinning filter is stopped.
pub(crate) fn stopping(sandbox: &Sandbox) {
    const LIMIT: Duration = Duration::from_millis(50);
    let (runtime, mail) = (runtime(), reference::mail());
    let filter = runtime.block_on(reference::spinning(sandbox, LIMIT));
    let mut late: Vec<_> = (0..100)
        .map(|_| {
            let begin = Instant::now();
            let error = runtime.block_on(filter.message(&mail)).expect_err("it spins");
            assert_eq!(error.kind, FailureKind::Timeout);
            begin.elapsed().saturating_sub(LIMIT)
        })
        .collect();
    late.sort();
    println!("a spinning filter is stopped {:?} after its limit (median; worst of 100 {:?})", late[50], late[99]);
}
