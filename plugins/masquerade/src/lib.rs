//! Masquerade: `joe@host7.example.com` becomes `joe@example.com` (Postfix masquerade_domains, ADDRESS_REWRITING_README).

use std::slice;

use mailweir_rewrite::{
    address::{split, without_route},
    clients::RewriteClients,
    masquerade::{Domains, Entry, Walk},
    places::{Location, Place, Rewrite, Rewritten, rewrite_message},
};
use mailweir_sdk::{
    ConfigError, Failure, Filter, Message, MessageFilter, Outcome, explain,
    tables::{self, Key, Table},
};
use serde::Deserialize;

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Domains whose hosts are hidden, in order; `!` before one leaves it and all below it alone (`masquerade_domains`).
    domains: Vec<String>,
    /// Users whose addresses stay as they are, without domain, in order; `!` before one takes it out (`masquerade_exceptions`).
    #[serde(default)]
    exceptions: Vec<ExceptionEntry>,
    /// Where addresses are rewritten (`masquerade_classes`).
    #[serde(default = "default_classes")]
    classes: Vec<Place>,
    /// Whose header fields are rewritten (`local_header_rewrite_clients`).
    #[serde(default)]
    rewrite_clients: RewriteClients,
}

/// One entry of `exceptions`.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "neither a user name such as \"root\" nor { table = \"…\" } with a name from [tables]")]
enum ExceptionEntry {
    /// `root`, `!root`.
    User(String),
    /// `{ table = "users" }`: every key of the table is an exception; its values don't matter.
    Table { table: Table },
}

fn default_classes() -> Vec<Place> {
    vec![Place::EnvelopeSender, Place::HeaderSender, Place::HeaderRecipient]
}

/// The filter.
#[derive(Debug)]
pub struct Masquerade {
    domains: Domains,
    exceptions: Vec<Exception>,
    classes: Vec<Place>,
    rewrite_clients: RewriteClients,
}

#[derive(Debug)]
enum Exception {
    /// Lower case; whether it is one, or was taken out with `!`.
    User(String, bool),
    Table(Table),
}

impl Filter for Masquerade {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut mistakes = Vec::new();
        let mut domains = Vec::with_capacity(config.domains.len());
        for (index, text) in config.domains.iter().enumerate() {
            match Entry::parse(text) {
                Ok(entry) => domains.push(entry),
                Err(why) => mistakes.push(ConfigError::new(format!("domains[{index}]"), why)),
            }
        }
        if config.domains.is_empty() {
            mistakes.push(ConfigError::new("domains", "without a domain the stage would do nothing"));
        }
        let mut exceptions = Vec::with_capacity(config.exceptions.len());
        for (index, entry) in config.exceptions.into_iter().enumerate() {
            match exception(entry) {
                Ok(exception) => exceptions.push(exception),
                Err(why) => mistakes.push(ConfigError::new(format!("exceptions[{index}]"), why)),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let Config { classes, rewrite_clients, .. } = config;
        Ok(Self { domains: Domains::new(domains), exceptions, classes, rewrite_clients })
    }
}

fn exception(entry: ExceptionEntry) -> Result<Exception, String> {
    let text = match entry {
        ExceptionEntry::Table { table } => return Ok(Exception::Table(table)),
        ExceptionEntry::User(text) => text,
    };
    let user = text.trim_start_matches('!');
    if user.is_empty() || split(user).1.is_some() {
        return Err(format!("`{text}` is no user name; exceptions are local parts such as `root`"));
    }
    Ok(Exception::User(user.to_lowercase(), (text.len() - user.len()) % 2 == 0))
}

impl Masquerade {
    /// Whether a local part is an exception; it is compared as it is written, with quotes and extension (trap 32).
    fn is_exception(&self, local: &str) -> Result<bool, Failure> {
        let local = local.to_lowercase();
        for exception in &self.exceptions {
            match exception {
                Exception::User(user, is_one) if *user == local => return Ok(*is_one),
                Exception::Table(table)
                    if tables::lookup(slice::from_ref(table), &[Key::whole(local.as_str())])?.is_some() =>
                {
                    return Ok(true);
                }
                _ => {}
            }
        }
        Ok(false)
    }
}

impl MessageFilter for Masquerade {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        rewrite_message(message, &self.rewrite_clients, &mut &*self)
    }
}

impl Rewrite for &Masquerade {
    fn rewrite(&mut self, at: Location<'_>, address: &str) -> Result<Option<Rewritten>, Failure> {
        let (local, Some(domain)) = split(without_route(address)) else { return Ok(None) };
        let place = at.place();
        if !self.classes.contains(&place) {
            explain::note(|| format!("{at} {address}: `classes` has no {place}"));
            return Ok(None);
        }
        let new_domain = match self.domains.walk(domain) {
            Walk::Becomes(new_domain) => new_domain,
            Walk::Stays(entry) => {
                explain::note(|| format!("{at} {address}: entry `{entry}` leaves it alone"));
                return Ok(None);
            }
            Walk::NoMatch => {
                explain::note(|| format!("{at} {address}: no entry of `domains` fits"));
                return Ok(None);
            }
        };
        if self.is_exception(local)? {
            explain::note(|| format!("{at} {address}: `{local}` is in `exceptions`"));
            return Ok(None);
        }
        let (old, entry) = (address.to_owned(), new_domain.to_owned());
        Ok(Some(Rewritten {
            address: format!("{local}@{new_domain}"),
            reason: Box::new(move || format!("{old} is below `{entry}` of `domains`")),
        }))
    }
}

mailweir_sdk::export!(Masquerade: message);

#[cfg(test)]
mod tests;
