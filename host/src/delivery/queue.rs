//! What is due goes out: takes leases, keeps so many attempts going, gives the leases back.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use super::{Settings, attempt::Courier};
use crate::{
    pipeline::Stage,
    spool::{Leased, Spool},
};

/// How often the spool is asked for mail whose time has come.
const POLL: Duration = Duration::from_secs(1);
/// Messages taken from the spool at once.
const BATCH: usize = 100;
/// At shutdown, how long attempts may go on; what is not done by then is due again at the next start.
const DRAIN: Duration = Duration::from_secs(20);
/// Between attempts to write down what became of a message when the spool can't be written to.
const SETTLE_AGAIN: Duration = Duration::from_secs(5);

/// The running delivery.
pub struct Delivery {
    task: JoinHandle<()>,
}

impl Delivery {
    /// Deliver what is in the spool until `shutdown` becomes true. `stages` is `[[delivery]]`.
    pub fn start(
        settings: Settings,
        spool: Arc<dyn Spool>,
        stages: Arc<[Stage]>,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.concurrency));
        let courier = Arc::new(Courier::new(settings, stages));
        let queue = Queue { courier, spool, places, attempts: JoinSet::new(), shutdown };
        Self { task: tokio::spawn(queue.run()) }
    }

    /// Wait until delivery has ended after the shutdown.
    pub async fn finished(self) {
        if let Err(error) = self.task.await {
            tracing::error!(%error, "delivery ended badly");
        }
    }
}

struct Queue {
    courier: Arc<Courier>,
    spool: Arc<dyn Spool>,
    places: Arc<Semaphore>,
    attempts: JoinSet<()>,
    shutdown: watch::Receiver<bool>,
}

impl Queue {
    async fn run(mut self) {
        while !*self.shutdown.borrow() {
            while self.attempts.try_join_next().is_some() {}
            if self.start_due().await {
                continue;
            }
            tokio::select! {
                () = self.spool.arrivals().notified() => {}
                () = tokio::time::sleep(POLL) => self.courier.close_idle().await,
                _ = self.shutdown.changed() => {}
            }
        }
        let drained = tokio::time::timeout(DRAIN, async { while self.attempts.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!(attempts = self.attempts.len(), "attempts are cut off by the shutdown; they are made again");
        }
        self.courier.close_idle().await;
    }

    /// Start attempts for what is due, as many as there are places; whether there was anything.
    async fn start_due(&mut self) -> bool {
        let Some(first) = self.place().await else { return false };
        let limit = (self.places.available_permits() + 1).min(BATCH);
        let leased = match self.spool.lease_due(SystemTime::now(), limit).await {
            Ok(leased) => leased,
            Err(error) => {
                tracing::error!(%error, "due mail can't be read");
                return false;
            }
        };
        let any = !leased.is_empty();
        let mut place = Some(first);
        for one in leased {
            let free = match place.take() {
                Some(free) => Some(free),
                None => self.place().await,
            };
            let work = deliver(Arc::clone(&self.courier), Arc::clone(&self.spool), one, free);
            drop(self.attempts.spawn(work));
        }
        any
    }

    /// A place for one more attempt; none when the relay is told to stop while all are taken.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            place = Arc::clone(&self.places).acquire_owned() => place.ok(),
            _ = self.shutdown.changed() => None,
        }
    }
}

async fn deliver(courier: Arc<Courier>, spool: Arc<dyn Spool>, leased: Leased, place: Option<OwnedSemaphorePermit>) {
    let id = Arc::clone(&leased.id);
    let settlement = courier.attempt(leased).await;
    // What was delivered must not be delivered again: this is tried until it works, or the relay ends.
    while let Err(error) = spool.settle(settlement.clone()).await {
        tracing::error!(id = &*id, %error, "the outcome can't be written down");
        tokio::time::sleep(SETTLE_AGAIN).await;
    }
    drop(place);
}
