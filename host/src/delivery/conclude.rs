//! What follows from the answers of an attempt: what is written down about each recipient, and what the sender is told.

use std::time::SystemTime;

use super::{
    DoubleBounces,
    attempt::Courier,
    dsn::{Action, Reporter, Told},
    exchange::Answer,
    outcome::Outcome,
};
use crate::{
    events::{self, Attempted, Delays, Event, Reported},
    mail::{Address, Notify, ReversePath},
    pipeline::StageTime,
    spool::{Disposition, Leased, LeasedRecipient, NewMessage, Settlement},
};

/// What is known about an attempt beside its answers.
pub(super) struct Conclusion {
    /// The destination by name.
    pub(super) destination: String,
    /// Whether what it takes is in a mailbox.
    pub(super) is_final: bool,
    /// Nothing was tried, and nothing will be before this time.
    pub(super) postponed_to: Option<SystemTime>,
    pub(super) delays: Delays,
    /// What each `[[delivery]]` stage took.
    pub(super) filters: Vec<StageTime>,
}

/// Without NOTIFY the sender hears of failure and delay (RFC 3461 4.1).
const UNASKED: Notify = Notify { success: false, failure: true, delay: true };

impl Courier {
    /// The end of the lease of these recipients; one answer for each.
    pub(super) fn conclude(
        &self,
        leased: &Leased,
        answers: Vec<Answer>,
        conclusion: &Conclusion,
        now: SystemTime,
    ) -> Settlement {
        let mut settlement = Settlement { number: leased.number, recipients: Vec::new(), report: None };
        let mut told = Vec::new();
        for (recipient, mut answer) in leased.recipients.iter().zip(answers) {
            let was_deferred = matches!(answer.outcome, Outcome::Deferred(_));
            answer.outcome = self.give_up_if_old(leased, answer.outcome, now);
            let action = self.action(leased, recipient, &answer, conclusion, now);
            if let (Some(action), Some(reply)) = (action, answer.outcome.reply()) {
                let (recipient, reply) = (recipient.clone(), reply.clone());
                told.push(Told { recipient, action, reply, server: answer.server.clone() });
            }
            let disposition = self.disposition(leased, recipient, &answer.outcome, conclusion, now);
            self.tell(leased, recipient, &answer, was_deferred, &disposition, conclusion);
            settlement.recipients.push((recipient.position, disposition));
        }
        settlement.report = self.report(leased, &told, now);
        settlement
    }

    /// A recipient that can't be tried again in time has failed.
    fn give_up_if_old(&self, leased: &Leased, outcome: Outcome, now: SystemTime) -> Outcome {
        match outcome {
            Outcome::Deferred(reply) if self.settings.retry.is_over(leased.received, now) => Outcome::Failed(reply),
            outcome => outcome,
        }
    }

    fn is_late(&self, leased: &Leased, now: SystemTime) -> bool {
        let age = now.duration_since(leased.received).unwrap_or_default();
        self.settings.delay_warning.is_some_and(|limit| age >= limit)
    }

    /// What the sender is told about a recipient, if anything.
    fn action(
        &self,
        leased: &Leased,
        recipient: &LeasedRecipient,
        answer: &Answer,
        conclusion: &Conclusion,
        now: SystemTime,
    ) -> Option<Action> {
        let notify = recipient.recipient.notify.unwrap_or(UNASKED);
        match &answer.outcome {
            Outcome::Failed(_) => notify.failure.then_some(Action::Failed),
            Outcome::Deferred(_) => {
                (notify.delay && !recipient.warned && self.is_late(leased, now)).then_some(Action::Delayed)
            }
            // RFC 3461 6.2: a server that knows reports takes the request over.
            Outcome::Delivered(_) if !notify.success || answer.tells_sender => None,
            Outcome::Delivered(_) if conclusion.is_final => Some(Action::Delivered),
            Outcome::Delivered(_) => Some(Action::Relayed),
            Outcome::Held(_) | Outcome::Discarded(_) => None,
        }
    }

    /// The report, if somebody is to be told something.
    fn report(&self, leased: &Leased, told: &[Told], now: SystemTime) -> Option<NewMessage> {
        let failed = told.iter().any(|one| one.action == Action::Failed);
        let to = match (&leased.sender, &self.settings.double_bounces) {
            (ReversePath::Address(sender), _) => sender,
            // About a report nobody hears but the postmaster (RFC 3461 6.2: never the sender of a report).
            (ReversePath::Null, DoubleBounces::Postmaster(postmaster)) if failed => postmaster,
            (ReversePath::Null, _) => return None,
        };
        let told: Vec<_> = match leased.sender {
            ReversePath::Address(_) => told.to_vec(),
            ReversePath::Null => {
                told.iter().filter(|one| !self.is_own_report(leased, &one.recipient)).cloned().collect()
            }
        };
        if told.is_empty() {
            return None;
        }
        let (hostname, lifetime) = (&self.settings.hostname, self.settings.retry.lifetime);
        let reporter = Reporter { hostname, size_limit: self.settings.bounce_size, lifetime };
        let id = self.ids.next();
        self.observers.tell(&Event::Reported(Reported { id: &leased.id, report: &id, to }));
        Some(reporter.report(id, to, leased, &told, now))
    }

    /// Whether this is a report to the postmaster: if he can't be reached, there is nobody left.
    fn is_own_report(&self, leased: &Leased, recipient: &LeasedRecipient) -> bool {
        let is = |address: &Address| recipient.recipient.original.as_str().eq_ignore_ascii_case(address.as_str());
        leased.sender == ReversePath::Null
            && matches!(&self.settings.double_bounces, DoubleBounces::Postmaster(postmaster) if is(postmaster))
    }

    fn disposition(
        &self,
        leased: &Leased,
        recipient: &LeasedRecipient,
        outcome: &Outcome,
        conclusion: &Conclusion,
        now: SystemTime,
    ) -> Disposition {
        match outcome {
            Outcome::Delivered(_) | Outcome::Discarded(_) => Disposition::Done,
            Outcome::Deferred(reply) => {
                let next = now + self.settings.retry.wait(&leased.id, recipient.attempts);
                Disposition::Deferred {
                    until: conclusion.postponed_to.unwrap_or(next),
                    reply: reply.to_string(),
                    destination: conclusion.destination.clone(),
                    tried: conclusion.postponed_to.is_none(),
                    warned: recipient.warned || self.is_late(leased, now),
                }
            }
            Outcome::Failed(reply) if leased.sender == ReversePath::Null => match &self.settings.double_bounces {
                DoubleBounces::Discard => Disposition::Done,
                DoubleBounces::Postmaster(_) if !self.is_own_report(leased, recipient) => Disposition::Done,
                _ => Disposition::Held { reason: format!("undeliverable bounce: {reply}") },
            },
            Outcome::Failed(_) => Disposition::Done,
            Outcome::Held(reason) => Disposition::Held { reason: reason.clone() },
        }
    }

    /// What became of a recipient. What the sender of a report can't be told, and is kept, counts as held.
    fn tell(
        &self,
        leased: &Leased,
        recipient: &LeasedRecipient,
        answer: &Answer,
        expired: bool,
        disposition: &Disposition,
        conclusion: &Conclusion,
    ) {
        let outcome = match (disposition, &answer.outcome) {
            (Disposition::Held { reason }, _) | (_, Outcome::Held(reason)) => events::Outcome::Held(reason),
            (_, Outcome::Delivered(reply)) => events::Outcome::Delivered(reply),
            (_, Outcome::Deferred(reply)) => events::Outcome::Deferred(reply),
            (_, Outcome::Failed(reply)) if expired => events::Outcome::Expired(reply),
            (_, Outcome::Failed(reply)) => events::Outcome::Bounced(reply),
            (_, Outcome::Discarded(reason)) => events::Outcome::Discarded(reason),
        };
        self.observers.tell(&Event::Attempted(Attempted {
            id: &leased.id,
            client: &leased.client,
            sender: &leased.sender,
            recipient: &recipient.recipient,
            size: leased.message.size(),
            destination: &conclusion.destination,
            server: answer.server.as_deref(),
            security: &answer.security,
            tried: conclusion.postponed_to.is_none(),
            delays: conclusion.delays,
            filters: &conclusion.filters,
            outcome,
        }));
    }
}
