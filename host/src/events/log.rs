//! Events as lines of the log.

use std::time::SystemTime;

use super::{
    Attempted, Awaited, ContactFailure, Contacted, Disconnected, Event, Fate, Login, LoginRefusal, Observer, Operated,
    Outcome, Received, Refused, Reported, Security, TalkedEarly,
};
use crate::{
    smtp::{Mechanism, Verb},
    spool::Change,
};

/// Writes one line for each event, with its facts as fields.
pub struct Log;

impl Observer for Log {
    fn observe(&self, _: SystemTime, event: &Event<'_>) {
        match event {
            Event::Connected(client) => tracing::debug!(client = %client.peer, trusted = client.trusted, "connect"),
            Event::Secured(client) => tracing::debug!(client = %client.peer, tls = client.tls, "secured"),
            Event::Disconnected(event) => disconnected(event),
            Event::TalkedEarly(event) => talked_early(event),
            Event::Refused(event) => refused(event),
            Event::Login(event) => login(event),
            Event::Received(event) => received(event),
            Event::Contacted(event) => contacted(event),
            Event::Attempted(event) => attempted(event),
            Event::Operated(event) => operated(event),
            Event::Removed(id) => tracing::debug!(id, "removed"),
            Event::Reported(Reported { id, report, to }) => tracing::info!(id, report, %to, "the sender is told"),
        }
    }
}

fn disconnected(event: &Disconnected<'_>) {
    let client = event.client.peer;
    match event.error {
        Some(error) => {
            let (after, octets) = (event.verb.map(Verb::name), event.receiving);
            tracing::info!(%client, after, octets, "{error}");
        }
        None => tracing::debug!(%client, commands = %event.commands, "disconnect"),
    }
}

fn talked_early(event: &TalkedEarly<'_>) {
    let (client, octets) = (event.client.peer.ip(), event.said.len());
    match event.awaited {
        Awaited::Greeting(waited) => tracing::info!(%client, octets, ?waited, "talks before the greeting"),
        Awaited::Reply(verb) => tracing::info!(%client, octets, after = verb.name(), "does not wait for the reply"),
    }
}

fn refused(event: &Refused<'_>) {
    tracing::info!(
        client = %event.client.peer.ip(),
        helo = event.client.helo,
        verb = event.verb.map(Verb::name),
        mechanism = event.mechanism,
        stage = event.refusal.map(|refusal| &*refusal.stage),
        phase = event.refusal.map(|refusal| tracing::field::debug(refusal.phase)),
        sender = event.transaction.map(|transaction| tracing::field::display(&transaction.sender)),
        recipient = event.recipient.map(tracing::field::display),
        reply = %event.reply,
        "refused"
    );
}

fn login(event: &Login<'_>) {
    let Login { login, failures, .. } = *event;
    let (client, mechanism) = (event.client.peer.ip(), event.mechanism.name());
    match event.refusal {
        None => tracing::info!(%client, mechanism, login, "logged in"),
        Some(LoginRefusal { reason, reply }) => {
            tracing::warn!(%client, mechanism, login, failures, reason, %reply, "login refused");
        }
    }
}

fn received(event: &Received<'_>) {
    let (what, reason) = match event.fate {
        Fate::Queued => ("received", None),
        Fate::Held(reason) => ("held", Some(reason)),
        Fate::Discarded(reason) => ("discarded", Some(reason)),
        Fate::Refused => ("refused", None),
    };
    tracing::info!(
        id = event.id,
        client = %event.client.peer.ip(),
        helo = event.client.helo,
        sender = %event.sender,
        nrcpt = event.envelope.recipients.len(),
        size = event.size,
        stage = event.stage,
        reason,
        reply = %event.reply,
        "{what}"
    );
}

fn contacted(event: &Contacted<'_>) {
    let server = event.server;
    match event.result {
        Ok(security) => {
            let (tls, login) = secured(security);
            tracing::debug!(server, tls, login, "contacted");
        }
        Err(ContactFailure { kind, reason }) => {
            tracing::debug!(server, failed = kind.name(), "not contacted: {reason}")
        }
    }
}

fn secured(security: &Security) -> (Option<String>, Option<&'static str>) {
    let tls = security.tls.as_ref().map(|tls| format!("{} {}", tls.trust(), tls.description));
    (tls, security.login.map(Mechanism::name))
}

fn attempted(event: &Attempted<'_>) {
    let id = event.id;
    let (tls, login) = secured(event.security);
    let to = event.recipient.address.as_str();
    let relay = event.server.unwrap_or("none");
    let delay = format!("{:.2}", event.delays.total().as_secs_f64());
    match event.outcome {
        Outcome::Delivered(reply) => tracing::info!(id, to, relay, tls, login, delay, %reply, "delivered"),
        Outcome::Deferred(reply) => tracing::warn!(id, to, relay, tls, login, delay, %reply, "deferred"),
        Outcome::Bounced(reply) => tracing::warn!(id, to, relay, tls, login, delay, %reply, "bounced"),
        Outcome::Expired(reply) => tracing::warn!(id, to, relay, tls, login, delay, %reply, "expired"),
        Outcome::Held(reason) => tracing::warn!(id, to, relay, tls, login, delay, reason, "held"),
        Outcome::Discarded(reason) => tracing::info!(id, to, relay, tls, login, delay, reason, "discarded"),
    }
}

fn operated(event: &Operated<'_>) {
    let Operated { change, recipient, operator } = *event;
    let (id, to, under_way, what) = (&recipient.id, &recipient.address, recipient.under_way, change.done());
    match change {
        // Nothing becomes of it by that alone.
        Change::Flush => tracing::debug!(id, to, operator, "{what} by an operator"),
        _ => tracing::info!(id, to, operator, under_way, "{what} by an operator"),
    }
}
