//! Masquerade: `joe@host7.example.com` becomes `joe@example.com` (Postfix masquerade_domains, ADDRESS_REWRITING_README).

use mailweir_rewrite::{
    address::split,
    masquerade::{Entry, Walk, walk},
    places::{Place, Rewrite, Rewritten, rewrite_message},
};
use mailweir_sdk::{ConfigError, Failure, Filter, Message, MessageFilter, Outcome, explain};
use serde::Deserialize;

/// The stage's `config`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Domains whose hosts are hidden, in order; `!` before one leaves it and all below it alone (`masquerade_domains`).
    domains: Vec<String>,
    /// Users whose addresses stay as they are, without domain (`masquerade_exceptions`).
    #[serde(default)]
    exceptions: Vec<String>,
    /// Where addresses are rewritten (`masquerade_classes`).
    #[serde(default = "default_classes")]
    classes: Vec<Place>,
}

fn default_classes() -> Vec<Place> {
    vec![Place::EnvelopeSender, Place::HeaderSender, Place::HeaderRecipient]
}

/// The filter.
#[derive(Debug)]
pub struct Masquerade {
    domains: Vec<Entry>,
    /// Lower case.
    exceptions: Vec<String>,
    classes: Vec<Place>,
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
        for (index, user) in config.exceptions.iter().enumerate() {
            if user.is_empty() || split(user).1.is_some() {
                let why = format!("`{user}` is no user name; exceptions are local parts such as `root`");
                mistakes.push(ConfigError::new(format!("exceptions[{index}]"), why));
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let exceptions = config.exceptions.iter().map(|user| user.to_lowercase()).collect();
        Ok(Self { domains, exceptions, classes: config.classes })
    }
}

impl MessageFilter for Masquerade {
    fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
        rewrite_message(message, &mut &*self)
    }
}

impl Rewrite for &Masquerade {
    fn rewrite(&mut self, place: Place, address: &str) -> Result<Option<Rewritten>, Failure> {
        let (local, Some(domain)) = split(address) else { return Ok(None) };
        if !self.classes.contains(&place) {
            return Ok(None);
        }
        let new_domain = match walk(&self.domains, domain) {
            Walk::Becomes(new_domain) => new_domain,
            Walk::Stays(entry) => {
                explain::note(|| format!("{address}: entry `{entry}` leaves it alone"));
                return Ok(None);
            }
            Walk::NoMatch => {
                explain::note(|| format!("{address}: no entry of `domains` fits"));
                return Ok(None);
            }
        };
        // The exception is compared with the local part as it is written, with quotes and extension (trap 32).
        if self.exceptions.contains(&local.to_lowercase()) {
            explain::note(|| format!("{address}: `{local}` is in `exceptions`"));
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
mod tests {
    use mailweir_sdk::{Change, ReversePath};

    use super::*;

    fn filter(domains: &[&str], exceptions: &[&str]) -> Masquerade {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let config = Config { domains: owned(domains), exceptions: owned(exceptions), classes: default_classes() };
        Masquerade::configure(config).expect("a configuration")
    }

    fn changes(filter: &Masquerade, message: mailweir_sdk::native::MessageBuilder) -> Vec<Change> {
        let outcome = filter.filter(&message.build()).expect("it can't fail");
        outcome.edits.into_iter().map(|edit| edit.change).collect()
    }

    #[test]
    fn hides_hosts_in_sender_and_header() {
        let message = Message::builder()
            .sender("joe@host7.example.com")
            .recipient("ann@host8.example.com")
            .field("From", "\"Johnny B. Goode\" <joe@host7.example.com>")
            .field("To", "ann@host8.example.com, bob@elsewhere.example")
            .field("Subject", "joe@host7.example.com")
            .field("Reply-To", "joe@example.com");
        // Trap 4: recipients of the envelope stay. O6: Subject stays. O5: Reply-To stays untouched.
        let expected = [
            Change::SetSender(ReversePath::Address("joe@example.com".to_owned())),
            Change::ReplaceField(0, b" \"Johnny B. Goode\" <joe@example.com>".to_vec()),
            Change::ReplaceField(1, b" ann@example.com, bob@elsewhere.example".to_vec()),
        ];
        assert_eq!(changes(&filter(&["example.com"], &[]), message), expected);
    }

    #[test]
    fn exceptions_are_compared_with_extension_and_without_case() {
        let filter = filter(&["corp.example"], &["root"]);
        assert_eq!(changes(&filter, Message::builder().sender("ROOT@h.corp.example")), []);
        let expected = [Change::SetSender(ReversePath::Address("root+x@corp.example".to_owned()))];
        assert_eq!(changes(&filter, Message::builder().sender("root+x@h.corp.example")), expected);
    }

    #[test]
    fn the_null_sender_and_addresses_without_domain_stay() {
        let filter = filter(&["corp.example"], &[]);
        assert_eq!(changes(&filter, Message::builder().field("From", "joe").field("To", "<>")), []);
    }

    #[test]
    fn mistakes_have_their_place() {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let config = Config { domains: owned(&["a.example", "*.b"]), exceptions: owned(&["a@b"]), classes: vec![] };
        let paths: Vec<_> =
            Masquerade::configure(config).expect_err("mistakes").into_iter().map(|one| one.path).collect();
        assert_eq!(paths, ["domains[1]", "exceptions[0]"]);
    }

    #[test]
    fn tells_why() {
        let filter = filter(&["!lab.example.com", "example.com"], &[]);
        let message = Message::builder().sender("a@x.lab.example.com").field("From", "b@h.example.com").build();
        let (outcome, notes) = mailweir_sdk::native::explained(|| filter.filter(&message).expect("it can't fail"));
        assert_eq!(notes, ["a@x.lab.example.com: entry `lab.example.com` leaves it alone"]);
        assert_eq!(outcome.edits[0].reason.as_deref(), Some("b@h.example.com is below `example.com` of `domains`"));
    }
}
