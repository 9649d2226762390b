//! One attempt at one message: which destinations, the `[[delivery]]` stages, the exchange, and what follows from it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Settings, bounce,
    client::{Copy, Pool},
    exchange::{Answer, exchange},
    outcome::Outcome,
    route::{Destination, destination},
};
use crate::{
    mail::{Envelope, ReversePath},
    pipeline::{self, Mail, Stage, Verdict},
    smtp::{EnhancedCode, Reply},
    spool::{Disposition, IdSource, Leased, LeasedRecipient, Settlement},
};

/// Recipients of one transaction at most (Postfix smtp_destination_recipient_limit).
const MOST_RECIPIENTS: usize = 50;

/// Makes attempts. Shared by all that are under way.
pub(super) struct Courier {
    settings: Settings,
    stages: Arc<[Stage]>,
    pool: Pool,
    ids: IdSource,
}

/// Recipients of a message that share a destination, or the reason why they have none.
struct Group<'a> {
    destination: Result<Destination, Reply>,
    recipients: Vec<&'a LeasedRecipient>,
}

impl Courier {
    pub(super) fn new(settings: Settings, stages: Arc<[Stage]>) -> Self {
        Self { settings, stages, pool: Pool::default(), ids: IdSource::new() }
    }

    /// Say goodbye to next hops that are not needed now.
    pub(super) async fn close_idle(&self) {
        self.pool.close_idle().await;
    }

    /// Try to deliver a message to the recipients that are due.
    pub(super) async fn attempt(&self, leased: Leased) -> Settlement {
        let mut settlement = Settlement { number: leased.number, recipients: Vec::new(), report: None };
        let mut failed = Vec::new();
        for group in self.groups(&leased) {
            let answers = self.attempt_group(&leased, &group).await;
            for (recipient, mut answer) in group.recipients.iter().zip(answers) {
                answer.outcome = self.give_up_if_old(&leased, recipient, answer.outcome);
                tell(&leased, recipient, &answer);
                if let Outcome::Failed(reply) = &answer.outcome {
                    failed.push(((*recipient).clone(), reply.clone()));
                }
                settlement.recipients.push((recipient.position, self.disposition(&leased, recipient, answer.outcome)));
            }
        }
        // A message with a null sender has nobody to report to; `disposition` keeps its recipients.
        if let (ReversePath::Address(sender), false) = (&leased.sender, failed.is_empty()) {
            settlement.report =
                Some(bounce::report(&self.settings.hostname, self.ids.next(), sender, &leased, &failed));
        }
        settlement
    }

    fn groups<'a>(&self, leased: &'a Leased) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let Settings { routes, hostname, .. } = &self.settings;
        for recipient in &leased.recipients {
            let destination = destination(routes, hostname, &leased.sender, &recipient.recipient.address);
            let fits =
                |group: &&mut Group<'a>| group.destination == destination && group.recipients.len() < MOST_RECIPIENTS;
            match groups.iter_mut().find(fits) {
                Some(group) => group.recipients.push(recipient),
                None => groups.push(Group { destination, recipients: vec![recipient] }),
            }
        }
        groups
    }

    /// One answer for each recipient of the group, in order.
    async fn attempt_group(&self, leased: &Leased, group: &Group<'_>) -> Vec<Answer> {
        let all = |outcome: Outcome| vec![Answer::ours(outcome); group.recipients.len()];
        let destination = match &group.destination {
            Ok(destination) => destination,
            Err(reply) => return all(Outcome::of(reply.clone(), false)),
        };
        let Some(route) = self.settings.routes.get(destination.route) else { return Vec::new() };
        let mail = match self.filtered(leased, group).await {
            Ok(mail) => mail,
            Err(outcome) => return all(outcome),
        };
        let Envelope { sender, recipients, parameters } = &mail.envelope;
        let copy = Copy { sender, parameters, recipients, message: &mail.message };
        let exchange = exchange(&copy, destination, route, &self.pool, &self.settings).await;
        if let Some(reply) = exchange.unreachable {
            tracing::debug!(next_hop = %destination.next_hop, %reply, "can't be reached");
        }
        exchange.answers
    }

    /// The copy as the `[[delivery]]` stages leave it, or what they want instead of a delivery.
    async fn filtered(&self, leased: &Leased, group: &Group<'_>) -> Result<Arc<Mail>, Outcome> {
        let recipients = group.recipients.iter().map(|one| one.recipient.clone()).collect();
        let (sender, parameters) = (leased.sender.clone(), leased.parameters.clone());
        let mail = Mail {
            id: Arc::clone(&leased.id),
            client: Arc::clone(&leased.client),
            envelope: Envelope { sender, recipients, parameters },
            message: leased.message.clone(),
            explain: false,
        };
        let ended = pipeline::run(&self.stages, mail, &mut ()).await;
        match ended.verdict {
            Verdict::Next | Verdict::Accept if ended.mail.envelope.recipients.len() == group.recipients.len() => {
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

    /// A recipient that can't be tried again in time has failed.
    fn give_up_if_old(&self, leased: &Leased, recipient: &LeasedRecipient, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Deferred(reply) if self.next_try(leased, recipient).is_none() => Outcome::Failed(reply),
            outcome => outcome,
        }
    }

    fn next_try(&self, leased: &Leased, recipient: &LeasedRecipient) -> Option<SystemTime> {
        self.settings.retry.next(&leased.id, recipient.attempts, leased.received, SystemTime::now())
    }

    fn disposition(&self, leased: &Leased, recipient: &LeasedRecipient, outcome: Outcome) -> Disposition {
        match outcome {
            Outcome::Delivered(_) | Outcome::Discarded(_) => Disposition::Done,
            Outcome::Deferred(reply) => {
                let until = self.next_try(leased, recipient).unwrap_or_else(SystemTime::now);
                Disposition::Deferred { until, reply: reply.to_string() }
            }
            Outcome::Failed(reply) if leased.sender == ReversePath::Null => {
                Disposition::Held { reason: format!("undeliverable bounce: {reply}") }
            }
            Outcome::Failed(_) => Disposition::Done,
            Outcome::Held(reason) => Disposition::Held { reason },
        }
    }
}

/// One line for each recipient and attempt.
fn tell(leased: &Leased, recipient: &LeasedRecipient, answer: &Answer) {
    let id = &*leased.id;
    let to = recipient.recipient.address.as_str();
    let relay = answer.server.as_deref().unwrap_or("none");
    let age: Duration = SystemTime::now().duration_since(leased.received).unwrap_or_default();
    let delay = format!("{:.2}", age.as_secs_f64());
    match &answer.outcome {
        Outcome::Delivered(reply) => tracing::info!(id, to, relay, delay, %reply, "delivered"),
        Outcome::Deferred(reply) => tracing::warn!(id, to, relay, delay, %reply, "deferred"),
        Outcome::Failed(reply) => tracing::warn!(id, to, relay, delay, %reply, "bounced"),
        Outcome::Held(reason) => tracing::warn!(id, to, relay, delay, reason, "held"),
        Outcome::Discarded(reason) => tracing::info!(id, to, relay, delay, reason, "discarded"),
    }
}
