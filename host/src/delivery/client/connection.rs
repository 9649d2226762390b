//! One connection to a server: greeting, EHLO, TLS, AUTH, commands and replies, each within its time.

use std::{future::Future, io, time::Duration};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    auth,
    error::ClientError,
    hello::{self, Offers},
    reply,
    stream::{self, Stream},
    tls::{Tls, TlsMode},
};
use crate::{
    delivery::{
        Settings,
        login::Account,
        next_hop::{NextHop, Protocol},
        servers::{Place, Server},
    },
    events::{NextHopTls, Security},
    handshake,
    smtp::Reply,
};

/// How to talk to a server.
pub(crate) struct Manner<'a> {
    pub(crate) next_hop: &'a NextHop,
    pub(crate) tls: &'a Tls,
    pub(crate) account: Option<Account>,
    /// Whether the account may be told without TLS.
    pub(crate) without_tls: bool,
}

/// A connection on which transactions can run.
pub(crate) struct Connection {
    stream: Stream,
    input: BytesMut,
    pub(super) offers: Offers,
    /// Whether it speaks LMTP.
    pub(super) lmtp: bool,
    /// Transactions on it so far.
    pub(super) used: u32,
    /// To whom, for the log.
    pub(crate) server: Server,
    pub(crate) security: Security,
}

impl Connection {
    /// Connect, introduce ourselves, and secure the connection; with `mode` in place of the route's.
    pub(crate) async fn open(
        server: &Server,
        manner: &Manner<'_>,
        settings: &Settings,
        mode: TlsMode,
    ) -> Result<Self, ClientError> {
        let timeouts = &settings.timeouts;
        let failed = |error: String| ClientError::Connect(server.to_string(), error);
        let connecting = in_time(timeouts.connect, "connecting", stream::connect(&server.place)).await;
        let stream = connecting.map_err(|error| failed(error.to_string()))?;
        let stream = stream.map_err(|error| failed(error.to_string()))?;
        let mut connection = Self {
            stream,
            input: BytesMut::new(),
            offers: Offers::default(),
            lmtp: manner.next_hop.is_lmtp(),
            used: 0,
            server: server.clone(),
            security: Security::default(),
        };
        let implicit = matches!(manner.next_hop, NextHop::Host { protocol: Protocol::Smtps, .. });
        if implicit {
            connection = connection.secured(manner.tls, timeouts.command).await?;
        }
        let greeting = connection.reply(timeouts.command, "waiting for the greeting").await?;
        if greeting.code != 220 {
            return Err(ClientError::Refused(greeting));
        }
        connection.introduce(manner.next_hop, settings).await?;
        if !implicit && mode != TlsMode::None && connection.offers.starttls {
            let go = connection.command("STARTTLS\r\n", timeouts.command).await?;
            if go.code == 220 {
                // RFC 3207 4.2: what was heard before counts no more, nor what somebody may have put in behind the reply.
                connection.input.clear();
                connection = connection.secured(manner.tls, timeouts.command).await?;
                connection.introduce(manner.next_hop, settings).await?;
            }
        }
        let is_secure = connection.security.tls.is_some();
        if !is_secure && matches!(mode, TlsMode::Encrypt | TlsMode::Verify) {
            return Err(ClientError::NoTls);
        }
        if let Some(account) = &manner.account {
            if !is_secure && !manner.without_tls {
                return Err(ClientError::NoTls);
            }
            let login = auth::authenticate(&mut connection, account, timeouts.command).await?;
            connection.security.login = Some(login);
        }
        Ok(connection)
    }

    async fn secured(mut self, tls: &Tls, timeout: Duration) -> Result<Self, ClientError> {
        let shaken = in_time(timeout, "shaking hands for TLS", tls.connect(self.stream, &self.server.name)).await?;
        let stream = shaken.map_err(ClientError::Tls)?;
        let description = handshake::description(stream.get_ref().1);
        self.security.tls = Some(NextHopTls { description, verified: tls.mode == TlsMode::Verify });
        self.stream = Box::new(stream);
        Ok(self)
    }

    /// EHLO, or HELO where the server doesn't know EHLO (RFC 5321 3.2); LHLO for LMTP.
    async fn introduce(&mut self, next_hop: &NextHop, settings: &Settings) -> Result<(), ClientError> {
        let (name, timeout) = (&settings.hostname, settings.timeouts.command);
        let verb = if self.lmtp { "LHLO" } else { "EHLO" };
        let hello = self.command(&format!("{verb} {name}\r\n"), timeout).await?;
        if hello.code == 250 {
            self.check_name(&hello, next_hop, settings)?;
            self.offers = hello::offers(&hello);
            return Ok(());
        }
        if self.lmtp {
            return Err(ClientError::Refused(hello));
        }
        let hello = self.command(&format!("HELO {name}\r\n"), timeout).await?;
        if hello.code == 250 { Ok(()) } else { Err(ClientError::Refused(hello)) }
    }

    /// Who answers with our own name is ourselves, by a way that its address doesn't show. Only where mail comes from anywhere: on other
    /// ports, relays of one name may well stand one behind the other.
    fn check_name(&self, hello: &Reply, next_hop: &NextHop, settings: &Settings) -> Result<(), ClientError> {
        let name = hello.text.split([' ', '\n']).next().unwrap_or_default();
        let public = matches!(&self.server.place, Place::Tcp(address) if address.port() == 25)
            || matches!(next_hop, NextHop::Mx { .. });
        if public && name.eq_ignore_ascii_case(&settings.hostname) {
            return Err(ClientError::OurName(self.server.to_string()));
        }
        Ok(())
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
        // TLS keeps octets back until it is told.
        Ok(in_time(timeout, "sending", self.stream.flush()).await??)
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
    pub(super) fn is_stale(&mut self) -> bool {
        !self.input.is_empty() || stream::has_news(&mut self.stream)
    }

    /// Whether the server takes over what the sender asked to be told (RFC 3461).
    pub(crate) fn tells_sender(&self) -> bool {
        self.offers.dsn
    }

    /// Say goodbye.
    pub(super) async fn quit(self) {
        stream::quit(self.stream).await;
    }
}

async fn in_time<T>(limit: Duration, doing: &'static str, work: impl Future<Output = T>) -> Result<T, ClientError> {
    tokio::time::timeout(limit, work).await.map_err(|_| ClientError::Timeout { limit, doing })
}
