//! One connection to a next hop: greeting, EHLO, commands and replies, each within its time.

use std::{future::Future, io, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::reply::{self, NoReply};
use crate::{
    delivery::{NextHop, Settings},
    smtp::Reply,
};

/// The conversation with a next hop broke. What was under way is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No connection: refused, no route, unknown host.
    #[error("connect to {0}: {1}")]
    Connect(NextHop, io::Error),
    /// It broke in the middle.
    #[error("lost connection: {0}")]
    Lost(#[from] io::Error),
    /// It took too long.
    #[error("timed out after {limit:?} while {doing}")]
    Timeout {
        /// How long was waited.
        limit: Duration,
        /// For what.
        doing: &'static str,
    },
    /// The other side doesn't talk SMTP.
    #[error(transparent)]
    NoReply(#[from] NoReply),
    /// It does not want us: the greeting or EHLO was refused.
    #[error("refused to talk to us: {0}")]
    Refused(Reply),
}

/// What the server's EHLO reply offers (RFC 5321 4.1.1.1).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offers {
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) size: bool,
}

/// A connection on which transactions can run.
pub(super) struct Connection {
    stream: TcpStream,
    input: BytesMut,
    pub(super) offers: Offers,
    /// Transactions on it so far.
    pub(super) used: u32,
}

impl Connection {
    /// Connect and introduce ourselves: EHLO, or HELO where the server doesn't know EHLO (RFC 5321 3.2).
    pub(super) async fn open(next_hop: &NextHop, settings: &Settings) -> Result<Self, ClientError> {
        let timeouts = &settings.timeouts;
        let connect = TcpStream::connect((next_hop.host.as_str(), next_hop.port));
        let stream = in_time(timeouts.connect, "connecting", connect).await?;
        let stream = stream.map_err(|error| ClientError::Connect(next_hop.clone(), error))?;
        stream.set_nodelay(true)?;
        let mut connection = Self { stream, input: BytesMut::new(), offers: Offers::default(), used: 0 };
        let greeting = connection.reply(timeouts.command, "waiting for the greeting").await?;
        if greeting.code != 220 {
            return Err(ClientError::Refused(greeting));
        }
        let hello = connection.command(&format!("EHLO {}\r\n", settings.hostname), timeouts.command).await?;
        if hello.code == 250 {
            connection.offers = offers(&hello);
            return Ok(connection);
        }
        let hello = connection.command(&format!("HELO {}\r\n", settings.hostname), timeouts.command).await?;
        if hello.code == 250 { Ok(connection) } else { Err(ClientError::Refused(hello)) }
    }

    /// Send one command and read its reply.
    pub(super) async fn command(&mut self, line: &str, timeout: Duration) -> Result<Reply, ClientError> {
        self.write(line.as_bytes(), timeout).await?;
        self.reply(timeout, "waiting for a reply").await
    }

    /// Send octets; the time counts anew for each piece that the other side takes.
    pub(super) async fn write(&mut self, mut octets: &[u8], timeout: Duration) -> Result<(), ClientError> {
        while !octets.is_empty() {
            let written = in_time(timeout, "sending", self.stream.write(octets)).await??;
            if written == 0 {
                return Err(ClientError::Lost(io::ErrorKind::WriteZero.into()));
            }
            octets = octets.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Read the next reply.
    pub(super) async fn reply(&mut self, timeout: Duration, doing: &'static str) -> Result<Reply, ClientError> {
        loop {
            if let Some(reply) = reply::take(&mut self.input)? {
                return Ok(reply);
            }
            if in_time(timeout, doing, self.stream.read_buf(&mut self.input)).await?? == 0 {
                return Err(ClientError::Lost(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Whether the server has closed, or said something that nobody asked for, while the connection lay idle.
    pub(super) fn is_stale(&self) -> bool {
        let mut octet = [0];
        !matches!(self.stream.try_read(&mut octet), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Say goodbye; nobody waits for the answer.
    pub(super) async fn quit(mut self) {
        let goodbye = self.stream.write_all(b"QUIT\r\n");
        drop(tokio::time::timeout(Duration::from_secs(1), goodbye).await);
    }
}

fn offers(hello: &Reply) -> Offers {
    let mut offers = Offers::default();
    for line in hello.text.lines().skip(1) {
        match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "PIPELINING" => offers.pipelining = true,
            "8BITMIME" => offers.eight_bit = true,
            "SMTPUTF8" => offers.utf8 = true,
            "SIZE" => offers.size = true,
            _ => {}
        }
    }
    offers
}

async fn in_time<T>(limit: Duration, doing: &'static str, work: impl Future<Output = T>) -> Result<T, ClientError> {
    tokio::time::timeout(limit, work).await.map_err(|_| ClientError::Timeout { limit, doing })
}
