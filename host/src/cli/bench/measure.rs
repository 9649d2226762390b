//! The measuring itself: one thread for the times of each filter, then all processors for the throughput.

use std::{
    net::IpAddr,
    num::NonZero,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::{
    BenchError,
    messages::Letter,
    statistics::{Summary, histogram, micros},
};
use crate::{
    admin::resident_memory,
    app::App,
    cli::output,
    mail::Client,
    pipeline::{self, Facts, Filter, Mail, Phase, Pipeline, Stage, Totals, Verdict},
};

/// Part of the time that goes into the throughput, for one thread and for all.
const THROUGHPUT_PART: f64 = 0.2;

/// All that a bench has found.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) messages: usize,
    /// Messages that went through the chain while the times were taken.
    pub(super) runs: u64,
    pub(super) filters: Vec<FilterCost>,
    /// All filters of one message together.
    pub(super) chain: Summary,
    /// The distribution of that: from how many microseconds, how often.
    pub(super) chain_histogram: Vec<(f64, u64)>,
    pub(super) throughput: Vec<Throughput>,
    /// Memory of this process that is in use, in octets.
    pub(super) resident: u64,
}

/// What one stage costs. Times are microseconds.
#[derive(Debug, Serialize)]
pub(super) struct FilterCost {
    pub(super) list: &'static str,
    pub(super) stage: String,
    pub(super) calls: u64,
    /// Calls that failed.
    pub(super) failures: u64,
    /// Wall time in the stage: everything below, and applying its edits.
    pub(super) time: Summary,
    pub(super) histogram: Vec<(f64, u64)>,
    /// Mean time for making the instance.
    pub(super) instantiate: f64,
    /// Mean time in the call, without `host`.
    pub(super) call: f64,
    /// Mean time in what the filter called of the relay's.
    pub(super) host: f64,
    /// Part of the chain's time, 0 to 1.
    pub(super) share: f64,
    /// The most linear memory of one call, in octets.
    pub(super) memory: u64,
}

/// Messages a second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Throughput {
    pub(super) threads: usize,
    pub(super) messages_per_second: f64,
}

/// Shown on a terminal when the bench takes longer than a glance.
pub(super) struct Progress(Option<ProgressBar>, Instant);

impl Progress {
    pub(super) fn new(span: Duration) -> Self {
        let bar = (span > Duration::from_secs(2)).then(|| {
            let style = ProgressStyle::with_template("measuring {wide_bar} {percent}%");
            ProgressBar::new(100).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self(bar, Instant::now())
    }

    /// So much of the whole time is over.
    pub(super) fn tell(&mut self, part: f64) {
        // Drawing is not free: ten times a second is often enough.
        if let Some(bar) = self.0.as_ref().filter(|_| self.1.elapsed() > Duration::from_millis(100)) {
            bar.set_position((part * 100.0) as u64);
            self.1 = Instant::now();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

pub(super) fn runtime() -> Result<Runtime, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| BenchError::Thread(error.to_string()))
}

/// The pipeline with nothing but the stages of this name; none where there is no such stage.
pub(super) fn only(pipeline: &Pipeline, name: &str) -> Option<Pipeline> {
    let stages = |list: &[Stage]| list.iter().filter(|stage| &*stage.name == name).cloned().collect();
    let session = pipeline.session.iter().filter(|stage| &*stage.name == name).cloned().collect();
    let found = Pipeline { session, message: stages(&pipeline.message), delivery: stages(&pipeline.delivery) };
    let count = found.session.len() + found.message.len() + found.delivery.len();
    (count > 0).then_some(found)
}

/// What is known of one stage while the bench runs.
struct Slot {
    list: &'static str,
    name: Arc<str>,
    filter: Arc<dyn Filter>,
    times: Vec<Duration>,
    before: Totals,
}

impl Slot {
    fn new(list: &'static str, name: &Arc<str>, filter: &Arc<dyn Filter>) -> Self {
        let (name, filter) = (Arc::clone(name), Arc::clone(filter));
        Self { list, name, filter, times: Vec::new(), before: Totals::default() }
    }

    fn totals(&self) -> Totals {
        self.filter.usage().map(|usage| usage.totals()).unwrap_or_default()
    }

    fn cost(mut self, chain: Duration) -> FilterCost {
        let (all, before) = (self.totals(), std::mem::take(&mut self.before));
        let calls = all.calls - before.calls;
        let mean = |sum: Duration| micros(sum / u32::try_from(calls).unwrap_or(u32::MAX).max(1));
        let (call, host) = (all.call - before.call, all.host - before.host);
        let sum: Duration = self.times.iter().sum();
        FilterCost {
            list: self.list,
            stage: self.name.to_string(),
            calls,
            failures: failures(&all) - failures(&before),
            histogram: histogram(&self.times),
            time: Summary::of(&mut self.times),
            instantiate: mean(all.instantiate - before.instantiate),
            call: mean(call.saturating_sub(host)),
            host: mean(host),
            share: sum.as_secs_f64() / chain.as_secs_f64().max(f64::MIN_POSITIVE),
            memory: all.peak_memory,
        }
    }
}

fn failures(totals: &Totals) -> u64 {
    totals.failures.iter().sum()
}

/// Measure a pipeline with messages that this client brings.
pub(super) fn run(
    runtime: &Runtime,
    app: &App,
    client: IpAddr,
    letters: &[Letter],
    span: Duration,
    progress: &mut Progress,
) -> Result<Measured, BenchError> {
    let mut bench = Bench::new(app, client);
    if bench.slots.is_empty() {
        return Err(BenchError::NoFilters);
    }
    // Once through, so that nothing is measured that happens only once.
    for letter in letters {
        runtime.block_on(bench.letter(letter));
    }
    bench.begin();
    let (begin, latency_span) = (Instant::now(), span.mul_f64(1.0 - 2.0 * THROUGHPUT_PART));
    let mut chain = Vec::new();
    for letter in letters.iter().cycle() {
        chain.push(runtime.block_on(bench.letter(letter)));
        let elapsed = begin.elapsed();
        progress.tell(elapsed.as_secs_f64() / span.as_secs_f64());
        if chain.len() >= letters.len() && elapsed >= latency_span {
            break;
        }
    }
    let sum = chain.iter().sum();
    let filters = bench.slots.into_iter().map(|slot| slot.cost(sum)).collect();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let mut throughputs = vec![throughput(app, client, letters, 1, span.mul_f64(THROUGHPUT_PART))?];
    progress.tell(1.0 - THROUGHPUT_PART);
    if processors > 1 {
        throughputs.push(throughput(app, client, letters, processors, span.mul_f64(THROUGHPUT_PART))?);
    }
    Ok(Measured {
        messages: letters.len(),
        runs: chain.len() as u64,
        filters,
        chain_histogram: histogram(&chain),
        chain: Summary::of(&mut chain),
        throughput: throughputs,
        resident: resident_memory().unwrap_or_default(),
    })
}

/// The stages of a pipeline, one after the other, each with a clock.
pub(super) struct Bench {
    client: Arc<Client>,
    pipeline: Arc<Pipeline>,
    /// In the order of session, message and delivery stages.
    slots: Vec<Slot>,
}

impl Bench {
    pub(super) fn new(app: &App, client: IpAddr) -> Self {
        let pipeline = Arc::clone(&app.pipeline);
        let session = pipeline.session.iter().map(|stage| Slot::new("session", &stage.name, &stage.filter));
        let message = pipeline.message.iter().map(|stage| Slot::new("message", &stage.name, &stage.filter));
        let delivery = pipeline.delivery.iter().map(|stage| Slot::new("delivery", &stage.name, &stage.filter));
        let slots = session.chain(message).chain(delivery).collect();
        Self { client: output::client_at(app, client, "localhost"), pipeline, slots }
    }

    fn begin(&mut self) {
        for slot in &mut self.slots {
            slot.times.clear();
            slot.filter.usage().into_iter().for_each(|usage| usage.watch_host());
            slot.before = slot.totals();
        }
    }

    /// One message through all stages; the time that they took together.
    pub(super) async fn letter(&mut self, letter: &Letter) -> Duration {
        let Letter { envelope, message } = letter.clone();
        let mail = Mail { id: "bench".into(), client: Arc::clone(&self.client), envelope, message, explain: false };
        let mut sum = self.session(&mail).await;
        let pipeline = Arc::clone(&self.pipeline);
        let (mut mail, mut first) = (mail, pipeline.session.len());
        for list in [&pipeline.message, &pipeline.delivery] {
            for (stage, slot) in list.iter().zip(self.slots.iter_mut().skip(first)) {
                let begin = Instant::now();
                let ended = pipeline::run(std::slice::from_ref(stage), mail, &mut ()).await;
                let elapsed = begin.elapsed();
                mail = Arc::unwrap_or_clone(ended.mail);
                slot.times.push(elapsed);
                sum += elapsed;
                match ended.verdict {
                    Verdict::Next => {}
                    Verdict::Accept => break,
                    _ => return sum,
                }
            }
            first += list.len();
        }
        sum
    }

    /// Each moment of a session at which a stage wants to be asked.
    async fn session(&mut self, mail: &Mail) -> Duration {
        let mut sum = Duration::ZERO;
        let stages = Arc::clone(&self.pipeline.session);
        for phase in Phase::ALL {
            let facts = Arc::new(facts(mail, phase));
            for (stage, slot) in stages.iter().zip(&mut self.slots).filter(|(stage, _)| stage.phases.contains(&phase)) {
                let begin = Instant::now();
                drop(stage.filter.session(&facts).await);
                let elapsed = begin.elapsed();
                slot.times.push(elapsed);
                sum += elapsed;
            }
        }
        sum
    }
}

fn facts(mail: &Mail, phase: Phase) -> Facts {
    let recipient = mail.envelope.recipients.first().map(|recipient| recipient.address.clone());
    Facts {
        phase,
        client: Arc::clone(&mail.client),
        sender: (phase >= Phase::Mail).then(|| mail.envelope.sender.clone()),
        recipient: recipient.filter(|_| phase == Phase::Rcpt),
        recipient_is_ours: true,
        recipients: Vec::new(),
        size: (phase == Phase::EndOfData).then(|| mail.message.size()),
        notes: Vec::new(),
        explain: false,
    }
}

/// Messages a second when so many threads have nothing else to do.
fn throughput(
    app: &App,
    client: IpAddr,
    letters: &[Letter],
    threads: usize,
    span: Duration,
) -> Result<Throughput, BenchError> {
    let count = || -> Result<f64, BenchError> {
        let (runtime, mut bench) = (runtime()?, Bench::new(app, client));
        let (begin, mut count) = (Instant::now(), 0_u32);
        for letter in letters.iter().cycle() {
            runtime.block_on(bench.letter(letter));
            bench.slots.iter_mut().for_each(|slot| slot.times.clear());
            count += 1;
            if begin.elapsed() >= span {
                break;
            }
        }
        Ok(f64::from(count) / begin.elapsed().as_secs_f64())
    };
    let rates = thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(count)).collect();
        let ended = |one: thread::ScopedJoinHandle<'_, _>| {
            one.join().unwrap_or_else(|_| Err(BenchError::Thread("it panicked".to_owned())))
        };
        running.into_iter().map(ended).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Throughput { threads, messages_per_second: rates.iter().sum::<f64>().round() })
}
