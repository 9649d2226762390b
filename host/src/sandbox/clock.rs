//! The clock by which guests are interrupted.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use wasmtime::Engine;

/// How often a running guest is looked at: it yields to other tasks this often, and is stopped at most this long after its
/// deadline.
const TICK: Duration = Duration::from_micros(500);

/// Ticks from the begin of a call to the first look at it. One would come at any time, and short calls would yield for nothing.
pub(super) const FIRST_LOOK: u64 = 2;

/// Ticks after the last call at which the clock goes to sleep: between two calls of a relay that works it has no time to.
const TICKS_AWAKE: u32 = 200;

/// Advances the engine's epoch from a thread of its own, so that a guest that fills every runtime thread is still stopped. It sleeps
/// while no guest runs.
pub(super) struct EpochClock {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    /// Calls that want ticks.
    calls: AtomicUsize,
    asleep: AtomicBool,
}

/// As long as it lives, the clock ticks.
pub(super) struct Ticking<'a>(&'a State);

impl EpochClock {
    pub(super) fn start(engine: Engine) -> io::Result<Self> {
        let state = Arc::<State>::default();
        let shared = Arc::clone(&state);
        let thread = thread::Builder::new().name("epoch".to_owned()).spawn(move || shared.tick(&engine))?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Tick for a call that begins.
    pub(super) fn ticking(&self) -> Ticking<'_> {
        // Either this thread sees that the clock sleeps, or the clock sees the call: that takes SeqCst.
        self.state.calls.fetch_add(1, Ordering::SeqCst);
        if self.state.asleep.load(Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
        Ticking(&self.state)
    }
}

impl State {
    fn tick(&self, engine: &Engine) {
        let mut idle = 0;
        while !self.stop.load(Ordering::Relaxed) {
            if idle < TICKS_AWAKE {
                // Not a sleep: a short command need not wait for the tick's end.
                thread::park_timeout(TICK);
            } else {
                self.sleep();
                idle = 0;
            }
            engine.increment_epoch();
            idle = if self.calls.load(Ordering::Relaxed) == 0 { idle + 1 } else { 0 };
        }
    }

    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.calls.load(Ordering::SeqCst) == 0 && !self.stop.load(Ordering::Relaxed) {
            thread::park();
        }
        self.asleep.store(false, Ordering::Relaxed);
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for EpochClock {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::{Config, Instance, Module, Store};

    use super::*;

    /// A module whose start function spins until it is interrupted.
    fn spin(engine: &Engine, clock: &EpochClock) {
        let _ticking = clock.ticking();
        let wasm = wat::parse_str("(module (func $spin (loop (br 0))) (start $spin))").expect("a module");
        let module = Module::new(engine, wasm).expect("a module");
        let mut store = Store::new(engine, ());
        store.set_epoch_deadline(1);
        Instance::new(&mut store, &module, &[]).expect_err("interrupted");
    }

    #[test]
    fn it_sleeps_while_nothing_runs_and_wakes_for_a_call() {
        let engine = Engine::new(Config::new().epoch_interruption(true)).expect("an engine");
        let clock = EpochClock::start(engine.clone()).expect("a thread");
        for _ in 0..2 {
            spin(&engine, &clock);
            while !clock.state.asleep.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
    }
}
