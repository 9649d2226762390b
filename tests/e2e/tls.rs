//! TLS on a listener: with the clients that people really use, and with what only an attacker sends.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    certificates::Authority,
    client::Client,
    clients::{run, text},
    relay::{Relay, wait_until},
    sink::Sink,
    tls_client::connect,
};

/// A relay with a certificate for its name from an authority in `ca.pem`.
fn relay(authority: &Authority, tls: &str, sink: &Sink) -> Relay {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
    authority.issue(&["relay.example.com"]).write(folder.path(), "relay");
    with_certificate(folder, tls, sink)
}

fn with_certificate(folder: TempDir, tls: &str, sink: &Sink) -> Relay {
    let text = format!(
        "hostname = \"relay.example.com\"\nstate-dir = \"state\"\n[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n\
         tls = {{ certificate = \"relay.pem\", key = \"relay.key\"{tls} }}\n\
         [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{}\"\n",
        sink.address()
    );
    Relay::with_config(folder, &text)
}

/// `openssl s_client`, which passes on what is said.
struct OpenSsl {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl OpenSsl {
    fn start(relay: &Relay, args: &[&str]) -> Self {
        let (server, authority) = (relay.address().to_string(), relay.folder().join("ca.pem"));
        let mut child = Command::new("openssl")
            .args([
                "s_client",
                "-quiet",
                "-verify_return_error",
                "-verify_hostname",
                "relay.example.com",
                "-connect",
                &server,
            ])
            .arg("-CAfile")
            .arg(authority)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is needed for this test (`make tools`)");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, input, output }
    }
}

impl Read for OpenSsl {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.output.read(into)
    }
}

impl Write for OpenSsl {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.input.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nbody\r\n";

/// The one message that came, as text.
fn only_message(sink: &Sink) -> String {
    wait_until("it is delivered", || sink.count() == 1);
    String::from_utf8(sink.delivered().remove(0).data).expect("UTF-8")
}

#[test]
fn openssl_begins_tls_with_starttls() {
    let (authority, sink) = (Authority::new(), Sink::start());
    let relay = relay(&authority, "", &sink);
    // It takes the greeting and says EHLO and STARTTLS by itself.
    let mut client = Client::over(OpenSsl::start(&relay, &["-starttls", "smtp", "-tls1_3"]));
    let hello = client.command("EHLO client.example.org").expect("a reply");
    assert!(!hello.contains("STARTTLS"), "{hello}");
    assert!(client.send("a@example.org", &["b@example.net"], MESSAGE).expect("a reply").starts_with("250"));
    let data = only_message(&sink);
    assert!(data.contains("(using TLSv1.3 with cipher TLS13_AES_"), "{data}");
    assert!(data.contains(" with ESMTPS id "), "{data}");
}

#[test]
fn openssl_begins_with_tls() {
    let (authority, sink) = (Authority::new(), Sink::start());
    let relay = relay(&authority, ", mode = \"implicit\"", &sink);
    let mut client = Client::over(OpenSsl::start(&relay, &["-tls1_2"]));
    assert_eq!(client.reply().expect("a greeting"), "220 relay.example.com ESMTP Mailweir");
    client.command("EHLO client.example.org").expect("a reply");
    assert_eq!(client.command("STARTTLS").expect("a reply"), "554 5.5.1 Error: TLS already active");
    assert!(client.send("a@example.org", &["b@example.net"], MESSAGE).expect("a reply").starts_with("250"));
    let data = only_message(&sink);
    assert!(data.contains("(using TLSv1.2 with cipher TLS_ECDHE_"), "{data}");
    // Old versions are not there any more.
    let mut old = Client::over(OpenSsl::start(&relay, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]));
    assert!(old.reply().is_err());
    wait_until("it is told", || relay.log().contains("TLS handshake failed"));
}

#[test]
fn swaks_sends_under_tls_where_nothing_else_is_taken() {
    let (authority, sink) = (Authority::new(), Sink::start());
    let relay = relay(&authority, ", mode = \"required\"", &sink);
    let server = relay.address().to_string();
    let send = |args: &[&str]| {
        let args = [&["--server", &server, "--from", "a@example.org", "--to", "b@example.net"], args].concat();
        run("swaks", &args)
    };
    let refused = send(&[]);
    assert!(text(&refused).contains("530 5.7.0 Must issue a STARTTLS command first"), "{}", text(&refused));
    let sent = send(&["--tls"]);
    assert!(sent.status.success(), "{}", text(&sent));
    assert!(only_message(&sink).contains(" with ESMTPS id "));
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart() {
    let (authority, sink) = (Authority::new(), Sink::start());
    let relay = relay(&authority, "", &sink);
    let connect = || {
        let mut client = Client::over(OpenSsl::start(&relay, &["-starttls", "smtp"]));
        client.command("NOOP").map(|reply| (reply, client))
    };
    let (_, mut before) = connect().expect("verified");
    // A broken pair does no harm.
    fs::write(relay.folder().join("relay.key"), "nonsense").expect("written");
    wait_until("the key is found broken", || {
        assert!(connect().is_ok(), "the old certificate stays in use");
        relay.log().contains("a changed certificate is broken, the old version stays in use")
    });
    // One from an authority that the client doesn't know is told from the old one by that.
    Authority::new().issue(&["relay.example.com"]).write(relay.folder(), "relay");
    wait_until("the new certificate is in use", || connect().is_err());
    assert_eq!(before.command("NOOP").expect("the session goes on"), "250 2.0.0 Ok");
}

#[test]
fn plaintext_behind_starttls_is_thrown_away() {
    let (authority, sink) = (Authority::new(), Sink::start());
    let relay = relay(&authority, "", &sink);
    let (_, mut client) = Client::greeted(relay.address()).expect("a session");
    client.command("EHLO client.example.org").expect("a reply");
    let reply = client.command("STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@example.org>").expect("a reply");
    assert_eq!(reply, "220 2.0.0 Ready to start TLS");
    let mut client = Client::over(connect(client.into_stream(), "relay.example.com", &authority.pem()));
    assert_eq!(client.command("MAIL FROM:<a@example.org>").expect("a reply"), "503 5.5.1 Error: send HELO/EHLO first");
    client.command("EHLO client.example.org").expect("a reply");
    assert!(client.send("a@example.org", &["b@example.net"], MESSAGE).expect("a reply").starts_with("250"));
    assert!(!only_message(&sink).contains("evil"));
    wait_until("the log says so", || relay.log().contains("plaintext behind STARTTLS"));
}

#[test]
fn a_handshake_that_does_not_come_is_not_waited_for() {
    let (authority, sink) = (Authority::new(), Sink::start());
    let relay = relay(&authority, ", mode = \"implicit\", handshake-timeout = \"200ms\"", &sink);
    assert!(closed(relay.address(), b"").is_empty());
    wait_until("it is told", || relay.log().contains("TLS handshake failed: timed out"));
    // An SMTP client that knows of no TLS gets an alert (RFC 8446 6.2), and no greeting.
    assert!(!closed(relay.address(), b"EHLO client.example.org\r\n").starts_with(b"220"));
}

/// What the relay says until it closes.
fn closed(address: SocketAddr, octets: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    stream.write_all(octets).expect("sent");
    let mut said = Vec::new();
    // A reset is a way to close, too.
    drop(stream.read_to_end(&mut said));
    said
}

#[test]
fn check_tells_what_does_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    Authority::new().issue_until(&["other.example.com"], 2021).write(folder.path(), "relay");
    let relay = with_certificate(folder, "", &Sink::start());
    let said = text(&relay.command(&["check", "--config", "mailweir.toml"]));
    assert!(said.contains("mailweir.toml:5:23: warning: "), "{said}");
    assert!(said.contains("the certificate has expired on Fri, 01 Jan 2021"), "{said}");
    assert!(said.contains("is not for `relay.example.com`; its names: other.example.com"), "{said}");
}
