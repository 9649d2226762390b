//! One random session, and what a server says in it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::random::Random;

const CLIENTS: [&str; 5] = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.1.2", "127.1.2.3"];
const GREETINGS: [&str; 10] = [
    "client.example",
    "localhost",
    "a..b",
    "mail.host.example",
    "[127.0.0.1]",
    "[1.2.3]",
    "192.0.2.1",
    "host.example.",
    "under_score.example",
    "CLIENT.Example",
];
const SENDERS: [&str; 9] = [
    "",
    "joe@sender.example",
    "joe+ext@sender.example",
    "ann@host",
    "\"a b\"@sender.example",
    "x@sub.dom.example",
    "user@[192.0.2.1]",
    "Joe@Sender.EXAMPLE",
    "pp@d.example",
];
const RECIPIENTS: [&str; 13] = [
    "ann@ours.example",
    "bob+x@ours.example",
    "x@sub.ours.example",
    "y@elsewhere.example",
    "a%b@ours.example",
    "\"a@b\"@ours.example",
    "a!b@elsewhere.example",
    "postmaster",
    "q@[192.0.2.1]",
    "Ann@OURS.example",
    "z@host",
    "eve@ours.example",
    "\"q q\"@ours.example",
];

/// Who says what.
#[derive(Clone, Debug)]
pub(crate) struct Dialogue {
    pub(crate) client: &'static str,
    pub(crate) lines: Vec<String>,
}

impl Dialogue {
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut lines = vec![format!("EHLO {}", random.pick(&GREETINGS))];
        lines.push(format!("MAIL FROM:<{}>", random.pick(&SENDERS)));
        for _ in 0..=random.below(3) {
            lines.push(format!("RCPT TO:<{}>", random.pick(&RECIPIENTS)));
        }
        lines.push("DATA".to_owned());
        Self { client: random.pick(&CLIENTS), lines }
    }

    /// The greeting, and a reply to each line and to the end of the message, as far as the server goes along.
    pub(crate) fn play(&self, server: SocketAddr) -> Vec<String> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        let local: SocketAddr = format!("{}:0", self.client).parse().expect("an address");
        socket.bind(&local.into()).expect("loopback");
        socket.connect(&server.into()).expect("it listens");
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let mut stream = BufReader::new(stream);
        let mut heard = vec![reply(&mut stream)];
        assert!(!heard[0].is_empty(), "no greeting");
        for line in &self.lines {
            heard.push(say(&mut stream, line));
            if heard.last().is_some_and(|reply| reply.starts_with("354")) {
                heard.push(say(&mut stream, "Subject: x\r\n\r\n."));
            }
        }
        say(&mut stream, "QUIT");
        heard
    }
}

fn say(stream: &mut BufReader<TcpStream>, line: &str) -> String {
    // A server that has closed says nothing more.
    match stream.get_mut().write_all(format!("{line}\r\n").as_bytes()) {
        Ok(()) => reply(stream),
        Err(_) => String::new(),
    }
}

/// All lines of a reply; of a welcome the first.
fn reply(stream: &mut BufReader<TcpStream>) -> String {
    let mut text = String::new();
    loop {
        let start = text.len();
        if stream.read_line(&mut text).unwrap_or(0) == 0 || text.as_bytes().get(start + 3) != Some(&b'-') {
            return text.trim_end().to_owned();
        }
    }
}
