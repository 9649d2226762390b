//! A loaded plugin in its place in the pipeline: each call gets a fresh instance of the frozen component.

use std::{
    future::Future,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use wasmtime::{
    Store, Trap, WasmBacktrace,
    component::{Instance, InstancePre, Resource},
};

use super::{
    bindings::exports,
    configure::Configure,
    convert,
    engine::Sandbox,
    guest::{GrantedTables, Guest, Stopped},
    reuse::Kept,
};
use crate::{
    dns::Resolver,
    files::Directory,
    pipeline::{
        Decision, Effect, Facts, FailureKind, Filter, FilterError, FilterFuture, FilterLimits, Mail, Outcome, Usage,
        Verdict,
    },
};

/// Beyond the guest's own deadline: when even the epoch clock can't stop a call, it is given up this much later.
const GRACE: Duration = Duration::from_millis(100);

/// The interfaces that a component exports.
pub(super) struct Exports {
    pub(super) message: Option<exports::message::GuestIndices>,
    pub(super) session: Option<exports::session::GuestIndices>,
}

impl Exports {
    /// Whether what the component exports under our names is what our contract says.
    pub(super) fn check_types(&self, store: &mut Store<Guest>, instance: &Instance) -> wasmtime::Result<()> {
        if let Some(indices) = &self.message {
            indices.load(&mut *store, instance)?;
        }
        if let Some(indices) = &self.session {
            indices.load(&mut *store, instance)?;
        }
        Ok(())
    }
}

/// A filter behind the sandbox's wall.
pub struct WasmFilter {
    pub(super) sandbox: Sandbox,
    pub(super) stage: Arc<str>,
    pub(super) instance_pre: InstancePre<Guest>,
    /// For a component that could not be frozen.
    pub(super) configure: Option<Configure>,
    pub(super) exports: Exports,
    pub(super) tables: Arc<GrantedTables>,
    pub(super) directory: Option<Arc<Directory>>,
    pub(super) resolver: Option<Resolver>,
    pub(super) may_permit_relay: bool,
    pub(super) readable_directory: Option<Arc<Path>>,
    pub(super) kept: Kept,
    pub(super) limits: FilterLimits,
    pub(super) usage: Usage,
}

impl WasmFilter {
    /// An instance, `call` on it, and every way in which that can go wrong.
    async fn run<V>(
        &self,
        guest: impl FnOnce() -> Guest,
        call: impl AsyncFnOnce(&mut Store<Guest>, Instance) -> wasmtime::Result<Result<V, String>>,
    ) -> Result<(V, Guest), FilterError> {
        let place = self.sandbox.places.acquire().await.map_err(|error| host_failure(error.to_string()))?;
        let _ticking = self.sandbox.clock.ticking();
        // The filter's time runs from here, not while it waits for a place.
        let mut live = self.kept.take(&self.sandbox.engine, guest());
        let begin = Instant::now();
        let mut ready = None;
        let work = async {
            let instance = match live.instance {
                Some(instance) => instance,
                None => self.instance(&mut live.store).await.map_err(|error| (FailureKind::Host, error))?,
            };
            live.instance = Some(instance);
            ready = Some(begin.elapsed());
            call(&mut live.store, instance).await.map_err(|error| (FailureKind::InvalidAnswer, error))
        };
        let answer = bounded(self.limits.timeout + GRACE, work).await;
        let all = begin.elapsed();
        live.store.data_mut().tell_printed();
        // The instance goes, or is kept, before its place is given to somebody else.
        let guest = match &answer {
            Ok(Ok(_)) => self.kept.give_back(live, || self.guest("-".into())),
            _ => live.store.into_data(),
        };
        drop(place);
        let instantiate = ready.unwrap_or(all);
        self.usage.add(instantiate, all - instantiate, guest.host_time, guest.peak_memory());
        self.tell_dropped(&guest);
        match answer? {
            Ok(Ok(value)) => Ok((value, guest)),
            Ok(Err(message)) => Err(plain_failure(FailureKind::Failed, convert::reason(&message))),
            Err((otherwise, error)) => Err(failure(&guest, &error, otherwise)),
        }
    }

    /// A configured instance.
    async fn instance(&self, store: &mut Store<Guest>) -> wasmtime::Result<Instance> {
        let instance = self.instance_pre.instantiate_async(&mut *store).await?;
        if let Some(configure) = &self.configure {
            let answer = configure.call(store, &instance).await?;
            // It said something else at start.
            answer.map_err(|_| wasmtime::Error::msg("`configure` found mistakes that it did not find before"))?;
        }
        Ok(instance)
    }

    async fn filter(&self, mail: &Arc<Mail>) -> Result<Outcome, FilterError> {
        let indices =
            self.exports.message.as_ref().ok_or_else(|| host_failure("it exports no `message`".to_owned()))?;
        let guest = || {
            let mut guest = self.guest(Arc::clone(&mail.id));
            guest.explain = mail.explain;
            guest.mail = Some(Arc::clone(mail));
            guest.directory.clone_from(&self.directory);
            guest
        };
        let (outcome, mut guest) = self
            .run(guest, async |store, instance| {
                let exports = indices.load(&mut *store, &instance)?;
                exports.call_filter(&mut *store, Resource::new_borrow(0)).await
            })
            .await?;
        self.bound_answer(outcome.edits.len())?;
        convert::outcome_from_wit(outcome, &mut guest).map_err(nonsense)
    }

    async fn decide(&self, facts: &Facts) -> Result<Decision, FilterError> {
        let indices =
            self.exports.session.as_ref().ok_or_else(|| host_failure("it exports no `session`".to_owned()))?;
        let guest = || {
            let mut guest = self.guest("-".into());
            guest.explain = facts.explain;
            guest
        };
        let facts = convert::facts_to_wit(facts);
        let (decision, mut guest) = self
            .run(guest, async |store, instance| {
                let exports = indices.load(&mut *store, &instance)?;
                exports.call_decide(&mut *store, &facts).await
            })
            .await?;
        self.bound_answer(decision.effects.len())?;
        let decision = convert::decision_from_wit(decision, &mut guest).map_err(nonsense)?;
        if !self.may_permit_relay && decision.effects.contains(&Effect::PermitRelay) {
            return Err(nonsense("it permits relaying, which only `access` may".to_owned()));
        }
        Ok(decision)
    }

    fn counted<T>(
        &self,
        answer: Result<T, FilterError>,
        verdict: impl FnOnce(&T) -> &Verdict,
    ) -> Result<T, FilterError> {
        match &answer {
            Ok(answer) => self.usage.answered(verdict(answer)),
            Err(error) => self.usage.failed(error.kind),
        }
        answer
    }

    fn guest(&self, id: Arc<str>) -> Guest {
        let mut guest = Guest::new(Arc::clone(&self.stage), id, Arc::clone(&self.tables), &self.limits);
        guest.watch_host = self.usage.watches_host();
        guest.resolver.clone_from(&self.resolver);
        guest.readable_directory.clone_from(&self.readable_directory);
        guest
    }

    fn bound_answer(&self, edits: usize) -> Result<(), FilterError> {
        let limit = self.limits.edits as usize;
        if edits <= limit {
            return Ok(());
        }
        Err(plain_failure(FailureKind::Edits, format!("it answered with {edits} edits; `edits` allows {limit}")))
    }

    fn tell_dropped(&self, guest: &Guest) {
        if guest.log_dropped > 0 {
            tracing::warn!(stage = &*self.stage, id = &*guest.id, lines = guest.log_dropped, "log lines were dropped");
        }
    }
}

impl Filter for WasmFilter {
    fn message<'a>(&'a self, mail: &'a Arc<Mail>) -> FilterFuture<'a, Outcome> {
        Box::pin(async move {
            let outcome = self.sandbox.slow_lane.run(self.filter(mail)).await;
            self.counted(outcome, |outcome| &outcome.verdict)
        })
    }

    fn session<'a>(&'a self, facts: &'a Arc<Facts>) -> FilterFuture<'a, Decision> {
        Box::pin(async move {
            let decision = self.sandbox.slow_lane.run(self.decide(facts)).await;
            self.counted(decision, |decision| &decision.verdict)
        })
    }

    fn usage(&self) -> Option<&Usage> {
        Some(&self.usage)
    }
}

async fn bounded<V>(limit: Duration, work: impl Future<Output = V>) -> Result<V, FilterError> {
    let late = |_| plain_failure(FailureKind::Timeout, format!("a call of the relay's did not return in {limit:?}"));
    tokio::time::timeout(limit, work).await.map_err(late)
}

/// What went wrong in a guest, from the error and from what the host has noted; `otherwise` where neither tells.
pub(super) fn failure(guest: &Guest, error: &wasmtime::Error, otherwise: FailureKind) -> FilterError {
    let trap = error.downcast_ref::<Trap>();
    let (kind, message) = match (guest.stopped, error.downcast_ref::<Stopped>(), trap) {
        (Some(kind), Some(stopped), _) => (kind, stopped.to_string()),
        (Some(FailureKind::Timeout), ..) => (FailureKind::Timeout, "it took longer than `timeout` allows".to_owned()),
        (Some(FailureKind::Memory), ..) => {
            (FailureKind::Memory, "it wanted more memory than `memory` allows".to_owned())
        }
        (_, _, Some(trap)) => (FailureKind::Trap, format!("it trapped: {trap}")),
        (_, _, None) => (otherwise, error.root_cause().to_string()),
    };
    FilterError { kind, message, backtrace: backtrace(error) }
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frames = trace.frames().iter().map(|frame| {
        let symbol = frame.symbols().first();
        let name = symbol.and_then(|symbol| symbol.name()).or_else(|| frame.func_name());
        let place = symbol.and_then(|symbol| Some(format!(" ({}:{})", symbol.file()?, symbol.line()?)));
        let demangled = name.map(|name| format!("{:#}", rustc_demangle::demangle(name)));
        format!("{}{}", demangled.as_deref().unwrap_or("?"), place.unwrap_or_default())
    });
    frames.collect()
}

fn plain_failure(kind: FailureKind, message: String) -> FilterError {
    FilterError { kind, message, backtrace: Vec::new() }
}

fn host_failure(message: String) -> FilterError {
    plain_failure(FailureKind::Host, message)
}

fn nonsense(message: convert::Nonsense) -> FilterError {
    plain_failure(FailureKind::InvalidAnswer, message)
}
