//! The octets between us and a next hop: TCP or a Unix socket, with or without TLS.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::delivery::servers::Place;

pub(super) trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}

/// A stream of any kind.
pub(super) type Stream = Box<dyn Octets>;

/// Connect.
pub(super) async fn connect(place: &Place) -> io::Result<Stream> {
    Ok(match place {
        Place::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

/// Whether the other side has closed, or said something that nobody asked for. TLS's own messages are taken in on the way.
pub(super) fn has_news(stream: &mut Stream) -> bool {
    let mut octet = [0];
    let mut context = Context::from_waker(Waker::noop());
    !matches!(Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut octet)), Poll::Pending)
}

/// Say goodbye; nobody waits for the answer.
pub(super) async fn quit(mut stream: Stream) {
    let goodbye = async {
        stream.write_all(b"QUIT\r\n").await?;
        stream.shutdown().await
    };
    drop(tokio::time::timeout(Duration::from_secs(1), goodbye).await);
}
