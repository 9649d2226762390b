//! One copy to one destination: its servers are tried in order until each recipient has its answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Settings,
    client::{Broken, ClientError, Connection, Copy, Manner, Pool, TlsMode, send},
    outcome::Outcome,
    route::{Destination, Route},
    servers::{Server, servers},
};
use crate::{
    events::{ContactFailure, Contacted, Event, Observers, Security},
    smtp::{EnhancedCode, Reply},
};

/// Servers of one destination that are connected to at one attempt (Postfix smtp_mx_address_limit).
const MOST_SERVERS: usize = 5;
/// Servers that are asked about a recipient at one attempt (Postfix smtp_mx_session_limit).
const MOST_SESSIONS: usize = 2;

/// What a destination said about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// Who said it; none where nobody did.
    pub(super) server: Option<Arc<str>>,
    /// How the connection to it was secured.
    pub(super) security: Arc<Security>,
    /// Whether that server takes over what the sender asked to be told (RFC 3461).
    pub(super) tells_sender: bool,
}

impl Answer {
    /// Our own.
    pub(super) fn ours(outcome: Outcome) -> Self {
        Self { outcome, server: None, security: Arc::default(), tells_sender: false }
    }
}

/// The end of an attempt at a destination.
pub(super) struct Exchange {
    /// For each recipient of the copy.
    pub(super) answers: Vec<Answer>,
    /// Why no server of the destination could be talked to; none when one could.
    pub(super) unreachable: Option<Reply>,
    /// How long it took to find servers and to get to talk to them.
    pub(super) setup: Duration,
}

/// Send a copy to a destination.
pub(super) async fn exchange(
    copy: &Copy<'_>,
    destination: &Destination,
    route: &Route,
    pool: &Pool,
    settings: &Settings,
    observers: &Observers,
) -> Exchange {
    let mut attempt = Attempt {
        copy,
        destination,
        pool,
        settings,
        observers,
        answers: vec![None; copy.recipients.len()],
        asked: Vec::new(),
        unreachable: None,
        setup: Duration::ZERO,
    };
    if let Some(connection) = pool.take(destination) {
        if attempt.session(connection, false).await {
            return attempt.end();
        }
        // One that broke in the meantime says nothing about the server: it is asked anew.
        attempt.unreachable = None;
    }
    match attempt.try_servers(route).await {
        Ok(()) => attempt.end(),
        Err(reply) => attempt.give_up(reply),
    }
}

struct Attempt<'a> {
    copy: &'a Copy<'a>,
    destination: &'a Destination,
    pool: &'a Pool,
    settings: &'a Settings,
    observers: &'a Observers,
    answers: Vec<Option<Answer>>,
    /// Servers that have given their answers.
    asked: Vec<Server>,
    unreachable: Option<Reply>,
    setup: Duration,
}

impl Attempt<'_> {
    async fn try_servers(&mut self, route: &Route) -> Result<(), Reply> {
        let Self { destination: Destination { next_hop, .. }, settings, .. } = *self;
        let begin = Instant::now();
        let servers = servers(next_hop, &settings.resolver, &settings.own).await?;
        self.setup += begin.elapsed();
        let account = route.login.as_ref().map(|login| login.account(next_hop)).transpose();
        let account = account.map_err(|error| ClientError::Account(error).reply())?.flatten();
        let without_tls = route.login.as_ref().is_some_and(|login| login.without_tls);
        let manner = Manner { next_hop, tls: &route.tls, account, without_tls };
        let to_ask: Vec<_> = servers.iter().filter(|server| !self.asked.contains(server)).take(MOST_SERVERS).collect();
        for (index, server) in to_ask.iter().enumerate() {
            let begin = Instant::now();
            let opened = self.open(server, &manner).await;
            self.setup += begin.elapsed();
            let connection = match opened {
                Ok(connection) => connection,
                Err(error @ ClientError::OurName(_)) => return Err(loops_back(&servers, server, &error)),
                Err(error) => {
                    self.unreachable = Some(error.reply());
                    continue;
                }
            };
            if self.session(connection, index + 1 == to_ask.len()).await {
                break;
            }
        }
        Ok(())
    }

    /// Where TLS is only welcome, a server with which it fails is asked again without.
    async fn open(&self, server: &Server, manner: &Manner<'_>) -> Result<Connection, ClientError> {
        match self.open_with(manner.tls.mode, server, manner).await {
            Err(ClientError::Tls(error)) if manner.tls.mode == TlsMode::May => {
                tracing::info!(%server, "TLS failed, going on without: {error}");
                self.open_with(TlsMode::None, server, manner).await
            }
            opened => opened,
        }
    }

    async fn open_with(&self, mode: TlsMode, server: &Server, manner: &Manner<'_>) -> Result<Connection, ClientError> {
        let opened = Connection::open(server, manner, self.settings, mode).await;
        let reason;
        let result = match &opened {
            Ok(connection) => Ok(&connection.security),
            Err(error) => {
                reason = error.to_string();
                Err(ContactFailure { kind: error.kind(), reason: &reason })
            }
        };
        let (destination, server) = (self.destination.to_string(), server.to_string());
        self.observers.tell(&Event::Contacted(Contacted { destination: &destination, server: &server, result }));
        opened
    }

    /// One transaction with one server; whether the attempt is over.
    async fn session(&mut self, mut connection: Connection, last: bool) -> bool {
        let open: Vec<usize> = (0..self.answers.len()).filter(|index| self.is_open(*index)).collect();
        let recipients: Vec<_> = open.iter().filter_map(|index| self.copy.recipients.get(*index).cloned()).collect();
        let copy = Copy { recipients: &recipients, ..*self.copy };
        let server = Arc::<str>::from(connection.server.to_string());
        let security = Arc::new(connection.security.clone());
        let tells_sender = connection.tells_sender();
        let (outcomes, over) = match send(&mut connection, &copy, self.settings).await {
            Ok(outcomes) => {
                self.asked.push(connection.server.clone());
                self.pool.put(self.destination, connection).await;
                self.unreachable = None;
                (outcomes, last || self.asked.len() >= MOST_SESSIONS)
            }
            Err(Broken { error, sent }) => {
                let reply = error.reply();
                let outcomes = vec![Outcome::Deferred(reply.clone()); open.len()];
                if !sent && self.asked.is_empty() {
                    self.unreachable = Some(reply);
                }
                (outcomes, sent)
            }
        };
        for (index, outcome) in open.into_iter().zip(outcomes) {
            if let Some(answer) = self.answers.get_mut(index) {
                *answer = Some(Answer {
                    outcome,
                    server: Some(Arc::clone(&server)),
                    security: Arc::clone(&security),
                    tells_sender,
                });
            }
        }
        over || !(0..self.answers.len()).any(|index| self.is_open(index))
    }

    /// Whether another server may have a better answer for this recipient.
    fn is_open(&self, index: usize) -> bool {
        match self.answers.get(index) {
            Some(Some(answer)) => matches!(answer.outcome, Outcome::Deferred(_)),
            Some(None) => true,
            None => false,
        }
    }

    /// No server can be tried: that is the answer for all that have none.
    fn give_up(mut self, reply: Reply) -> Exchange {
        if self.asked.is_empty() && reply.code / 100 == 4 {
            self.unreachable = Some(reply.clone());
        }
        let answer = Answer::ours(Outcome::of(reply, false));
        let answers = self.answers.into_iter().map(|known| known.unwrap_or_else(|| answer.clone())).collect();
        Exchange { answers, unreachable: self.unreachable, setup: self.setup }
    }

    fn end(self) -> Exchange {
        let reply = self.unreachable.clone();
        let reply = reply.unwrap_or_else(|| Reply::new(451, EnhancedCode(4, 4, 0), "no server gave an answer"));
        self.give_up(reply)
    }
}

/// Postfix: for good where the best server is ourselves, for now where better ones could not be reached.
fn loops_back(servers: &[Server], server: &Server, error: &ClientError) -> Reply {
    let best = servers.first().is_some_and(|first| first.preference == server.preference);
    if best { Reply::new(550, EnhancedCode(5, 4, 6), error.to_string()) } else { error.reply() }
}
