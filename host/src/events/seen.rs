//! An observer for tests: events as short lines.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use super::{Event, Fate, NextHopTls, Observer, Observers, Security};
use crate::{
    pipeline::StageTime,
    smtp::{Mechanism, Verb},
};

/// What was told so far.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    pub(crate) fn observers(&self) -> Observers {
        Observers::new([Arc::new(self.clone()) as _])
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("not poisoned").clone()
    }
}

impl Observer for Seen {
    fn observe(&self, _: SystemTime, event: &Event<'_>) {
        self.0.lock().expect("not poisoned").push(line(event));
    }
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Connected(client) => format!("connected {}", client.peer.ip()),
        Event::Secured(client) => format!("secured {}", client.peer.ip()),
        Event::Disconnected(event) => format!("disconnected {} {:?}", event.client.peer.ip(), event.error),
        Event::TalkedEarly(event) => format!("early {}", event.excerpt()),
        Event::Refused(event) => {
            let stage = event.refusal.map_or("none", |refusal| &refusal.stage);
            let sender = event.transaction.map_or_else(String::new, |transaction| transaction.sender.to_string());
            let recipient = event.recipient.map_or("", |recipient| recipient.as_str());
            let verb = event.verb.map_or("CONNECT", Verb::name);
            format!("refused {verb} by {stage}: <{sender}> > {recipient}: {}", event.reply)
        }
        Event::Login(event) => {
            let reply = event.refusal.map_or_else(|| "yes".to_owned(), |refusal| refusal.reply.to_string());
            format!("login {} {} {}: {reply}", event.mechanism.name(), event.login, event.failures)
        }
        Event::Received(event) => {
            let fate = match event.fate {
                Fate::Queued => "queued".to_owned(),
                Fate::Held(reason) => format!("held ({reason})"),
                Fate::Discarded(reason) => format!("discarded ({reason})"),
                Fate::Refused => format!("refused ({})", event.reply),
            };
            let recipients: Vec<_> = event.envelope.recipients.iter().map(|one| one.address.as_str()).collect();
            format!("{fate} <{}> > {} {} {}", event.sender, recipients.join(" "), event.size, names(event.filters))
        }
        // Without ports, which differ each time.
        Event::Contacted(event) => match event.result {
            Ok(Security { tls, login }) => {
                let (tls, login) = (tls.as_ref().map(NextHopTls::trust), login.map(Mechanism::name));
                format!("contacted: TLS {}, login {}", tls.unwrap_or("no"), login.unwrap_or("no"))
            }
            Err(failure) => format!("not contacted: {}", failure.kind.name()),
        },
        Event::Attempted(event) => {
            let (outcome, recipient) = (event.outcome, event.recipient.address.as_str());
            let what = format!("{} ({outcome})", outcome.name());
            format!("{} {what} <{}> > {recipient} {} {}", event.id, event.sender, event.size, names(event.filters))
        }
        Event::Operated(event) => format!("{} {} {}", event.recipient.id, event.change.done(), event.recipient.address),
        Event::Removed(id) => format!("{id} removed"),
        Event::Reported(event) => format!("{} reported to {}", event.id, event.to),
    }
}

/// Only of those that took time.
fn names(filters: &[StageTime]) -> String {
    let names: Vec<_> = filters.iter().filter(|one| !one.elapsed.is_zero()).map(|one| &*one.stage).collect();
    format!("[{}]", names.join(" "))
}
