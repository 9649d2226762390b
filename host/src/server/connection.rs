//! Drives one session: octets from the socket into the protocol, replies back, nothing decided here.

use std::{io, mem, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{
    deadline::{Deadline, Patience},
    decide::Desk,
    intake::Intake,
    settings::Settings,
};
use crate::{
    events::{CommandCounts, Disconnected, Event, Refused},
    smtp::{Action, Completed, EnhancedCode, Question, Reply, Session},
};

/// Octets read at once while commands come in; thousands of sessions that say nothing each have room for so many.
const COMMAND_READ: usize = 1 << 10;
/// Octets read at once while a message comes in.
const DATA_READ: usize = 64 << 10;
/// Octets of replies that are held back at most while a client pipelines.
const HELD_BACK: usize = 4 << 10;
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Why a session ended before QUIT.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    /// The client is gone; a message that was coming in is gone with it.
    #[error("lost connection")]
    Lost,
    /// It took too long over one command or message, or takes no replies: `421 4.4.2`.
    #[error("timeout exceeded")]
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
}

/// One session and the stream it runs on.
pub(super) struct Connection<S> {
    stream: S,
    input: BytesMut,
    output: BytesMut,
    session: Session,
    desk: Desk,
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
        let session = Session::new(desk.shared.session.clone());
        let end = Instant::now() + desk.shared.settings.session_time;
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Self {
            stream,
            input,
            output,
            session,
            desk,
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
        let Err(error) = ended else { return };
        let code = match error {
            SessionError::Timeout | SessionError::TooLong => EnhancedCode(4, 4, 2),
            SessionError::Shutdown => EnhancedCode(4, 3, 2),
            SessionError::Lost | SessionError::Socket(_) => return,
        };
        let text = format!("{} Error: {error}", self.desk.shared.settings.hostname);
        Reply::new(421, code, text).write(&mut self.output);
        if timeout(LAST_WORDS, self.flush()).await.is_err() {
            tracing::debug!(client = %self.desk.client.peer, "it doesn't listen to the last words");
        }
    }

    async fn serve(&mut self) -> Result<(), SessionError> {
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
                Action::Reply(reply) => {
                    self.say(&reply).await?;
                    self.step()
                }
                Action::Ask(question) => {
                    let answer = self.desk.answer(&question, &self.session).await;
                    if matches!(question, Question::Hello(_) | Question::Data) && self.does_not_wait().await {
                        self.refuse(Reply::new(554, EnhancedCode(5, 5, 0), "Error: SMTP protocol synchronization"))
                    } else {
                        self.session.answer(question, answer)
                    }
                }
                Action::Message(message) => {
                    self.flush().await?;
                    let reply = self.receive(message).await;
                    self.session.say(reply)
                }
                Action::Close(reply) => {
                    self.say(&reply).await?;
                    self.flush().await?;
                    return self.stream.shutdown().await.map_err(SessionError::Socket);
                }
            };
        }
    }

    /// Take care of a complete message, if there is room for it.
    async fn receive(&mut self, Completed { transaction, raw }: Completed) -> Reply {
        // It is in the message's place until the message has another.
        let mut intake = mem::take(&mut self.intake);
        match intake.complete(&self.desk.shared.memory, raw).await {
            Ok(raw) => self.desk.receive(Completed { transaction, raw }, self.is_extended()).await,
            Err(error) => {
                let reply = error.reply();
                self.tell_refused(&reply);
                reply
            }
        }
    }

    fn is_extended(&self) -> bool {
        self.session.hello().is_some_and(|hello| hello.extended)
    }

    /// Whether a client that isn't trusted talks before it is greeted: those who only want to get rid of something do
    /// (Postfix postscreen_greet_wait).
    async fn talks_early(&mut self) -> Result<bool, SessionError> {
        let Some(delay) = self.desk.shared.settings.greet_delay.filter(|_| !self.desk.client.trusted) else {
            return Ok(false);
        };
        let read = tokio::select! {
            () = stopped(&mut self.shutdown) => return Err(SessionError::Shutdown),
            read = timeout(delay, self.stream.read_buf(&mut self.input)) => read,
        };
        match read {
            Err(_) => Ok(false),
            Ok(Ok(0)) => Err(SessionError::Lost),
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) => Err(SessionError::Socket(error)),
        }
    }

    /// Whether there is more behind a command that has to be the last of its group (RFC 2920 3.1): the client can't know what the
    /// reply will be. Whatever it takes the octets for, a message or commands, must not be decided by what we say
    /// (Postfix smtpd_forbid_unauth_pipelining).
    async fn does_not_wait(&mut self) -> bool {
        if !self.desk.shared.settings.forbid_unauth_pipelining {
            return false;
        }
        // Also what came while we were thinking about the answer.
        let more = timeout(Duration::ZERO, self.stream.read_buf(&mut self.input)).await;
        !self.input.is_empty() || matches!(more, Ok(Ok(1..)))
    }

    /// A breach of the protocol that ends the session.
    fn refuse(&self, reply: Reply) -> Action {
        self.tell_refused(&reply);
        Action::Close(reply)
    }

    /// The protocol's next move. What it refuses by itself is told here; what others refuse, by them.
    fn step(&mut self) -> Action {
        let action = self.session.step(&mut self.input);
        if let Action::Reply(reply) = &action
            && reply.refuses()
        {
            self.tell_refused(reply);
        }
        action
    }

    fn tell_refused(&self, reply: &Reply) {
        let (verb, transaction) = (self.session.verb(), self.session.transaction());
        let client = &*self.desk.client;
        let extended = self.session.hello().is_some_and(|hello| hello.extended);
        self.tell(&Event::Refused(Refused {
            client,
            verb,
            refusal: None,
            transaction,
            recipient: None,
            reply,
            extended,
        }));
    }

    fn tell(&self, event: &Event<'_>) {
        self.desk.shared.observers.tell(event);
    }

    /// DATA has two replies, and counts by the second. What is no command has nothing but `500`.
    fn count(&mut self, reply: &Reply) {
        match (self.session.verb(), reply.code) {
            (None, _) | (_, 354) => {}
            (_, 500) => self.commands.add(None, false),
            (verb, _) => self.commands.add(verb, !reply.refuses()),
        }
    }

    /// Hold a reply back until the client waits for it (RFC 2920 3.2).
    async fn say(&mut self, reply: &Reply) -> Result<(), SessionError> {
        self.count(reply);
        reply.write(&mut self.output);
        if self.output.len() > HELD_BACK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let idle = self.desk.shared.settings.idle_timeout;
        let written = timeout(idle, self.stream.write_all_buf(&mut self.output)).await;
        written.map_err(|_| SessionError::Timeout)?.map_err(SessionError::Socket)
    }

    /// Wait for more from the client. A shutdown interrupts that, and the end of the session's time, but not a message that
    /// is coming in.
    async fn read(&mut self) -> Result<(), SessionError> {
        let receiving = self.session.receiving().is_some();
        if !receiving && self.input.is_empty() && self.input.capacity() > COMMAND_READ {
            // An idle session keeps no room for messages.
            self.input = BytesMut::new();
        }
        self.input.reserve(if receiving { DATA_READ } else { COMMAND_READ });
        let Settings { idle_timeout, min_rate, .. } = self.desk.shared.settings;
        let patience = Patience { request: idle_timeout, rate: min_rate };
        let deadline = self.deadline.get_or_insert_with(|| Deadline::new(patience, Instant::now()));
        let (at, late) = match deadline.at() {
            at if !receiving && self.end < at => (self.end, SessionError::TooLong),
            at => (at, SessionError::Timeout),
        };
        let octets = tokio::select! {
            biased;
            () = stopped(&mut self.shutdown), if !receiving => return Err(SessionError::Shutdown),
            octets = timeout_at(at, self.stream.read_buf(&mut self.input)) => octets,
        };
        match octets.map_err(|_| late)? {
            Ok(0) => Err(SessionError::Lost),
            Ok(octets) if receiving => {
                deadline.earn(octets, Instant::now());
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(SessionError::Socket(error)),
        }
    }
}

/// Returns when the relay stops: when it is told to, or when nobody is left who could tell it.
pub(super) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    shutdown.wait_for(|stop| *stop).await.ok();
}

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };

    use tokio::io::ReadBuf;

    use super::*;
    use crate::{
        events::Observers,
        mail::Client,
        server::{Settings, decide::Shared, tests::MemorySpool},
        spool::IdSource,
    };

    /// Gives one chunk to each read and keeps each write apart.
    struct Chunks {
        reads: Vec<&'static [u8]>,
        writes: Vec<Vec<u8>>,
    }

    impl AsyncRead for Chunks {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if !self.reads.is_empty() {
                into.put_slice(self.reads.remove(0));
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Chunks {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
            self.writes.push(octets.to_vec());
            Poll::Ready(Ok(octets.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// The replies, one text for each write.
    async fn writes(reads: Vec<&'static [u8]>) -> Vec<String> {
        let settings = Settings::new("relay.example");
        let (session, spool, ids) = (Arc::new(settings.session()), Arc::new(MemorySpool::default()), IdSource::new());
        let (observers, memory) = (Observers::default(), settings.memory());
        let shared = Shared { settings, session, pipeline: Arc::default(), spool, observers, memory, ids };
        let peer: SocketAddr = "192.0.2.1:1000".parse().expect("an address");
        let client = Client { peer, name: None, helo: None, tls: None, login: None, trusted: false };
        let (_shutdown, stop) = watch::channel(false);
        let stream = Chunks { reads, writes: vec![] };
        let mut connection = Connection::new(stream, Desk::new(Arc::new(shared), client), stop);
        connection.serve().await.expect("QUIT");
        connection.stream.writes.iter().map(|octets| String::from_utf8_lossy(octets).into_owned()).collect()
    }

    #[tokio::test]
    async fn replies_wait_for_each_other_while_commands_are_there() {
        let ok = "250 2.0.0 Ok\r\n";
        let said = writes(vec![b"NOOP\r\nNOOP\r\nNO", b"OP\r\nQUIT\r\n"]).await;
        assert_eq!(said, ["220 relay.example ESMTP Mailweir\r\n", &ok.repeat(2), &format!("{ok}221 2.0.0 Bye\r\n")]);
    }

    #[tokio::test]
    async fn replies_do_not_wait_without_limit() {
        let said = writes(vec![&[b'\n'; COMMAND_READ], b"QUIT\r\n"]).await;
        assert!(said.iter().all(|octets| octets.len() < HELD_BACK + 512));
    }
}
