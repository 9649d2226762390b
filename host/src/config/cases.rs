//! `[[test]]`: a message, and what is to become of it. `mailweir test` runs them; nothing else looks at them.

use std::{net::IpAddr, ops::Range, path::PathBuf};

use super::{
    diagnostic::{Diagnostic, Source},
    reader::{Converted, Section, Value},
};
use crate::mail::{Address, ReversePath};

/// `[[test]]`.
#[derive(Debug)]
pub struct Case {
    /// `name`, or `test N`.
    pub name: String,
    /// Where it stands.
    pub span: Range<usize>,
    /// The message.
    pub message: CaseMessage,
    /// `sender`; empty in the file for the null sender.
    pub sender: ReversePath,
    /// `recipients`.
    pub recipients: Vec<Address>,
    /// `client`.
    pub client: CaseClient,
    /// `expect`.
    pub expect: Expected,
}

/// Where the message of a test is.
#[derive(Debug, PartialEq, Eq)]
pub enum CaseMessage {
    /// `message`: a file.
    File(PathBuf),
    /// `content`: here.
    Inline(String),
}

/// `client` of a test.
#[derive(Debug, PartialEq, Eq)]
pub struct CaseClient {
    /// Default 127.0.0.1.
    pub address: IpAddr,
    /// Its confirmed name; default none.
    pub name: Option<String>,
    /// What it says with EHLO. Default `localhost`.
    pub helo: String,
    /// The name that it has proved with AUTH; default none.
    pub login: Option<String>,
}

/// `expect` of a test. What is not named is not looked at, except for the verdict and failures.
#[derive(Debug)]
pub struct Expected {
    /// Default `deliver`.
    pub verdict: CaseVerdict,
    /// The whole reply of a `reject` or `defer`.
    pub reply: Option<String>,
    /// The reason of a `discard` or `hold`.
    pub reason: Option<String>,
    /// The sender of what leaves.
    pub sender: Option<ReversePath>,
    /// All recipients of what leaves, in order.
    pub recipients: Option<Vec<Address>>,
    /// For each name the values of all fields of that name, unfolded, in order.
    pub fields: Vec<(String, Vec<String>)>,
    /// The body of what leaves, with LF as line ends.
    pub body: Option<String>,
    /// The stages that fail, in order; default none.
    pub failures: Vec<String>,
}

/// What becomes of a message, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseVerdict {
    /// It leaves.
    Deliver,
    /// 5xx.
    Reject,
    /// 4xx.
    Defer,
    /// 250, and gone.
    Discard,
    /// 250, and kept.
    Hold,
}

impl CaseVerdict {
    const ALL: [(&str, Self); 5] = [
        ("deliver", Self::Deliver),
        ("reject", Self::Reject),
        ("defer", Self::Defer),
        ("discard", Self::Discard),
        ("hold", Self::Hold),
    ];

    /// As in the TOML.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, verdict)| *verdict == self).map_or("?", |(name, _)| name)
    }
}

pub(super) fn read(root: &Section<'_, '_>, source: &Source) -> Vec<Case> {
    let sections = root.sections("test");
    sections.iter().zip(1..).filter_map(|(section, number)| case(section, number, source)).collect()
}

fn case(section: &Section<'_, '_>, number: usize, source: &Source) -> Option<Case> {
    let name = section.read("name", |value| value.text()).unwrap_or_else(|| format!("test {number}"));
    let message = message(section, source);
    let sender = section.required("sender", reverse_path);
    let recipients = section.required("recipients", |value| {
        let recipients = value.list(address)?;
        if recipients.is_empty() { Err(value.wrong("a message has at least one recipient")) } else { Ok(recipients) }
    });
    let client = client(section);
    let expect = expected(section);
    section.finish();
    Some(Case {
        name,
        span: section.span(),
        message: message?,
        sender: sender?,
        recipients: recipients?,
        client,
        expect,
    })
}

fn message(section: &Section<'_, '_>, source: &Source) -> Option<CaseMessage> {
    let file = section.read("message", |value| Ok(CaseMessage::File(source.resolve(&value.text()?))));
    let inline = section.read("content", |value| Ok(CaseMessage::Inline(value.text()?)));
    match (section.span_of("message"), section.span_of("content")) {
        (None, None) => {
            let missing = Diagnostic::error(section.span(), "there is neither `message` nor `content`");
            section
                .mistakes
                .add(missing.with_help("message = \"FILE\", or the message itself as content = \"\"\"…\"\"\""));
        }
        (Some(_), Some(span)) => {
            section.mistakes.add(Diagnostic::error(span, "there is a `message` already"));
        }
        _ => {}
    }
    file.or(inline)
}

fn client(section: &Section<'_, '_>) -> CaseClient {
    let local = IpAddr::from([127, 0, 0, 1]);
    let default = CaseClient { address: local, name: None, helo: "localhost".to_owned(), login: None };
    let Some(client) = section.section("client") else { return default };
    let told = CaseClient {
        address: client.read("address", |value| value.parsed()).unwrap_or(local),
        name: client.read("name", |value| value.text()),
        helo: client.read("helo", |value| value.text()).unwrap_or(default.helo),
        login: client.read("login", |value| value.text()),
    };
    client.finish();
    told
}

fn expected(section: &Section<'_, '_>) -> Expected {
    let mut expected = Expected {
        verdict: CaseVerdict::Deliver,
        reply: None,
        reason: None,
        sender: None,
        recipients: None,
        fields: Vec::new(),
        body: None,
        failures: Vec::new(),
    };
    let Some(expect) = section.section("expect") else { return expected };
    expected.verdict = expect.read("verdict", |value| value.choice(&CaseVerdict::ALL)).unwrap_or(expected.verdict);
    expected.reply = expect.read("reply", |value| value.text());
    expected.reason = expect.read("reason", |value| value.text());
    expected.sender = expect.read("sender", reverse_path);
    expected.recipients = expect.read("recipients", |value| value.list(address));
    let values = |name: &str, value: Value<'_>| Ok((name.to_owned(), field_values(value)?));
    expected.fields = expect.read("fields", |value| value.map(values)).unwrap_or_default();
    expected.body = expect.read("body", |value| value.text());
    expected.failures = expect.read("failures", |value| value.list(|value| value.text())).unwrap_or_default();
    expect.finish();
    expected
}

/// One value, or a list of all values.
fn field_values(value: Value<'_>) -> Converted<Vec<String>> {
    match value.raw().as_array() {
        Some(_) => value.list(|value| value.text()),
        None => value.text().map(|text| vec![text]),
    }
}

fn reverse_path(value: Value<'_>) -> Converted<ReversePath> {
    ReversePath::parse(&value.text()?).map_err(|error| value.wrong(error.to_string()))
}

fn address(value: Value<'_>) -> Converted<Address> {
    Address::parse(&value.text()?).map_err(|error| value.wrong(error.to_string()))
}
