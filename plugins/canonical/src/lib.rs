//! Canonical: addresses become others through tables, in envelope and header (Postfix canonical(5)).

use mailweir_rewrite::{
    mapping::{Mapped, Rules, map},
    places::{Place, Rewrite, Rewritten, rewrite_message},
};
use mailweir_sdk::{ConfigError, Failure, Filter, Message, MessageFilter, Outcome, explain, tables::Table};
use serde::Deserialize;

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Tables for all addresses (`canonical_maps`).
    #[serde(default)]
    both: Vec<Table>,
    /// Tables for senders' addresses; asked before `both` (`sender_canonical_maps`).
    #[serde(default)]
    sender: Vec<Table>,
    /// Tables for recipients' addresses; asked before `both` (`recipient_canonical_maps`).
    #[serde(default)]
    recipient: Vec<Table>,
    /// Where `both` is used (`canonical_classes`).
    #[serde(default = "everywhere")]
    both_classes: Vec<Place>,
    /// Where `sender` is used (`sender_canonical_classes`).
    #[serde(default = "senders")]
    sender_classes: Vec<Place>,
    /// Where `recipient` is used (`recipient_canonical_classes`).
    #[serde(default = "recipients")]
    recipient_classes: Vec<Place>,
    /// Characters at which an extension begins (`recipient_delimiter`).
    #[serde(default)]
    recipient_delimiter: String,
    /// Domain of addresses without one (`myorigin`).
    origin: Option<String>,
    /// Domains whose users are also looked up without domain (`mydestination`).
    #[serde(default)]
    local_domains: Vec<String>,
    /// Whether an extension that the matching key did not have is put to the result (`propagate_unmatched_extensions`).
    #[serde(default = "yes")]
    propagate_extensions: bool,
}

fn everywhere() -> Vec<Place> {
    [senders(), recipients()].concat()
}

fn senders() -> Vec<Place> {
    vec![Place::EnvelopeSender, Place::HeaderSender]
}

fn recipients() -> Vec<Place> {
    vec![Place::EnvelopeRecipient, Place::HeaderRecipient]
}

fn yes() -> bool {
    true
}

/// Tables and the places where they are used.
#[derive(Debug)]
struct Map {
    tables: Vec<Table>,
    classes: Vec<Place>,
}

/// The filter.
#[derive(Debug)]
pub struct Canonical {
    /// In the order in which they are used: each works on the result of the one before.
    maps: [Map; 3],
    rules: Rules,
}

impl Filter for Canonical {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        if config.both.is_empty() && config.sender.is_empty() && config.recipient.is_empty() {
            let why = "name at least one table in `both`, `sender` or `recipient`";
            return Err(vec![ConfigError::new("", why)]);
        }
        let maps = [
            Map { tables: config.sender, classes: config.sender_classes },
            Map { tables: config.recipient, classes: config.recipient_classes },
            Map { tables: config.both, classes: config.both_classes },
        ];
        let rules = Rules {
            delimiters: config.recipient_delimiter,
            origin: config.origin,
            local_domains: config.local_domains,
            propagate_extensions: config.propagate_extensions,
            recursive: true,
        };
        Ok(Self { maps, rules })
    }
}

impl MessageFilter for Canonical {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        rewrite_message(message, &mut Pass { canonical: self, seen: Vec::new() })
    }
}

/// One message's way through the maps. The same address stands in several places of most messages; it is looked up once.
struct Pass<'a> {
    canonical: &'a Canonical,
    /// Address, index of the map, and what it became.
    seen: Vec<(String, usize, Option<Mapped>)>,
}

impl Pass<'_> {
    fn mapped(&mut self, address: &str, index: usize, tables: &[Table]) -> Result<Option<Mapped>, Failure> {
        if let Some((.., known)) = self.seen.iter().find(|(seen, map, _)| *map == index && seen == address) {
            return Ok(known.clone());
        }
        let mapped = map(address, tables, &self.canonical.rules)?;
        self.seen.push((address.to_owned(), index, mapped.clone()));
        Ok(mapped)
    }
}

impl Rewrite for Pass<'_> {
    fn rewrite(&mut self, place: Place, address: &str) -> Result<Option<Rewritten>, Failure> {
        let mut result: Option<Mapped> = None;
        for (index, Map { tables, classes }) in self.canonical.maps.iter().enumerate() {
            if tables.is_empty() || !classes.contains(&place) {
                continue;
            }
            let current = result.as_ref().map_or(address, |mapped| mapped.address.as_str()).to_owned();
            if let Some(mut mapped) = self.mapped(&current, index, tables)? {
                let before = result.take().map(|mapped| mapped.steps).unwrap_or_default();
                mapped.steps.splice(0..0, before);
                result = Some(mapped);
            }
        }
        let Some(Mapped { address: new, steps }) = result.filter(|mapped| mapped.address != address) else {
            explain::note(|| format!("{address}: no table has it"));
            return Ok(None);
        };
        let old = address.to_owned();
        let reason = Box::new(move || {
            let steps = steps.iter().map(|step| format!("table {}: `{}` is `{}`", step.table, step.key, step.value));
            format!("{old}: {}", steps.collect::<Vec<_>>().join(", then "))
        });
        Ok(Some(Rewritten { address: new, reason }))
    }
}

mailweir_sdk::export!(Canonical: message);

#[cfg(test)]
mod tests;
