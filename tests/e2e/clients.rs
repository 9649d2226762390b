//! Clients that people really use: swaks, Python's smtplib, Postfix's smtp-source.

use std::process::{Command, Output};

use crate::{
    relay::{Relay, wait_until},
    sink::Sink,
};

pub(crate) fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output();
    output.unwrap_or_else(|error| panic!("{program} is needed for this test (`make tools`): {error}"))
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn swaks_sends_with_pipelining_and_8_bit() {
    let sink = Sink::start();
    let relay = Relay::start("", sink.address());
    let server = relay.address().to_string();
    let output = run(
        "swaks",
        &[
            "--server",
            &server,
            "--from",
            "a@example.org",
            "--to",
            "b@example.net,c@example.net",
            "--pipeline",
            "--header",
            "Subject: Grüße",
            "--body",
            "Zeile mit ü\n.\n..zwei Punkte\n",
        ],
    );
    assert!(output.status.success(), "{}", text(&output));
    wait_until("it is delivered", || sink.count() == 1);
    let message = sink.delivered().remove(0);
    assert_eq!(message.recipients, ["b@example.net", "c@example.net"]);
    let body = String::from_utf8(message.data).expect("UTF-8 as sent");
    assert!(body.contains("Subject: Grüße\r\n"), "{body}");
    assert!(body.contains("Zeile mit ü\r\n.\r\n..zwei Punkte\r\n"), "{body}");
}

#[test]
fn swaks_sees_relaying_refused() {
    let sink = Sink::start();
    let config = "[networks]\ntrusted = [\"192.0.2.0/24\"]\n\n[relay]\ndomains = [\"example.net\"]\n";
    let relay = Relay::start(config, sink.address());
    let server = relay.address().to_string();
    let output = run("swaks", &["--server", &server, "--from", "a@example.org", "--to", "b@elsewhere.example"]);
    assert!(text(&output).contains("554 5.7.1 <b@elsewhere.example>: Relay access denied"), "{}", text(&output));
    let output = run("swaks", &["--server", &server, "--from", "a@example.org", "--to", "b@sub.example.net"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn smtplib_sends_to_many() {
    let sink = Sink::start();
    let relay = Relay::start("", sink.address());
    let script = format!(
        "import smtplib\nfrom email.message import EmailMessage\nm = EmailMessage()\nm['From'] = 'a@example.org'\n\
         m['To'] = 'b@example.net'\nm['Subject'] = 'hello'\nm.set_content('.\\n..\\ntext')\n\
         m.add_attachment(bytes(range(256)), maintype='application', subtype='octet-stream', filename='all.bin')\n\
         s = smtplib.SMTP('127.0.0.1', {})\ns.send_message(m, to_addrs=['r%d@example.net' % i for i in range(50)])\ns.quit()\n",
        relay.address().port()
    );
    let output = run("python3", &["-c", &script]);
    assert!(output.status.success(), "{}", text(&output));
    wait_until("all are delivered", || {
        sink.delivered().iter().map(|message| message.recipients.len()).sum::<usize>() == 50
    });
}

#[test]
fn smtp_source_sends_a_thousand_in_ten_sessions() {
    let sink = Sink::start();
    let mut relay = Relay::start("", sink.address());
    let server = relay.address().to_string();
    let output = run(
        "smtp-source",
        &["-s", "10", "-m", "1000", "-l", "4000", "-f", "a@example.org", "-t", "b@example.net", &server],
    );
    assert!(output.status.success(), "{}", text(&output));
    wait_until("all are delivered", || sink.count() == 1000);
    assert!(relay.stop(), "SIGTERM ends it well");
}
