//! One attempt at one destination: the `[[delivery]]` stages, then the exchange.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Settings,
    client::{Copy, Pool},
    conclude::Conclusion,
    exchange::{Answer, exchange},
    outcome::Outcome,
    route::{Destination, destination},
};
use crate::{
    events::{Delays, Observers},
    mail::Envelope,
    pipeline::{self, Mail, Stage, StageTime, Verdict},
    smtp::{EnhancedCode, Reply},
    spool::{IdSource, Leased, LeasedRecipient, Settlement},
};

/// Recipients of one transaction at most (Postfix smtp_destination_recipient_limit).
const MOST_RECIPIENTS: usize = 50;

/// Makes attempts, with the settings of one configuration. Shared by all jobs that began under it.
pub(super) struct Courier {
    pub(super) settings: Settings,
    stages: Arc<[Stage]>,
    pool: Pool,
    pub(super) ids: Arc<IdSource>,
    pub(super) observers: Observers,
}

/// A message for recipients that share a destination, or the reason why they have none.
pub(super) struct Job {
    pub(super) destination: Result<Destination, Reply>,
    /// With these recipients only.
    pub(super) leased: Leased,
    /// By whose settings the destination was found.
    pub(super) courier: Arc<Courier>,
    /// When it was taken out of the spool.
    since: Instant,
}

/// What an attempt showed about its destination.
#[derive(Debug)]
pub(super) enum Contact {
    /// A server talked to us.
    Reached,
    /// None did.
    Unreachable(Reply),
    /// Nothing was asked.
    None,
}

impl Courier {
    pub(super) fn new(settings: Settings, stages: Arc<[Stage]>, observers: Observers, ids: Arc<IdSource>) -> Self {
        Self { settings, stages, pool: Pool::default(), ids, observers }
    }

    /// Say goodbye to next hops that are not needed now.
    pub(super) async fn close_idle(&self) {
        self.pool.close_idle().await;
    }

    /// The attempts that a message needs: one for each destination, and for each so many recipients of one.
    pub(super) fn jobs(self: &Arc<Self>, mut leased: Leased) -> Vec<Job> {
        let Settings { routes, hostname, .. } = &self.settings;
        let mut groups: Vec<(Result<Destination, Reply>, Vec<LeasedRecipient>)> = Vec::new();
        for recipient in std::mem::take(&mut leased.recipients) {
            let destination = destination(routes, hostname, &leased.sender, &recipient.recipient.address);
            match groups.iter_mut().find(|(known, those)| *known == destination && those.len() < MOST_RECIPIENTS) {
                Some((_, those)) => those.push(recipient),
                None => groups.push((destination, vec![recipient])),
            }
        }
        let Some((destination, recipients)) = groups.pop() else { return Vec::new() };
        let since = Instant::now();
        let job = |destination, leased| Job { destination, leased, courier: Arc::clone(self), since };
        let each = |(destination, recipients)| job(destination, Leased { recipients, ..leased.clone() });
        let mut jobs: Vec<_> = groups.into_iter().map(each).collect();
        leased.recipients = recipients;
        jobs.push(job(destination, leased));
        jobs
    }

    /// Attempts at this destination at a time at most.
    pub(super) fn limit(&self, destination: &Destination) -> usize {
        self.settings.routes.get(destination.route).map_or(1, |route| route.concurrency)
    }

    /// How long a destination is left alone that was found dead so many times before.
    pub(super) fn wait(&self, destination: &Destination, times: u32) -> Duration {
        self.settings.retry.wait(&destination.to_string(), times)
    }

    /// Try to deliver.
    pub(super) async fn attempt(&self, job: &Job) -> (Settlement, Contact) {
        let Job { destination, leased, since, .. } = job;
        let begin = Instant::now();
        let mut course = Course::default();
        let all = |outcome: Outcome| vec![Answer::ours(outcome); leased.recipients.len()];
        let (answers, contact) = match destination {
            Ok(destination) => match self.filtered(leased, &mut course.filters).await {
                Ok(mail) => self.exchange(destination, &mail, &mut course.setup).await,
                Err(outcome) => (all(outcome), Contact::None),
            },
            Err(reply) => (all(Outcome::of(reply.clone(), false)), Contact::None),
        };
        let now = SystemTime::now();
        let (waiting, took) = (begin.duration_since(*since), begin.elapsed());
        let delays = Delays {
            queued: age(leased, now).saturating_sub(waiting + took),
            waiting,
            setup: course.setup,
            transfer: took.saturating_sub(course.setup),
        };
        let is_final = destination.as_ref().is_ok_and(|destination| destination.next_hop.is_lmtp());
        let Course { filters, .. } = course;
        let conclusion = Conclusion { destination: job.name(), is_final, postponed_to: None, delays, filters };
        (self.conclude(leased, answers, &conclusion, now), contact)
    }

    /// Not tried, since the destination is left alone until then.
    pub(super) fn postpone(&self, job: &Job, reason: &Reply, until: SystemTime) -> Settlement {
        let text = format!("delivery is suspended for a while: {}", reason.text);
        let reply = Reply { text, ..reason.clone() };
        let answers = vec![Answer::ours(Outcome::Deferred(reply)); job.leased.recipients.len()];
        let (now, waiting) = (SystemTime::now(), job.since.elapsed());
        let queued = age(&job.leased, now).saturating_sub(waiting);
        let conclusion = Conclusion {
            destination: job.name(),
            is_final: false,
            postponed_to: Some(until),
            delays: Delays { queued, waiting, ..Delays::default() },
            filters: Vec::new(),
        };
        self.conclude(&job.leased, answers, &conclusion, now)
    }

    async fn exchange(&self, destination: &Destination, mail: &Mail, took: &mut Duration) -> (Vec<Answer>, Contact) {
        let Some(route) = self.settings.routes.get(destination.route) else { return (Vec::new(), Contact::None) };
        let Envelope { sender, recipients, parameters } = &mail.envelope;
        let copy = Copy { sender, parameters, recipients, message: &mail.message };
        let exchanged = exchange(&copy, destination, route, &self.pool, &self.settings, &self.observers).await;
        *took = exchanged.setup;
        (exchanged.answers, exchanged.unreachable.map_or(Contact::Reached, Contact::Unreachable))
    }

    /// The copy as the `[[delivery]]` stages leave it, or what they want instead of a delivery.
    async fn filtered(&self, leased: &Leased, times: &mut Vec<StageTime>) -> Result<Arc<Mail>, Outcome> {
        let recipients = leased.recipients.iter().map(|one| one.recipient.clone()).collect();
        let (sender, parameters) = (leased.sender.clone(), leased.parameters.clone());
        let mail = Mail {
            id: Arc::clone(&leased.id),
            client: Arc::clone(&leased.client),
            envelope: Envelope { sender, recipients, parameters },
            message: leased.message.clone(),
            explain: false,
        };
        let ended = pipeline::run(&self.stages, mail, &mut ()).await;
        *times = ended.times;
        match ended.verdict {
            Verdict::Next | Verdict::Accept if ended.mail.envelope.recipients.len() == leased.recipients.len() => {
                Ok(ended.mail)
            }
            Verdict::Next | Verdict::Accept => {
                tracing::warn!(
                    id = &*leased.id,
                    "a [[delivery]] filter added or removed recipients; that is for [[message]]"
                );
                let text = "a [[delivery]] filter changed the number of recipients";
                Err(Outcome::Deferred(Reply::new(451, EnhancedCode(4, 3, 0), text)))
            }
            Verdict::Defer(reply) => Err(Outcome::Deferred(reply)),
            Verdict::Reject(reply) => Err(Outcome::Failed(reply)),
            Verdict::Hold(reason) => Err(Outcome::Held(reason)),
            Verdict::Discard(reason) => Err(Outcome::Discarded(reason)),
        }
    }
}

/// What is noted on the way of an attempt.
#[derive(Default)]
struct Course {
    filters: Vec<StageTime>,
    setup: Duration,
}

fn age(leased: &Leased, now: SystemTime) -> Duration {
    now.duration_since(leased.received).unwrap_or_default()
}

impl Job {
    /// The destination by name, as the spool keeps it; empty where there is none.
    fn name(&self) -> String {
        self.destination.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}
