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

/// The list, made for looking domains up: what a walk from left to right would find, without walking over thousands of entries.
#[derive(Clone, Debug)]
pub struct Domains {
    /// By domain, with the place in the list; of a domain that stands there twice the first only.
    entries: Vec<(Entry, usize)>,
}

impl Domains {
    /// From the list in its order.
    pub fn new(list: Vec<Entry>) -> Self {
        let mut entries: Vec<_> = list.into_iter().zip(0..).collect();
        entries.sort_by(|(one, place), (other, other_place)| (&one.domain, place).cmp(&(&other.domain, other_place)));
        entries.dedup_by(|(later, _), (first, _)| later.domain == first.domain);
        Self { entries }
    }

    /// What the first entry of the list that is this domain, or that it is below, says about it.
    pub fn walk(&self, domain: &str) -> Walk<'_> {
        let domain = domain.to_lowercase();
        let dots = domain.match_indices('.').map(|(dot, _)| dot + 1);
        let suffixes = std::iter::once(0).chain(dots).filter_map(|start| domain.get(start..));
        let fitting = suffixes.filter_map(|suffix| {
            let found = self.entries.binary_search_by(|(entry, _)| entry.domain.as_str().cmp(suffix)).ok()?;
            self.entries.get(found)
        });
        match fitting.min_by_key(|(_, place)| *place) {
            None => Walk::NoMatch,
            Some((entry, _)) if entry.negated || entry.domain == domain => Walk::Stays(&entry.domain),
            Some((entry, _)) => Walk::Becomes(&entry.domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masquerade(list: &[&str], domain: &str) -> String {
        let entries = list.iter().map(|one| Entry::parse(one).expect("a domain")).collect();
        match Domains::new(entries).walk(domain) {
            Walk::Becomes(new) => new.to_owned(),
            Walk::Stays(_) | Walk::NoMatch => domain.to_owned(),
        }
    }

    #[test]
    fn the_first_entry_that_fits_decides() {
        // Rules section 3, trap 5, trap 33
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

    /// Section 3 as it is written: from left to right.
    fn walked(list: &[String], domain: &str) -> String {
        for text in list {
            let entry = Entry::parse(text).expect("a domain");
            if domain == entry.domain {
                break;
            }
            if domain.strip_suffix(&entry.domain).is_some_and(|rest| rest.ends_with('.')) {
                return if entry.negated { domain.to_owned() } else { entry.domain };
            }
        }
        domain.to_owned()
    }

    proptest! {
        #[test]
        fn looking_up_is_walking(
            domain in "([ab]\\.){0,4}c",
            list in proptest::collection::vec("!?([ab]\\.){0,2}c", 0..5),
        ) {
            let texts: Vec<&str> = list.iter().map(String::as_str).collect();
            prop_assert_eq!(masquerade(&texts, &domain), walked(&list, &domain));
        }

        /// Idempotent unless an earlier entry is a parent of a later one.
        #[test]
        fn twice_is_once(domain in "([ab]\\.){0,4}c", entry in "!?([ab]\\.){0,2}c") {
            let once = masquerade(&[&entry], &domain);
            prop_assert_eq!(masquerade(&[&entry], &once), once);
        }
    }
}
