//! One random session, and what a server says in it.

use std::net::SocketAddr;

use crate::{client::Client, random::Random};

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

    /// Whether the address in a line has more than one `@`, or a `%` or `!`.
    pub(crate) fn names_a_further_way(line: &str) -> bool {
        line.contains(['%', '!']) || line.matches('@').count() > 1
    }

    /// Whether only one recipient was taken, and more than once; the first of the replies is the greeting.
    pub(crate) fn repeats_its_only_recipient(&self, replies: &[String]) -> bool {
        let heard = self.lines.iter().zip(replies.iter().skip(1));
        let taken = heard.filter(|(line, reply)| line.starts_with("RCPT") && reply.starts_with("250"));
        let mut taken = taken.map(|(line, _)| line.to_lowercase());
        let first = taken.next();
        let mut rest = taken.peekable();
        rest.peek().is_some() && rest.all(|line| Some(line) == first)
    }

    /// The greeting, and a reply to each line and to the end of the message, as far as the server goes along.
    pub(crate) fn play(&self, server: SocketAddr) -> Vec<String> {
        let address = self.client.parse().expect("an address");
        let (greeting, mut client) = Client::greeted_from(address, server).expect("a greeting");
        // A server that has closed says nothing more.
        let mut say = |line: &str| client.command(line).unwrap_or_default();
        let mut heard = vec![greeting];
        for line in &self.lines {
            heard.push(say(line));
            if heard.last().is_some_and(|reply| reply.starts_with("354")) {
                heard.push(say("Subject: x\r\n\r\n."));
            }
        }
        say("QUIT");
        heard
    }
}
