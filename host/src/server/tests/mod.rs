//! The server with real sockets, plain Rust filters and a spool in memory.

mod decisions;
mod events;
mod lifecycle;
mod memory;
mod messages;
mod names;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::{Notify, watch},
    time::{sleep, timeout},
};

use super::*;
use crate::{
    events::Seen,
    mail::{Address, Change, Edit, Position},
    pipeline::{
        Decision, Effect, Facts, FailureKind, Filter, FilterError, FilterFuture, Mail, OnError, Outcome, Phase,
        Pipeline, SessionStage, Stage, Verdict,
    },
    smtp::{EnhancedCode, Reply},
    spool::{
        Counts, Handover, Leased, NewMessage, PendingFile, Postponement, Settlement, Spool, SpoolError, SpoolFuture,
    },
};

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps messages in memory, or has no room.
#[derive(Default)]
pub(super) struct MemorySpool {
    messages: Mutex<Vec<NewMessage>>,
    full: bool,
}

impl Spool for MemorySpool {
    fn enqueue(&self, message: NewMessage) -> SpoolFuture<'_, Handover> {
        Box::pin(async move {
            if self.full {
                return Err(SpoolError::Unusable { path: "queue.db".into(), reason: "disk full".to_owned() });
            }
            self.messages.lock().expect("no panic").push(message);
            Ok(Handover::default())
        })
    }

    fn lease_due(&self, _: SystemTime, _: usize, _: Vec<String>) -> SpoolFuture<'_, Vec<Leased>> {
        unreachable!("the server only enqueues")
    }

    fn postpone(&self, _: Postponement) -> SpoolFuture<'_, ()> {
        unreachable!("the server only enqueues")
    }

    fn unpublished(&self) -> SpoolFuture<'_, Vec<PendingFile>> {
        unreachable!("the server only enqueues")
    }

    fn published(&self, _: Vec<PathBuf>) -> SpoolFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn settle(&self, _: Settlement) -> SpoolFuture<'_, bool> {
        unreachable!("the server only enqueues")
    }

    fn counts(&self) -> SpoolFuture<'_, Counts> {
        unreachable!("the server only enqueues")
    }

    fn oldest(&self) -> SpoolFuture<'_, Option<SystemTime>> {
        unreachable!("the server only enqueues")
    }

    fn arrivals(&self) -> &Notify {
        unreachable!("the server only enqueues")
    }
}

/// A filter that says the same every time, in both roles.
struct Saying {
    verdict: Verdict,
    changes: Vec<Change>,
    effects: Vec<Effect>,
}

impl Filter for Saying {
    fn message<'a>(&'a self, _: &'a Arc<Mail>) -> FilterFuture<'a, Outcome> {
        let edits = self.changes.iter().map(|change| Edit { change: change.clone(), reason: None }).collect();
        let outcome = Outcome { verdict: self.verdict.clone(), reason: None, edits, notes: vec![], files: Vec::new() };
        Box::pin(async { Ok(outcome) })
    }

    fn session<'a>(&'a self, _: &'a Arc<Facts>) -> FilterFuture<'a, Decision> {
        let (verdict, effects) = (self.verdict.clone(), self.effects.clone());
        Box::pin(async { Ok(Decision { verdict, reason: None, effects, trail: vec![] }) })
    }
}

fn message_stage(verdict: Verdict, changes: Vec<Change>) -> Stage {
    let filter = Arc::new(Saying { verdict, changes, effects: vec![] });
    Stage { name: "test".into(), filter, condition: None, on_error: OnError::Defer }
}

fn session_stage(phase: Phase, verdict: Verdict, effects: Vec<Effect>) -> SessionStage {
    let filter = Arc::new(Saying { verdict, changes: vec![], effects });
    SessionStage { name: "test".into(), filter, on_error: OnError::Defer, phases: vec![phase], may_permit_relay: false }
}

fn reject() -> Verdict {
    Verdict::Reject(Reply::new(550, EnhancedCode(5, 7, 1), "no"))
}

fn address(text: &str) -> Address {
    Address::parse(text).expect("an address")
}

/// A server on a free port of the loopback interface.
struct Relay {
    server: Server,
    spool: Arc<MemorySpool>,
    shutdown: watch::Sender<bool>,
    seen: Seen,
}

impl Relay {
    /// With default settings; relays for `ours.example`, trusts nobody.
    async fn start(pipeline: Pipeline) -> Self {
        Self::with(settings(), pipeline, MemorySpool::default()).await
    }

    async fn with_messages(stages: Vec<Stage>) -> Self {
        Self::start(Pipeline { message: stages.into(), ..Pipeline::default() }).await
    }

    async fn with_session(stages: Vec<SessionStage>) -> Self {
        Self::start(Pipeline { session: stages.into(), ..Pipeline::default() }).await
    }

    async fn with(settings: Settings, pipeline: Pipeline, spool: MemorySpool) -> Self {
        let (spool, (shutdown, stop), seen) = (Arc::new(spool), watch::channel(false), Seen::default());
        let server = Server::start(settings, Arc::new(pipeline), spool.clone(), seen.observers(), stop).await;
        Self { server: server.expect("starts"), spool, shutdown, seen }
    }

    /// A connection that has read the greeting.
    async fn connect(&self) -> Client {
        let mut client = self.connect_silently().await;
        assert_eq!(client.reply().await, "220 relay.example ESMTP Mailweir");
        client
    }

    async fn connect_silently(&self) -> Client {
        let address = self.server.addresses()[0].1;
        Client { stream: BufReader::new(TcpStream::connect(address).await.expect("connects")) }
    }

    /// What the spool got.
    fn messages(&self) -> Vec<NewMessage> {
        self.spool.messages.lock().expect("no panic").clone()
    }

    /// The only message that the spool got.
    fn message(&self) -> NewMessage {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1);
        messages.remove(0)
    }

    /// Tell the server to stop, and wait until it has.
    async fn stop(self) {
        self.shutdown.send(true).expect("it listens");
        timeout(PATIENCE, self.server.finished()).await.expect("stops");
    }
}

fn settings() -> Settings {
    let mut settings = Settings::new("relay.example");
    settings.listeners = vec![ListenerSettings::new("smtp", vec!["127.0.0.1:0".parse().expect("an address")])];
    settings.relay_domains = Arc::new(DomainList(vec!["ours.example".to_owned()]));
    settings
}

/// A client that takes each reply as one line: `250-a|250 b`.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).await.expect("sends");
    }

    async fn reply(&mut self) -> String {
        let mut lines: Vec<String> = vec![];
        while lines.last().is_none_or(|line| line.as_bytes().get(3) == Some(&b'-')) {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await.expect("in time").expect("reads");
            assert_ne!(read, 0, "closed after {lines:?}");
            lines.push(line.trim_end().to_owned());
        }
        lines.join("|")
    }

    /// One command, one reply.
    async fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n")).await;
        self.reply().await
    }

    async fn expect(&mut self, dialogue: &[(&str, &str)]) {
        for (line, reply) in dialogue {
            assert_eq!(self.say(line).await, *reply, "{line}");
        }
    }

    /// EHLO and an envelope; where the replies go is looked at elsewhere.
    async fn begin(&mut self) {
        self.say("EHLO client.example").await;
        self.expect(&[("MAIL FROM:<a@client.example>", "250 2.1.0 Ok"), ("RCPT TO:<b@ours.example>", "250 2.1.5 Ok")])
            .await;
    }

    /// A whole message, and the reply to it.
    async fn message(&mut self, raw: &str) -> String {
        self.begin().await;
        assert!(self.say("DATA").await.starts_with("354 "));
        self.send(raw).await;
        self.say(".").await
    }

    /// Whether the server has closed the connection and said no more.
    async fn is_closed(&mut self) -> bool {
        let mut rest = vec![];
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("in time").expect("reads");
        rest.is_empty()
    }
}

/// All octets of a message.
fn octets(message: &NewMessage) -> Vec<u8> {
    message.message.pieces().flat_map(|piece| piece.to_vec()).collect()
}

fn recipients(message: &NewMessage) -> Vec<&str> {
    message.envelope.recipients.iter().map(|recipient| recipient.address.as_str()).collect()
}
