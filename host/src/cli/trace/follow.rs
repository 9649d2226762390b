//! A message on its whole way through the stages, without being sent or kept. Commands that tell what would happen share this.

use std::{fmt, sync::Arc, time::SystemTime};

use serde::Serialize;

use super::{
    report::{Recorder, StageRecord, verdict_text},
    session,
};
use crate::{
    app::App,
    mail::{self, Address, Client, Envelope, Message, Protocol, Received, Recipient, ReversePath},
    pipeline::{self, Gathered, Mail, Pipeline, Verdict},
    smtp::Reply,
};

/// A message as a client would bring it.
pub(in crate::cli) struct Letter {
    pub(in crate::cli) client: Arc<Client>,
    pub(in crate::cli) sender: ReversePath,
    pub(in crate::cli) recipients: Vec<Address>,
    pub(in crate::cli) message: Message,
}

/// What becomes of a message.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) enum Ending {
    /// It leaves.
    Delivered,
    /// Relay control or a `[[session]]` stage refuses it.
    Refused(Reply),
    /// A stage has the last word.
    Stopped(Verdict),
    /// What `[[session]]` stages want can't be done to this message.
    Broken(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delivered => f.write_str("would be delivered"),
            Self::Refused(reply) => write!(f, "refused: {reply}"),
            Self::Stopped(verdict) => f.write_str(&verdict_text(verdict)),
            Self::Broken(why) => write!(f, "effects of [[session]] can't be applied: {why}"),
        }
    }
}

/// The whole way of a message.
#[derive(Serialize)]
pub(in crate::cli) struct Traced {
    #[serde(rename = "verdict", serialize_with = "in_words")]
    pub(in crate::cli) ending: Ending,
    pub(in crate::cli) sender: String,
    pub(in crate::cli) recipients: Vec<String>,
    /// In octets, as it would leave.
    pub(super) size: u64,
    pub(in crate::cli) stages: Vec<StageRecord>,
    /// As it would leave.
    #[serde(skip)]
    pub(in crate::cli) message: Message,
}

fn in_words<S: serde::Serializer>(ending: &Ending, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(ending)
}

impl Traced {
    pub(super) fn of(ending: Ending, mail: Mail, stages: Vec<StageRecord>) -> Self {
        let recipients = &mail.envelope.recipients;
        Self {
            ending,
            sender: mail.envelope.sender.to_string(),
            recipients: recipients.iter().map(|recipient| recipient.address.to_string()).collect(),
            size: mail.message.size(),
            stages,
            message: mail.message,
        }
    }
}

/// Through all three lists.
pub(in crate::cli) async fn follow(app: &App, letter: Letter) -> Traced {
    let Letter { client, sender, recipients, message } = letter;
    let envelope = Envelope::new(sender, recipients.into_iter().map(Recipient::new).collect());
    let mut mail = Mail { id: "trace".into(), client, envelope, message, explain: true };
    // Filters see our own trace field, as they will in earnest.
    let received = Received {
        client: &mail.client,
        protocol: Protocol::Esmtp,
        envelope: &mail.envelope,
        hostname: &app.config.hostname,
        id: &mail.id,
        time: SystemTime::now(),
    };
    let value = received.value();
    mail.message.prepend_field("Received", &value);
    let mut stages = Vec::new();
    let ending = match session::ask(app, &app.pipeline.session, &mail, &mut stages).await {
        Err(reply) => Ending::Refused(reply),
        Ok(gathered) => after_session(&app.pipeline, &mut mail, gathered, &mut stages).await,
    };
    Traced::of(ending, mail, stages)
}

/// What `[[session]]` wants, then the other lists.
pub(super) async fn after_session(
    pipeline: &Pipeline,
    mail: &mut Mail,
    gathered: Gathered,
    records: &mut Vec<StageRecord>,
) -> Ending {
    if let Some(reason) = gathered.discard {
        return Ending::Stopped(Verdict::Discard(reason));
    }
    let Mail { envelope, message, .. } = &mut *mail;
    if let Err(error) = mail::apply(&gathered.edits, envelope, message) {
        return Ending::Broken(error.to_string());
    }
    match (run_lists(pipeline, mail, gathered.redirect, records).await, gathered.hold) {
        (Ending::Delivered, Some(reason)) => Ending::Stopped(Verdict::Hold(reason)),
        (ending, _) => ending,
    }
}

/// `[[message]]`, then `[[delivery]]`.
pub(super) async fn run_lists(
    pipeline: &Pipeline,
    mail: &mut Mail,
    redirect: Option<Address>,
    records: &mut Vec<StageRecord>,
) -> Ending {
    for (list, stages) in [("message", &pipeline.message), ("delivery", &pipeline.delivery)] {
        let ended = pipeline::run(stages, mail.clone(), &mut Recorder { list, records }).await;
        *mail = Arc::unwrap_or_clone(ended.mail);
        if !matches!(ended.verdict, Verdict::Next | Verdict::Accept) {
            return Ending::Stopped(ended.verdict);
        }
        if let (Some(address), "message") = (&redirect, list) {
            mail.envelope.recipients = vec![Recipient::new(address.clone())];
        }
    }
    Ending::Delivered
}
