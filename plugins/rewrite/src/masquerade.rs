//! The walk through `masquerade_domains`: the first entry that fits decides.

/// One entry of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Lower case, without `!`.
    domain: String,
    /// `!`: domains below it are left alone.
    negated: bool,
}

/// What the walk says about a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk<'a> {
    /// The host's part goes: this domain stands in its place.
    Becomes(&'a str),
    /// This entry says that the domain stays as it is.
    Stays(&'a str),
    /// No entry fits.
    NoMatch,
}

impl Entry {
    /// Parse `example.com` or `!example.com`; each `!` turns the meaning around.
    pub fn parse(text: &str) -> Result<Self, String> {
        let domain = text.trim_start_matches('!');
        let negated = (text.len() - domain.len()) % 2 == 1;
        let valid = |label: &str| {
            !label.is_empty()
                && !label.contains(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && !"-_".contains(c))
        };
        if !domain.split('.').all(valid) {
            return Err(format!(
                "`{text}` is no domain name; entries are names such as `example.com` or `!lab.example.com`"
            ));
        }
        Ok(Self { domain: domain.to_lowercase(), negated })
    }
}

/// Walk the list for a domain.
pub fn walk<'a>(entries: &'a [Entry], domain: &str) -> Walk<'a> {
    let domain = domain.to_lowercase();
    for Entry { domain: entry, negated } in entries {
        if domain == *entry {
            return Walk::Stays(entry);
        }
        let below = domain.strip_suffix(entry.as_str()).is_some_and(|rest| rest.ends_with('.'));
        if below {
            return if *negated { Walk::Stays(entry) } else { Walk::Becomes(entry) };
        }
    }
    Walk::NoMatch
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masquerade(list: &[&str], domain: &str) -> String {
        let entries: Vec<_> = list.iter().map(|one| Entry::parse(one).expect("a domain")).collect();
        match walk(&entries, domain) {
            Walk::Becomes(new) => new.to_owned(),
            Walk::Stays(_) | Walk::NoMatch => domain.to_owned(),
        }
    }

    #[test]
    fn the_first_entry_that_fits_decides() {
        // Section 3; traps 5 and 33.
        for (list, domain, expected) in [
            (&["a.b.c", "b.c"][..], "xx.aa.b.c", "b.c"),
            (&["a.b.c", "b.c"], "xx.a.b.c", "a.b.c"),
            (&["a.b.c", "b.c"], "a.b.c", "a.b.c"),
            (&["b.c", "a.b.c"], "xx.a.b.c", "b.c"),
            (&["!a.b.c", "b.c"], "xx.a.b.c", "xx.a.b.c"),
            (&["!a.b.c", "b.c"], "a.b.c", "a.b.c"),
            (&["!a.b.c", "b.c"], "xx.aa.b.c", "b.c"),
            (&["!!b.c"], "x.b.c", "b.c"),
            (&["corp.example", "!keep.corp.example"], "a.keep.corp.example", "corp.example"),
            (&["corp.example"], "mycorp.example", "mycorp.example"),
            (&["A.B.C"], "AA.A.B.C", "a.b.c"),
            (&["a.b.c"], "A.B.C", "A.B.C"),
            (&["corp.example"], "[192.0.2.1]", "[192.0.2.1]"),
        ] {
            assert_eq!(masquerade(list, domain), expected, "{list:?} {domain}");
        }
    }

    #[test]
    fn entries_are_names() {
        for text in ["", "!", "a..b", "*.example.com", ".example.com", "hash:/etc/x", "a b"] {
            assert!(Entry::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        /// Idempotent unless an earlier entry is a parent of a later one.
        #[test]
        fn twice_is_once(domain in "([ab]\\.){0,4}c", entry in "!?([ab]\\.){0,2}c") {
            let once = masquerade(&[&entry], &domain);
            prop_assert_eq!(masquerade(&[&entry], &once), once);
        }
    }
}
