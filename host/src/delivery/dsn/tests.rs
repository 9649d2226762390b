//! Reports to the last octet (`tests/reports/`, `BLESS=1` writes them anew), and as Python's email package reads them.

use std::{
    env, fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::UNIX_EPOCH,
};

use super::*;
use crate::{mail::MailParameters, smtp::EnhancedCode};

const TEXT: &str = "Message-ID: <1@example.org>\r\nSubject: hello\r\n\r\nbody\r\n";

fn leased(parameters: MailParameters, text: &str) -> Leased {
    Leased {
        number: 1,
        id: "0QFJ4X8M2TZ7K".into(),
        client: Arc::new(Client {
            peer: (Ipv4Addr::LOCALHOST, 1).into(),
            name: None,
            helo: None,
            tls: None,
            login: None,
            trusted: false,
        }),
        sender: ReversePath::parse("from@example.org").expect("a sender"),
        parameters,
        recipients: Vec::new(),
        message: Message::parse(Bytes::copy_from_slice(text.as_bytes())),
        received: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    }
}

fn told(address: &str, action: Action, reply: (u16, &str), server: Option<&str>) -> Told {
    let (code, text) = reply;
    let class = u8::try_from(code / 100).expect("a class");
    Told {
        recipient: LeasedRecipient {
            position: 0,
            recipient: Recipient::new(Address::parse(address).expect("an address")),
            attempts: 1,
            warned: false,
        },
        action,
        reply: Reply::new(code, EnhancedCode(class, 1, 1), text),
        server: server.map(Into::into),
    }
}

fn composed(about: &Leased, told: &[Told]) -> Vec<u8> {
    let reporter = Reporter { hostname: "relay.example.com", size_limit: 1000, lifetime: Duration::from_secs(432_000) };
    let to = Address::parse("from@example.org").expect("an address");
    let now = UNIX_EPOCH + Duration::from_secs(1_800_003_600);
    let report = reporter.report("0QFJ4X8M2TZ99".to_owned(), &to, about, told, now);
    assert_eq!((report.envelope.sender, report.hold), (ReversePath::Null, None), "nobody answers a report");
    report.message.pieces().fold(Vec::new(), |mut all, piece| {
        all.extend_from_slice(piece);
        all
    })
}

fn compare(name: &str, about: &Leased, told: &[Told]) {
    let report = composed(about, told);
    let text = String::from_utf8(report.clone()).expect("UTF-8");
    assert!(text.lines().count() == text.matches("\r\n").count() && !text.replace("\r\n", "").contains(['\r', '\n']));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/reports").join(name);
    let text = text.replace("\r\n", "\n");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &text).expect("written");
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
    read_by_python(&report, told.len());
}

/// The three parts, and a block of fields for each recipient behind the one for the message.
fn read_by_python(report: &[u8], recipients: usize) {
    const SCRIPT: &str = "
import sys, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert m.get_content_type() == 'multipart/report' and m.get_param('report-type') == 'delivery-status', m.items()
assert not m.defects, m.defects
text, status, original = m.iter_parts()
assert text.get_content_type() == 'text/plain' and 'relay.example.com' in text.get_content()
assert original.get_content_type() in ('message/rfc822', 'text/rfc822-headers', 'message/global', 'message/global-headers')
if status.get_content_type() == 'message/delivery-status':
    message, *each = status.get_payload()
    assert message['Reporting-MTA'] == 'dns; relay.example.com', message.items()
    assert len(each) == int(sys.argv[1]), each
    for one in each:
        assert one['Action'] in ('failed', 'delayed', 'delivered', 'relayed') and one['Status'][0] in '245', one.items()
        assert one['Final-Recipient'].startswith('rfc822; '), one.items()
else:
    assert status.get_content_type() == 'message/global-delivery-status'
";
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT, &recipients.to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test (`make tools`)");
    python.stdin.take().expect("piped").write_all(report).expect("written");
    assert!(python.wait().expect("it ends").success(), "{}", String::from_utf8_lossy(report));
}

#[test]
fn a_failure_returns_the_message() {
    let about = leased(MailParameters::default(), TEXT);
    let gone = told("a@b.example", Action::Failed, (550, "no such\nuser"), Some("mx.b.example[192.0.2.1]:25"));
    compare("failed.eml", &about, &[gone]);
}

#[test]
fn what_the_sender_asked_for_is_told_back() {
    let parameters =
        MailParameters { ret: Some(Ret::Hdrs), envid: Some("id+2B1".to_owned()), ..MailParameters::default() };
    let about = leased(parameters, TEXT);
    let mut gone = told("new@b.example", Action::Failed, (554, "hop count"), None);
    gone.recipient.recipient.orcpt = Some("rfc822;old+2Bx@b.example".to_owned());
    compare("failed-headers-only.eml", &about, &[gone]);
}

#[test]
fn a_large_message_is_not_returned_whole() {
    let about = leased(MailParameters::default(), &format!("{TEXT}{}", "long line\r\n".repeat(100)));
    let old = told("a@b.example", Action::Failed, (451, "greylisted"), Some("mx.b.example[192.0.2.1]:25"));
    compare("expired-large.eml", &about, &[old]);
}

#[test]
fn a_delay_says_until_when_it_is_tried() {
    let about = leased(MailParameters::default(), TEXT);
    compare("delayed.eml", &about, &[told("a@b.example", Action::Delayed, (451, "connection refused"), None)]);
}

#[test]
fn each_recipient_has_its_own_fate() {
    let about = leased(MailParameters::default(), TEXT);
    let server = Some("mx.b.example[192.0.2.1]:25");
    let all = [
        told("relayed@b.example", Action::Relayed, (250, "queued"), server),
        told("delivered@b.example", Action::Delivered, (250, "saved"), Some("localhost[/run/lmtp]")),
        told("gone@b.example", Action::Failed, (550, "who?"), server),
    ];
    compare("mixed.eml", &about, &all);
    compare("success.eml", &about, &all[..2]);
}

#[test]
fn international_addresses_have_forms_of_their_own() {
    let parameters = MailParameters { utf8: true, ..MailParameters::default() };
    let about = leased(parameters, "Subject: gr\u{fc}\u{df}e\r\n\r\nbody\r\n");
    let gone =
        told("gr\u{fc}n@b\u{fc}cher.example", Action::Failed, (550, "wer? \u{fc}"), Some("mx.b.example[192.0.2.1]:25"));
    compare("international.eml", &about, &[gone]);
}
