//! After the last octet of DATA: our Received field, the stages, the spool, and only then 250.

use std::{sync::Arc, time::SystemTime};

use super::decide::Desk;
use crate::{
    mail::{self, Client, Envelope, Message, Received, Recipient},
    pipeline::{self, Gathered, Mail, Verdict},
    smtp::{Completed, EnhancedCode, Reply},
    spool::NewMessage,
};

/// What becomes of a message that isn't refused.
enum Fate {
    Keep(Box<NewMessage>),
    Discard(String),
}

impl Desk {
    /// Take care of a complete message. The reply says 250 only when the message is safe, or is to be forgotten.
    pub(super) async fn receive(&mut self, completed: Completed, extended: bool) -> Reply {
        let (id, size) = (self.shared.ids.next(), completed.raw.len());
        let Completed { mut transaction, raw } = completed;
        transaction.size = Some(size as u64);
        if let Err(reply) = self.end_of_data(&transaction).await {
            return reply;
        }
        let (sender, nrcpt) = (transaction.sender.clone(), transaction.recipients.len());
        let envelope = Envelope { sender: transaction.sender, recipients: transaction.recipients };
        let result = match self.filter(&id, envelope, raw, extended).await {
            Ok(Fate::Keep(message)) => self.keep(*message).await.map(|hold| ("queued", hold)),
            Ok(Fate::Discard(reason)) => Ok(("discarded", Some(reason))),
            Err(reply) => Err(reply),
        };
        let client = self.client.peer.ip();
        match result {
            Ok((fate, reason)) => {
                tracing::info!(id, %client, helo = self.client.helo, %sender, nrcpt, size, fate, reason, "received");
                Reply::new(250, EnhancedCode(2, 0, 0), format!("Ok: queued as {id}"))
            }
            Err(reply) => {
                tracing::info!(id, %client, helo = self.client.helo, %sender, nrcpt, size, %reply, "refused");
                reply
            }
        }
    }

    /// Run the message through the stages; what comes out is not kept yet.
    async fn filter(&self, id: &str, mut envelope: Envelope, raw: bytes::Bytes, extended: bool) -> Result<Fate, Reply> {
        let Gathered { discard, hold, edits, redirect } = self.stages.gathered();
        if let Some(reason) = discard {
            return Ok(Fate::Discard(reason));
        }
        let time = SystemTime::now();
        let mut message = self.traced(id, &envelope, Message::parse(raw), extended, time)?;
        // They were checked when they were gathered; still, nothing may get lost.
        mail::apply(&edits, &mut envelope, &mut message).map_err(|error| {
            tracing::error!(id, "effects of session stages: {error}");
            Reply::new(451, EnhancedCode(4, 3, 0), "Error: try again later")
        })?;
        let mail = Mail { id: id.into(), client: Arc::clone(&self.client), envelope, message, explain: false };
        let ended = pipeline::run(&self.shared.pipeline.message, mail, &mut ()).await;
        let hold = match ended.verdict {
            Verdict::Next | Verdict::Accept => hold,
            Verdict::Hold(reason) => hold.or(Some(reason)),
            Verdict::Discard(reason) => return Ok(Fate::Discard(reason)),
            Verdict::Reject(reply) | Verdict::Defer(reply) => return Err(reply),
        };
        let Mail { mut envelope, message, .. } = Arc::unwrap_or_clone(ended.mail);
        if let Some(address) = redirect {
            envelope.recipients = vec![Recipient { address: address.clone(), original: address }];
        }
        let client = Client::clone(&self.client);
        let kept = NewMessage { id: id.to_owned(), client, envelope, message, received: time, hold };
        Ok(Fate::Keep(Box::new(kept)))
    }

    /// The message with our Received field on top, unless it has been round too often (RFC 5321 6.3).
    fn traced(
        &self,
        id: &str,
        envelope: &Envelope,
        mut message: Message,
        extended: bool,
        time: SystemTime,
    ) -> Result<Message, Reply> {
        let (client, hostname) = (&*self.client, &*self.shared.settings.hostname);
        let received = Received { client, extended, envelope, hostname, id, time };
        message.prepend_field("Received", &received.value());
        let hops = message.fields().iter().filter(|field| field.is("Received")).count();
        if hops >= self.shared.settings.hop_limit {
            return Err(Reply::new(554, EnhancedCode(5, 4, 0), "Error: too many hops"));
        }
        Ok(message)
    }

    /// Put the message into the spool; why it is held, if it is.
    async fn keep(&self, message: NewMessage) -> Result<Option<String>, Reply> {
        let (id, hold) = (message.id.clone(), message.hold.clone());
        match self.shared.spool.enqueue(message).await {
            Ok(()) => Ok(hold),
            Err(error) => {
                tracing::error!(id, "{error}");
                Err(Reply::new(452, EnhancedCode(4, 3, 1), "Error: insufficient system storage"))
            }
        }
    }
}
