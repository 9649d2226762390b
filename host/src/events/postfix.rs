//! Events as lines of Postfix's log, for `pflogsumm` and for scripts that read such logs.

#[cfg(test)]
mod tests;

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    process,
    time::{Duration, SystemTime},
};

use super::{
    Attempted, Awaited, Contacted, Disconnected, Event, Fate, Login, Observer, Operated, Outcome, Received, Refused,
    Security, TalkedEarly,
};
use crate::{
    mail::{Client, Recipient, rfc3339, version_and_cipher},
    pipeline::Phase,
    smtp::{EnhancedCode, Reply, Verb},
    spool::Change,
};

/// Writes such lines to standard error, with times in UTC.
pub struct PostfixLog {
    hostname: String,
}

impl PostfixLog {
    /// For a host of this name.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self { hostname: hostname.into() }
    }
}

impl Observer for PostfixLog {
    fn observe(&self, time: SystemTime, event: &Event<'_>) {
        let mut text = String::new();
        lines(event, &mut |program, line| {
            // What others say must not begin a line of its own.
            let line = line.to_string().replace(char::is_control, "?");
            writeln!(text, "{}{line}", line_start(time, &self.hostname, program)).ok();
        });
        // A log that can't be written is no reason to stop mail.
        io::stderr().lock().write_all(text.as_bytes()).ok();
    }
}

/// What each line begins with: time, host, program.
pub fn line_start(time: SystemTime, hostname: &str, program: &str) -> String {
    format!("{} {hostname} postfix/{program}[{}]: ", rfc3339(time), process::id())
}

/// The lines of an event, each with the program of Postfix that would write it.
fn lines(event: &Event<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    match event {
        Event::Connected(client) => line("smtpd", format_args!("connect from {}", Host(client))),
        Event::Secured(client) => secured(client, line),
        Event::Disconnected(event) => disconnected(event, line),
        Event::TalkedEarly(event) => talked_early(event, line),
        Event::Refused(event) => refused(event, line),
        Event::Login(event) => login(event, line),
        Event::Received(event) => received(event, line),
        Event::Contacted(event) => contacted(event, line),
        Event::Attempted(event) => attempted(event, line),
        Event::Reported(event) => {
            line("bounce", format_args!("{}: sender notification: {}", event.id, event.report));
        }
        Event::Operated(event) => operated(event, line),
        Event::Removed(id) => line("qmgr", format_args!("{id}: removed")),
    }
}

/// We ask clients for no certificate: to us they are anonymous.
fn secured(client: &Client, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let (version, cipher) = version_and_cipher(client.tls.as_deref().unwrap_or_default());
    let host = Host(client);
    line("smtpd", format_args!("Anonymous TLS connection established from {host}: {version} with cipher {cipher}"));
}

fn disconnected(event: &Disconnected<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let host = Host(event.client);
    if let Some(error) = event.error {
        let verb = event.verb.map_or("CONNECT", Verb::name);
        match event.receiving {
            Some(octets) => line("smtpd", format_args!("{error} after {verb} ({octets} bytes) from {host}")),
            None => line("smtpd", format_args!("{error} after {verb} from {host}")),
        }
    }
    line("smtpd", format_args!("disconnect from {host}{}", event.commands));
}

fn talked_early(event: &TalkedEarly<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let (client, said) = (event.client, event.excerpt());
    match event.awaited {
        Awaited::Greeting(waited) => {
            let (octets, waited, host, port) =
                (event.said.len(), seconds(waited), client.peer.ip(), client.peer.port());
            line("postscreen", format_args!("PREGREET {octets} after {waited} from [{host}]:{port}: {said}"));
        }
        Awaited::Reply(verb) => {
            let (verb, host) = (verb.name(), Host(client));
            line("smtpd", format_args!("improper command pipelining after {verb} from {host}: {said}"));
        }
    }
}

/// Of commands that the protocol refuses by itself, such as those that are none, only AUTH stands in a line of Postfix.
fn refused(event: &Refused<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    if let Some(mechanism) = event.mechanism {
        return exchange_failed(event, mechanism, line);
    }
    if event.refusal.is_none() && event.recipient.is_none() && event.verb.is_some() {
        return;
    }
    let moment = match event.refusal.map(|refusal| refusal.phase) {
        Some(Phase::EndOfData) => "END-OF-MESSAGE",
        _ => event.verb.map_or("CONNECT", Verb::name),
    };
    let mut about = String::new();
    if let Some(transaction) = event.transaction {
        write!(about, " from=<{}>", transaction.sender).ok();
    }
    if let Some(recipient) = event.recipient {
        write!(about, " to=<{recipient}>").ok();
    }
    let (host, reply, end) = (Host(event.client), event.reply, Greeting(event.client, event.extended));
    line("smtpd", format_args!("NOQUEUE: reject: {moment} from {host}: {reply};{about}{end}"));
}

/// In Postfix's words where a client gives up (`501 5.7.0`) or names a mechanism that isn't offered (`504`): fail2ban tells both from guesses.
fn exchange_failed(event: &Refused<'_>, mechanism: &str, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let (host, reply) = (Host(event.client), event.reply);
    let how = match (reply.code, reply.enhanced) {
        (501, Some(EnhancedCode(5, 7, 0))) => "aborted".to_owned(),
        (504, _) => "failed: Invalid authentication mechanism".to_owned(),
        _ => format!("failed: {}", reply.text.trim_start_matches("Error: ")),
    };
    line("smtpd", format_args!("warning: {host}: SASL {mechanism:.100} authentication {how}"));
}

/// In the form that Postfix has since 3.8. Of those that succeed it tells with their messages.
fn login(event: &Login<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let Some(refusal) = event.refusal else { return };
    let (host, mechanism, login) = (Host(event.client), event.mechanism.name(), event.login);
    let why = refusal.reason;
    line(
        "smtpd",
        format_args!("warning: {host}: SASL {mechanism} authentication failed: {why}, sasl_username={login}"),
    );
}

fn received(event: &Received<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let (id, host) = (event.id, Host(event.client));
    let mut client = format!("client={host}");
    if let (Some(method), Some(login)) = (event.login_method, &event.client.login) {
        write!(client, ", sasl_method={method}, sasl_username={login}").ok();
    }
    line("smtpd", format_args!("{id}: {client}"));
    line("cleanup", format_args!("{id}: message-id={}", event.message_id));
    let (what, why) = match event.fate {
        Fate::Queued => {
            let (size, nrcpt) = (event.size, event.envelope.recipients.len());
            let sender = &event.envelope.sender;
            return line("qmgr", format_args!("{id}: from=<{sender}>, size={size}, nrcpt={nrcpt} (queue active)"));
        }
        Fate::Held(reason) => ("hold", reason.to_owned()),
        Fate::Discarded(reason) => ("discard", reason.to_owned()),
        Fate::Refused => ("milter-reject", format!("{} {}", Status(event.reply), event.reply.text)),
    };
    let to: String = event.envelope.recipients.iter().map(|one| format!(" to=<{}>", one.original)).collect();
    let end = Greeting(event.client, event.extended);
    line("cleanup", format_args!("{id}: {what}: END-OF-MESSAGE from {host}: {why}; from=<{}>{to}{end}", event.sender));
}

/// Failures stand in the lines of the recipients.
fn contacted(event: &Contacted<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let Ok(Security { tls: Some(tls), .. }) = event.result else { return };
    let trust = if tls.verified { "Verified" } else { "Untrusted" };
    let (server, (version, cipher)) = (event.server, version_and_cipher(&tls.description));
    line(
        client(event.destination),
        format_args!("{trust} TLS connection established to {server}: {version} with cipher {cipher}"),
    );
}

/// The program that talks to this destination.
fn client(destination: &str) -> &'static str {
    if destination.starts_with("lmtp") { "lmtp" } else { "smtp" }
}

fn attempted(event: &Attempted<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let ours = |code, text| Reply::new(code, EnhancedCode(if code < 300 { 2 } else { 4 }, 0, 0), text);
    let (status, reply) = match event.outcome {
        Outcome::Delivered(reply) => ("sent", reply.clone()),
        Outcome::Deferred(reply) | Outcome::Expired(reply) => ("deferred", reply.clone()),
        Outcome::Bounced(reply) => ("bounced", reply.clone()),
        Outcome::Held(reason) => ("deferred", ours(450, format!("held: {reason}"))),
        Outcome::Discarded(reason) => ("sent", ours(250, format!("discarded: {reason}"))),
    };
    let program = match event.outcome {
        _ if !event.tried => "error",
        Outcome::Discarded(_) => "discard",
        _ => client(event.destination),
    };
    let (id, relay, delays) = (event.id, event.server.unwrap_or("none"), event.delays);
    let spent = [delays.queued, delays.waiting, delays.setup, delays.transfer].map(seconds).join("/");
    let said = match (status, event.server) {
        ("sent", _) | (_, None) => reply.to_string(),
        (_, Some(server)) => format!("host {server} said: {reply}"),
    };
    line(
        program,
        format_args!(
            "{id}: {}, relay={relay}, delay={}, delays={spent}, dsn={}, status={status} ({said})",
            To(event.recipient),
            seconds(delays.total()),
            Status(&reply),
        ),
    );
    if let Outcome::Expired(_) = event.outcome {
        line("qmgr", format_args!("{id}: from=<{}>, status=expired, returned to sender", event.sender));
    }
}

/// As `postsuper`, but for recipients; it doesn't tell of queues that are flushed.
fn operated(event: &Operated<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    let what = match event.change {
        Change::Hold => "placed on hold",
        Change::Release => "released from hold",
        Change::Requeue => "requeued",
        Change::Delete => "deleted",
        Change::Flush => return,
    };
    let Operated { recipient, operator, .. } = event;
    line("postsuper", format_args!("{}: to=<{}>, {what} by uid {operator}", recipient.id, recipient.address));
}

/// `mx.example.com[192.0.2.1]`.
struct Host<'a>(&'a Client);

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.0.name.as_deref().unwrap_or("unknown"), self.0.peer.ip())
    }
}

/// ` proto=ESMTP helo=<laptop>`, as far as it has come; the name cannot break the line (RFC 5321 allows it nothing that could, Postfix
/// takes more).
struct Greeting<'a>(&'a Client, bool);

impl fmt::Display for Greeting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = if self.1 { "ESMTP" } else { "SMTP" };
        match &self.0.helo {
            Some(helo) => write!(f, " proto={protocol} helo=<{helo}>"),
            None => write!(f, " proto={protocol}"),
        }
    }
}

/// `to=<now@example.com>, orig_to=<before@example.com>`.
struct To<'a>(&'a Recipient);

impl fmt::Display for To<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recipient { address, original, .. } = self.0;
        write!(f, "to=<{address}>")?;
        if address == original { Ok(()) } else { write!(f, ", orig_to=<{original}>") }
    }
}

/// The enhanced code, or what the code says of it.
struct Status<'a>(&'a Reply);

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.enhanced {
            Some(enhanced) => write!(f, "{enhanced}"),
            None => write!(f, "{}.0.0", self.0.code / 100),
        }
    }
}

/// In seconds, as short as it gets with two digits behind the point: `0`, `0.05`, `312`.
fn seconds(duration: Duration) -> String {
    let text = format!("{:.2}", duration.as_secs_f64());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
