//! Instances, and keeping them for further calls where the operator wants that (`reuse = N` of a stage).
//!
//! By default each call has an instance of its own. With `reuse`, what a message leaves in the filter's memory can reach the next
//! ones: up to N calls share it. An instance that failed in any way is never used again.

use std::sync::{Mutex, PoisonError};

use wasmtime::{Engine, Store, component::Instance};

use super::{clock::FIRST_LOOK, guest::Guest};

/// Instances that a stage keeps while nothing calls them. The pool has places for them beside those of running calls.
pub(super) const MOST_KEPT: u32 = 16;

/// What an answer may be larger than its new body: edits, their values and reasons, in octets.
const LARGEST_ANSWER: usize = 16 << 20;

/// An instance with its store; none yet in a store that is new.
pub(super) struct Live {
    pub(super) store: Store<Guest>,
    pub(super) instance: Option<Instance>,
    calls: u32,
}

impl Live {
    pub(super) fn new(engine: &Engine, guest: Guest) -> Self {
        Self { store: store(engine, guest), instance: None, calls: 0 }
    }

    /// Put the state of another call in, and give out that of the last one.
    fn exchange(&mut self, guest: Guest) -> Guest {
        self.store.set_epoch_deadline(FIRST_LOOK);
        self.store.data_mut().succeeded_by(guest)
    }
}

/// Instances of one stage that wait for their next call.
pub(super) struct Kept {
    most_calls: u32,
    waiting: Mutex<Vec<Live>>,
}

impl Kept {
    /// For instances that may take this many calls.
    pub(super) fn new(most_calls: u32) -> Self {
        Self { most_calls, waiting: Mutex::default() }
    }

    /// One that waits, now with this state; or a new one.
    pub(super) fn take(&self, engine: &Engine, guest: Guest) -> Live {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match waiting {
            Some(mut live) => {
                live.exchange(guest);
                live
            }
            None => Live::new(engine, guest),
        }
    }

    /// After a call that went well: keep the instance, with `idle` as its state meanwhile, or drop it. Returns the state of the call.
    pub(super) fn give_back(&self, mut live: Live, idle: impl FnOnce() -> Guest) -> Guest {
        live.calls += 1;
        if live.calls >= self.most_calls {
            return live.store.into_data();
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= MOST_KEPT as usize {
            return live.store.into_data();
        }
        let guest = live.exchange(idle());
        waiting.push(live);
        guest
    }
}

/// A store with all its bounds.
pub(super) fn store(engine: &Engine, guest: Guest) -> Store<Guest> {
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| guest);
    store.set_epoch_deadline(FIRST_LOOK);
    store.epoch_deadline_callback(|mut context| Ok(context.data_mut().tick()));
    store.set_hostcall_fuel(LARGEST_ANSWER);
    store
}
