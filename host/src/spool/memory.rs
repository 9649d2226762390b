//! Messages that go from receipt to delivery without being read back from disk. Only a short cut: each of them is on disk, leased.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Leased;

/// Octets of messages that wait in memory at most; what comes beyond is read from disk when its turn comes.
pub(super) const BUDGET: u64 = 64 << 20;

/// The queue of such messages.
#[derive(Default)]
pub(super) struct Fresh {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Leased>,
    octets: u64,
}

impl Fresh {
    /// Whether there is room for a message of this size; if so, it is taken until the message is.
    pub(super) fn reserve(&self, octets: u64) -> bool {
        let mut state = self.lock();
        let fits = state.octets + octets <= BUDGET;
        if fits {
            state.octets += octets;
        }
        fits
    }

    /// Give room back that was reserved for a message which never came.
    pub(super) fn release(&self, octets: u64) {
        let mut state = self.lock();
        state.octets = state.octets.saturating_sub(octets);
    }

    /// Put a message in for which room was reserved.
    pub(super) fn put(&self, leased: Leased) {
        self.lock().waiting.push_back(leased);
    }

    /// Take up to `limit` messages.
    pub(super) fn take(&self, limit: usize) -> Vec<Leased> {
        let mut state = self.lock();
        let count = limit.min(state.waiting.len());
        let taken: Vec<_> = state.waiting.drain(..count).collect();
        let octets: u64 = taken.iter().map(|leased| leased.message.size()).sum();
        state.octets = state.octets.saturating_sub(octets);
        taken
    }

    /// Put back what was taken.
    pub(super) fn restore(&self, taken: Vec<Leased>) {
        let mut state = self.lock();
        state.octets += taken.iter().map(|leased| leased.message.size()).sum::<u64>();
        taken.into_iter().rev().for_each(|leased| state.waiting.push_front(leased));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
