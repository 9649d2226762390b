//! A small SMTP client that says exactly what a test wants it to say.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

/// What a session runs over.
pub(crate) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// One session.
pub(crate) struct Client {
    lines: BufReader<Box<dyn Stream>>,
}

impl Client {
    /// Connect, read the greeting, say EHLO.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let (_, mut client) = Self::greeted(address)?;
        client.command("EHLO client.example.org")?;
        Ok(client)
    }

    /// Connect and read the greeting.
    pub(crate) fn greeted(address: SocketAddr) -> io::Result<(String, Self)> {
        Self::greeted_from(Ipv4Addr::LOCALHOST, address)
    }

    /// The same, as a client with this address.
    pub(crate) fn greeted_from(client: Ipv4Addr, server: SocketAddr) -> io::Result<(String, Self)> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((client, 0)).into())?;
        socket.connect(&server.into())?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut client = Self::over(stream);
        Ok((client.reply()?, client))
    }

    /// A session over something else than a plain connection, before the greeting.
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self { lines: BufReader::new(Box::new(stream)) }
    }

    /// What it runs over, for something that goes on with it.
    pub(crate) fn into_stream(self) -> impl Stream {
        self.lines.into_inner()
    }

    /// Send one line and read the reply to it.
    pub(crate) fn command(&mut self, line: &str) -> io::Result<String> {
        self.lines.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.lines.get_mut().flush()?;
        self.reply()
    }

    /// Send lines one after the other; none may be refused.
    pub(crate) fn all_accepted(&mut self, lines: &[&str]) {
        for line in lines {
            let reply = self.command(line).expect("a reply");
            assert!(reply.starts_with(['2', '3']), "{line}: {reply}");
        }
    }

    /// Send a message (CRLF line ends) and return the last reply: of the final dot, or of the first refusal.
    pub(crate) fn send(&mut self, sender: &str, recipients: &[&str], message: &[u8]) -> io::Result<String> {
        let mut reply = self.command(&format!("MAIL FROM:<{sender}>"))?;
        for recipient in recipients {
            if !reply.starts_with("250") {
                return Ok(reply);
            }
            reply = self.command(&format!("RCPT TO:<{recipient}>"))?;
        }
        if !reply.starts_with("250") {
            return Ok(reply);
        }
        reply = self.command("DATA")?;
        if !reply.starts_with("354") {
            return Ok(reply);
        }
        self.lines.get_mut().write_all(&stuffed(message))?;
        self.lines.get_mut().flush()?;
        self.reply()
    }

    /// The next reply.
    pub(crate) fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            if self.lines.read_line(&mut reply)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return Ok(reply.trim_end().to_owned());
            }
        }
    }
}

/// Dot-stuffed (RFC 5321 4.5.2), with the end of data.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
