//! One message to one next hop: MAIL, RCPT for each recipient, DATA (RFC 5321 3.3), in as few round trips as the server allows.

use std::fmt::Write as _;

use super::{
    connection::{ClientError, Connection, Offers},
    data,
    pool::Pool,
};
use crate::{
    delivery::{NextHop, Settings, outcome::Outcome},
    mail::{Address, Message, ReversePath},
    smtp::{EnhancedCode, Reply},
};

/// A copy that leaves.
pub(crate) struct Copy<'a> {
    pub(crate) sender: &'a ReversePath,
    pub(crate) recipients: &'a [Address],
    pub(crate) message: &'a Message,
}

impl Copy<'_> {
    fn is_eight_bit(&self) -> bool {
        self.message.pieces().any(|piece| !piece.is_ascii())
    }

    /// RFC 6531 3.1: an address beyond ASCII needs a server that knows them.
    fn is_international(&self) -> bool {
        !self.sender.as_str().is_ascii() || self.recipients.iter().any(Address::is_international)
    }

    fn mail_command(&self, offers: Offers) -> String {
        let mut line = format!("MAIL FROM:<{}>", self.sender);
        if offers.size {
            write!(line, " SIZE={}", self.message.size()).ok();
        }
        // RFC 6152; a server that doesn't offer it gets the octets all the same, as everybody does it.
        if offers.eight_bit && self.is_eight_bit() {
            line.push_str(" BODY=8BITMIME");
        }
        if self.is_international() {
            line.push_str(" SMTPUTF8");
        }
        line + "\r\n"
    }
}

/// Send a copy. One outcome for each recipient, in their order; an error means that nobody got it, as far as we know.
pub(crate) async fn send(
    copy: &Copy<'_>,
    next_hop: &NextHop,
    pool: &Pool,
    settings: &Settings,
) -> Result<Vec<Outcome>, ClientError> {
    let mut connection = pool.get(next_hop, settings).await?;
    if copy.is_international() && !connection.offers.utf8 {
        pool.put(next_hop, connection).await;
        let reply = Reply::new(553, EnhancedCode(5, 6, 7), "the next hop does not take internationalised addresses");
        return Ok(vec![Outcome::Failed(reply); copy.recipients.len()]);
    }
    let mut transaction = Transaction { connection: &mut connection, copy, settings };
    let outcomes = if transaction.connection.offers.pipelining {
        transaction.pipelined().await?
    } else {
        transaction.step_by_step().await?
    };
    connection.used += 1;
    pool.put(next_hop, connection).await;
    Ok(outcomes)
}

struct Transaction<'a> {
    connection: &'a mut Connection,
    copy: &'a Copy<'a>,
    settings: &'a Settings,
}

impl Transaction<'_> {
    /// RFC 2920: all commands in one go, then all replies.
    async fn pipelined(&mut self) -> Result<Vec<Outcome>, ClientError> {
        let timeout = self.settings.timeouts.command;
        let mut commands = self.copy.mail_command(self.connection.offers);
        for recipient in self.copy.recipients {
            write!(commands, "RCPT TO:<{recipient}>\r\n").ok();
        }
        commands.push_str("DATA\r\n");
        self.connection.write(commands.as_bytes(), timeout).await?;
        let mail = self.reply().await?;
        let mut replies = Vec::with_capacity(self.copy.recipients.len());
        for _ in self.copy.recipients {
            replies.push(self.reply().await?);
        }
        let data = self.reply().await?;
        if mail.code / 100 != 2 {
            // Some servers say 354 all the same; what follows then is an empty message to nobody.
            if data.code == 354 {
                self.connection.command(".\r\n", timeout).await?;
            }
            self.reset().await?;
            return Ok(vec![Outcome::of(mail, false); replies.len()]);
        }
        self.finish(replies, data).await
    }

    /// For servers without PIPELINING.
    async fn step_by_step(&mut self) -> Result<Vec<Outcome>, ClientError> {
        let timeout = self.settings.timeouts.command;
        let mail = self.connection.command(&self.copy.mail_command(self.connection.offers), timeout).await?;
        if mail.code / 100 != 2 {
            return Ok(vec![Outcome::of(mail, false); self.copy.recipients.len()]);
        }
        let mut replies = Vec::with_capacity(self.copy.recipients.len());
        for recipient in self.copy.recipients {
            replies.push(self.connection.command(&format!("RCPT TO:<{recipient}>\r\n"), timeout).await?);
        }
        if replies.iter().all(|reply| reply.code / 100 != 2) {
            self.reset().await?;
            return Ok(replies.into_iter().map(|reply| Outcome::of(reply, true)).collect());
        }
        let data = self.connection.command("DATA\r\n", timeout).await?;
        self.finish(replies, data).await
    }

    /// After DATA: the message for those that were accepted.
    async fn finish(&mut self, replies: Vec<Reply>, data: Reply) -> Result<Vec<Outcome>, ClientError> {
        let timeouts = self.settings.timeouts;
        let accepted = |reply: &Reply| reply.code / 100 == 2;
        let verdict = match (data.code, replies.iter().any(accepted)) {
            (354, true) => {
                let wire = data::encode(self.copy.message.pieces(), self.copy.message.size());
                self.connection.write(&wire, timeouts.command).await?;
                self.connection.reply(timeouts.data, "waiting for the reply to the end of the data").await?
            }
            // RFC 2920 3.1: nobody was accepted, yet the server wants the data: nothing, then.
            (354, false) => self.connection.command(".\r\n", timeouts.command).await?,
            _ => {
                self.reset().await?;
                data
            }
        };
        let outcome = |reply: Reply| {
            if accepted(&reply) { Outcome::of(verdict.clone(), false) } else { Outcome::of(reply, true) }
        };
        Ok(replies.into_iter().map(outcome).collect())
    }

    /// Leave no half transaction behind for whoever uses the connection next.
    async fn reset(&mut self) -> Result<(), ClientError> {
        self.connection.command("RSET\r\n", self.settings.timeouts.command).await.map(drop)
    }

    async fn reply(&mut self) -> Result<Reply, ClientError> {
        self.connection.reply(self.settings.timeouts.command, "waiting for a reply").await
    }
}
