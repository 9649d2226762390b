//! Canonical: addresses become others through tables, in envelope and header (Postfix canonical(5)).

use std::collections::BTreeMap;

use mailweir_rewrite::{
    address::external,
    clients::RewriteClients,
    completion::Completion,
    mapping::{Mapped, Rules, map, why_not},
    places::{Location, Place, Rewrite, Rewritten, rewrite_message},
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
    /// Domain of addresses without one (`myorigin`, `append_at_myorigin`).
    origin: Option<String>,
    /// Put behind domains without a dot (`mydomain`, `append_dot_mydomain`).
    domain: Option<String>,
    /// Whether `site!user` is `user@site` (`swap_bangpath`).
    #[serde(default = "yes")]
    swap_bangpath: bool,
    /// Whether `user%site` is `user@site` (`allow_percent_hack`).
    #[serde(default = "yes")]
    percent_hack: bool,
    /// Whether addresses that no table has are written in their complete form too, as Postfix does.
    #[serde(default)]
    complete: bool,
    /// Domains whose users are also looked up without domain (`mydestination`).
    #[serde(default)]
    local_domains: Vec<String>,
    /// Whether an extension that the matching key did not have is put to the result (`propagate_unmatched_extensions`).
    #[serde(default = "yes")]
    propagate_extensions: bool,
    /// Whose header fields are rewritten (`local_header_rewrite_clients`).
    #[serde(default)]
    rewrite_clients: RewriteClients,
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
    complete: bool,
    rewrite_clients: RewriteClients,
}

impl Filter for Canonical {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
        let no_table = config.both.is_empty() && config.sender.is_empty() && config.recipient.is_empty();
        if no_table && !config.complete {
            let why = "name at least one table in `both`, `sender` or `recipient`, or set `complete`";
            return Err(vec![ConfigError::new("", why)]);
        }
        let maps = [
            Map { tables: config.sender, classes: config.sender_classes },
            Map { tables: config.recipient, classes: config.recipient_classes },
            Map { tables: config.both, classes: config.both_classes },
        ];
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
            recursive: true,
        };
        Ok(Self { maps, rules, complete: config.complete, rewrite_clients: config.rewrite_clients })
    }
}

impl MessageFilter for Canonical {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        rewrite_message(message, &self.rewrite_clients, &mut Pass { canonical: self, seen: Default::default() })
    }
}

/// One message's way through the maps. The same address stands in several places of most messages; it is looked up once.
struct Pass<'a> {
    canonical: &'a Canonical,
    /// For each of the maps: what an address became.
    seen: [BTreeMap<String, Option<Mapped>>; 3],
}

impl Pass<'_> {
    /// What no table has, in its complete form, where that is wanted.
    fn completed(&self, place: Place, address: &str) -> Option<Rewritten> {
        let complete = self.canonical.rules.completion.standard_form(address);
        // Quotes that nobody needs stay in a field in which nothing else changes.
        let in_header = matches!(place, Place::HeaderSender | Place::HeaderRecipient);
        let complete = if in_header && complete == address { complete } else { external(&complete) };
        let wanted = self.canonical.complete && complete != address && !complete.is_empty();
        let old = address.to_owned();
        wanted.then(|| Rewritten { address: complete, reason: Box::new(move || format!("{old} is completed")) })
    }

    /// Why no row makes something else of an address.
    fn why_not(&self, place: Place, address: &str) -> String {
        let Canonical { maps, rules, .. } = self.canonical;
        let address = rules.completion.standard_form(address);
        let asked = maps.iter().filter(|map| !map.tables.is_empty() && map.classes.contains(&place));
        let reasons: Vec<_> = asked.map(|map| why_not(&address, &map.tables, rules)).collect();
        if reasons.is_empty() { format!("no table is for {place}") } else { reasons.join("; ") }
    }
}

impl Rewrite for Pass<'_> {
    fn rewrite(&mut self, at: Location<'_>, address: &str) -> Result<Option<Rewritten>, Failure> {
        let place = at.place();
        let mut result: Option<Mapped> = None;
        for (Map { tables, classes }, seen) in self.canonical.maps.iter().zip(&mut self.seen) {
            if tables.is_empty() || !classes.contains(&place) {
                continue;
            }
            let current = match &result {
                Some(mapped) => mapped.address.clone(),
                None => self.canonical.rules.completion.standard_form(address),
            };
            let mapped = match seen.get(&current) {
                Some(known) => known.clone(),
                None => {
                    let mapped = map(&current, tables, &self.canonical.rules)?;
                    seen.insert(current, mapped.clone());
                    mapped
                }
            };
            if let Some(mut mapped) = mapped {
                let before = result.take().map(|mapped| mapped.steps).unwrap_or_default();
                mapped.steps.splice(0..0, before);
                result = Some(mapped);
            }
        }
        let Some(mapped) = result.take_if(|mapped| mapped.address != address) else {
            explain::note(|| match result {
                // There and back again.
                Some(mapped) => format!("{at} {}", mapped.reason(address)()),
                None => format!("{at} {address}: {}", self.why_not(place, address)),
            });
            return Ok(self.completed(place, address));
        };
        let reason = mapped.reason(address);
        Ok(Some(Rewritten { address: mapped.address, reason: Box::new(reason) }))
    }
}

mailweir_sdk::export!(Canonical: message);

#[cfg(test)]
mod tests;
