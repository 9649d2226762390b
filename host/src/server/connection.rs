//! Drives one session: octets from the socket into the protocol, replies back, nothing decided here.

mod early;
mod octets;
#[cfg(test)]
mod tests;

use std::{io, mem, sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, timeout},
};

use super::{deadline::Deadline, decide::Desk, intake::Intake, stream::Stream, tls::TlsMode};
use crate::{
    events::{CommandCounts, Disconnected, Event, Refused},
    handshake,
    mail::Protocol,
    smtp::{Action, Completed, EnhancedCode, Question, Reply, Session},
};

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a session ended before QUIT.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    /// The client is gone; a message that was coming in is gone with it.
    #[error("lost connection")]
    Lost,
    /// It took too long over one command or message, or takes no replies: `421 4.4.2`.
    #[error("timeout")]
    Timeout,
    /// It has been here for too long: `421 4.4.2`.
    #[error("session time exceeded")]
    TooLong,
    /// We are going: `421 4.3.2`.
    #[error("service shutting down")]
    Shutdown,
    /// The socket failed.
    #[error("lost connection: {0}")]
    Socket(io::Error),
    /// There is no TLS where there should be; what could be said would go out in plaintext.
    #[error("TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// We have had enough of it, and said so; why.
    #[error("{0}")]
    Refused(String),
}

impl SessionError {
    fn refused(reply: &Reply) -> Self {
        Self::Refused(reply.text.split_once("Error: ").map_or(&*reply.text, |(_, why)| why).to_owned())
    }

    /// The last words, if the client should hear any.
    fn farewell(&self, hostname: &str) -> Option<Reply> {
        let (code, text) = match self {
            Self::Timeout => (EnhancedCode(4, 4, 2), "timeout exceeded"),
            Self::TooLong => (EnhancedCode(4, 4, 2), "session time exceeded"),
            Self::Shutdown => (EnhancedCode(4, 3, 2), "service shutting down"),
            Self::Lost | Self::Socket(_) | Self::Handshake(_) | Self::Refused(_) => return None,
        };
        Some(Reply::new(421, code, format!("{hostname} Error: {text}")))
    }
}

/// One session and the stream it runs on.
pub(super) struct Connection<S> {
    stream: Stream<S>,
    input: BytesMut,
    output: BytesMut,
    session: Session,
    desk: Desk,
    /// The next refusal was told as an event by the one who decided it.
    told: bool,
    shutdown: watch::Receiver<bool>,
    commands: CommandCounts,
    /// When the session is over, unless a message is coming in.
    end: Instant,
    /// When the command or message that is coming in must be there; none while we are busy with the last one.
    deadline: Option<Deadline>,
    /// Where the message is that is coming in.
    intake: Intake,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    pub(super) fn new(stream: S, desk: Desk, shutdown: watch::Receiver<bool>) -> Self {
        let may_say_xclient =
            desk.shared.settings.xclient.iter().any(|network| network.contains(desk.client.peer.ip()));
        let session = Session::new(Arc::clone(&desk.listener.session)).with_xclient(may_say_xclient);
        let end = Instant::now() + desk.shared.settings.session_time;
        let (stream, input, output) = (Stream::Plain(stream), BytesMut::new(), BytesMut::new());
        Self {
            stream,
            input,
            output,
            session,
            desk,
            told: false,
            shutdown,
            commands: CommandCounts::default(),
            end,
            deadline: None,
            intake: Intake::default(),
        }
    }

    /// From the greeting to the end.
    pub(super) async fn run(mut self) {
        self.desk.learn_name().await;
        self.tell(&Event::Connected(&self.desk.client));
        let ended = self.serve().await;
        let error = ended.as_ref().err().map(ToString::to_string);
        self.tell(&Event::Disconnected(Disconnected {
            client: &self.desk.client,
            error: error.as_deref(),
            verb: self.session.verb(),
            receiving: self.session.receiving(),
            commands: &self.commands,
        }));
        let farewell = ended.err().and_then(|error| error.farewell(&self.desk.shared.settings.hostname));
        let Some(farewell) = farewell else { return };
        farewell.write(&mut self.output);
        let last_words = async {
            self.flush().await?;
            self.stream.shutdown().await.map_err(SessionError::Socket)
        };
        if timeout(LAST_WORDS, last_words).await.is_err() {
            tracing::debug!(client = %self.desk.client.peer, "it doesn't listen to the last words");
        }
    }

    async fn serve(&mut self) -> Result<(), SessionError> {
        if self.desk.listener.settings.tls.as_ref().is_some_and(|tls| tls.mode == TlsMode::Implicit) {
            self.secure().await?;
        }
        let mut action = if self.talks_early().await? {
            self.refuse(Reply::new(521, EnhancedCode(5, 5, 1), "Protocol error"))
        } else {
            let welcome = self.desk.connect().await;
            self.session.greet(welcome)
        };
        loop {
            if action != Action::Read {
                self.deadline = None;
            }
            action = match action {
                Action::Read => {
                    self.flush().await?;
                    match self.session.incoming() {
                        Some(decoder) => self.intake.settle(&self.desk.shared.memory, decoder).await,
                        None => self.intake = Intake::default(),
                    }
                    self.read().await?;
                    self.step()
                }
                Action::Continue => self.step(),
                Action::Reply(reply) => {
                    self.say(&reply).await?;
                    self.told = false;
                    self.step()
                }
                Action::Repeat(reply, times) => {
                    for _ in 0..times {
                        self.say(&reply).await?;
                    }
                    self.told = false;
                    self.step()
                }
                Action::Ask(question) => self.ask(question).await,
                Action::Message(message) => {
                    self.flush().await?;
                    let reply = self.receive(message).await;
                    self.session.conclude(reply)
                }
                Action::StartTls(reply) => {
                    self.say(&reply).await?;
                    self.flush().await?;
                    self.secure().await?;
                    self.session.step(&mut self.input)
                }
                Action::Close(reply) => {
                    self.say(&reply).await?;
                    self.flush().await?;
                    self.stream.shutdown().await.map_err(SessionError::Socket)?;
                    return if reply.refuses() { Err(SessionError::refused(&reply)) } else { Ok(()) };
                }
            };
        }
    }

    /// Begin TLS. What came in before it and wasn't used may be anybody's: it is thrown away (RFC 3207 4.2, CVE-2011-0411).
    async fn secure(&mut self) -> Result<(), SessionError> {
        let Some(tls) = &self.desk.listener.settings.tls else {
            return Err(SessionError::Handshake(io::Error::other("there is no certificate")));
        };
        if !self.input.is_empty() {
            tracing::warn!(client = %self.desk.client.peer, octets = self.input.len(), "plaintext behind STARTTLS");
            self.input.clear();
        }
        let shaken = tokio::select! {
            biased;
            () = stopped(&mut self.shutdown) => return Err(SessionError::Shutdown),
            shaken = timeout(tls.handshake_timeout, self.stream.secure(tls.config())) => shaken,
        };
        let stream = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(SessionError::Handshake)?;
        self.desk.secured(handshake::description(stream.get_ref().1));
        self.session.secured();
        self.tell(&Event::Secured(&self.desk.client));
        Ok(())
    }

    /// Take care of a complete message, if there is room for it.
    async fn receive(&mut self, Completed { transaction, raw }: Completed) -> Reply {
        // It is in the message's place until the message has another.
        let mut intake = mem::take(&mut self.intake);
        match intake.complete(&self.desk.shared.memory, raw).await {
            Ok(raw) => self.desk.receive(Completed { transaction, raw }, self.protocol()).await,
            Err(error) => {
                let reply = error.reply();
                self.tell_refused(&reply);
                reply
            }
        }
    }

    fn protocol(&self) -> Protocol {
        self.session.hello().map_or(Protocol::Smtp, |hello| hello.protocol)
    }

    async fn ask(&mut self, question: Question) -> Action {
        let answer = self.desk.answer(&question, &self.session).await;
        // What a message before this one has left there is none of it.
        if matches!(question, Question::Data(_)) {
            self.intake = Intake::default();
        }
        if matches!(question, Question::Hello(_) | Question::Data(None)) && self.does_not_wait().await {
            return self.refuse(Reply::new(554, EnhancedCode(5, 5, 0), "Error: SMTP protocol synchronization"));
        }
        self.told = answer.is_err();
        self.session.answer(question, answer)
    }

    /// A breach of the protocol that ends the session.
    fn refuse(&mut self, reply: Reply) -> Action {
        self.tell_refused(&reply);
        Action::Close(reply)
    }

    /// The protocol's next move. What it refuses by itself is told here; what others refuse, by them.
    fn step(&mut self) -> Action {
        let action = self.session.step(&mut self.input);
        if let Action::Reply(reply) | Action::Repeat(reply, _) | Action::Close(reply) = &action
            && reply.refuses()
            && !self.told
        {
            self.tell_refused(reply);
        }
        action
    }

    fn tell_refused(&mut self, reply: &Reply) {
        let mechanism = self.session.take_failed_mechanism();
        let (verb, transaction) = (self.session.verb(), self.session.transaction());
        let extended = self.protocol() != Protocol::Smtp;
        let mechanism = mechanism.as_deref();
        let refused =
            Refused { verb, transaction, mechanism, extended, ..Refused::connection(&self.desk.client, reply) };
        self.tell(&Event::Refused(refused));
    }

    fn tell(&self, event: &Event<'_>) {
        self.desk.shared.observers.tell(event);
    }
}

/// Returns when the relay stops: when it is told to, or when nobody is left who could tell it.
pub(super) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    shutdown.wait_for(|stop| *stop).await.ok();
}
