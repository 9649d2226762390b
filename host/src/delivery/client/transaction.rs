//! One message to one server: MAIL, RCPT for each recipient, the data (RFC 5321 3.3), in as few round trips as the server allows.

use super::{
    connection::Connection,
    data,
    error::ClientError,
    fit::{Fitted, fit},
};
use crate::{
    delivery::{Settings, outcome::Outcome},
    mail::{MailParameters, Message, Recipient, ReversePath},
    smtp::Reply,
};

/// A copy that leaves.
#[derive(Clone, Copy)]
pub(crate) struct Copy<'a> {
    pub(crate) sender: &'a ReversePath,
    pub(crate) parameters: &'a MailParameters,
    pub(crate) recipients: &'a [Recipient],
    pub(crate) message: &'a Message,
}

/// The conversation broke in a transaction.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) error: ClientError,
    /// Whether all of the message was sent: the server may have it, and another must not get it now.
    pub(crate) sent: bool,
}

impl From<ClientError> for Broken {
    fn from(error: ClientError) -> Self {
        Self { error, sent: false }
    }
}

/// Send a copy. One outcome for each recipient, in their order.
pub(crate) async fn send(
    connection: &mut Connection,
    copy: &Copy<'_>,
    settings: &Settings,
) -> Result<Vec<Outcome>, Broken> {
    let fitted = match fit(copy, connection.offers) {
        Ok(fitted) => fitted,
        Err(reply) => return Ok(vec![Outcome::of(reply, false); copy.recipients.len()]),
    };
    // Who can't be reached through this server is not named to it.
    let named: Vec<&str> = fitted.recipients.iter().filter_map(|one| one.as_deref().ok()).collect();
    let mut answered = if named.is_empty() {
        Vec::new().into_iter()
    } else {
        let transaction = Transaction { connection, fitted: &fitted, named, settings };
        transaction.run().await?.into_iter()
    };
    connection.used = connection.used.saturating_add(1);
    let outcome = |named: &Result<String, Reply>| match named {
        Ok(_) => answered.next(),
        Err(reply) => Some(Outcome::of(reply.clone(), false)),
    };
    Ok(fitted.recipients.iter().filter_map(outcome).collect())
}

struct Transaction<'a> {
    connection: &'a mut Connection,
    fitted: &'a Fitted<'a>,
    /// RCPT commands.
    named: Vec<&'a str>,
    settings: &'a Settings,
}

fn is_good(reply: &Reply) -> bool {
    reply.code / 100 == 2
}

impl Transaction<'_> {
    async fn run(mut self) -> Result<Vec<Outcome>, Broken> {
        if self.connection.offers.pipelining { self.pipelined().await } else { self.step_by_step().await }
    }

    /// RFC 2920: all commands in one go, then all replies.
    async fn pipelined(&mut self) -> Result<Vec<Outcome>, Broken> {
        let mut commands = self.fitted.mail.clone();
        commands.extend(self.named.iter().copied());
        if !self.fitted.binary {
            commands.push_str("DATA\r\n");
        }
        self.connection.write(commands.as_bytes(), self.settings.timeouts.command).await?;
        let mail = self.reply().await?;
        let mut replies = Vec::with_capacity(self.named.len());
        for _ in 0..self.named.len() {
            replies.push(self.reply().await?);
        }
        let data = if self.fitted.binary { None } else { Some(self.reply().await?) };
        if !is_good(&mail) {
            // Some servers say 354 all the same; what follows then is an empty message to nobody.
            if data.is_some_and(|data| data.code == 354) {
                self.nothing().await?;
            }
            self.reset().await?;
            return Ok(vec![Outcome::of(mail, false); replies.len()]);
        }
        self.finish(replies, data).await
    }

    /// For servers without PIPELINING.
    async fn step_by_step(&mut self) -> Result<Vec<Outcome>, Broken> {
        let timeout = self.settings.timeouts.command;
        let mail = self.connection.command(&self.fitted.mail, timeout).await?;
        if !is_good(&mail) {
            self.reset().await?;
            return Ok(vec![Outcome::of(mail, false); self.named.len()]);
        }
        let mut replies = Vec::with_capacity(self.named.len());
        for command in &self.named {
            replies.push(self.connection.command(command, timeout).await?);
        }
        let data = match replies.iter().any(is_good) && !self.fitted.binary {
            true => Some(self.connection.command("DATA\r\n", timeout).await?),
            false => None,
        };
        self.finish(replies, data).await
    }

    /// The message for those that were accepted. `data` is the reply to DATA, where that was said.
    async fn finish(&mut self, replies: Vec<Reply>, data: Option<Reply>) -> Result<Vec<Outcome>, Broken> {
        let accepted = replies.iter().filter(|reply| is_good(reply)).count();
        let verdicts = match data {
            // Nobody was accepted, yet the server wants the data: nothing, then (RFC 2920 3.1).
            Some(data) if data.code == 354 && accepted == 0 => {
                self.nothing().await?;
                Vec::new()
            }
            Some(data) if data.code != 354 => {
                self.reset().await?;
                vec![data; accepted]
            }
            None if accepted == 0 => {
                self.reset().await?;
                Vec::new()
            }
            _ => self.message(accepted).await?,
        };
        let mut verdicts = verdicts.into_iter();
        let outcome = |reply: Reply| match is_good(&reply) {
            true => Outcome::of(verdicts.next().unwrap_or(reply), false),
            false => Outcome::of(reply, true),
        };
        Ok(replies.into_iter().map(outcome).collect())
    }

    /// The message itself, and what the server says to it: once, or by LMTP for each recipient (RFC 2033 4.2).
    async fn message(&mut self, accepted: usize) -> Result<Vec<Reply>, Broken> {
        let (message, timeouts) = (&self.fitted.message, self.settings.timeouts);
        if self.fitted.binary {
            let command = format!("BDAT {} LAST\r\n", message.size());
            self.connection.write(command.as_bytes(), timeouts.command).await?;
            for piece in message.pieces() {
                self.connection.write(piece, timeouts.command).await?;
            }
        } else {
            let wire = data::encode(message.pieces(), message.size());
            self.connection.write(&wire, timeouts.command).await?;
        }
        let count = if self.connection.lmtp { accepted } else { 1 };
        let mut verdicts = Vec::with_capacity(count);
        for _ in 0..count {
            let reply = self.connection.reply(timeouts.data, "waiting for the reply to the end of the data").await;
            match (reply, verdicts.is_empty()) {
                (Ok(reply), _) => verdicts.push(reply),
                (Err(error), true) => return Err(Broken { error, sent: true }),
                // Some recipients have their answer; the others wait for another attempt.
                (Err(error), false) => {
                    self.connection.used = u32::MAX;
                    verdicts.push(error.reply());
                }
            }
        }
        let only = verdicts.first().filter(|_| !self.connection.lmtp).cloned();
        Ok(only.map_or(verdicts, |reply| vec![reply; accepted]))
    }

    async fn nothing(&mut self) -> Result<(), ClientError> {
        self.connection.command(".\r\n", self.settings.timeouts.command).await.map(drop)
    }

    /// Leave no half transaction behind for whoever uses the connection next.
    async fn reset(&mut self) -> Result<(), ClientError> {
        self.connection.command("RSET\r\n", self.settings.timeouts.command).await.map(drop)
    }

    async fn reply(&mut self) -> Result<Reply, ClientError> {
        self.connection.reply(self.settings.timeouts.command, "waiting for a reply").await
    }
}
