//! What goes over the stream: replies, held back as long as the client doesn't wait for them, and what it says, as long as there is time for it.

use std::io;

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use super::{Connection, SessionError, stopped};
use crate::{
    server::{
        deadline::{Deadline, Patience},
        settings::Settings,
    },
    smtp::Reply,
};

/// Octets read at once while commands come in; thousands of sessions that say nothing each have room for so many.
pub(super) const COMMAND_READ: usize = 1 << 10;
/// Octets read at once while a message comes in.
const DATA_READ: usize = 64 << 10;
/// Octets of replies that are held back at most while a client pipelines.
pub(super) const HELD_BACK: usize = 4 << 10;

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// DATA has two replies, and counts by the second. What is no command has nothing but `500`.
    fn count(&mut self, reply: &Reply) {
        match (self.session.verb(), reply.code) {
            (None, _) | (_, 354) => {}
            (_, 500) => self.commands.add(None, false),
            (verb, _) => self.commands.add(verb, !reply.refuses()),
        }
    }

    /// Hold a reply back until the client waits for it (RFC 2920 3.2).
    pub(super) async fn say(&mut self, reply: &Reply) -> Result<(), SessionError> {
        self.count(reply);
        reply.write(&mut self.output);
        if self.output.len() > HELD_BACK { self.flush().await } else { Ok(()) }
    }

    pub(super) async fn flush(&mut self) -> Result<(), SessionError> {
        if self.output.is_empty() {
            return Ok(());
        }
        let idle = self.desk.shared.settings.idle_timeout;
        let write = async {
            self.stream.write_all_buf(&mut self.output).await?;
            self.stream.flush().await
        };
        timeout(idle, write).await.map_err(|_| SessionError::Timeout)?.map_err(SessionError::Socket)
    }

    /// Wait for more from the client. A shutdown interrupts that, and the end of the session's time, but not a message that
    /// is coming in.
    pub(super) async fn read(&mut self) -> Result<(), SessionError> {
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
            // TLS without its goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(SessionError::Lost),
            Err(error) => Err(SessionError::Socket(error)),
        }
    }
}
