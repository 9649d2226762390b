//! Programs that people and servers hand in mail with: each logs in under TLS and verifies our certificate, where it can.

use std::{fs, path::Path, process::Output};

use crate::{
    auth::Submission,
    client::Client,
    clients::{run, text},
    exim::Exim,
    postfix::Postfix,
    program::feed,
};

/// The message came from somebody who has logged in under TLS.
fn arrives(submission: &Submission, output: &Output) {
    assert!(output.status.success(), "{}", text(output));
    let data = submission.only_message();
    assert!(data.contains(" with ESMTPSA id "), "{data}");
    assert!(data.contains("\r\nSubject: hello\r\n"), "{data}");
}

const MESSAGE: &str = "From: joe@example.com\r\nTo: b@world.example\r\nSubject: hello\r\n\r\nbody\r\n";

#[test]
fn curl() {
    let submission = Submission::start("", "");
    let (url, ca) = (format!("smtp://{}", submission.relay.address()), submission.relay.folder().join("ca.pem"));
    let ca = ca.to_str().expect("UTF-8");
    let args = ["-sv", "--ssl-reqd", "--cacert", ca, "--user", "joe:secret", "--mail-from", "joe@example.com"];
    let args = [&args[..], &["--mail-rcpt", "b@world.example", "-T", "-", &url]].concat();
    arrives(&submission, &feed(Path::new("."), "curl", &args, MESSAGE));
}

#[test]
fn smtplib_with_international_addresses() {
    let submission = Submission::start("", "");
    let script = format!(
        "import smtplib, ssl\nfrom email.message import EmailMessage\nfrom email import policy\n\
         m = EmailMessage(policy=policy.SMTPUTF8)\nm['From'] = 'jürgen@bücher.example'\nm['To'] = 'grüße@world.example'\n\
         m['Subject'] = 'hello'\nm.set_content('Grüße\\n')\n\
         s = smtplib.SMTP('127.0.0.1', {})\ns.starttls(context=ssl.create_default_context(cafile='{}'))\n\
         s.login('joe', 'secret')\ns.send_message(m)\ns.quit()\n",
        submission.relay.address().port(),
        submission.relay.folder().join("ca.pem").display()
    );
    let output = run("python3", &["-c", &script]);
    assert!(output.status.success(), "{}", text(&output));
    let data = submission.only_message();
    assert!(data.contains(" with UTF8SMTPSA id ") && data.contains("\r\nFrom: jürgen@bücher.example\r\n"), "{data}");
}

#[test]
fn s_nail() {
    let submission = Submission::start("", "");
    let relay = &submission.relay;
    let mta = format!("mta=smtp://joe:secret@localhost:{}", relay.address().port());
    let ca = format!("tls-ca-file={}", relay.folder().join("ca.pem").display());
    let settings = [
        "v15-compat",
        &mta,
        "smtp-use-starttls",
        "smtp-auth=login",
        &ca,
        "tls-verify=strict",
        "hostname=client.example.org",
        "from=joe@example.com",
    ];
    let settings = settings.iter().flat_map(|setting| ["-S", setting]);
    let args: Vec<_> = ["-n"].into_iter().chain(settings).chain(["-s", "hello", "b@world.example"]).collect();
    arrives(&submission, &feed(Path::new("."), "s-nail", &args, "body\n"));
}

#[test]
fn opensmtpd() {
    let submission = Submission::start("", "");
    let server = format!("smtp+tls://joe:secret@{}", submission.relay.address());
    // It verifies with the system's authorities only.
    let args = ["-C", "-F", "joe@example.com", "-H", "client.example.org", "-s", &server, "b@world.example"];
    arrives(
        &submission,
        &feed(Path::new("."), "/opt/mailweir-test/opensmtpd/usr/bin/smtp", &args, MESSAGE.replace('\r', "")),
    );
}

/// Hand a message to a server that is to pass it on to us.
fn through(server: std::net::SocketAddr) {
    let mut client = Client::connect(server).expect("a session");
    let reply = client.send("joe@example.com", &["b@world.example"], MESSAGE.as_bytes()).expect("a reply");
    assert!(reply.starts_with("250"), "{reply}");
}

#[test]
fn postfix() {
    let submission = Submission::start("", "");
    let (relay, folder) = (submission.relay.address(), submission.relay.folder().display());
    let postfix = Postfix::start(&format!(
        "relayhost = [127.0.0.1]:{port}\nmynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject\n\
         smtp_tls_security_level = secure\nsmtp_tls_secure_cert_match = relay.example.com\nsmtp_tls_CAfile = {folder}/ca.pem\n\
         smtp_sasl_auth_enable = yes\nsmtp_sasl_security_options = noanonymous\nsmtp_sasl_tls_security_options = noanonymous\n\
         smtp_sasl_password_maps = inline:{{ {{ [127.0.0.1]:{port} = joe:secret }} }}\n",
        port = relay.port()
    ));
    through(postfix.address());
    let data = submission.only_message();
    assert!(data.contains(" with ESMTPSA id "), "{data}\n{}", postfix.log());
}

#[test]
fn exim() {
    let submission = Submission::start("", "");
    let ca = submission.relay.folder().join("ca.pem");
    // Its daemon runs as a user that can't look into our folder.
    let folder = tempfile::tempdir_in("/tmp").expect("a folder");
    let readable = folder.path().join("ca.pem");
    fs::copy(ca, &readable).expect("copied");
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), permissions).expect("ours");
    let exim = Exim::with(
        submission.relay.address(),
        &format!(
            "  hosts_require_auth = *\n  hosts_require_tls = *\n  tls_verify_certificates = {}\n  tls_verify_hosts = *\n  \
             tls_verify_cert_hostnames = *\n  tls_try_verify_hosts =",
            readable.display()
        ),
        "login:\n  driver = plaintext\n  public_name = LOGIN\n  client_send = : joe : secret",
    );
    through(exim.address());
    let data = submission.only_message();
    assert!(data.contains(" with ESMTPSA id "), "{data}");
}
