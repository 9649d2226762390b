//! An event as it is written down: what it borrowed, copied.

use std::{net::IpAddr, time::SystemTime};

use crate::{
    events::{Attempted, Delays, Event, Fate, Operated, Received, Refused, Reported},
    mail::Recipient,
    pipeline::StageTime,
    spool::ChangedRecipient,
};

/// An event for its recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) time: SystemTime,
    /// What happened, in one word.
    pub(super) event: &'static str,
    /// The queue id; empty before there is one.
    pub(super) id: String,
    pub(super) client: Option<IpAddr>,
    /// Empty for the null sender.
    pub(super) sender: String,
    pub(super) recipients: Vec<Addresses>,
    /// Octets of the message, where it is known.
    pub(super) size: Option<u64>,
    pub(super) delays: Option<Delays>,
    pub(super) destination: String,
    pub(super) server: Option<String>,
    /// The stage that had the last word.
    pub(super) stage: Option<String>,
    /// The reply, or the reason.
    pub(super) note: String,
    pub(super) filters: Vec<StageTime>,
    pub(super) session_filters: Vec<StageTime>,
}

/// One recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) address: String,
    /// As the client gave it, where filters have changed it.
    pub(super) original: Option<String>,
}

impl From<&Recipient> for Addresses {
    fn from(recipient: &Recipient) -> Self {
        let original = (recipient.original != recipient.address).then(|| recipient.original.to_string());
        Self { address: recipient.address.to_string(), original }
    }
}

impl Entry {
    /// Events without a message or sender are for the log only.
    pub(super) fn new(time: SystemTime, event: &Event<'_>) -> Option<Self> {
        match event {
            Event::Connected(_)
            | Event::Secured(_)
            | Event::Disconnected(_)
            | Event::TalkedEarly(_)
            | Event::Login(_)
            | Event::Contacted(_)
            | Event::Removed(_) => None,
            Event::Refused(event) => refused(time, event),
            Event::Received(event) => Some(received(time, event)),
            Event::Attempted(event) => Some(attempted(time, event)),
            Event::Reported(event) => Some(reported(time, event)),
            Event::Operated(event) => Some(operated(time, event)),
        }
    }

    fn empty(time: SystemTime, event: &'static str, id: &str) -> Self {
        Self {
            time,
            event,
            id: id.to_owned(),
            client: None,
            sender: String::new(),
            recipients: Vec::new(),
            size: None,
            delays: None,
            destination: String::new(),
            server: None,
            stage: None,
            note: String::new(),
            filters: Vec::new(),
            session_filters: Vec::new(),
        }
    }
}

fn refused(time: SystemTime, event: &Refused<'_>) -> Option<Entry> {
    let transaction = event.transaction?;
    let one = event.recipient.map(|recipient| Addresses { address: recipient.to_string(), original: None });
    let recipients = match one {
        Some(one) => vec![one],
        None => addresses(&transaction.recipients),
    };
    Some(Entry {
        client: Some(event.client.peer.ip()),
        sender: transaction.sender.to_string(),
        recipients,
        size: transaction.size,
        stage: event.refusal.map(|refusal| refusal.stage.to_string()),
        note: event.reply.to_string(),
        session_filters: event.session_filters.to_vec(),
        ..Entry::empty(time, "rejected", "")
    })
}

fn received(time: SystemTime, event: &Received<'_>) -> Entry {
    let (name, note) = match event.fate {
        Fate::Queued => ("received", event.reply.to_string()),
        Fate::Held(reason) => ("held", reason.to_owned()),
        Fate::Discarded(reason) => ("discarded", reason.to_owned()),
        Fate::Refused => ("rejected", event.reply.to_string()),
    };
    Entry {
        client: Some(event.client.peer.ip()),
        sender: event.sender.to_string(),
        recipients: addresses(&event.envelope.recipients),
        size: Some(event.size),
        stage: event.stage.map(str::to_owned),
        note,
        filters: event.filters.to_vec(),
        session_filters: event.session_filters.to_vec(),
        ..Entry::empty(time, name, event.id)
    }
}

fn attempted(time: SystemTime, event: &Attempted<'_>) -> Entry {
    Entry {
        client: Some(event.client.peer.ip()),
        sender: event.sender.to_string(),
        recipients: vec![event.recipient.into()],
        size: Some(event.size),
        delays: Some(event.delays),
        destination: event.destination.to_owned(),
        server: event.server.map(str::to_owned),
        note: event.outcome.to_string(),
        filters: event.filters.to_vec(),
        ..Entry::empty(time, event.outcome.name(), event.id)
    }
}

fn reported(time: SystemTime, event: &Reported<'_>) -> Entry {
    let recipients = vec![Addresses { address: event.to.to_string(), original: None }];
    Entry { recipients, note: event.report.to_owned(), ..Entry::empty(time, "reported", event.id) }
}

fn operated(time: SystemTime, event: &Operated<'_>) -> Entry {
    let ChangedRecipient { id, sender, size, address, original, under_way } = event.recipient;
    let original = (original != address).then(|| original.clone());
    let condition = if *under_way { ", if the attempt that is under way fails" } else { "" };
    Entry {
        sender: sender.clone().unwrap_or_default(),
        recipients: vec![Addresses { address: address.clone(), original }],
        size: Some(*size),
        note: format!("by the operator (uid {}){condition}", event.operator),
        ..Entry::empty(time, event.change.done(), id)
    }
}

fn addresses(recipients: &[Recipient]) -> Vec<Addresses> {
    recipients.iter().map(Addresses::from).collect()
}
