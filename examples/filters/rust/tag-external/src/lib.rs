//! Marks messages that come from outside: a text before the Subject, and a field of its own.

use mailweir_sdk::{ConfigError, Failure, Field, Filter, Message, MessageFilter, Outcome, Position, ReversePath};
use serde::Deserialize;

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What is put before the Subject.
    #[serde(default = "default_text")]
    text: String,
    /// Our own domains: senders in them, or below them, are not external.
    #[serde(default)]
    domains: Vec<String>,
}

fn default_text() -> String {
    "[EXTERNAL]".to_owned()
}

/// The filter.
#[derive(Debug)]
pub struct TagExternal(Config);

impl Filter for TagExternal {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let printable = |text: &str| !text.is_empty() && text.bytes().all(|octet| (b' '..=b'~').contains(&octet));
        if !printable(&config.text) {
            return Err(vec![ConfigError::new("text", "it must be printable US-ASCII and not empty")]);
        }
        Ok(Self(config))
    }
}

impl MessageFilter for TagExternal {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::next();
        if message.client().trusted {
            return Ok(outcome.because(|| "the client is trusted".to_owned()));
        }
        if let Some(domain) = self.own_domain(&message.sender()) {
            return Ok(outcome.because(|| format!("the sender's domain {domain} is ours")));
        }
        match message.field("Subject") {
            Some(subject) if self.is_tagged(&subject) => {}
            Some(subject) => {
                let value = [b" ", self.0.text.as_bytes(), &subject.value].concat();
                outcome.replace_field(subject.index, value).because(|| "the message is external".to_owned());
            }
            None => drop(outcome.insert_field(Position::Bottom, "Subject", &self.0.text)),
        }
        outcome.insert_field(Position::Bottom, "X-External", "yes");
        Ok(outcome)
    }
}

impl TagExternal {
    /// An answer to an answer has the tag already.
    fn is_tagged(&self, subject: &Field) -> bool {
        subject.text().contains(&self.0.text)
    }

    fn own_domain(&self, sender: &ReversePath) -> Option<&str> {
        let ReversePath::Address(address) = sender else { return None };
        let domain = address.rsplit('@').next()?.to_ascii_lowercase();
        let is_in = |own: &&String| {
            let own = own.to_ascii_lowercase();
            domain == own || domain.strip_suffix(&own).is_some_and(|rest| rest.ends_with('.'))
        };
        self.0.domains.iter().find(is_in).map(String::as_str)
    }
}

mailweir_sdk::export!(TagExternal: message);

#[cfg(test)]
mod tests {
    use mailweir_sdk::Change;

    use super::*;

    fn filter() -> TagExternal {
        TagExternal(Config { text: default_text(), domains: vec!["example.com".to_owned()] })
    }

    fn changes(message: mailweir_sdk::native::MessageBuilder) -> Vec<Change> {
        let outcome = filter().filter(&message.build()).expect("it can't fail");
        outcome.edits.into_iter().map(|edit| edit.change).collect()
    }

    #[test]
    fn tags_what_comes_from_outside() {
        let message = Message::builder().sender("joe@elsewhere.example").field("To", "x").field("Subject", "hello");
        let expected = [
            Change::ReplaceField(1, b" [EXTERNAL] hello".to_vec()),
            Change::InsertField(Position::Bottom, "X-External".to_owned(), b" yes".to_vec()),
        ];
        assert_eq!(changes(message), expected);
    }

    #[test]
    fn leaves_our_own_mail_alone() {
        assert_eq!(changes(Message::builder().sender("joe@example.com").field("Subject", "hello")), []);
        assert_eq!(changes(Message::builder().sender("joe@host.Example.COM").field("Subject", "hello")), []);
        assert_eq!(changes(Message::builder().client(|client| client.trusted = true).field("Subject", "hello")), []);
        assert_ne!(changes(Message::builder().sender("joe@notexample.com").field("Subject", "hello")), []);
    }

    #[test]
    fn tags_only_once() {
        let message = Message::builder().field("Subject", "Re: [EXTERNAL] hello");
        assert_eq!(changes(message).len(), 1);
    }
}
