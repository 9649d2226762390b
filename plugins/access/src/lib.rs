//! Access: who may send what to whom, by restriction lists and tables (Postfix access(5), SMTPD_ACCESS_README).

mod action;
mod checks;
mod codes;
mod evaluation;
mod keys;
mod list;
mod names;
mod relay;
mod reply;
mod restriction;
mod servers;

use std::collections::BTreeMap;

use mailweir_sdk::{ConfigError, Decision, Facts, Failure, Filter, SessionFilter, tables::Table};
use serde::Deserialize;

use self::{
    codes::Codes,
    evaluation::Evaluation,
    list::List,
    restriction::{Item, Plain, Restriction, list},
};

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// About the client (`smtpd_client_restrictions`).
    #[serde(default)]
    client: Vec<Item>,
    /// About its greeting (`smtpd_helo_restrictions`).
    #[serde(default)]
    helo: Vec<Item>,
    /// About the sender (`smtpd_sender_restrictions`).
    #[serde(default)]
    sender: Vec<Item>,
    /// Who may send where (`smtpd_relay_restrictions`).
    #[serde(default)]
    relay: Option<Vec<Item>>,
    /// About the recipient (`smtpd_recipient_restrictions`).
    #[serde(default)]
    recipient: Vec<Item>,
    /// At DATA (`smtpd_data_restrictions`).
    #[serde(default)]
    data: Vec<Item>,
    /// After the last octet (`smtpd_end_of_data_restrictions`).
    #[serde(default)]
    end_of_data: Vec<Item>,
    /// Lists that have a name (`smtpd_restriction_classes`).
    #[serde(default)]
    classes: BTreeMap<String, Vec<Item>>,
    /// Characters at which an extension begins (`recipient_delimiter`).
    #[serde(default)]
    recipient_delimiter: String,
    /// Tables of the recipients that our domains have (`relay_recipient_maps`).
    #[serde(default)]
    listed_recipients: Vec<Table>,
    /// Tables of the logins that may use an address as sender (`smtpd_sender_login_maps`).
    #[serde(default)]
    sender_logins: Vec<Table>,
    /// Codes of refusals.
    #[serde(default)]
    codes: Codes,
    /// Whether every 5xx becomes a 4xx (`soft_bounce`).
    #[serde(default)]
    soft_bounce: bool,
}

/// The filter.
#[derive(Debug)]
pub struct Access {
    /// In the order of [`List::ALL`].
    lists: [Vec<Restriction>; 7],
    classes: BTreeMap<String, Vec<Restriction>>,
    delimiters: String,
    listed_recipients: Vec<Table>,
    sender_logins: Vec<Table>,
    codes: Codes,
    soft_bounce: bool,
}

impl Access {
    fn list(&self, list: List) -> &[Restriction] {
        self.lists.get(list as usize).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Filter for Access {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut mistakes = Vec::new();
        let read =
            |path: &str, items: &[Item], mistakes: &mut Vec<ConfigError>| list(path, items, &config.classes, mistakes);
        let mut classes = BTreeMap::new();
        for (name, items) in &config.classes {
            let path = format!("classes.{name}");
            if Plain::named(name).is_some() {
                mistakes.push(ConfigError::new(path.as_str(), format!("`{name}` is a restriction already")));
            }
            classes.insert(name.clone(), read(&path, items, &mut mistakes));
        }
        let given = |list| match list {
            List::Client => Some(&config.client),
            List::Helo => Some(&config.helo),
            List::Sender => Some(&config.sender),
            List::Relay => config.relay.as_ref(),
            List::Recipient => Some(&config.recipient),
            List::Data => Some(&config.data),
            List::EndOfData => Some(&config.end_of_data),
        };
        let lists = List::ALL.map(|list| match given(list) {
            Some(items) => read(list.name(), items, &mut mistakes),
            None => relay::default(),
        });
        config.codes.check(&mut mistakes);
        let access = Self {
            lists,
            classes,
            delimiters: config.recipient_delimiter,
            listed_recipients: config.listed_recipients,
            sender_logins: config.sender_logins,
            codes: config.codes,
            soft_bounce: config.soft_bounce,
        };
        // Half a list would only bring further mistakes.
        if mistakes.is_empty() {
            relay::check(&access, &mut mistakes);
        }
        if mistakes.is_empty() { Ok(access) } else { Err(mistakes) }
    }
}

impl SessionFilter for Access {
    fn decide(&self, facts: &Facts) -> Result<Decision, Failure> {
        Ok(Evaluation::new(self, facts).decide())
    }
}

mailweir_sdk::export!(Access: session);

#[cfg(test)]
mod tests;
