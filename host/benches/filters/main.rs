//! What filters cost: the fold with nothing in it, one masquerade, and a chain of five, each in fresh sandboxes and beside that
//! as native calls of the same code, on one reference message. Run with `cargo bench -p mailweir --bench filters`.
//!
//! After criterion's figures come measurements that are printed as they are: two threads against one, and how long after its
//! time limit a spinning filter is stopped.

mod measure;
mod native;
mod reference;
mod session;

use std::{sync::Arc, time::Instant};

use criterion::{Criterion, criterion_group};
use mailweir::pipeline::{Mail, Stage, run};
use tokio::runtime::Runtime;

/// The same chain in sandboxes and natively. What both make of the reference message must be the same.
fn compare(
    criterion: &mut Criterion,
    runtime: &Runtime,
    name: &str,
    mail: &Arc<Mail>,
    sandboxed: &[Stage],
    native: &[Stage],
) {
    let left = |stages: &[Stage]| runtime.block_on(run(stages, Mail::clone(mail), &mut ())).mail;
    let (from_sandbox, from_native) = (left(sandboxed), left(native));
    assert_eq!(from_sandbox.message, from_native.message, "{name}: the same logic makes the same message");
    assert_eq!(from_sandbox.envelope, from_native.envelope, "{name}: and the same envelope");
    let changed = from_native.message != mail.message || from_native.envelope != mail.envelope;
    assert_eq!(changed, !native.is_empty(), "{name}: a chain that does nothing measures nothing");

    let mut group = criterion.benchmark_group(name);
    for (way, stages) in [("fresh sandboxes", sandboxed), ("native", native)] {
        group.bench_function(way, |bencher| {
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    let begin = Instant::now();
                    for _ in 0..rounds {
                        std::hint::black_box(run(stages, Mail::clone(mail), &mut ()).await);
                    }
                    begin.elapsed()
                })
            });
        });
    }
    group.finish();
}

fn filters(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::TempDir::new().expect("a folder");
    let sandbox = reference::sandbox(folder.path());
    let mail = reference::mail();
    compare(criterion, &runtime, "empty chain", &mail, &[], &[]);

    let nothing = runtime.block_on(reference::misbehave(&sandbox, "nothing", reference::limits()));
    criterion.bench_function("fresh instance, empty call, drop", |bencher| {
        bencher.iter_custom(|rounds| {
            runtime.block_on(async {
                let begin = Instant::now();
                for _ in 0..rounds {
                    std::hint::black_box(nothing.message(&mail).await).expect("it answers");
                }
                begin.elapsed()
            })
        });
    });

    let sandboxed: Arc<[Stage]> = runtime.block_on(reference::chain(&sandbox, &reference::tables())).into();
    let native = native::chain();
    for (place, stage) in sandboxed.iter().enumerate() {
        let one = place..=place;
        compare(criterion, &runtime, &stage.name, &mail, &sandboxed[one.clone()], &native[one]);
    }
    compare(criterion, &runtime, "five filters", &mail, &sandboxed, &native);
    let attachments = runtime.block_on(reference::attachments(&sandbox));
    for (name, octets) in [("attachments, 10 KB", 10 << 10), ("attachments, 10 MB", 10 << 20)] {
        let mail = reference::mail_with_attachment(octets);
        compare(criterion, &runtime, name, &mail, std::slice::from_ref(&attachments), &[native::attachments()]);
    }
    session::access(criterion, &runtime, &sandbox);
    measure::start_up(folder.path());
    measure::throughput(&sandboxed);
    measure::stopping(&sandbox);
}

criterion_group!(benches, filters);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
