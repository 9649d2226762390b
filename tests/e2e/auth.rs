//! Logins on a listener: real clients, rows of `mailweir passwd`, and what they may do then.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    process::{Command, Stdio},
};

use regex::Regex;

use crate::{
    certificates::Authority,
    client::Client,
    clients::{run, text as text_of},
    examples::{example, free_port},
    log_formats::fail2ban,
    metrics::scrape,
    relay::{Relay, wait_until},
    sink::Sink,
    tls_client::connect,
};

/// The row that `mailweir passwd` makes.
fn row(name: &str, password: &str, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailweir"));
    command.args(["passwd", name]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("mailweir runs");
    writeln!(child.stdin.take().expect("piped"), "{password}").expect("written");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", text_of(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Users `joe` (argon2), `ann@example.com` (bcrypt) and `old` (sha512-crypt), all with the password `secret`; nobody is trusted.
pub(crate) struct Submission {
    pub(crate) relay: Relay,
    authority: Authority,
    sink: Sink,
}

impl Submission {
    pub(crate) fn start(auth: &str, rest: &str) -> Self {
        Self::start_with_head("", auth, rest)
    }

    /// The same, with what belongs above all tables.
    pub(crate) fn start_with_head(head: &str, auth: &str, rest: &str) -> Self {
        let (authority, sink) = (Authority::new(), Sink::start());
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
        authority.issue(&["relay.example.com", "localhost", "127.0.0.1"]).write(folder.path(), "relay");
        let users = [
            row("joe", "secret", &[]),
            row("ann@example.com", "secret", &["--scheme", "bcrypt"]),
            row("old", "secret", &["--scheme", "sha512-crypt"]),
        ];
        fs::write(folder.path().join("users"), users.concat()).expect("written");
        let text = format!(
            "{head}hostname = \"relay.example.com\"\nstate-dir = \"state\"\n[listen.submission]\naddresses = [\"127.0.0.1:0\"]\n\
             tls = {{ certificate = \"relay.pem\", key = \"relay.key\" }}\n\
             auth = {{ users = \"users\"{auth} }}\n[networks]\ntrusted = [\"192.0.2.0/24\"]\n\
             [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{}\"\n\
             [tables]\nusers = {{ type = \"text\", path = \"users\" }}\n{rest}",
            sink.address()
        );
        Self { relay: Relay::with_config(folder, &text), authority, sink }
    }

    /// A session under TLS.
    fn client(&self) -> Client {
        let mut plain = Client::connect(self.relay.address()).expect("a session");
        assert_eq!(plain.command("STARTTLS").expect("a reply"), "220 2.0.0 Ready to start TLS");
        let mut client = Client::over(connect(plain.into_stream(), "relay.example.com", &self.authority.pem()));
        client.command("EHLO client.example.org").expect("a reply");
        client
    }

    /// The one message that came, as text.
    pub(crate) fn only_message(&self) -> String {
        wait_until("it is delivered", || self.sink.count() == 1);
        String::from_utf8(self.sink.delivered().remove(0).data).expect("UTF-8")
    }

    fn swaks(&self, args: &[&str]) -> String {
        let server = self.relay.address().to_string();
        let args = [&["--server", &server, "--from", "joe@example.com", "--to", "b@world.example"], args].concat();
        text_of(&run("swaks", &args))
    }
}

/// The example, but for addresses and ports.
#[test]
fn the_example_takes_mail_on_its_three_ports() {
    let (authority, sink) = (Authority::new(), Sink::start());
    let folder = tempfile::tempdir().expect("a folder");
    authority.issue(&["relay.example.com"]).write(folder.path(), "relay");
    fs::write(folder.path().join("users"), row("joe@example.com", "secret", &[])).expect("written");
    let ports = [(); 3].map(|()| free_port());
    let text = example(
        "submission.toml",
        &[
            ("127.0.0.1:2525", &format!("127.0.0.1:{}", ports[0])),
            ("127.0.0.1:2587", &format!("127.0.0.1:{}", ports[1])),
            ("127.0.0.1:2465", &format!("127.0.0.1:{}", ports[2])),
            ("127.0.0.1:2526", &sink.address().to_string()),
        ],
    );
    let relay = Relay::with_config(folder, &text);
    let tested = text_of(&relay.command(&["test", "--config", "mailweir.toml"]));
    assert!(tested.contains("3 passed"), "{tested}");
    wait_until("all listen", || ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()));
    let swaks = |port: u16, args: &[&str]| {
        let server = format!("127.0.0.1:{port}");
        let args = [&["--server", &server, "--from", "sales@example.com"], args].concat();
        text_of(&run("swaks", &args))
    };
    let login = ["--to", "b@world.example", "--auth", "--auth-user", "joe@example.com", "--auth-password", "secret"];
    for (port, tls) in [(ports[1], "--tls"), (ports[2], "--tls-on-connect")] {
        let said = swaks(port, &[&login[..], &[tls]].concat());
        assert!(said.contains("250 2.0.0 Ok: queued as"), "{said}");
        let said = swaks(port, &["--to", "b@example.com", tls]);
        assert!(said.contains("530 5.7.0 Authentication required"), "{said}");
    }
    let said = swaks(ports[0], &["--to", "b@example.com"]);
    assert!(said.contains("250 2.0.0 Ok: queued as"), "{said}");
    wait_until("all are delivered", || sink.count() == 3);
}

/// `\0joe\0secret` and `\0joe\0wrong!`.
const RIGHT: &str = "AUTH PLAIN AGpvZQBzZWNyZXQ=";
const WRONG: &str = "AUTH PLAIN AGpvZQB3cm9uZyE=";
const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nbody\r\n";

#[test]
fn swaks_logs_in_and_may_send_anywhere() {
    let submission = Submission::start("", "");
    let said = submission.swaks(&["--tls"]);
    assert!(said.contains("554 5.7.1 <b@world.example>: Relay access denied"), "{said}");
    for (mechanism, user) in [("PLAIN", "joe"), ("LOGIN", "ann@example.com"), ("PLAIN", "old"), ("LOGIN", "JOE")] {
        let said = submission.swaks(&["--tls", "--auth", mechanism, "--auth-user", user, "--auth-password", "secret"]);
        assert!(said.contains("235 2.7.0 Authentication successful"), "{said}");
        assert!(said.contains("250 2.0.0 Ok: queued as"), "{said}");
    }
    wait_until("all are delivered", || submission.sink.count() == 4);
    let data = String::from_utf8(submission.sink.delivered().remove(0).data).expect("UTF-8");
    let field = [
        r"^Received: from \S+ \(unknown \[127\.0\.0\.1\]\)\r\n\t\(using TLSv1\.3 with cipher TLS13_[A-Z0-9_]+\)\r\n",
        r"\tby relay\.example\.com \(Mailweir\) with ESMTPSA id \w+\r\n\tfor <b@world\.example>;\r\n\t\w{3}, [^\r]+\r\n",
    ];
    assert!(Regex::new(&field.concat()).expect("a pattern").is_match(&data), "{data}");
    // Without TLS no password is asked for.
    let said = submission.swaks(&["--auth", "PLAIN", "--auth-user", "joe", "--auth-password", "secret"]);
    assert!(said.contains("Host did not advertise authentication"), "{said}");
    assert!(!submission.relay.log().contains("secret"), "passwords are in no log");
}

#[test]
fn guesses_take_longer_and_longer_and_end() {
    let submission = Submission::start(", failures = 3, failure-delay = \"50ms\"", "");
    let mut client = submission.client();
    for guess in [WRONG, "AUTH PLAIN AG5vYm9keQBzZWNyZXQ=", WRONG] {
        assert_eq!(client.command(guess).expect("a reply"), "535 5.7.8 Error: authentication failed");
    }
    let last = client.command(RIGHT).expect("a reply");
    assert_eq!(last, "421 4.7.0 relay.example.com Error: too many failed logins");
    assert!(client.command("NOOP").is_err(), "it is closed");
    // A new connection doesn't help.
    assert!(submission.client().command(RIGHT).expect("a reply").starts_with("421 4.7.0"));
    wait_until("the log says so", || submission.relay.log().contains("failures=3"));
}

#[test]
fn logins_are_told_to_all_who_watch() {
    let submission = Submission::start_with_head(
        "log-format = \"postfix\"\n",
        ", failures = 2, failure-delay = \"1ms\"",
        "[admin]\naddress = \"127.0.0.1:0\"\n",
    );
    let login =
        |password| submission.swaks(&["--tls", "--auth", "LOGIN", "--auth-user", "joe", "--auth-password", password]);
    assert!(login("secret").contains("250 2.0.0 Ok: queued as"));
    for reply in ["535 5.7.8", "535 5.7.8", "421 4.7.0"] {
        let said = login("wrong");
        assert!(said.contains(reply), "{said}");
    }
    let counted = |name: &str| scrape(&submission.relay)[name];
    for (result, count) in [("accepted", 1.0), ("rejected", 2.0), ("deferred", 1.0)] {
        assert_eq!(counted(&format!("mailweir_logins_total{{result=\"{result}\"}}")), count, "{result}");
    }
    assert_eq!(counted("mailweir_refusals_total{command=\"AUTH\",class=\"5\"}"), 2.0);
    let told = |pattern: &str| Regex::new(pattern).expect("a pattern").find_iter(&submission.relay.log()).count();
    for (pattern, count) in [
        (r"postfix/smtpd\[\d+\]: \w+: client=unknown\[127\.0\.0\.1\], sasl_method=LOGIN, sasl_username=joe\n", 1),
        (
            r"warning: unknown\[127\.0\.0\.1\]: SASL LOGIN authentication failed: authentication failed, sasl_username=joe\n",
            2,
        ),
        (
            r"warning: unknown\[127\.0\.0\.1\]: SASL LOGIN authentication failed: too many failed logins, sasl_username=joe\n",
            1,
        ),
    ] {
        wait_until(pattern, || told(pattern) == count);
    }
    assert_eq!(fail2ban("auth", &submission.relay.log()), ["127.0.0.1"; 3]);
}

#[test]
fn exchanges_without_a_password_are_told_as_by_postfix() {
    let submission = Submission::start_with_head("log-format = \"postfix\"\n", "", "");
    let mut client = submission.client();
    for (line, reply) in [
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("*", "501 5.7.0 Authentication aborted"),
        ("AUTH CRAM-MD5", "504 5.5.4 Error: unknown authentication mechanism"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("not base64", "501 5.5.2 Error: bad base64"),
        ("AUTH", "501 5.5.4 Syntax: AUTH mechanism"),
        ("AUTH PLAIN AGEAYgBj", "501 5.5.2 Error: malformed response"),
    ] {
        assert_eq!(client.command(line).expect("a reply"), reply, "{line}");
    }
    let told = || {
        let log = submission.relay.log();
        let lines = log.lines().filter_map(|line| line.split_once(" warning: unknown[127.0.0.1]: SASL "));
        lines.map(|(_, what)| what.to_owned()).collect::<Vec<_>>()
    };
    wait_until("all are told", || told().len() >= 4);
    assert_eq!(
        told(),
        [
            "LOGIN authentication aborted",
            "CRAM-MD5 authentication failed: Invalid authentication mechanism",
            "LOGIN authentication failed: bad base64",
            "PLAIN authentication failed: malformed response",
        ]
    );
    // Who gives up, or tries what isn't there, has not guessed.
    assert_eq!(fail2ban("auth", &submission.relay.log()), ["127.0.0.1"; 2]);
}

#[test]
fn a_listener_may_want_everybody_to_log_in() {
    let submission = Submission::start(", required = true, without-tls = true", "");
    let mut client = Client::connect(submission.relay.address()).expect("a session");
    assert_eq!(client.command("MAIL FROM:<joe@example.com>").expect("a reply"), "530 5.7.0 Authentication required");
    assert_eq!(client.command(RIGHT).expect("a reply"), "235 2.7.0 Authentication successful");
    assert!(client.send("joe@example.com", &["b@world.example"], MESSAGE).expect("a reply").starts_with("250"));
    assert!(submission.only_message().contains(" with ESMTPA id "));
}

#[test]
fn a_login_is_forgotten_when_tls_begins() {
    let submission = Submission::start(", without-tls = true", "");
    let mut plain = Client::connect(submission.relay.address()).expect("a session");
    plain.command(RIGHT).expect("a reply");
    plain.command("STARTTLS").expect("a reply");
    let mut client = Client::over(connect(plain.into_stream(), "relay.example.com", &submission.authority.pem()));
    client.command("EHLO client.example.org").expect("a reply");
    let reply = client.send("joe@example.com", &["b@world.example"], MESSAGE).expect("a reply");
    assert_eq!(reply, "554 5.7.1 <b@world.example>: Relay access denied");
}

#[test]
fn access_rules_and_conditions_know_the_login() {
    let rest = "owners = { type = \"inline\", rows = { \"joe@example.com\" = \"joe\", \"@example.com\" = \"ann@example.com\" } }\n\
         [[session]]\nplugin = \"access\"\n\
         config.sender = [\"reject_sender_login_mismatch\"]\nconfig.sender-logins = [\"owners\"]\n\
         config.relay = [\"permit_sasl_authenticated\", \"reject_unauth_destination\"]\n\
         [[message]]\nplugin = \"masquerade\"\nconfig = { domains = [\"example.com\"] }\nwhen = { client.login = \"^ann@\" }\n";
    let submission = Submission::start("", rest);
    let mut stranger = submission.client();
    let reply = stranger.send("joe@example.com", &["b@world.example"], MESSAGE).expect("a reply");
    assert_eq!(reply, "553 5.7.1 <joe@example.com>: Sender address rejected: not logged in");
    stranger.command("RSET").expect("a reply");
    let reply = stranger.send("x@other.example", &["b@world.example"], MESSAGE).expect("a reply");
    assert_eq!(reply, "554 5.7.1 <b@world.example>: Relay access denied");

    let mut joe = submission.client();
    joe.command(RIGHT).expect("a reply");
    let reply = joe.send("ann@example.com", &["b@world.example"], MESSAGE).expect("a reply");
    assert_eq!(reply, "553 5.7.1 <ann@example.com>: Sender address rejected: not owned by user joe");
    joe.command("RSET").expect("a reply");
    assert!(joe.send("joe@example.com", &["b@world.example"], MESSAGE).expect("a reply").starts_with("250"));

    let mut ann = submission.client();
    // \0ann@example.com\0secret
    ann.command("AUTH PLAIN AGFubkBleGFtcGxlLmNvbQBzZWNyZXQ=").expect("a reply");
    assert!(ann.send("ann@example.com", &["b@world.example"], MESSAGE).expect("a reply").starts_with("250"));
    wait_until("both are delivered", || submission.sink.count() == 2);
}

#[test]
fn a_table_that_can_not_answer_refuses_nobody_for_good() {
    let submission = Submission::start("", "");
    fs::write(submission.relay.folder().join("users"), "joe plaintext\n").expect("written");
    wait_until("the new table is in use", || {
        let reply = submission.client().command(RIGHT).expect("a reply");
        reply == "454 4.7.0 Temporary authentication failure"
    });
    wait_until("the log says why", || {
        submission.relay.log().contains("this is no hash of argon2, bcrypt or sha-crypt")
    });
}
