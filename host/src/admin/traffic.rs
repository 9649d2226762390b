//! Sessions, messages and deliveries, counted as they happen.

use std::time::{Duration, SystemTime};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::next_hops::NextHops;
use crate::{
    events::{Attempted, Disconnected, Event, Fate, Login, Observer, Outcome, Received, Refused},
    smtp::{Reply, Verb},
};

/// Upper limits in seconds for what next hops take and for the whole way of a message.
const DELAYS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3_600.0, 21_600.0, 86_400.0];

/// Values of `result` of logins.
const LOGIN_RESULTS: [&str; 3] = ["accepted", "rejected", "deferred"];
/// Values of `result` of messages that came in.
const MESSAGE_RESULTS: [&str; 5] = ["queued", "held", "discarded", "rejected", "deferred"];
/// Values of `result` of recipients at an attempt.
const DELIVERY_RESULTS: [&str; 7] = ["delivered", "deferred", "postponed", "bounced", "expired", "held", "discarded"];

pub(super) type Counters<const LABELS: usize> = Family<[(&'static str, &'static str); LABELS], Counter>;

/// Counts all events from its beginning on.
pub struct Traffic {
    sessions: Counter,
    open: Gauge,
    ended: Counters<2>,
    aborted: Counter,
    refusals: Counters<2>,
    logins: Counters<1>,
    messages: Counters<1>,
    octets: Counter,
    recipients: Counter,
    next_hops: NextHops,
    deliveries: Counters<1>,
    attempt: Histogram,
    delay: Histogram,
    reports: Counter,
}

impl Default for Traffic {
    /// What can be counted begins at 0, so that a rate is known from the first event on.
    fn default() -> Self {
        let traffic = Self {
            sessions: Counter::default(),
            open: Gauge::default(),
            ended: Family::default(),
            aborted: Counter::default(),
            refusals: Family::default(),
            logins: Family::default(),
            messages: Family::default(),
            octets: Counter::default(),
            recipients: Counter::default(),
            next_hops: NextHops::default(),
            deliveries: Family::default(),
            attempt: Histogram::new(DELAYS),
            delay: Histogram::new(DELAYS),
            reports: Counter::default(),
        };
        for result in LOGIN_RESULTS {
            drop(traffic.logins.get_or_create(&[("result", result)]));
        }
        for result in MESSAGE_RESULTS {
            drop(traffic.messages.get_or_create(&[("result", result)]));
        }
        for result in DELIVERY_RESULTS {
            drop(traffic.deliveries.get_or_create(&[("result", result)]));
        }
        traffic
    }
}

impl Traffic {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { sessions, open, ended, aborted, refusals, logins, .. } = self;
        registry.register("sessions", "Sessions that began", sessions.clone());
        registry.register("sessions_open", "Sessions that are open", open.clone());
        let help = "Sessions that ended, by whether they had TLS and whether the client logged in";
        registry.register("sessions_ended", help, ended.clone());
        let help = "Of them, those that ended without QUIT: lost, timed out, cut off";
        registry.register("sessions_aborted", help, aborted.clone());
        let help = "Refused commands and greetings, by class of the reply (4 or 5)";
        registry.register("refusals", help, refusals.clone());
        registry.register("logins", "Names and passwords that were told, by what became of them", logins.clone());
        let Self { messages, octets, recipients, .. } = self;
        registry.register("messages", "Complete messages that came in, by what became of them", messages.clone());
        let help = "Octets of messages that were taken";
        registry.register_with_unit("messages_taken", help, Unit::Bytes, octets.clone());
        registry.register(
            "recipients_taken",
            "Recipients of messages that were put into the queue",
            recipients.clone(),
        );
        self.next_hops.register(registry);
        let Self { deliveries, attempt, delay, reports, .. } = self;
        let help = "Recipients at attempts to deliver, by what became of them";
        registry.register("deliveries", help, deliveries.clone());
        let help = "Time of one attempt of a recipient that was delivered: filters, connection, transfer";
        registry.register_with_unit("delivery_attempt", help, Unit::Seconds, attempt.clone());
        let help = "Time from receipt to delivery of a recipient";
        registry.register_with_unit("delivery_delay", help, Unit::Seconds, delay.clone());
        registry.register("reports", "Reports to senders that were put into the queue", reports.clone());
    }

    fn disconnected(&self, event: &Disconnected<'_>) {
        self.open.dec();
        let (tls, login) = (yes_no(event.client.tls.is_some()), yes_no(event.client.login.is_some()));
        self.ended.get_or_create(&[("tls", tls), ("login", login)]).inc();
        if event.error.is_some() {
            self.aborted.inc();
        }
    }

    fn refused(&self, verb: Option<Verb>, reply: &Reply) {
        let command = verb.map_or("connect", Verb::name);
        self.refusals.get_or_create(&[("command", command), ("class", class(reply))]).inc();
    }

    fn login(&self, event: &Login<'_>) {
        let result = match event.refusal.map(|refusal| class(refusal.reply)) {
            None => "accepted",
            Some("5") => "rejected",
            Some(_) => "deferred",
        };
        self.logins.get_or_create(&[("result", result)]).inc();
        if let Some(refusal) = event.refusal {
            self.refused(Some(Verb::Auth), refusal.reply);
        }
    }

    fn received(&self, event: &Received<'_>) {
        let result = match event.fate {
            Fate::Queued => "queued",
            Fate::Held(_) => "held",
            Fate::Discarded(_) => "discarded",
            Fate::Refused if class(event.reply) == "5" => "rejected",
            Fate::Refused => "deferred",
        };
        self.messages.get_or_create(&[("result", result)]).inc();
        if event.fate != Fate::Refused {
            self.octets.inc_by(event.size);
        }
        if matches!(event.fate, Fate::Queued | Fate::Held(_)) {
            self.recipients.inc_by(event.envelope.recipients.len() as u64);
        }
    }

    fn attempted(&self, event: &Attempted<'_>) {
        let result = match event.outcome {
            Outcome::Deferred(_) if !event.tried => "postponed",
            outcome => outcome.name(),
        };
        self.deliveries.get_or_create(&[("result", result)]).inc();
        if let Outcome::Delivered(_) = event.outcome {
            self.next_hops.delivered(event.security);
            let seconds = |time: Duration| time.as_secs_f64();
            self.attempt.observe(seconds(event.delays.setup + event.delays.transfer));
            self.delay.observe(seconds(event.delays.total()));
        }
    }
}

impl Observer for Traffic {
    fn observe(&self, _: SystemTime, event: &Event<'_>) {
        match event {
            Event::Connected(_) => {
                self.sessions.inc();
                self.open.inc();
            }
            Event::Disconnected(event) => self.disconnected(event),
            Event::Refused(Refused { verb, reply, .. }) => self.refused(*verb, reply),
            Event::Login(event) => self.login(event),
            Event::Received(event) => self.received(event),
            Event::Contacted(event) => self.next_hops.contacted(event),
            Event::Attempted(event) => self.attempted(event),
            Event::Reported(_) => drop(self.reports.inc()),
            Event::Secured(_) | Event::TalkedEarly(_) | Event::Operated(_) | Event::Removed(_) => {}
        }
    }
}

/// Value of a label that says whether.
pub(super) fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

/// First digit of a reply that refuses.
fn class(reply: &Reply) -> &'static str {
    if reply.code >= 500 { "5" } else { "4" }
}
