//! Events as lines of Postfix's log, for `pflogsumm` and for scripts that read such logs.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    process,
    time::{Duration, SystemTime},
};

use super::{Attempted, Disconnected, Event, Fate, Login, Observer, Outcome, Received, Refused};
use crate::{
    mail::{Client, Recipient, rfc3339},
    pipeline::Phase,
    smtp::{EnhancedCode, Reply, Verb},
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
        Event::Disconnected(event) => disconnected(event, line),
        Event::Refused(event) => refused(event, line),
        Event::Login(event) => login(event, line),
        Event::Received(event) => received(event, line),
        Event::Attempted(event) => attempted(event, line),
        Event::Reported(event) => {
            line("bounce", format_args!("{}: sender notification: {}", event.id, event.report));
        }
        Event::Removed(id) => line("qmgr", format_args!("{id}: removed")),
    }
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

/// What the protocol refuses by itself, such as a command that is none, stands in no line of Postfix.
fn refused(event: &Refused<'_>, line: &mut dyn FnMut(&str, fmt::Arguments<'_>)) {
    if event.refusal.is_none() && event.recipient.is_none() {
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
        _ if event.destination.starts_with("lmtp") => "lmtp",
        _ => "smtp",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::{CommandCounts, Delays, LoginRefusal},
        mail::{Address, Envelope, ReversePath},
        pipeline::Refusal,
        smtp::Mechanism,
    };

    fn client() -> Client {
        Client {
            peer: "192.0.2.7:40000".parse().expect("an address"),
            name: Some("mx.example.org".to_owned()),
            helo: Some("laptop".to_owned()),
            tls: None,
            login: None,
            trusted: false,
        }
    }

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    fn written(event: &Event<'_>) -> Vec<String> {
        let mut all = Vec::new();
        lines(event, &mut |program, line| all.push(format!("{program}: {line}")));
        all
    }

    #[test]
    fn a_session() {
        let client = client();
        assert_eq!(written(&Event::Connected(&client)), ["smtpd: connect from mx.example.org[192.0.2.7]"]);
        let mut commands = CommandCounts::default();
        for (verb, accepted) in
            [(Some(Verb::Ehlo), true), (Some(Verb::Rcpt), true), (Some(Verb::Rcpt), false), (None, false)]
        {
            commands.add(verb, accepted);
        }
        let (error, verb, receiving) = (Some("lost connection"), Some(Verb::Data), Some(17));
        let ended = Disconnected { client: &client, error, verb, receiving, commands: &commands };
        assert_eq!(
            written(&Event::Disconnected(ended)),
            [
                "smtpd: lost connection after DATA (17 bytes) from mx.example.org[192.0.2.7]",
                "smtpd: disconnect from mx.example.org[192.0.2.7] ehlo=1 rcpt=1/2 unknown=0/1 commands=2/4",
            ]
        );
    }

    #[test]
    fn refusals_of_the_protocol_are_left_out() {
        let (client, to) = (Client { name: None, ..client() }, address("b@example.net"));
        let reply = Reply::new(554, EnhancedCode(5, 7, 1), "<b@example.net>: Relay access denied");
        let refusal = Refusal { stage: "access".into(), phase: Phase::EndOfData, reply: reply.clone() };
        let event = |verb, refusal, recipient| {
            let refused =
                Refused { client: &client, verb, refusal, transaction: None, recipient, reply: &reply, extended: true };
            written(&Event::Refused(refused))
        };
        let end = "from unknown[192.0.2.7]: 554 5.7.1 <b@example.net>: Relay access denied;";
        let expected = format!("smtpd: NOQUEUE: reject: RCPT {end} to=<b@example.net> proto=ESMTP helo=<laptop>");
        assert_eq!(event(Some(Verb::Rcpt), None, Some(&to)), [expected]);
        let expected = format!("smtpd: NOQUEUE: reject: END-OF-MESSAGE {end} proto=ESMTP helo=<laptop>");
        assert_eq!(event(Some(Verb::Data), Some(&refusal), None), [expected]);
        assert!(event(Some(Verb::Vrfy), None, None).is_empty());
    }

    #[test]
    fn logins() {
        let client = client();
        let reply = Reply::new(535, EnhancedCode(5, 7, 8), "Error: authentication failed");
        let event = |refusal| {
            let login = Login { client: &client, mechanism: Mechanism::Plain, login: "joe", failures: 1, refusal };
            written(&Event::Login(login))
        };
        assert!(event(None).is_empty());
        assert_eq!(
            event(Some(LoginRefusal { reason: "authentication failed", reply: &reply })),
            [
                "smtpd: warning: mx.example.org[192.0.2.7]: SASL PLAIN authentication failed: authentication failed,                  sasl_username=joe"
            ]
        );
    }

    #[test]
    fn what_becomes_of_a_message() {
        let client = Client { login: Some("joe".to_owned()), ..client() };
        let sender = ReversePath::parse("a@example.org").expect("a path");
        let envelope = Envelope::new(sender.clone(), vec![Recipient::new(address("b@example.net"))]);
        let reply = Reply::new(550, EnhancedCode(5, 7, 1), "no");
        let event = |fate| {
            let received = Received {
                id: "Q1",
                client: &client,
                login_method: Some("PLAIN"),
                sender: &sender,
                envelope: &envelope,
                size: 300,
                message_id: "<x@y>",
                fate,
                elapsed: Duration::ZERO,
                stage: None,
                filters: &[],
                reply: &reply,
                extended: false,
            };
            written(&Event::Received(received))
        };
        let about = "from=<a@example.org> to=<b@example.net> proto=SMTP helo=<laptop>";
        let from = "END-OF-MESSAGE from mx.example.org[192.0.2.7]:";
        let first = "smtpd: Q1: client=mx.example.org[192.0.2.7], sasl_method=PLAIN, sasl_username=joe";
        for (fate, last) in [
            (Fate::Queued, "qmgr: Q1: from=<a@example.org>, size=300, nrcpt=1 (queue active)".to_owned()),
            (Fate::Held("odd"), format!("cleanup: Q1: hold: {from} odd; {about}")),
            (Fate::Discarded("spam"), format!("cleanup: Q1: discard: {from} spam; {about}")),
            (Fate::Refused, format!("cleanup: Q1: milter-reject: {from} 5.7.1 no; {about}")),
        ] {
            assert_eq!(event(fate), [first.to_owned(), "cleanup: Q1: message-id=<x@y>".to_owned(), last]);
        }
    }

    #[test]
    fn what_becomes_of_a_recipient() {
        let (client, sender) = (client(), ReversePath::Null);
        let recipient = Recipient { original: address("old@example.net"), ..Recipient::new(address("b@example.net")) };
        let later = Reply::plain(450, "later");
        let event = |outcome, server, tried, destination| {
            let delays = Delays { queued: Duration::from_millis(1250), ..Delays::default() };
            let (id, size, filters) = ("Q1", 300, &[][..]);
            let (client, sender, recipient) = (&client, &sender, &recipient);
            written(&Event::Attempted(Attempted {
                id,
                client,
                sender,
                recipient,
                size,
                destination,
                server,
                tried,
                delays,
                filters,
                outcome,
            }))
        };
        let to = "Q1: to=<b@example.net>, orig_to=<old@example.net>,";
        let spent = "delay=1.25, delays=1.25/0/0/0,";
        let server = Some("mx[192.0.2.1]:25");
        let deferred = format!(
            "smtp: {to} relay=mx[192.0.2.1]:25, {spent} dsn=4.0.0, status=deferred (host mx[192.0.2.1]:25 said: 450 later)"
        );
        assert_eq!(event(Outcome::Deferred(&later), server, true, "mx"), [deferred.as_str()]);
        let expired = "qmgr: Q1: from=<>, status=expired, returned to sender";
        assert_eq!(event(Outcome::Expired(&later), server, true, "mx"), [deferred.as_str(), expired]);
        let ok = Reply::new(250, EnhancedCode(2, 1, 5), "ok");
        let sent = format!("lmtp: {to} relay=mx[192.0.2.1]:25, {spent} dsn=2.1.5, status=sent (250 2.1.5 ok)");
        assert_eq!(event(Outcome::Delivered(&ok), server, true, "lmtp://mx"), [sent]);
        let postponed = format!("error: {to} relay=none, {spent} dsn=4.0.0, status=deferred (450 later)");
        assert_eq!(event(Outcome::Deferred(&later), None, false, "mx"), [postponed]);
    }
}
