//! After the last octet of DATA: our Received field, the stages, the spool, and only then 250.

use std::{sync::Arc, time::SystemTime};

use super::{decide::Desk, keep};
use crate::{
    mail::{self, Client, Edit, Envelope, Message, Received, Recipient},
    pipeline::{self, Ended, Gathered, Mail, Verdict},
    smtp::{Completed, EnhancedCode, Reply, Transaction},
    spool::NewMessage,
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

impl Desk {
    /// Take care of a complete message. The reply says 250 only when the message is safe, or is to be forgotten.
    pub(super) async fn receive(&mut self, completed: Completed, extended: bool) -> Reply {
        let (id, size) = (Arc::<str>::from(self.shared.ids.next()), completed.raw.len());
        let Completed { mut transaction, raw } = completed;
        transaction.size = Some(size as u64);
        if let Err(reply) = self.end_of_data(&transaction).await {
            return reply;
        }
        let (sender, nrcpt) = (transaction.sender.clone(), transaction.recipients.len());
        let Transaction { sender: from, recipients, parameters, .. } = transaction;
        let envelope = Envelope { sender: from, recipients, parameters };
        let (fate, stage) = self.handle(&id, envelope, Message::parse(raw), extended).await;
        let taken = || Reply::new(250, EnhancedCode(2, 0, 0), format!("Ok: queued as {id}"));
        let (event, reason, reply) = match fate {
            Fate::Queued => ("received", None, taken()),
            Fate::Held(reason) => ("held", Some(reason), taken()),
            Fate::Discarded(reason) => ("discarded", Some(reason), taken()),
            Fate::Refused(reply) => ("refused", None, reply),
        };
        let (client, helo, stage) = (self.client.peer.ip(), &self.client.helo, stage.as_deref());
        tracing::info!(id = &*id, %client, helo, %sender, nrcpt, size, stage, reason, %reply, "{event}");
        reply
    }

    /// Through the stages and into the spool. Beside the fate, the stage that had the last word, if one had it.
    async fn handle(
        &self,
        id: &Arc<str>,
        envelope: Envelope,
        message: Message,
        extended: bool,
    ) -> (Fate, Option<Arc<str>>) {
        let Gathered { discard, hold, edits, redirect } = self.stages.gathered();
        if let Some(reason) = discard {
            return (Fate::Discarded(reason), None);
        }
        let received = SystemTime::now();
        let mail = Mail { id: Arc::clone(id), client: Arc::clone(&self.client), envelope, message, explain: false };
        let mail = match self.prepare(mail, &edits, extended, received) {
            Ok(mail) => mail,
            Err(reply) => return (Fate::Refused(reply), None),
        };
        let Ended { mail, verdict, stage, files } = pipeline::run(&self.shared.pipeline.message, mail, &mut ()).await;
        let hold = match verdict {
            Verdict::Next | Verdict::Accept => hold,
            Verdict::Hold(reason) => hold.or(Some(reason)),
            // What it was taken for may well be its files.
            Verdict::Discard(reason) => {
                let published = keep::publish(files).await;
                return (published.map_or_else(Fate::Refused, |()| Fate::Discarded(reason)), stage);
            }
            Verdict::Reject(reply) | Verdict::Defer(reply) => return (Fate::Refused(reply), stage),
        };
        let Mail { client, mut envelope, message, .. } = Arc::unwrap_or_clone(mail);
        if let Some(address) = redirect {
            envelope.recipients = vec![Recipient::new(address)];
        }
        let (id, client) = (id.to_string(), Client::clone(&client));
        let new = NewMessage { id, client, envelope, message, received, hold: hold.clone(), files: Vec::new() };
        let fate = match keep::keep(&self.shared.spool, new, files).await {
            Ok(()) => hold.map_or(Fate::Queued, Fate::Held),
            Err(reply) => Fate::Refused(reply),
        };
        (fate, stage)
    }

    /// Put our Received field on top, unless the message has been round too often (RFC 5321 6.3), and above it, as Postfix does,
    /// what the session's stages want there.
    fn prepare(&self, mut mail: Mail, edits: &[Edit], extended: bool, time: SystemTime) -> Result<Mail, Reply> {
        let Mail { id, client, envelope, message, .. } = &mut mail;
        let hostname = &*self.shared.settings.hostname;
        let received = Received { client, extended, envelope, hostname, id, time };
        message.prepend_field("Received", &received.value());
        let hops = message.fields().iter().filter(|field| field.is("Received")).count();
        if hops >= self.shared.settings.hop_limit {
            return Err(Reply::new(554, EnhancedCode(5, 4, 0), "Error: too many hops"));
        }
        // The edits were checked when they were gathered; should one fail all the same, the message isn't taken.
        match mail::apply(edits, envelope, message) {
            Ok(()) => Ok(mail),
            Err(error) => {
                tracing::error!(id = &**id, "effects of session stages: {error}");
                Err(Reply::new(451, EnhancedCode(4, 3, 0), "Error: try again later"))
            }
        }
    }
}
