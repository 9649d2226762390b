//! A next hop that does what a test tells it to, and remembers what it heard.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Answers by the beginning of what the client says; `greeting` and `.` (the end of the data) count as said, too. An empty answer
/// cuts the connection. What has no answer here gets a 250, and DATA a 354.
pub(super) type Script = Vec<(&'static str, &'static str)>;

pub(super) struct NextHop {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl NextHop {
    pub(super) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                ears.lock().expect("not poisoned").push("connected".to_owned());
                tokio::spawn(talk(stream, script.clone(), Arc::clone(&ears)));
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

async fn talk(stream: TcpStream, script: Script, heard: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let answer = |said: &str| match script.iter().find(|(beginning, _)| said.starts_with(beginning)) {
        Some((_, answer)) => *answer,
        None if said == "greeting" => "220 mx.example ESMTP",
        None if said == "DATA" => "354 go on",
        None if said.starts_with("EHLO") => "250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000000",
        None => "250 2.0.0 fine",
    };
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut said = "greeting".to_owned();
    loop {
        let answer = answer(&said);
        if answer.is_empty() {
            return None;
        }
        write.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        if answer.starts_with("354") {
            let mut message = String::new();
            loop {
                match lines.next_line().await.ok()??.as_str() {
                    "." => break,
                    line => message.push_str(&format!("{line}\n")),
                }
            }
            heard.lock().expect("not poisoned").push(message);
            said = ".".to_owned();
            continue;
        }
        said = lines.next_line().await.ok()??;
        heard.lock().expect("not poisoned").push(said.clone());
    }
}
