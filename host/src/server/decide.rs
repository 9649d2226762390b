//! Answers what the protocol asks about one connection: session stages and relay control.

use std::sync::Arc;

use tokio::time::timeout;

use super::{
    failed_logins::FailedLogins,
    intake::Memory,
    keep,
    relay::{self, Denied},
    settings::{ListenerSettings, Settings},
};
use crate::{
    events::{Event, Observers, Refused},
    mail::{Client, Protocol, Recipient},
    pipeline::{Facts, Phase, Pipeline, SessionStages},
    smtp::{Hello, Question, Reply, Session, SessionSettings, Transaction, Verb, Xclient},
    spool::{IdSource, Spool},
};

/// What all connections share.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) spool: Arc<dyn Spool>,
    pub(super) observers: Observers,
    pub(super) memory: Memory,
    pub(super) ids: Arc<IdSource>,
    pub(super) failed_logins: Arc<FailedLogins>,
}

/// What the connections of one listener share.
pub(super) struct Listener {
    pub(super) settings: ListenerSettings,
    pub(super) session: Arc<SessionSettings>,
}

/// The one who decides about one connection.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) listener: Arc<Listener>,
    pub(super) client: Arc<Client>,
    pub(super) stages: SessionStages,
    /// How the client logged in, if it did.
    pub(super) login_method: Option<&'static str>,
    /// Whether the client said EHLO.
    extended: bool,
}

impl Desk {
    pub(super) fn new(shared: Arc<Shared>, listener: Arc<Listener>, client: Client) -> Self {
        let stages = SessionStages::new(Arc::clone(&shared.pipeline.session), shared.settings.delay_reject);
        Self { shared, listener, client: Arc::new(client), stages, login_method: None, extended: false }
    }

    /// The connection is under TLS from here on; what the client said of itself before doesn't count.
    pub(super) fn secured(&mut self, tls: String) {
        let client = Arc::make_mut(&mut self.client);
        client.helo = None;
        client.login = None;
        client.tls = Some(tls);
        self.login_method = None;
    }

    /// Before the greeting.
    pub(super) async fn connect(&mut self) -> Result<(), Reply> {
        self.ask(Phase::Connect, None, None).await
    }

    /// Who the client is by the DNS. Without an answer in time it has no name, as in Postfix, and filters that want to know why ask again.
    pub(super) async fn learn_name(&mut self) {
        let Some((resolver, patience)) = &self.shared.settings.client_names else { return };
        let address = self.client.peer.ip();
        match timeout(*patience, resolver.confirmed_name(address)).await {
            Ok(Ok(name)) => Arc::make_mut(&mut self.client).name = name,
            Ok(Err(error)) => tracing::debug!(client = %address, "no name: {error}"),
            Err(_) => tracing::debug!(client = %address, "no name: no answer in time"),
        }
    }

    /// Yes, or what the client hears instead.
    pub(super) async fn answer(&mut self, question: &Question, session: &Session) -> Result<(), Reply> {
        match question {
            Question::Hello(hello) => self.hello(hello, session.verb()).await,
            Question::Mail(transaction) => {
                self.room(session.verb(), transaction)?;
                self.ask(Phase::Mail, session.verb(), Some(transaction)).await
            }
            Question::Xclient(xclient) => self.xclient(xclient).await,
            Question::Rcpt(recipient) => self.rcpt(session.transaction(), recipient).await,
            Question::Auth(credentials) => self.authenticate(credentials).await,
            Question::Data(_) => self.ask(Phase::Data, session.verb(), session.transaction()).await,
        }
    }

    /// Before the stages of `[[message]]`; `transaction.size` is the true size now.
    pub(super) async fn end_of_data(&mut self, transaction: &Transaction) -> Result<(), Reply> {
        self.ask(Phase::EndOfData, Some(Verb::Data), Some(transaction)).await
    }

    /// What is in the queue needs some room to be worked off: the last of it is not for new mail.
    fn room(&self, verb: Option<Verb>, transaction: &Transaction) -> Result<(), Reply> {
        let needed = self.shared.settings.reserve.saturating_add(transaction.size.unwrap_or_default());
        if self.shared.spool.free_space().is_none_or(|free| free >= needed) {
            return Ok(());
        }
        let reply = keep::no_room();
        let (transaction, extended) = (Some(transaction), self.extended);
        self.tell(Refused { verb, transaction, extended, ..Refused::connection(&self.client, &reply) });
        Err(reply)
    }

    async fn hello(&mut self, hello: &Hello, verb: Option<Verb>) -> Result<(), Reply> {
        let before = Arc::clone(&self.client);
        Arc::make_mut(&mut self.client).helo = Some(hello.name.clone());
        let answer = self.ask(Phase::Helo, verb, None).await;
        match answer {
            Ok(()) => self.extended = hello.protocol != Protocol::Smtp,
            Err(_) => self.client = before,
        }
        answer
    }

    /// The stages begin again, with the client that the one before us has.
    async fn xclient(&mut self, xclient: &Xclient) -> Result<(), Reply> {
        let Shared { settings, pipeline, .. } = &*self.shared;
        let client = Arc::make_mut(&mut self.client);
        let login = client.login.clone();
        xclient.apply(client);
        if client.login != login {
            self.login_method = Some(Verb::Xclient.name());
        }
        client.trusted = settings.trusts(client.peer.ip());
        self.stages = SessionStages::new(Arc::clone(&pipeline.session), settings.delay_reject);
        self.connect().await
    }

    async fn rcpt(&mut self, transaction: Option<&Transaction>, recipient: &Recipient) -> Result<(), Reply> {
        let Self { shared, client, stages, .. } = self;
        let facts = |ours| Facts {
            recipient: Some(recipient.address.clone()),
            recipient_is_ours: ours,
            ..facts(client, Phase::Rcpt, transaction)
        };
        let admitted = relay::admit(&*shared.settings.relay_domains, stages, client, recipient, facts).await;
        admitted.map_err(|denied| {
            let refusal = if let Denied::Stage(refusal) = &denied { Some(refusal) } else { None };
            let (verb, recipient, reply) = (Some(Verb::Rcpt), Some(&recipient.original), denied.reply());
            let (extended, session_filters) = (self.extended, &*self.stages.take_times());
            let base = Refused::connection(&self.client, reply);
            self.tell(Refused { verb, refusal, transaction, recipient, extended, session_filters, ..base });
            reply.clone()
        })
    }

    async fn ask(&mut self, phase: Phase, verb: Option<Verb>, transaction: Option<&Transaction>) -> Result<(), Reply> {
        let decided = self.stages.decide(phase, || facts(&self.client, phase, transaction)).await;
        decided.map_err(|refusal| {
            let (extended, session_filters) = (self.extended, &*self.stages.take_times());
            let base = Refused::connection(&self.client, &refusal.reply);
            self.tell(Refused { verb, refusal: Some(&refusal), transaction, extended, session_filters, ..base });
            refusal.reply
        })
    }

    fn tell(&self, refused: Refused<'_>) {
        self.shared.observers.tell(&Event::Refused(refused));
    }
}

/// All that is known at this moment, but for the recipient at RCPT.
fn facts(client: &Arc<Client>, phase: Phase, transaction: Option<&Transaction>) -> Facts {
    Facts {
        phase,
        client: Arc::clone(client),
        sender: transaction.map(|transaction| transaction.sender.clone()),
        recipient: None,
        recipient_is_ours: false,
        recipients: transaction.map_or_else(Vec::new, |transaction| {
            transaction.recipients.iter().map(|recipient| recipient.address.clone()).collect()
        }),
        size: transaction.and_then(|transaction| transaction.size),
        notes: vec![],
        explain: false,
    }
}
