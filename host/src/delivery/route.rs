//! Which next hop a recipient's mail goes to.

use std::{fmt, net::IpAddr};

use crate::mail::Address;

/// A server that takes mail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse() {
            Ok(IpAddr::V6(address)) => write!(f, "[{address}]:{}", self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// `[[route]]`: domains and the next hop for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `example.com` is that domain, `.example.com` all below it, `*` any. Lower case.
    pub domains: Vec<String>,
    /// Where their mail goes.
    pub next_hop: NextHop,
}

impl Route {
    fn covers(&self, domain: &str) -> bool {
        self.domains.iter().any(|pattern| match pattern.strip_prefix('.') {
            Some(parent) => domain.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
            None => pattern == "*" || pattern == domain,
        })
    }
}

/// The next hop for a recipient: that of the first route which covers its domain.
pub(super) fn next_hop<'a>(routes: &'a [Route], recipient: &Address) -> Option<&'a NextHop> {
    let domain = recipient.domain().unwrap_or_default().to_lowercase();
    routes.iter().find(|route| route.covers(&domain)).map(|route| &route.next_hop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_route_that_covers_the_domain_counts() {
        let route = |domains: &[&str], host: &str| Route {
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            next_hop: NextHop { host: host.to_owned(), port: 25 },
        };
        let routes = [route(&["example.com", ".lab.example.com"], "inner"), route(&["*"], "outer")];
        for (recipient, host) in [
            ("a@example.com", "inner"),
            ("a@EXAMPLE.com", "inner"),
            ("a@x.lab.example.com", "inner"),
            ("a@lab.example.com", "outer"),
            ("a@sub.example.com", "outer"),
            ("postmaster", "outer"),
        ] {
            let recipient = Address::parse(recipient).expect("an address");
            assert_eq!(next_hop(&routes, &recipient).map(|hop| hop.host.as_str()), Some(host), "{recipient}");
        }
        assert_eq!(next_hop(&routes[..1], &Address::parse("a@b.example").expect("an address")), None);
    }
}
