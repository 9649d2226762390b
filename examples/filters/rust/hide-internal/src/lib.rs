//! Takes the inner network out of the copy that leaves: Received fields that name inner hosts, and fields that tell the sender's address.

use mailweir_sdk::{ConfigError, Failure, Field, Filter, Message, MessageFilter, Outcome};
use serde::Deserialize;

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Texts by which an inner host is known: `lab.example.com`, `[10.`. Received fields that contain one are removed.
    names: Vec<String>,
    /// Fields that are removed whatever they contain.
    #[serde(default = "default_fields")]
    fields: Vec<String>,
}

fn default_fields() -> Vec<String> {
    ["X-Originating-IP", "X-Originating-Client", "X-Sender-IP"].map(str::to_owned).to_vec()
}

/// The filter.
#[derive(Debug)]
pub struct HideInternal(Config);

impl Filter for HideInternal {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let empty = config.names.iter().position(String::is_empty);
        let mistakes =
            empty.map(|index| ConfigError::new(format!("names[{index}]"), "an empty text is in every field"));
        mistakes.map_or(Ok(Self(config)), |mistake| Err(vec![mistake]))
    }
}

impl MessageFilter for HideInternal {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::next();
        for field in message.fields(&[]) {
            if let Some(why) = self.why_hidden(&field) {
                outcome.remove_field(field.index).because(|| why);
            }
        }
        Ok(outcome)
    }
}

impl HideInternal {
    fn why_hidden(&self, field: &Field) -> Option<String> {
        if self.0.fields.iter().any(|name| name.eq_ignore_ascii_case(&field.name)) {
            return Some(format!("{} always goes", field.name));
        }
        if !field.name.eq_ignore_ascii_case("Received") {
            return None;
        }
        let text = field.text();
        let name = self.0.names.iter().find(|name| text.contains(name.as_str()))?;
        Some(format!("it names {name}"))
    }
}

mailweir_sdk::export!(HideInternal: message);

#[cfg(test)]
mod tests {
    use mailweir_sdk::Change;

    use super::*;

    #[test]
    fn removes_what_tells_of_the_inner_network() {
        let filter = HideInternal(Config { names: vec!["lab.example.com".to_owned()], fields: default_fields() });
        let message = Message::builder()
            .field("Received", "from relay.example.com (relay.example.com [192.0.2.1])")
            .field("Received", "from host7 (host7.lab.example.com\r\n\t[10.0.0.7])")
            .field("Subject", "host7.lab.example.com is down")
            .field("x-originating-ip", "10.0.0.7")
            .build();
        let outcome = filter.filter(&message).expect("it can't fail");
        let changes: Vec<_> = outcome.edits.into_iter().map(|edit| edit.change).collect();
        assert_eq!(changes, [Change::RemoveField(1), Change::RemoveField(3)]);
    }
}
