//! Generic: on the copy that leaves, inner addresses become those that the world knows (Postfix generic(5)).
//!
//! One lookup, not repeated; senders and recipients, envelope and header, whoever sent it. What the queue holds stays as it is.

use std::collections::BTreeMap;

use mailweir_rewrite::{
    clients::RewriteClients,
    completion::Completion,
    mapping::{Mapped, Rules, map, why_not},
    places::{Location, Rewrite, Rewritten, rewrite_message},
};
use mailweir_sdk::{ConfigError, Failure, Filter, Message, MessageFilter, Outcome, explain, tables::Table};
use serde::Deserialize;

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Inner address, its host or its user: the address outside (`smtp_generic_maps`).
    tables: Vec<Table>,
    /// Characters at which an extension begins (`recipient_delimiter`).
    #[serde(default)]
    recipient_delimiter: String,
    /// Domain of addresses and results without one (`myorigin`).
    origin: Option<String>,
    /// Put behind domains without a dot (`mydomain`, `append_dot_mydomain`).
    domain: Option<String>,
    /// Whether `site!user` is `user@site` (`swap_bangpath`).
    #[serde(default = "yes")]
    swap_bangpath: bool,
    /// Whether `user%site` is `user@site` (`allow_percent_hack`).
    #[serde(default = "yes")]
    percent_hack: bool,
    /// Domains whose users are also looked up without domain (`mydestination`).
    #[serde(default)]
    local_domains: Vec<String>,
    /// Whether an extension that the matching key did not have is put to the result (`propagate_unmatched_extensions`).
    #[serde(default)]
    propagate_extensions: bool,
}

fn yes() -> bool {
    true
}

/// The filter.
#[derive(Debug)]
pub struct Generic {
    tables: Vec<Table>,
    rules: Rules,
}

impl Filter for Generic {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        if config.tables.is_empty() {
            return Err(vec![ConfigError::new("tables", "without a table the stage would do nothing")]);
        }
        let rules = Rules {
            delimiters: config.recipient_delimiter,
            completion: Completion {
                origin: config.origin,
                domain: config.domain,
                swap_bangpath: config.swap_bangpath,
                percent_hack: config.percent_hack,
            },
            local_domains: config.local_domains,
            propagate_extensions: config.propagate_extensions,
            recursive: false,
        };
        Ok(Self { tables: config.tables, rules })
    }
}

impl MessageFilter for Generic {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        rewrite_message(message, &RewriteClients::all(), &mut Seen { generic: self, addresses: BTreeMap::new() })
    }
}

/// The same address stands in several places of most messages; it is looked up once.
struct Seen<'a> {
    generic: &'a Generic,
    addresses: BTreeMap<String, Option<Mapped>>,
}

impl Rewrite for Seen<'_> {
    fn rewrite(&mut self, at: Location<'_>, address: &str) -> Result<Option<Rewritten>, Failure> {
        let mapped = match self.addresses.get(address) {
            Some(mapped) => mapped.clone(),
            None => {
                let mapped = map(address, &self.generic.tables, &self.generic.rules)?;
                self.addresses.insert(address.to_owned(), mapped.clone());
                mapped
            }
        };
        let Some(mapped) = mapped.filter(|mapped| mapped.address != address) else {
            let Generic { tables, rules } = self.generic;
            explain::note(|| format!("{at} {address}: {}", why_not(address, tables, rules)));
            return Ok(None);
        };
        let reason = mapped.reason(address);
        Ok(Some(Rewritten { address: mapped.address, reason: Box::new(reason) }))
    }
}

mailweir_sdk::export!(Generic: message);

#[cfg(test)]
mod tests;
