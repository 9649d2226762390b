//! Refuses messages with attachments whose names a table lists.

use mailweir_sdk::{
    ConfigError, Failure, Filter, Message, MessageFilter, Outcome,
    tables::{self, Key, Table},
};
use serde::Deserialize;

/// Octets of one field, or of one line of the body, that are looked at.
const LONGEST_FIELD: usize = 8192;

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// File names (`invoice.exe`) and extensions (`.exe`), and what the sender is told about each.
    table: Table,
}

/// The filter.
#[derive(Debug)]
pub struct BlockNames(Config);

impl Filter for BlockNames {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        Ok(Self(config))
    }
}

impl MessageFilter for BlockNames {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        for name in names(message) {
            if let Some(text) = self.blocked(&name)? {
                let outcome = Outcome::reject(550, "5.7.1", format!("{name}: {text}"));
                return Ok(outcome.because(|| format!("the attachment {name} is listed")));
            }
        }
        Ok(Outcome::next())
    }
}

impl BlockNames {
    /// What the table says about a name as a whole, or else about its extension.
    fn blocked(&self, name: &str) -> Result<Option<String>, Failure> {
        let mut keys = vec![Key::whole(name)];
        keys.extend(name.rfind('.').and_then(|dot| name.get(dot..)).map(Key::partial));
        Ok(tables::lookup(std::slice::from_ref(&self.0.table), &keys)?.map(|hit| hit.value))
    }
}

/// The names of all attachments, in lower case: of the message itself and of its parts, however deep they are.
fn names(message: &Message) -> Vec<String> {
    let mut scanner = Scanner::default();
    for field in message.fields(&["Content-Disposition", "Content-Type"]) {
        scanner.field(&field.value);
    }
    message.body_pieces().for_each(|piece| scanner.body(&piece));
    scanner.end()
}

/// Finds the fields of parts in a body that comes in pieces.
#[derive(Default)]
struct Scanner {
    /// The line so far.
    line: Vec<u8>,
    /// The value so far of the field that the lines before began.
    open: Option<Vec<u8>>,
    names: Vec<String>,
}

impl Scanner {
    fn body(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|octet| *octet == b'\n') {
            let room = LONGEST_FIELD.saturating_sub(self.line.len());
            self.line.extend_from_slice(part.get(..room).unwrap_or(part));
            if part.ends_with(b"\n") {
                self.take_line();
            }
        }
    }

    fn end(mut self) -> Vec<String> {
        self.take_line();
        self.take_line();
        self.names
    }

    /// A line is the rest of an open field, or the beginning of one, or neither.
    fn take_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let (Some(value), [b' ' | b'\t', ..]) = (&mut self.open, line.as_slice()) {
            if value.len() + line.len() <= LONGEST_FIELD {
                value.extend_from_slice(&line);
            }
            return;
        }
        if let Some(value) = self.open.take() {
            self.field(&value);
        }
        self.open = ["content-disposition:", "content-type:"].iter().find_map(|name| {
            let (start, value) = line.split_at_checked(name.len())?;
            start.eq_ignore_ascii_case(name.as_bytes()).then(|| value.to_vec())
        });
    }

    /// The parameters `filename` and `name` of a field (RFC 2045 5.1, RFC 2183 2.3).
    fn field(&mut self, value: &[u8]) {
        for parameter in parameters(value) {
            let (attribute, value) = parameter.split_once('=').unwrap_or((&parameter, ""));
            if matches!(attribute.trim(), "filename" | "name") {
                self.names.push(value.trim().to_owned());
            }
        }
    }
}

/// What stands between the semicolons of a value, in lower case, without quotes and folding. Octets that are no printable US-ASCII
/// become `?`.
fn parameters(value: &[u8]) -> Vec<String> {
    let mut parameters = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for octet in value {
        match octet {
            b'\r' | b'\n' => continue,
            b'\\' if quoted && !escaped => {
                escaped = true;
                continue;
            }
            b'"' if !escaped => quoted = !quoted,
            b';' if !quoted => parameters.push(String::new()),
            _ => {
                let octet = if matches!(octet, b' '..=b'~' | b'\t') { octet.to_ascii_lowercase() } else { b'?' };
                parameters.last_mut().into_iter().for_each(|last| last.push(char::from(octet)));
            }
        }
        escaped = false;
    }
    parameters
}

mailweir_sdk::export!(BlockNames: message);

#[cfg(test)]
mod tests {
    use mailweir_sdk::{Verdict, native};

    use super::*;

    fn names_in(message: native::MessageBuilder) -> Vec<String> {
        names(&message.build())
    }

    #[test]
    fn finds_names_wherever_they_stand() {
        let own = Message::builder().field("Content-Type", "application/x; NAME=One.exe");
        assert_eq!(names_in(own), ["one.exe"]);
        let body = "--b\r\nContent-Type: a/b;\r\n\tname=\"Two \\\"2\\\".exe\"\r\nContent-Disposition: attachment; \
                    filename = three.exe ; x=y\r\n\r\ntext; name=four.exe\r\n--b--\r\nContent-Type: a/b; name=\"\u{e4}\"";
        assert_eq!(names_in(Message::builder().body(body.as_bytes())), ["two \"2\".exe", "three.exe", "??"]);
    }

    #[test]
    fn refuses_what_the_table_lists() {
        native::table("blocked", &[(".exe", "no programs"), ("invoice.pdf", "send it by post")]);
        let table = serde::de::value::StrDeserializer::<serde::de::value::Error>::new("blocked");
        let filter = BlockNames(Config { table: Table::deserialize(table).expect("a table") });
        let verdict = |name: &str| {
            let value = format!("attachment; filename={name}");
            let message = Message::builder().field("Content-Disposition", &value).build();
            filter.filter(&message).expect("the table answers").verdict
        };
        assert!(matches!(verdict("a.b.EXE"), Verdict::Reject(reply) if reply.text == "a.b.exe: no programs"));
        assert!(matches!(verdict("Invoice.pdf"), Verdict::Reject(reply) if reply.text.ends_with("by post")));
        assert_eq!(verdict("invoice.pdf.txt"), Verdict::Next);
    }
}
