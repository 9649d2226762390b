//! After the last octet of DATA: our Received field, the stages, the spool, and only then 250.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::{decide::Desk, keep, shape};
use crate::{
    events::{self, Event},
    mail::{self, Edit, Envelope, Field, Message, MissingFields, Protocol, Received, Recipient},
    pipeline::{self, Ended, Gathered, Mail, StageTime, Verdict},
    smtp::{Completed, EnhancedCode, Reply, Transaction},
    spool::{Handover, NewMessage},
};

/// Where a message ended up.
enum Fate {
    Queued,
    /// Queued, but nobody delivers it before it is released; the reason.
    Held(String),
    /// Forgotten, as somebody configured it; the reason.
    Discarded(String),
    Refused(Reply),
}

/// The way of a message as far as it came.
struct Way {
    fate: Fate,
    /// The stage that had the last word, if one had it.
    stage: Option<Arc<str>>,
    times: Vec<StageTime>,
    message_id: String,
    /// As it lies in the queue, if it does.
    queued: Option<(Envelope, Handover)>,
}

impl From<Fate> for Way {
    /// It met no stage.
    fn from(fate: Fate) -> Self {
        Self { fate, stage: None, times: Vec::new(), message_id: String::new(), queued: None }
    }
}

impl Desk {
    /// Take care of a complete message. The reply says 250 only when the message is safe, or is to be forgotten.
    pub(super) async fn receive(&mut self, completed: Completed, protocol: Protocol) -> Reply {
        let begin = Instant::now();
        let (id, size) = (Arc::<str>::from(self.shared.ids.next()), completed.raw.len() as u64);
        let Completed { mut transaction, raw } = completed;
        transaction.size = Some(size);
        if let Err(reply) = self.end_of_data(&transaction).await {
            return reply;
        }
        let Transaction { sender, recipients, parameters, .. } = transaction;
        let given = Envelope { sender, recipients, parameters };
        let way = self.handle(&id, given.clone(), Message::parse(raw), protocol).await;
        let session_filters = self.stages.take_times();
        let taken = || Reply::new(250, EnhancedCode(2, 0, 0), format!("Ok: queued as {id}"));
        let (fate, reply) = match &way.fate {
            Fate::Queued => (events::Fate::Queued, taken()),
            Fate::Held(reason) => (events::Fate::Held(reason), taken()),
            Fate::Discarded(reason) => (events::Fate::Discarded(reason), taken()),
            Fate::Refused(reply) => (events::Fate::Refused, reply.clone()),
        };
        self.shared.observers.tell(&Event::Received(events::Received {
            id: &id,
            client: &self.client,
            login_method: self.login_method,
            sender: &given.sender,
            envelope: way.queued.as_ref().map_or(&given, |(envelope, _)| envelope),
            size,
            message_id: &way.message_id,
            fate,
            elapsed: begin.elapsed(),
            stage: way.stage.as_deref(),
            session_filters: &session_filters,
            filters: &way.times,
            reply: &reply,
            extended: protocol != Protocol::Smtp,
        }));
        // Only now may it be delivered, so that this is never told before.
        drop(way);
        reply
    }

    /// Through the stages and into the spool.
    async fn handle(&self, id: &Arc<str>, envelope: Envelope, message: Message, protocol: Protocol) -> Way {
        let Gathered { discard, hold, edits, redirect } = self.stages.gathered();
        if let Some(reason) = discard {
            return Fate::Discarded(reason).into();
        }
        let received = SystemTime::now();
        let mail = Mail { id: Arc::clone(id), client: Arc::clone(&self.client), envelope, message, explain: false };
        let mail = match self.prepare(mail, &edits, protocol, received) {
            Ok(mail) => mail,
            Err(reply) => return Fate::Refused(reply).into(),
        };
        let ended = pipeline::run(&self.shared.pipeline.message, mail, &mut ()).await;
        let Ended { mail, verdict, stage, files, times } = ended;
        let message_id = mail.message.fields().iter().find(|field| field.is("Message-ID"));
        let message_id = message_id.map(Field::unfolded).unwrap_or_default();
        let hold = match verdict {
            Verdict::Next | Verdict::Accept => hold,
            Verdict::Hold(reason) => hold.or(Some(reason)),
            // What it was taken for may well be its files.
            Verdict::Discard(reason) => {
                let published = keep::publish(files).await;
                let fate = published.map_or_else(Fate::Refused, |()| Fate::Discarded(reason));
                return Way { fate, stage, times, message_id, queued: None };
            }
            Verdict::Reject(reply) | Verdict::Defer(reply) => {
                return Way { fate: Fate::Refused(reply), stage, times, message_id, queued: None };
            }
        };
        let Mail { client, mut envelope, message, .. } = Arc::unwrap_or_clone(mail);
        if let Some(address) = redirect {
            envelope.recipients = vec![Recipient::new(address)];
        }
        let (id, queued) = (id.to_string(), envelope.clone());
        let new = NewMessage { id, client, envelope, message, received, hold: hold.clone(), files: Vec::new() };
        match keep::keep(&self.shared.spool, new, files).await {
            Ok(handover) => {
                let fate = hold.map_or(Fate::Queued, Fate::Held);
                Way { fate, stage, times, message_id, queued: Some((queued, handover)) }
            }
            Err(reply) => Way { fate: Fate::Refused(reply), stage, times, message_id, queued: None },
        }
    }

    /// Put our Received field on top, unless the message has a form that isn't taken, and above it, as Postfix does, what the
    /// session's stages want there. Then complete it.
    fn prepare(&self, mut mail: Mail, edits: &[Edit], protocol: Protocol, time: SystemTime) -> Result<Mail, Reply> {
        let Mail { id, client, envelope, message, .. } = &mut mail;
        let hostname = &*self.shared.settings.hostname;
        let received = Received { client, protocol, envelope, hostname, id, time };
        message.prepend_field("Received", &received.value());
        shape::check(message, envelope.parameters.body, &self.shared.settings)?;
        let complete = match self.shared.settings.missing_fields {
            MissingFields::Always => true,
            MissingFields::Trusted => client.trusted || client.login.is_some(),
            MissingFields::Never => false,
        };
        let missing = if complete { mail::missing_fields(message, envelope, hostname, id, time) } else { Vec::new() };
        let edits = [edits, &missing].concat();
        // The edits were checked when they were gathered; should one fail all the same, the message isn't taken.
        match mail::apply(&edits, envelope, message) {
            Ok(()) => Ok(mail),
            Err(error) => {
                tracing::error!(id = &**id, "effects of session stages: {error}");
                Err(Reply::new(451, EnhancedCode(4, 3, 0), "Error: try again later"))
            }
        }
    }
}
