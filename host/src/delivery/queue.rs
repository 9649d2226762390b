//! What is due goes out: takes leases, keeps so many attempts going at each destination, gives the leases back.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};

use super::{
    Settings,
    attempt::{Contact, Courier, Job},
    route::Destination,
    sites::{Sites, Suspended},
};
use crate::{
    events::{Event, Observers},
    pipeline::Stage,
    spool::{IdSource, Leased, Postponement, Settlement, Spool},
};

/// How often the spool is asked for mail whose time has come.
const POLL: Duration = Duration::from_secs(1);
/// Messages taken from the spool at once.
const BATCH: usize = 100;
/// Attempts that wait in memory for their turn at most, over all destinations.
const MOST_WAITING: usize = 1000;
/// Octets of messages in memory from which on no more are taken.
const MOST_OCTETS: u64 = 64 << 20;
/// At shutdown, how long attempts may go on; what is not done by then is due again at the next start.
const DRAIN: Duration = Duration::from_secs(20);
/// Between attempts to write down what became of a message when the spool can't be written to.
const SETTLE_AGAIN: Duration = Duration::from_secs(5);

/// The running delivery.
pub struct Delivery {
    task: JoinHandle<()>,
    waker: Waker,
    renewer: Renewer,
}

/// Gives delivery new settings while it runs.
#[derive(Clone)]
pub struct Renewer {
    couriers: watch::Sender<Arc<Courier>>,
    observers: Observers,
    ids: Arc<IdSource>,
}

impl Renewer {
    /// From now on these hold. Attempts that are under way end as they began; what waits for its turn is routed anew.
    pub fn renew(&self, settings: Settings, stages: Arc<[Stage]>) {
        let courier = Courier::new(settings, stages, self.observers.clone(), Arc::clone(&self.ids));
        self.couriers.send_replace(Arc::new(courier));
    }
}

/// Makes delivery ask destinations again that it leaves alone.
#[derive(Clone, Default)]
pub struct Waker(Arc<AtomicBool>);

impl Waker {
    /// Somebody wants mail to be tried, from the next that becomes due on.
    pub fn wake(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Delivery {
    /// Deliver what is in the spool until `shutdown` becomes true. `stages` is `[[delivery]]`.
    pub fn start(
        settings: Settings,
        spool: Arc<dyn Spool>,
        stages: Arc<[Stage]>,
        observers: Observers,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let ids = Arc::new(IdSource::new());
        let courier = Arc::new(Courier::new(settings, stages, observers.clone(), Arc::clone(&ids)));
        let (couriers, new_courier) = watch::channel(Arc::clone(&courier));
        let waker = Waker::default();
        let queue = Queue {
            courier,
            new_courier,
            waker: waker.clone(),
            spool,
            sites: Sites::new(),
            tasks: JoinSet::new(),
            attempts: 0,
            octets: 0,
            may_have_more: true,
            shutdown,
        };
        Self { task: tokio::spawn(queue.run()), waker, renewer: Renewer { couriers, observers, ids } }
    }

    /// For those who want mail to be tried now.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// For those who have new settings.
    pub fn renewer(&self) -> Renewer {
        self.renewer.clone()
    }

    /// Wait until delivery has ended after the shutdown.
    pub async fn finished(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "delivery ended badly");
        }
    }
}

struct Queue {
    /// Of the configuration that holds now.
    courier: Arc<Courier>,
    new_courier: watch::Receiver<Arc<Courier>>,
    waker: Waker,
    spool: Arc<dyn Spool>,
    sites: Sites<Destination, Job>,
    tasks: JoinSet<Ended>,
    /// Those of `tasks` that talk to somebody.
    attempts: usize,
    /// Octets of all messages that wait or are under way.
    octets: u64,
    /// Whether the spool may have mail that is due.
    may_have_more: bool,
    shutdown: watch::Receiver<bool>,
}

/// The end of a task.
struct Ended {
    /// Where it was an attempt at one, and what that showed.
    attempt: Option<(Destination, Contact)>,
    octets: u64,
}

impl Queue {
    async fn run(mut self) {
        let mut poll = interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !*self.shutdown.borrow() {
            while let Some(ended) = self.tasks.try_join_next() {
                self.ended(ended.ok());
            }
            self.start_waiting();
            if self.may_have_more && self.has_room() {
                self.lease().await;
                continue;
            }
            tokio::select! {
                Some(ended) = self.tasks.join_next() => self.ended(ended.ok()),
                () = self.spool.arrivals().notified() => self.may_have_more = true,
                _ = poll.tick() => self.look_round(),
                Ok(()) = self.new_courier.changed() => self.renew(),
                _ = self.shutdown.changed() => {}
            }
        }
        let drained = tokio::time::timeout(DRAIN, async { while self.tasks.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!(attempts = self.attempts, "attempts are cut off by the shutdown; they are made again");
        }
        self.courier.close_idle().await;
    }

    fn has_room(&self) -> bool {
        self.sites.waiting() < MOST_WAITING && self.tasks.len() < MOST_WAITING && self.octets < MOST_OCTETS
    }

    fn look_round(&mut self) {
        self.may_have_more = true;
        self.sites.forget_idle(Instant::now());
        let courier = Arc::clone(&self.courier);
        drop(tokio::spawn(async move { courier.close_idle().await }));
    }

    /// Take what is due, but for destinations of which enough waits here already.
    async fn lease(&mut self) {
        if self.waker.0.swap(false, Ordering::Relaxed) {
            self.sites.wake(Instant::now());
        }
        let limit = (MOST_WAITING - self.sites.waiting()).min(BATCH);
        let full: Vec<_> = self.sites.full().map(ToString::to_string).collect();
        let leased = match self.spool.lease_due(SystemTime::now(), limit, full).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(%error, "due mail can't be read");
                Vec::new()
            }
        };
        self.may_have_more = !leased.is_empty();
        leased.into_iter().for_each(|one| self.add(one));
    }

    fn add(&mut self, leased: Leased) {
        let now = Instant::now();
        for job in self.courier.jobs(leased) {
            self.octets += job.leased.message.size();
            let Ok(destination) = job.destination.clone() else {
                self.attempt(None, job);
                continue;
            };
            let limit = self.courier.limit(&destination);
            if let Err(suspended) = self.sites.add(&destination, limit, job, now) {
                self.postpone(suspended);
            }
        }
    }

    /// New settings hold: what waits gets its destination by them.
    fn renew(&mut self) {
        let courier = Arc::clone(&self.new_courier.borrow_and_update());
        let old = mem::replace(&mut self.courier, courier);
        for job in self.sites.take_waiting() {
            self.octets = self.octets.saturating_sub(job.leased.message.size());
            self.add(job.leased);
        }
        self.sites.forget_idle(Instant::now());
        drop(tokio::spawn(async move { old.close_idle().await }));
    }

    /// Start attempts, as many as there may be.
    fn start_waiting(&mut self) {
        while self.attempts < self.courier.settings.concurrency
            && let Some((destination, job)) = self.sites.next()
        {
            self.attempt(Some(destination), job);
        }
    }

    fn attempt(&mut self, destination: Option<Destination>, job: Job) {
        self.attempts += usize::from(destination.is_some());
        let (spool, octets) = (Arc::clone(&self.spool), job.leased.message.size());
        drop(self.tasks.spawn(async move {
            let (settlement, contact) = job.courier.attempt(&job).await;
            settle(&*spool, settlement, &job).await;
            Ended { attempt: destination.map(|destination| (destination, contact)), octets }
        }));
    }

    fn ended(&mut self, ended: Option<Ended>) {
        // Only a mistake in the program ends one without an answer; its mail is due again at the next start.
        let Some(Ended { attempt, octets }) = ended else { return };
        self.octets = self.octets.saturating_sub(octets);
        let Some((destination, contact)) = attempt else { return };
        self.attempts -= 1;
        match contact {
            Contact::Reached => self.sites.reached(&destination),
            Contact::None => self.sites.ended(&destination),
            Contact::Unreachable(reason) => {
                let wait = |times| self.courier.wait(&destination, times);
                if let Some(suspended) = self.sites.failed(&destination, reason, Instant::now(), wait) {
                    self.postpone_all(&destination, &suspended);
                    self.postpone(suspended);
                }
            }
        }
    }

    /// Give jobs back whose destination is left alone.
    fn postpone(&mut self, suspended: Suspended<Job>) {
        let until = in_system_time(suspended.until);
        for job in suspended.jobs {
            let spool = Arc::clone(&self.spool);
            let (reason, octets) = (suspended.reason.clone(), job.leased.message.size());
            drop(self.tasks.spawn(async move {
                settle(&*spool, job.courier.postpone(&job, &reason, until), &job).await;
                Ended { attempt: None, octets }
            }));
        }
    }

    /// What lies in the spool for a destination that is left alone is not even taken out of it, but for what is to be given up, or told to
    /// its sender as late.
    fn postpone_all(&mut self, destination: &Destination, suspended: &Suspended<Job>) {
        let Settings { retry, delay_warning, .. } = &self.courier.settings;
        let (now, until) = (SystemTime::now(), in_system_time(suspended.until));
        tracing::warn!(%destination, reason = %suspended.reason, "can't be reached, is left alone for a while");
        let postponement = Postponement {
            destination: destination.to_string(),
            until,
            received_after: now.checked_sub(retry.lifetime),
            unwarned_received_after: delay_warning.and_then(|limit| now.checked_sub(limit)),
        };
        let spool = Arc::clone(&self.spool);
        drop(self.tasks.spawn(async move {
            if let Err(error) = spool.postpone(postponement).await {
                tracing::error!(%error, "mail for a dead destination can't be postponed");
            }
            Ended { attempt: None, octets: 0 }
        }));
    }
}

fn in_system_time(until: Instant) -> SystemTime {
    SystemTime::now() + until.saturating_duration_since(Instant::now())
}

/// What was delivered must not be delivered again: this is tried until it works, or the relay ends.
async fn settle(spool: &dyn Spool, settlement: Settlement, job: &Job) {
    loop {
        match spool.settle(settlement.clone()).await {
            Ok(false) => return,
            Ok(true) => return job.courier.observers.tell(&Event::Removed(&job.leased.id)),
            Err(error) => {
                tracing::error!(number = settlement.number, %error, "the outcome can't be written down");
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
        }
    }
}
