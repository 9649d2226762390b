//! What the stages of `examples/demo.toml` cost on one message, for comparison with what `mailweir bench` says of the same pipeline and
//! message: `tests/bench-agrees.sh` runs both. Run with `cargo bench -p mailweir --bench demo`.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    slice,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use mailweir::{
    app::App,
    config::Config,
    mail::{Address, Client, Envelope, Message, Recipient, ReversePath},
    pipeline::{Mail, Stage, run},
};

/// The message, as `mailweir bench` reads it too.
const LETTER: &str = include_str!("letter.eml");
const SENDER: &str = "joe@host7.lab.example.com";
const RECIPIENT: &str = "user1@example.com";

fn mail() -> Mail {
    let peer = "127.0.0.1:0".parse().expect("an address");
    let client = Client { peer, name: None, helo: Some("localhost".to_owned()), tls: None, login: None, trusted: true };
    let sender = ReversePath::Address(Address::parse(SENDER).expect("an address"));
    let envelope = Envelope::new(sender, vec![Recipient::new(Address::parse(RECIPIENT).expect("an address"))]);
    let message = Message::parse(Bytes::from(LETTER.replace('\n', "\r\n")));
    Mail { id: "bench".into(), client: client.into(), envelope, message, explain: false }
}

/// The message goes through the stages in order, as there; each is measured alone.
fn stages(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    fs::copy(examples.join("demo.toml"), folder.path().join("mailweir.toml")).expect("a copy");
    symlink(env!("MAILWEIR_GUESTS"), folder.path().join("filters")).expect("a link");
    let config = Config::load(folder.path().join("mailweir.toml")).unwrap_or_else(|_| panic!("the demo is good"));
    let app = runtime.block_on(App::build(config)).unwrap_or_else(|_| panic!("the demo is good"));
    let mut group = criterion.benchmark_group("demo");
    let mut mail = mail();
    // A stage that runs only for some messages does not run for this one.
    let stages = app.pipeline.message.iter().chain(&*app.pipeline.delivery);
    for stage in stages.filter(|stage| stage.condition.is_none()) {
        group.bench_function(&*stage.name, |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(time(stage, &mail, rounds)));
        });
        let ended = runtime.block_on(run(slice::from_ref(stage), mail, &mut ()));
        mail = Arc::unwrap_or_clone(ended.mail);
    }
    group.finish();
}

/// In the stage only, without copying the message for it.
async fn time(stage: &Stage, mail: &Mail, rounds: u64) -> Duration {
    let mut elapsed = Duration::ZERO;
    for _ in 0..rounds {
        let mail = mail.clone();
        let begin = Instant::now();
        let ended = run(slice::from_ref(stage), mail, &mut ()).await;
        elapsed += begin.elapsed();
        drop(ended);
    }
    elapsed
}

criterion_group!(benches, stages);
criterion_main!(benches);
