//! What waits for each destination in memory, whose turn it is, and which destinations are left alone for a while because nobody is
//! there. Pure: it knows no clock, and nothing of what a job is.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    time::{Duration, Instant},
};

use super::feedback::Window;
use crate::smtp::Reply;

/// Jobs of one destination that wait in memory at most. What is beyond waits in the spool.
const MOST_OF_ONE: usize = 100;
/// The same for a destination that has not been reached yet: it may be one that never answers.
const MOST_OF_UNPROVEN: usize = 10;

/// How long it is remembered after the end of its rest that a destination was dead, so that the next rest is longer.
const LONGEST_MEMORY: Duration = Duration::from_secs(2 * 3600);

/// All destinations with something to do, or with something to remember.
pub(super) struct Sites<K, J> {
    sites: HashMap<K, Site<J>>,
    /// Destinations with waiting jobs and room for them, in turn.
    turns: VecDeque<K>,
    waiting: usize,
}

struct Site<J> {
    window: Window,
    active: usize,
    waiting: VecDeque<J>,
    has_turn: bool,
    /// Until when it is left alone, and why.
    suspended: Option<(Instant, Reply)>,
    /// Times in a row that it was found dead.
    found_dead: u32,
}

/// A destination that is left alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suspended<J> {
    pub(super) until: Instant,
    pub(super) reason: Reply,
    /// What does not wait for it in memory any more.
    pub(super) jobs: Vec<J>,
}

impl<K: Clone + Eq + Hash, J> Sites<K, J> {
    pub(super) fn new() -> Self {
        Self { sites: HashMap::new(), turns: VecDeque::new(), waiting: 0 }
    }

    /// Jobs that wait, over all destinations.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// A job for a destination that takes `limit` of them at a time. It comes back when the destination is left alone now.
    pub(super) fn add(&mut self, key: &K, limit: usize, job: J, now: Instant) -> Result<(), Suspended<J>> {
        let site = self.sites.entry(key.clone()).or_insert_with(|| Site::new(limit));
        match &site.suspended {
            Some((until, reason)) if *until > now => {
                return Err(Suspended { until: *until, reason: reason.clone(), jobs: vec![job] });
            }
            Some(_) => {
                site.suspended = None;
                site.window = Window::probe(limit);
            }
            None => {}
        }
        site.waiting.push_back(job);
        self.waiting += 1;
        self.give_turn(key);
        Ok(())
    }

    /// The next job; each destination in its turn. It counts as active until one of the three below is told.
    pub(super) fn next(&mut self) -> Option<(K, J)> {
        loop {
            let key = self.turns.pop_front()?;
            let Some(site) = self.sites.get_mut(&key) else { continue };
            site.has_turn = false;
            // Nothing waits where the destination has been left alone meanwhile.
            let Some(job) = site.waiting.pop_front() else { continue };
            site.active += 1;
            self.waiting -= 1;
            self.give_turn(&key);
            return Some((key, job));
        }
    }

    /// A job ended, and a server of the destination talked to us.
    pub(super) fn reached(&mut self, key: &K) {
        if let Some(site) = self.sites.get_mut(key) {
            site.window.succeeded(site.active);
            site.found_dead = 0;
        }
        self.ended(key);
    }

    /// A job ended without a word about the destination.
    pub(super) fn ended(&mut self, key: &K) {
        if let Some(site) = self.sites.get_mut(key) {
            site.active = site.active.saturating_sub(1);
        }
        self.give_turn(key);
    }

    /// A job ended since no server of the destination could be talked to. If the destination is left alone from now on, for how long is
    /// said by `wait`, of the times in a row that this has happened.
    pub(super) fn failed(
        &mut self,
        key: &K,
        reason: Reply,
        now: Instant,
        wait: impl Fn(u32) -> Duration,
    ) -> Option<Suspended<J>> {
        let site = self.sites.get_mut(key)?;
        site.active = site.active.saturating_sub(1);
        // Others that were under way at the same time bring no news.
        if !site.window.failed() || site.suspended.is_some() {
            self.give_turn(key);
            return None;
        }
        let until = now + wait(site.found_dead);
        site.found_dead = site.found_dead.saturating_add(1);
        site.suspended = Some((until, reason.clone()));
        let jobs: Vec<_> = site.waiting.drain(..).collect();
        self.waiting -= jobs.len();
        Some(Suspended { until, reason, jobs })
    }

    /// All that waits. What is remembered of the destinations stays.
    pub(super) fn take_waiting(&mut self) -> Vec<J> {
        self.waiting = 0;
        self.sites.values_mut().flat_map(|site| site.waiting.drain(..)).collect()
    }

    /// Destinations for which enough waits in memory.
    pub(super) fn full(&self) -> impl Iterator<Item = &K> {
        let is_full = |site: &Site<J>| {
            let most = if site.window.is_proven() { MOST_OF_ONE } else { MOST_OF_UNPROVEN };
            site.waiting.len() >= most
        };
        self.sites.iter().filter(move |(_, site)| is_full(site)).map(|(key, _)| key)
    }

    /// Leave no destination alone any longer: the next job of each shows whether it is there.
    pub(super) fn wake(&mut self, now: Instant) {
        for site in self.sites.values_mut() {
            if let Some((until, _)) = &mut site.suspended {
                *until = now;
            }
        }
    }

    /// Forget destinations with nothing to do and nothing to remember.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        self.sites.retain(|_, site| {
            let remembers = site.suspended.as_ref().is_some_and(|(until, _)| now < *until + LONGEST_MEMORY);
            site.active > 0 || !site.waiting.is_empty() || remembers
        });
    }

    fn give_turn(&mut self, key: &K) {
        if let Some(site) = self.sites.get_mut(key)
            && !site.has_turn
            && !site.waiting.is_empty()
            && site.active < site.window.size()
        {
            site.has_turn = true;
            self.turns.push_back(key.clone());
        }
    }
}

impl<J> Site<J> {
    fn new(limit: usize) -> Self {
        Self {
            window: Window::new(limit),
            active: 0,
            waiting: VecDeque::new(),
            has_turn: false,
            suspended: None,
            found_dead: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::smtp::EnhancedCode;

    const MINUTE: Duration = Duration::from_secs(60);

    fn refused() -> Reply {
        Reply::new(451, EnhancedCode(4, 4, 1), "refused")
    }

    fn wait(times: u32) -> Duration {
        MINUTE * 2_u32.pow(times)
    }

    fn started(sites: &mut Sites<&'static str, u32>) -> Vec<(&'static str, u32)> {
        std::iter::from_fn(|| sites.next()).collect()
    }

    #[test]
    fn destinations_take_turns_and_none_has_more_than_its_window() {
        let (mut sites, now) = (Sites::new(), Instant::now());
        for job in 0..7 {
            assert!(sites.add(&"a", 20, job, now).is_ok());
        }
        assert!(sites.add(&"b", 1, 10, now).is_ok() && sites.add(&"b", 1, 11, now).is_ok());
        let expected = [("a", 0), ("b", 10), ("a", 1), ("a", 2), ("a", 3), ("a", 4)];
        assert_eq!(started(&mut sites), expected);
        assert_eq!(sites.waiting(), 3);
        sites.ended(&"b");
        sites.reached(&"a");
        // One place is free, and one is new.
        assert_eq!(started(&mut sites), [("b", 11), ("a", 5), ("a", 6)]);
    }

    #[test]
    fn a_dead_destination_costs_one_probe_each_time() {
        let (mut sites, mut now) = (Sites::new(), Instant::now());
        for job in 0..3 {
            assert!(sites.add(&"dead", 20, job, now).is_ok());
        }
        assert_eq!(started(&mut sites).len(), 3);
        assert!(sites.add(&"dead", 20, 3, now).is_ok() && sites.add(&"alive", 20, 9, now).is_ok());
        assert_eq!(started(&mut sites), [("dead", 3), ("alive", 9)]);
        for job in 4..6 {
            assert!(sites.add(&"dead", 20, job, now).is_ok());
        }
        let suspended = sites.failed(&"dead", refused(), now, wait).expect("left alone");
        assert_eq!((suspended.until, suspended.jobs), (now + MINUTE, vec![4, 5]));
        assert_eq!(sites.failed(&"dead", refused(), now, wait), None, "the others under way bring no news");
        sites.ended(&"dead");
        sites.ended(&"dead");
        let back = sites.add(&"dead", 20, 6, now).expect_err("left alone");
        assert_eq!((back.until, back.jobs), (now + MINUTE, vec![6]));
        for times in 1..4 {
            now += MINUTE * 100;
            for job in 0..5 {
                assert!(sites.add(&"dead", 20, job, now).is_ok());
            }
            assert_eq!(started(&mut sites), [("dead", 0)], "a probe");
            let suspended = sites.failed(&"dead", refused(), now, wait).expect("left alone");
            assert_eq!((suspended.until, suspended.jobs.len()), (now + wait(times), 4));
        }
        now += MINUTE * 100;
        for job in 0..5 {
            assert!(sites.add(&"dead", 20, job, now).is_ok());
        }
        assert_eq!(started(&mut sites), [("dead", 0)]);
        sites.reached(&"dead");
        assert_eq!(started(&mut sites).len(), 2, "it is back");
        assert_eq!(sites.waiting(), 2);
    }

    #[test]
    fn what_waits_can_be_taken_back() {
        let (mut sites, now) = (Sites::new(), Instant::now());
        for job in 0..8 {
            assert!(sites.add(&["a", "b"][job as usize % 2], 1, job, now).is_ok());
        }
        assert_eq!(started(&mut sites), [("a", 0), ("b", 1)]);
        let mut taken = sites.take_waiting();
        taken.sort_unstable();
        assert_eq!((taken, sites.waiting()), ((2..8).collect(), 0));
        sites.reached(&"a");
        assert_eq!(started(&mut sites), []);
        assert!(sites.add(&"a", 1, 9, now).is_ok());
        assert_eq!(started(&mut sites), [("a", 9)]);
    }

    #[test]
    fn what_is_full_is_told_and_what_is_idle_forgotten() {
        let (mut sites, now) = (Sites::new(), Instant::now());
        for job in 0..30 {
            assert!(sites.add(&"a", 5, job, now).is_ok() && sites.add(&"b", 5, job, now).is_ok());
            if job == 0 {
                started(&mut sites);
                sites.reached(&"b");
            }
        }
        // The one that has been reached may have more of it.
        assert_eq!(sites.full().copied().collect::<Vec<_>>(), ["a"]);
        started(&mut sites);
        sites.forget_idle(now);
        assert_eq!(sites.sites.len(), 2);
        let mut idle = Sites::new();
        assert!(idle.add(&"a", 5, 1, now).is_ok());
        started(&mut idle);
        idle.reached(&"a");
        idle.forget_idle(now);
        assert!(idle.sites.is_empty());
    }

    proptest! {
        /// Whatever happens: no job is lost, and none comes twice.
        #[test]
        fn every_job_comes_out_once(events in proptest::collection::vec((0_u8..5, 0_u8..3), 0..200)) {
            let (mut sites, mut now) = (Sites::new(), Instant::now());
            let (mut active, mut out, mut number) = (Vec::new(), Vec::new(), 0);
            for (event, key) in events {
                match event {
                    0 | 1 => {
                        if let Err(back) = sites.add(&key, 3, number, now) {
                            out.extend(back.jobs);
                        }
                        number += 1;
                    }
                    2 => active.extend(sites.next()),
                    3 => {
                        if let Some((key, job)) = active.pop() {
                            out.push(job);
                            if job % 2 == 0 { sites.reached(&key) } else { sites.ended(&key) }
                        }
                    }
                    _ => {
                        now += MINUTE;
                        if let Some((key, job)) = active.pop() {
                            out.push(job);
                            let left = sites.failed(&key, refused(), now, wait);
                            out.extend(left.into_iter().flat_map(|suspended| suspended.jobs));
                        }
                    }
                }
            }
            let waiting = sites.waiting();
            out.extend(active.into_iter().map(|(_, job)| job));
            prop_assert_eq!(out.len() + waiting, number as usize);
            out.sort_unstable();
            out.dedup();
            prop_assert_eq!(out.len() + waiting, number as usize);
        }
    }
}
