//! Next hops that people really have: Postfix with TLS and AUTH, Dovecot's LMTP, Exim.

use std::fs;

use tempfile::TempDir;

use crate::{
    certificates::Authority,
    client::Client,
    dovecot::Dovecot,
    examples::example,
    exim::Exim,
    postfix::Postfix,
    relay::{Relay, wait_until},
    sink::Sink,
};

/// A certificate for `smtp.isp.example`, its key and its authority, in files.
fn certificates() -> TempDir {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
    authority.issue(&["smtp.isp.example"]).write(folder.path(), "cert");
    folder
}

/// Postfix as a provider's server: mail only from those who log in, under TLS, and on to `sink`.
fn provider(dovecot: &Dovecot, certificates: &TempDir, sink: &Sink) -> Postfix {
    Postfix::start(&format!(
        "smtpd_relay_restrictions = permit_sasl_authenticated, reject\nmynetworks =\nrelayhost = [127.0.0.1]:{}\n\
         smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {}\nsmtpd_sasl_security_options = noanonymous\n\
         smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {folder}/cert.pem\nsmtpd_tls_key_file = {folder}/cert.key\n\
         smtpd_tls_loglevel = 1",
        sink.address().port(),
        dovecot.socket("auth").display(),
        folder = certificates.path().display()
    ))
}

fn send(relay: &Relay, recipients: &[&str]) {
    let mut client = Client::connect(relay.address()).expect("a session");
    let reply = client.send("a@example.org", recipients, b"Subject: hello\r\n\r\n.body\r\n").expect("a reply");
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
}

/// The smart host of `examples/`, with the certificate's name for a server that is reached by its address.
fn smart_host(postfix: &Postfix, certificates: &TempDir, name: &str, password: &str) -> Relay {
    let next_hop = format!("smtp://{}", postfix.address());
    let authority =
        format!("tls = \"verify\"\ntls-name = \"{name}\"\ntls-ca = \"{}/ca.pem\"", certificates.path().display());
    let text = example(
        "smart-host.toml",
        &[
            ("127.0.0.1:2525", "127.0.0.1:0"),
            ("smtp://smtp.isp.example:587", &next_hop),
            ("customer-17:secret", &format!("jane@example.net:{password}")),
            ("tls = \"verify\"", &authority),
        ],
    );
    Relay::with_config(tempfile::tempdir().expect("a folder"), &text)
}

#[test]
fn postfix_takes_mail_from_those_who_verify_and_log_in() {
    let (dovecot, certificates, sink) = (Dovecot::start(), certificates(), Sink::start());
    let postfix = provider(&dovecot, &certificates, &sink);
    let relay = smart_host(&postfix, &certificates, "smtp.isp.example", "secret");
    send(&relay, &["b@world.example", "c@world.example"]);
    wait_until("it has gone through Postfix", || sink.count() == 1);
    assert!(postfix.log().contains("sasl_method=PLAIN, sasl_username=jane@example.net"), "{}", postfix.log());
    assert!(postfix.log().contains("Anonymous TLS connection established from"), "{}", postfix.log());
    let data = String::from_utf8(sink.delivered().remove(0).data).expect("UTF-8");
    assert!(data.contains("\r\nSubject: hello\r\n") && data.ends_with("\r\n\r\n.body\r\n"), "{data}");
}

#[test]
fn a_wrong_password_and_a_wrong_name_keep_the_mail() {
    let (dovecot, certificates, sink) = (Dovecot::start(), certificates(), Sink::start());
    let postfix = provider(&dovecot, &certificates, &sink);
    let relay = smart_host(&postfix, &certificates, "smtp.isp.example", "wrong");
    send(&relay, &["b@world.example"]);
    wait_until("it is deferred", || relay.log().contains("451 4.7.8 AUTH failed: 535 5.7.8"));
    let relay = smart_host(&postfix, &certificates, "other.isp.example", "secret");
    send(&relay, &["b@world.example"]);
    wait_until("it is deferred", || relay.log().contains("451 4.7.5 TLS: invalid peer certificate"));
    assert_eq!(sink.count(), 0);
}

#[test]
fn dovecot_answers_for_each_recipient() {
    let (dovecot, sink) = (Dovecot::start(), Sink::start());
    for next_hop in [format!("lmtp://{}", dovecot.address()), format!("lmtp://{}", dovecot.socket("lmtp").display())] {
        let text = format!(
            "hostname = \"relay.example.com\"\nstate-dir = \"state\"\n[listen.smtp]\naddresses = [\"127.0.0.1:0\"]\n\
             [[route]]\ndomains = [\"example.net\"]\nnext-hop = \"{next_hop}\"\n[[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{}\"\n",
            sink.address()
        );
        let relay = Relay::with_config(tempfile::tempdir().expect("a folder"), &text);
        let before = (dovecot.mailbox("jane").len(), dovecot.mailbox("joe").len(), sink.count());
        send(&relay, &["jane@example.net", "nobody@example.net", "joe@example.net"]);
        wait_until("both have it, and the sender a report", || {
            (dovecot.mailbox("jane").len(), dovecot.mailbox("joe").len(), sink.count())
                == (before.0 + 1, before.1 + 1, before.2 + 1)
        });
        let report = String::from_utf8(sink.delivered().pop().expect("a report").data).expect("UTF-8");
        assert!(report.contains("Final-Recipient: rfc822; nobody@example.net\r\n"), "{report}");
        let whole = |message: &String| message.contains("\nSubject: hello\n") && message.ends_with("\n\n.body\n");
        assert!(dovecot.mailbox("jane").iter().all(whole));
    }
}

#[test]
fn exim_takes_mail() {
    let sink = Sink::start();
    let exim = Exim::start(sink.address());
    let relay = Relay::start("", exim.address());
    send(&relay, &["b@world.example", "c@world.example"]);
    wait_until("it has gone through Exim", || sink.count() >= 1);
    let data = String::from_utf8(sink.delivered().remove(0).data).expect("UTF-8");
    assert!(data.contains("\r\nSubject: hello\r\n") && data.ends_with("\r\n\r\n.body\r\n"), "{data}");
}

/// RFC 3461 5.2.1: Postfix passes on what it was told, and quotes it where a recipient fails.
#[test]
fn postfix_is_told_the_dsn_parameters_that_the_client_gave() {
    let sink = Sink::start();
    let postfix = Postfix::start(&format!(
        "mynetworks = 127.0.0.0/8\nsmtpd_reject_unlisted_recipient = no\nrelayhost = [127.0.0.1]:{}\n\
         transport_maps = inline:{{ {{ gone.example = error:5.1.1 nobody is there }} }}",
        sink.address().port()
    ));
    let relay = Relay::start("", postfix.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    client.all_accepted(&[
        "MAIL FROM:<a@example.org> RET=HDRS ENVID=QQ314159+2B1",
        "RCPT TO:<b@world.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Old+2Bb@example.net",
        "RCPT TO:<c@gone.example> NOTIFY=FAILURE ORCPT=rfc822;c@old.example",
        "RCPT TO:<d@gone.example> NOTIFY=NEVER",
        "DATA",
        "Subject: hello\r\n\r\nbody\r\n.",
    ]);
    wait_until("one is delivered and one returned", || sink.count() == 2);
    wait_until("the third is dropped", || postfix.log().matches("status=bounced").count() == 2);
    let (mail, report): (Vec<_>, Vec<_>) = sink.delivered().into_iter().partition(|one| one.sender == "a@example.org");
    let ([mail], [report]) = (mail.as_slice(), report.as_slice()) else { panic!("{mail:?} {report:?}") };
    for parameter in ["RET=HDRS", "ENVID=QQ314159+2B1"] {
        assert!(mail.commands[0].split(' ').any(|word| word == parameter), "{:?}", mail.commands);
    }
    for parameter in ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;Old+2Bb@example.net"] {
        assert!(mail.commands[1].split(' ').any(|word| word == parameter), "{:?}", mail.commands);
    }
    assert_eq!((report.sender.as_str(), report.recipients.as_slice()), ("", &["a@example.org".to_owned()][..]));
    let text = String::from_utf8_lossy(&report.data);
    for line in [
        "Original-Envelope-Id: QQ314159+1",
        "Original-Recipient: rfc822;c@old.example",
        "Content-Type: text/rfc822-headers",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("d@gone.example") && !text.contains("\r\nbody\r\n"), "{text}");
}

#[test]
fn postfix_takes_international_addresses() {
    let sink = Sink::start();
    let postfix =
        Postfix::start(&format!("mynetworks = 127.0.0.0/8\nrelayhost = [127.0.0.1]:{}", sink.address().port()));
    let relay = Relay::start("", postfix.address());
    let mut client = Client::connect(relay.address()).expect("a session");
    client.all_accepted(&[
        "MAIL FROM:<jürgen@müller.example> SMTPUTF8 BODY=8BITMIME",
        "RCPT TO:<grüße@world.example>",
        "DATA",
        "Subject: Grüße\r\n\r\nübrigens\r\n.",
    ]);
    wait_until("it has gone through Postfix", || sink.count() == 1);
    let mail = sink.delivered().remove(0);
    assert_eq!(
        (mail.sender.as_str(), mail.recipients.as_slice()),
        ("jürgen@müller.example", &["grüße@world.example".to_owned()][..])
    );
    assert!(mail.commands[0].contains(" SMTPUTF8"), "{:?}", mail.commands);
    let data = String::from_utf8(mail.data).expect("UTF-8");
    assert!(data.contains("\r\nSubject: Grüße\r\n") && data.ends_with("\r\n\r\nübrigens\r\n"), "{data}");
    assert!(data.contains(" with UTF8SMTP id "), "{data}");
}
