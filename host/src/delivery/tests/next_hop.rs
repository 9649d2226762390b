//! A next hop that does what a test tells it to, and remembers what it heard.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Answers by the beginning of what the client says; `greeting` and `.` (the end of the data) count as said, too. An empty answer
/// cuts the connection. What has no answer here gets a 250, and DATA a 354. By LMTP, `. RCPT TO:<…>` is said for each recipient.
pub(super) type Script = Vec<(&'static str, &'static str)>;

pub(super) struct NextHop {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Talker {
    script: Script,
    heard: Arc<Mutex<Vec<String>>>,
    tls: Option<TlsAcceptor>,
}

trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Octets for T {}
type Stream = BufStream<Box<dyn Octets>>;

impl NextHop {
    pub(super) async fn start(script: Script) -> Self {
        Self::start_at("127.0.0.1:0", script, None).await
    }

    /// At an address of the test's choice; with STARTTLS if there is an acceptor.
    pub(super) async fn start_at(address: &str, script: Script, tls: Option<TlsAcceptor>) -> Self {
        Self::serve(TcpListener::bind(address).await.expect("a free port"), script, tls)
    }

    /// On a socket that listens already.
    pub(super) fn serve(listener: TcpListener, script: Script, tls: Option<TlsAcceptor>) -> Self {
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let talker = Talker { script, heard: Arc::clone(&heard), tls };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                talker.hear("connected".to_owned());
                tokio::spawn(talker.clone().talk(BufStream::new(Box::new(stream))));
            }
        });
        Self { address, heard }
    }

    /// Everything so far, a line each; messages as one text.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").clone()
    }

    pub(super) fn count(&self, beginning: &str) -> usize {
        self.heard().iter().filter(|line| line.starts_with(beginning)).count()
    }
}

impl Talker {
    fn hear(&self, said: String) {
        self.heard.lock().expect("not poisoned").push(said);
    }

    fn answer(&self, said: &str) -> &'static str {
        match self.script.iter().find(|(beginning, _)| said.starts_with(beginning)) {
            Some((_, answer)) => answer,
            None if said == "greeting" => "220 mx.example ESMTP",
            None if said == "DATA" => "354 go on",
            None if said == "STARTTLS" => "220 go on",
            None if said.starts_with("EHLO") && self.tls.is_some() => {
                "250-mx.example\r\n250-PIPELINING\r\n250 STARTTLS"
            }
            None if said.starts_with("EHLO") || said.starts_with("LHLO") => {
                "250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000000"
            }
            None => "250 2.0.0 fine",
        }
    }

    async fn talk(mut self, mut stream: Stream) -> Option<()> {
        let (mut said, mut accepted, mut lmtp) = ("greeting".to_owned(), Vec::new(), false);
        loop {
            let answer = self.answer(&said);
            if answer.is_empty() {
                return None;
            }
            if let Some(size) = said.strip_prefix("BDAT ") {
                let mut octets = vec![0; size.split(' ').next()?.parse().ok()?];
                stream.read_exact(&mut octets).await.ok()?;
                self.hear(String::from_utf8_lossy(&octets).into_owned());
            }
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            if said.starts_with("RCPT") && answer.starts_with('2') {
                accepted.push(said.clone());
            }
            if said == "STARTTLS" && answer.starts_with("220") {
                let tls = self.tls.take()?.accept(stream.into_inner()).await.ok()?;
                stream = BufStream::new(Box::new(tls));
            }
            if answer.starts_with("354") {
                let message = data(&mut stream).await?;
                self.hear(message);
                if !lmtp {
                    said = ".".to_owned();
                    continue;
                }
                for recipient in accepted.drain(..) {
                    let answer = self.answer(&format!(". {recipient}"));
                    stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
                }
                stream.flush().await.ok()?;
            }
            said = line(&mut stream).await?;
            lmtp |= said.starts_with("LHLO");
            self.hear(said.clone());
        }
    }
}

async fn line(stream: &mut Stream) -> Option<String> {
    let mut line = String::new();
    let length = stream.read_line(&mut line).await.ok()?;
    (length > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

async fn data(stream: &mut Stream) -> Option<String> {
    let mut message = String::new();
    loop {
        match line(stream).await?.as_str() {
            "." => return Some(message),
            line => message.push_str(&format!("{line}\n")),
        }
    }
}
