//! When replies go out, with a stream that gives and takes chunks.

use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::ReadBuf;

use super::{
    octets::{COMMAND_READ, HELD_BACK},
    *,
};
use crate::{
    events::Observers,
    mail::Client,
    server::{
        ListenerSettings, Settings,
        decide::{Listener, Shared},
        tests::MemorySpool,
    },
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
    let settings = Settings { error_limit: u32::MAX, ..Settings::new("relay.example") };
    let listener = ListenerSettings::new("smtp", vec![]);
    let listener = Listener { session: Arc::new(settings.session(&listener)), settings: listener };
    let (spool, ids) = (Arc::new(MemorySpool::default()), Arc::new(IdSource::new()));
    let (observers, memory, failed_logins) = (Observers::default(), settings.memory(), Arc::default());
    let shared = Shared { settings, pipeline: Arc::default(), spool, observers, memory, ids, failed_logins };
    let peer: SocketAddr = "192.0.2.1:1000".parse().expect("an address");
    let client = Client { peer, name: None, helo: None, tls: None, login: None, trusted: false };
    let (_shutdown, stop) = watch::channel(false);
    let stream = Chunks { reads, writes: vec![] };
    let mut connection = Connection::new(stream, Desk::new(Arc::new(shared), Arc::new(listener), client), stop);
    connection.serve().await.expect("QUIT");
    let Stream::Plain(stream) = connection.stream else { panic!("no TLS") };
    stream.writes.iter().map(|octets| String::from_utf8_lossy(octets).into_owned()).collect()
}

#[tokio::test]
async fn replies_wait_for_each_other_while_commands_are_there() {
    let ok = "250 2.0.0 Ok\r\n";
    let said = writes(vec![b"NOOP\r\nNOOP\r\nNO", b"OP\r\nQUIT\r\n"]).await;
    assert_eq!(said, ["220 relay.example ESMTP Mailweir\r\n", &ok.repeat(2), &format!("{ok}221 2.0.0 Bye\r\n")]);
}

#[tokio::test]
async fn replies_do_not_wait_without_limit() {
    let said = writes(vec![b"X\r\n".repeat(COMMAND_READ / 3).leak(), b"QUIT\r\n"]).await;
    assert!(said.iter().all(|octets| octets.len() < HELD_BACK + 512));
}
