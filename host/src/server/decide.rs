//! Answers what the protocol asks about one connection: session stages and relay control.

use std::sync::Arc;

use super::{relay, settings::Settings};
use crate::{
    mail::{Address, Client, Recipient},
    pipeline::{Facts, Phase, Pipeline, Refusal, SessionStages},
    smtp::{Hello, Question, Reply, Session, SessionSettings, Transaction},
    spool::{IdSource, Spool},
};

/// What all connections share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) session: Arc<SessionSettings>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) ids: IdSource,
}

/// The one who decides about one connection.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Arc<Client>,
    pub(super) stages: SessionStages,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>, client: Client) -> Self {
        let stages = SessionStages::new(Arc::clone(&shared.pipeline.session), shared.settings.delay_reject);
        Self { shared, client: Arc::new(client), stages }
    }

    /// Before the greeting.
    pub(super) async fn connect(&mut self) -> Result<(), Reply> {
        self.ask(Phase::Connect, None, None).await
    }

    /// Yes, or what the client hears instead.
    pub(super) async fn answer(&mut self, question: &Question, session: &Session) -> Result<(), Reply> {
        match question {
            Question::Hello(hello) => self.hello(hello).await,
            Question::Mail(transaction) => self.ask(Phase::Mail, Some(transaction), None).await,
            Question::Rcpt(recipient) => self.rcpt(session.transaction(), recipient).await,
            Question::Data => self.ask(Phase::Data, session.transaction(), None).await,
        }
    }

    /// Before the stages of `[[message]]`; `transaction.size` is the true size now.
    pub(super) async fn end_of_data(&mut self, transaction: &Transaction) -> Result<(), Reply> {
        self.ask(Phase::EndOfData, Some(transaction), None).await
    }

    async fn hello(&mut self, hello: &Hello) -> Result<(), Reply> {
        let before = Arc::clone(&self.client);
        Arc::make_mut(&mut self.client).helo = Some(hello.name.clone());
        let answer = self.ask(Phase::Helo, None, None).await;
        if answer.is_err() {
            self.client = before;
        }
        answer
    }

    /// Postfix's order: client, helo and sender, then relay control, then the recipient's own checks. No stage can permit
    /// relaying (trap 17).
    async fn rcpt(&mut self, transaction: Option<&Transaction>, recipient: &Recipient) -> Result<(), Reply> {
        let original = &recipient.original;
        if let Some(refusal) = self.stages.refusal().cloned() {
            return Err(self.told(refusal, transaction, Some(original)));
        }
        match relay::admit(&*self.shared.settings.relay_domains, &self.client, original) {
            Ok(ours) => self.ask(Phase::Rcpt, transaction, Some((recipient, ours))).await,
            Err(reply) => {
                self.log(None, &reply, transaction, Some(original));
                Err(reply)
            }
        }
    }

    async fn ask(
        &mut self,
        phase: Phase,
        transaction: Option<&Transaction>,
        recipient: Option<(&Recipient, bool)>,
    ) -> Result<(), Reply> {
        let client = &self.client;
        let facts = || Facts {
            phase,
            client: Arc::clone(client),
            sender: transaction.map(|transaction| transaction.sender.clone()),
            recipient: recipient.map(|(recipient, _)| recipient.address.clone()),
            recipient_is_ours: recipient.is_some_and(|(_, ours)| ours),
            recipients: transaction.map_or_else(Vec::new, |transaction| {
                transaction.recipients.iter().map(|recipient| recipient.address.clone()).collect()
            }),
            size: transaction.and_then(|transaction| transaction.size),
            notes: vec![],
            explain: false,
        };
        let decided = self.stages.decide(phase, facts).await;
        decided.map_err(|refusal| self.told(refusal, transaction, recipient.map(|(recipient, _)| &recipient.original)))
    }

    fn told(&self, refusal: Refusal, transaction: Option<&Transaction>, recipient: Option<&Address>) -> Reply {
        self.log(Some(&refusal), &refusal.reply, transaction, recipient);
        refusal.reply
    }

    fn log(
        &self,
        refusal: Option<&Refusal>,
        reply: &Reply,
        transaction: Option<&Transaction>,
        recipient: Option<&Address>,
    ) {
        tracing::info!(
            client = %self.client.peer.ip(),
            helo = self.client.helo,
            stage = refusal.map(|refusal| &*refusal.stage),
            phase = refusal.map(|refusal| tracing::field::debug(refusal.phase)),
            sender = transaction.map(|transaction| tracing::field::display(&transaction.sender)),
            recipient = recipient.map(tracing::field::display),
            %reply,
            "refused"
        );
    }
}
