//! The filter on whole messages, natively.

mod rules;
mod structure;
mod texts;
mod whatever;

use mailweir_sdk::{Change, Filter, Message, MessageFilter, Outcome, native};
use serde_json::{Value, json};

use super::Attachments;

/// Name and content of a file.
type File = (String, Vec<u8>);

fn filter(config: Value) -> Attachments {
    let config = serde_json::from_value(config).expect("a configuration");
    Attachments::configure(config).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// The mistakes of a configuration, as `path: message`.
fn mistakes(config: Value) -> Vec<String> {
    let config = serde_json::from_value(config).expect("a configuration");
    let mistakes = Attachments::configure(config).expect_err("mistakes");
    mistakes.into_iter().map(|mistake| format!("{}: {}", mistake.path, mistake.message)).collect()
}

/// A message from its text; LF becomes CRLF.
fn message(text: &str) -> Message {
    message_of(text.replace('\n', "\r\n").as_bytes())
}

fn message_of(octets: &[u8]) -> Message {
    let end = memchr::memmem::find(octets, b"\r\n\r\n").expect("a header");
    let (header, body) = (&octets[..end], &octets[end + 4..]);
    let mut builder = Message::builder();
    let header = String::from_utf8(header.to_vec()).expect("UTF-8").replace("\r\n ", "\n ").replace("\r\n\t", "\n\t");
    for field in header.split("\r\n") {
        let (name, value) = field.split_once(':').expect("a field");
        builder = builder.raw_field(name, value.replace('\n', "\r\n").as_bytes());
    }
    builder.body(body).build()
}

/// What the filter does, the files, and what it tells.
fn run(config: Value, message: &Message) -> (Outcome, Vec<File>, Vec<String>) {
    let filter = filter(config);
    native::files();
    let (outcome, notes) = native::explained(|| filter.filter(message));
    (outcome.expect("it answers"), native::files(), notes)
}

/// The files of a message, and what is told about them.
fn files(text: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (outcome, files, notes) = run(json!({}), &message(text));
    assert_eq!(outcome.edits, []);
    let text = |octets: Vec<u8>| String::from_utf8_lossy(&octets).into_owned();
    (files.into_iter().map(|(name, octets)| (name, text(octets))).collect(), notes)
}

/// The body that the filter makes.
fn new_body(outcome: &Outcome) -> String {
    let body = outcome.edits.iter().find_map(|edit| match &edit.change {
        Change::ReplaceBody(body) => Some(body.octets().to_vec()),
        _ => None,
    });
    String::from_utf8(body.expect("a new body")).expect("UTF-8").replace("\r\n", "\n")
}
