//! The standard form of an address: what trivial-rewrite(8) makes of it before anything is looked up.

use crate::address::{split, without_route};

/// How addresses that are not complete become so.
#[derive(Clone, Debug)]
pub struct Completion {
    /// `myorigin`: the domain of addresses without one (`append_at_myorigin`).
    pub origin: Option<String>,
    /// `mydomain`: put behind domains without a dot (`append_dot_mydomain`).
    pub domain: Option<String>,
    /// `site!user` is `user@site` (`swap_bangpath`).
    pub swap_bangpath: bool,
    /// `user%site` is `user@site` (`allow_percent_hack`).
    pub percent_hack: bool,
}

impl Default for Completion {
    fn default() -> Self {
        Self { origin: None, domain: None, swap_bangpath: true, percent_hack: true }
    }
}

impl Completion {
    /// The standard form.
    ///
    /// A source route is dropped. Where there is no `@`, `site!user` and `user%site` become `user@site`, and what then has no domain
    /// gets the origin. A domain without a dot gets `domain` behind it, and one dot at the end of a domain goes.
    pub fn standard_form(&self, address: &str) -> String {
        let address = without_route(address);
        let (local, domain) = match split(address) {
            (local, Some(domain)) => (local, domain.to_owned()),
            (local, None) => match self.without_at(local) {
                (local, Some(domain)) => (local, domain),
                (local, None) => return local.to_owned(),
            },
        };
        if local.is_empty() && domain.is_empty() {
            return String::new();
        }
        let domain = self.with_our_domain(domain);
        let cut = domain.strip_suffix('.').filter(|rest| !rest.is_empty() && !rest.ends_with('.'));
        format!("{local}@{}", cut.unwrap_or(&domain))
    }

    /// Local part and domain of an address without `@`.
    fn without_at<'a>(&self, local: &'a str) -> (&'a str, Option<String>) {
        if local.is_empty() {
            return (local, None);
        }
        let quoted = local.starts_with('"');
        if let Some((site, user)) = local.split_once('!').filter(|_| self.swap_bangpath && !quoted) {
            return (user, Some(site.to_owned()));
        }
        if let Some((user, site)) = local.rsplit_once('%').filter(|_| self.percent_hack && !quoted) {
            return (user, Some(site.to_owned()));
        }
        (local, self.origin.clone())
    }

    fn with_our_domain(&self, domain: String) -> String {
        match &self.domain {
            Some(ours) if !domain.is_empty() && !domain.contains('.') && !domain.starts_with('[') => {
                format!("{domain}.{ours}")
            }
            _ => domain,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours() -> Completion {
        Completion {
            origin: Some("origin.example".to_owned()),
            domain: Some("dom.example".to_owned()),
            ..Completion::default()
        }
    }

    #[test]
    fn brings_into_standard_form() {
        // Rule section 1: in its order.
        for (address, standard) in [
            ("", ""),
            ("@", ""),
            ("@x,@y:a@b.c", "a@b.c"),
            ("@x:", "@x:.dom.example"),
            ("site.example!user", "user@site.example"),
            ("a!b!user", "b!user@a.dom.example"),
            ("x%y.example", "x@y.example"),
            ("x%y%z.example", "x%y@z.example"),
            // Rule S4: Postfix would resolve these further where the domain is its own.
            ("site!uu@d.example", "site!uu@d.example"),
            ("u%x@d.example", "u%x@d.example"),
            ("user", "user@origin.example"),
            ("user@host", "user@host.dom.example"),
            ("user@[192.0.2.1]", "user@[192.0.2.1]"),
            ("a@b.c.", "a@b.c"),
            ("a@b..", "a@b.."),
            ("a@.", "a@."),
            ("\"a b\"", "\"a b\"@origin.example"),
            ("\"a%b\"", "\"a%b\"@origin.example"),
        ] {
            assert_eq!(ours().standard_form(address), standard, "{address}");
        }
    }

    #[test]
    fn what_is_not_wanted_is_not_done() {
        let none = Completion { origin: None, domain: None, swap_bangpath: false, percent_hack: false };
        for address in ["user", "user@host", "site!user", "x%y"] {
            assert_eq!(none.standard_form(address), address);
        }
    }

    proptest! {
        #[test]
        fn twice_is_once(address in "[ab!%]{0,6}(@([ab]{1,3}\\.?){1,3})?") {
            // With `domain` it is not always so, here as in Postfix: `a@b.` is `a@b` first, and `a@b.dom.example` then.
            let completion = Completion { domain: None, ..ours() };
            let once = completion.standard_form(&address);
            prop_assert_eq!(completion.standard_form(&once), once);
        }
    }
}
