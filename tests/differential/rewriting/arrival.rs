//! Messages on their way through a server, and what the next hop got of each.

use std::net::SocketAddr;

use super::letter::{Letter, NUMBER};
use crate::{
    client::Client,
    relay::wait_until,
    sink::{Delivered, Sink},
};

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The reply to what the server did not take.
    Refused(String),
    /// It was taken, and has not left.
    Kept,
    Arrived(Arrived),
}

/// As the next hop got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) sender: String,
    /// In order; a server may send several copies.
    pub(crate) recipients: Vec<String>,
    /// Names and values of the header, without trace fields and the number; values with all their octets.
    pub(crate) fields: Vec<(String, String)>,
}

/// Send all, and wait until the log tells of each that it has left or stays.
pub(crate) fn send_all(letters: &[Letter], server: SocketAddr, sink: &Sink, log: impl Fn() -> String) -> Vec<Ending> {
    let replies: Vec<_> =
        letters.iter().enumerate().map(|(number, letter)| send(letter, &letter.message(number), server)).collect();
    let queued = |reply: &String| reply.starts_with("250").then(|| id(reply).to_owned());
    let ids: Vec<_> = replies.iter().filter_map(queued).collect();
    wait_until("all messages have left or stay", || {
        let log = log();
        ids.iter().all(|id| has_ended(&log, id))
    });
    let delivered = sink.delivered();
    let ending = |(number, reply): (usize, String)| {
        if !reply.starts_with("250") {
            return Ending::Refused(reply);
        }
        let field = (NUMBER.to_owned(), format!(" {number}"));
        let mut copies = delivered.iter().filter(|one| header(one).contains(&field));
        copies.next().map_or(Ending::Kept, |first| Ending::Arrived(arrived(first, copies)))
    };
    replies.into_iter().enumerate().map(ending).collect()
}

fn send(letter: &Letter, message: &[u8], server: SocketAddr) -> String {
    let (_, mut client) = Client::greeted_from(letter.client, server).expect("a greeting");
    client.command("EHLO client.example").expect("a reply");
    client.send(letter.sender, &letter.recipients, message).expect("a reply")
}

/// `250 2.0.0 Ok: queued as ID`.
fn id(reply: &str) -> &str {
    reply.rsplit(' ').next().unwrap_or_default()
}

/// Postfix says `removed` at the end; both tell of recipients that stay.
fn has_ended(log: &str, id: &str) -> bool {
    let words = ["removed", "status=deferred", "delivered", "deferred", "bounced", "DEFER"];
    log.lines().any(|line| line.contains(id) && words.iter().any(|word| line.contains(word)))
}

fn arrived<'a>(first: &Delivered, more: impl Iterator<Item = &'a Delivered>) -> Arrived {
    let mut recipients = first.recipients.clone();
    more.for_each(|copy| recipients.extend(copy.recipients.iter().cloned()));
    recipients.sort();
    let mut fields = header(first);
    fields.retain(|(name, _)| name != "Received" && name != NUMBER);
    Arrived { sender: first.sender.clone(), recipients, fields }
}

/// Names and values of the header's fields, values with their line ends.
fn header(message: &Delivered) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(&message.data);
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.split("\r\n").take_while(|line| !line.is_empty()) {
        match (line.starts_with([' ', '\t']), fields.last_mut()) {
            (true, Some((_, value))) => *value += &format!("\r\n{line}"),
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                fields.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    fields
}
