//! Clients that don't wait where they have to.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    time::{Instant, timeout},
};

use super::{Connection, SessionError, stopped};
use crate::events::{Awaited, Event, TalkedEarly};

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Whether a client that isn't trusted talks before it is greeted: those who only want to get rid of something do
    /// (Postfix postscreen_greet_wait).
    pub(super) async fn talks_early(&mut self) -> Result<bool, SessionError> {
        let Some(delay) = self.desk.shared.settings.greet_delay.filter(|_| !self.desk.client.trusted) else {
            return Ok(false);
        };
        let begin = Instant::now();
        let read = tokio::select! {
            () = stopped(&mut self.shutdown) => return Err(SessionError::Shutdown),
            read = timeout(delay, self.stream.read_buf(&mut self.input)) => read,
        };
        match read {
            Err(_) => Ok(false),
            Ok(Ok(0)) => Err(SessionError::Lost),
            Ok(Ok(_)) => {
                self.tell_early(Awaited::Greeting(begin.elapsed()));
                Ok(true)
            }
            Ok(Err(error)) => Err(SessionError::Socket(error)),
        }
    }

    /// Whether there is more behind a command that has to be the last of its group (RFC 2920 3.1): the client can't know what the
    /// reply will be. Whatever it takes the octets for, a message or commands, must not be decided by what we say
    /// (Postfix smtpd_forbid_unauth_pipelining).
    pub(super) async fn does_not_wait(&mut self) -> bool {
        if !self.desk.shared.settings.forbid_unauth_pipelining {
            return false;
        }
        // Also what came while we were thinking about the answer.
        drop(timeout(Duration::ZERO, self.stream.read_buf(&mut self.input)).await);
        if self.input.is_empty() {
            return false;
        }
        if let Some(verb) = self.session.verb() {
            self.tell_early(Awaited::Reply(verb));
        }
        true
    }

    fn tell_early(&self, awaited: Awaited) {
        self.tell(&Event::TalkedEarly(TalkedEarly { client: &self.desk.client, awaited, said: &self.input }));
    }
}
