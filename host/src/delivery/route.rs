//! Which next hop a recipient's mail goes to.

use std::{fmt, sync::Arc};

use super::{client::Tls, login::Login, next_hop::NextHop};
use crate::{
    mail::{Address, ReversePath},
    smtp::{EnhancedCode, Reply},
    tables::{Table, TableError},
};

/// `[[route]]`: for which mail, where to, and how.
#[derive(Clone)]
pub struct Route {
    /// The recipients that it is for; one of these must fit.
    pub recipients: Vec<Pattern>,
    /// The senders that it is for; empty for any.
    pub senders: Vec<Pattern>,
    /// Where the mail goes.
    pub way: Way,
    /// Whether and how the connection is secured.
    pub tls: Tls,
    /// Who we are to the next hop, if it wants to know.
    pub login: Option<Login>,
    /// Attempts at one next hop at a time at most (Postfix default_destination_concurrency_limit).
    pub concurrency: usize,
}

/// Addresses that a route is for.
#[derive(Clone)]
pub enum Pattern {
    /// `*`: any.
    Any,
    /// The domain, in lower case.
    Domain(String),
    /// All domains below this one, in lower case; not the domain itself.
    Below(String),
    /// One address, in lower case; empty is the null sender.
    Address(String),
    /// Those that the table has a row for.
    Table(Keys),
}

/// How a route says where mail goes.
#[derive(Clone)]
pub enum Way {
    /// Always there.
    To(NextHop),
    /// The value of the recipient's row (Postfix transport_maps).
    ByRecipient(Keys),
    /// The value of the sender's row (Postfix sender_dependent_relayhost_maps).
    BySender(Keys),
}

/// A table that is asked for addresses.
#[derive(Clone)]
pub struct Keys {
    /// Its name, for error messages.
    pub name: String,
    /// The table.
    pub table: Arc<dyn Table>,
    /// Characters that begin an extension of a local part (Postfix recipient_delimiter).
    pub delimiters: String,
}

/// Where a message goes for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Destination {
    /// Index of the route.
    pub(super) route: usize,
    /// Its next hop for this recipient.
    pub(super) next_hop: NextHop,
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.next_hop.fmt(f)
    }
}

/// The way of a recipient's mail: that of the first route which fits. The reply says why there is none.
pub(super) fn destination(
    routes: &[Route],
    hostname: &str,
    sender: &ReversePath,
    recipient: &Address,
) -> Result<Destination, Reply> {
    // RFC 5321 4.5.1: the postmaster without a domain is ours.
    let domain = recipient.domain().unwrap_or(hostname).to_lowercase();
    let address = format!("{}@{domain}", recipient.local_part().to_lowercase());
    let sender = sender.as_str().to_lowercase();
    for (index, route) in routes.iter().enumerate() {
        if let Some(next_hop) = route.next_hop(&sender, &address, &domain).map_err(unknown)? {
            return Ok(Destination { route: index, next_hop: next_hop.for_domain(&domain) });
        }
    }
    Err(Reply::new(550, EnhancedCode(5, 4, 4), format!("no route for {domain}")))
}

fn unknown(error: RouteError) -> Reply {
    tracing::error!("{error}");
    let detail = if matches!(error, RouteError::Table(..)) { 0 } else { 5 };
    Reply::new(451, EnhancedCode(4, 3, detail), error.to_string())
}

/// It is not known now where mail goes.
#[derive(Debug, thiserror::Error)]
enum RouteError {
    /// `451 4.3.0`.
    #[error("table {0}: {1}")]
    Table(String, TableError),
    /// `451 4.3.5`.
    #[error("table {0}: `{1}` is no next hop")]
    Value(String, String),
}

impl Route {
    fn next_hop(&self, sender: &str, recipient: &str, domain: &str) -> Result<Option<NextHop>, RouteError> {
        let from_others = !self.senders.is_empty() && !fits(&self.senders, sender, domain_of(sender))?;
        if from_others || !fits(&self.recipients, recipient, domain)? {
            return Ok(None);
        }
        let (keys, value) = match &self.way {
            Way::To(next_hop) => return Ok(Some(next_hop.clone())),
            Way::ByRecipient(keys) => (keys, keys.recipient(recipient, domain)?),
            Way::BySender(keys) => (keys, keys.sender(sender)?),
        };
        // As in Postfix, DUNNO is the same as no row.
        let value = value.filter(|value| !value.eq_ignore_ascii_case("DUNNO"));
        value.map(|value| value.parse().map_err(|_| RouteError::Value(keys.name.clone(), value))).transpose()
    }
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Whether one of the patterns fits an address, all in lower case.
fn fits(patterns: &[Pattern], address: &str, domain: &str) -> Result<bool, RouteError> {
    for pattern in patterns {
        let fits = match pattern {
            Pattern::Any => true,
            Pattern::Domain(name) => name == domain,
            Pattern::Below(parent) => domain.strip_suffix(&**parent).is_some_and(|rest| rest.ends_with('.')),
            Pattern::Address(one) => one == address,
            Pattern::Table(keys) => keys.recipient(address, domain)?.is_some(),
        };
        if fits {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Keys {
    /// As transport(5): the address, without its extension, the domain, `.parent` for each of its parents, `*`. Tables of patterns see the
    /// whole address only.
    fn recipient(&self, address: &str, domain: &str) -> Result<Option<String>, RouteError> {
        if let Some(value) = self.address(address)? {
            return Ok(Some(value));
        }
        if self.table.has_patterns() {
            return Ok(None);
        }
        if let Some(value) = self.lookup(domain)? {
            return Ok(Some(value));
        }
        for (dot, _) in domain.match_indices('.') {
            if let Some(value) = self.lookup(domain.get(dot..).unwrap_or_default())? {
                return Ok(Some(value));
            }
        }
        self.lookup("*")
    }

    /// As sender_dependent_relayhost_maps: the address, without its extension, `@domain`. The null sender is asked for as `<>`.
    fn sender(&self, address: &str) -> Result<Option<String>, RouteError> {
        if address.is_empty() {
            return self.lookup("<>");
        }
        match self.address(address)? {
            None if !self.table.has_patterns() => self.lookup(&format!("@{}", domain_of(address))),
            found => Ok(found),
        }
    }

    fn address(&self, address: &str) -> Result<Option<String>, RouteError> {
        if let Some(value) = self.lookup(address)? {
            return Ok(Some(value));
        }
        let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
        // An extension of nobody is none.
        let split = local.find(|c| self.delimiters.contains(c)).filter(|at| *at > 0 && !self.table.has_patterns());
        match split.and_then(|at| local.get(..at)) {
            Some(user) => self.lookup(&format!("{user}@{domain}")),
            None => Ok(None),
        }
    }

    fn lookup(&self, key: &str) -> Result<Option<String>, RouteError> {
        self.table.lookup(key).map_err(|error| RouteError::Table(self.name.clone(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{self, Kind};

    fn keys(rows: &[(&str, &str)]) -> Keys {
        let rows = rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let table = tables::open(&Kind::Inline(rows), &|_| None).expect("a table").table;
        Keys { name: "t".to_owned(), table, delimiters: "+".to_owned() }
    }

    fn route(recipients: Vec<Pattern>, way: Way) -> Route {
        Route { recipients, senders: vec![], way, tls: Tls::default(), login: None, concurrency: 1 }
    }

    fn to(host: &str) -> Way {
        Way::To(format!("smtp://{host}").parse().expect("a next hop"))
    }

    fn sent_to(routes: &[Route], sender: &str, recipient: &str) -> Result<String, String> {
        let sender = ReversePath::parse(sender).expect("a sender");
        let recipient = Address::parse(recipient).expect("an address");
        let found = destination(routes, "relay.example", &sender, &recipient);
        found.map(|found| found.next_hop.to_string()).map_err(|reply| reply.to_string())
    }

    #[test]
    fn the_first_route_that_covers_the_domain_counts() {
        let inner = vec![Pattern::Domain("example.com".to_owned()), Pattern::Below("lab.example.com".to_owned())];
        let routes = [route(inner, to("inner")), route(vec![Pattern::Any], to("outer"))];
        for (recipient, host) in [
            ("a@example.com", "inner"),
            ("a@EXAMPLE.com", "inner"),
            ("a@x.lab.example.com", "inner"),
            ("a@lab.example.com", "outer"),
            ("a@sub.example.com", "outer"),
            ("postmaster", "outer"),
        ] {
            assert_eq!(sent_to(&routes, "", recipient), Ok(format!("smtp://{host}:25")), "{recipient}");
        }
        assert_eq!(sent_to(&routes[..1], "", "a@b.example"), Err("550 5.4.4 no route for b.example".to_owned()));
    }

    #[test]
    fn mx_is_asked_for_the_recipients_domain() {
        let routes = [route(vec![Pattern::Any], Way::To("mx".parse().expect("a next hop")))];
        assert_eq!(sent_to(&routes, "", "a@B.example"), Ok("mx://b.example".to_owned()));
        assert_eq!(sent_to(&routes, "", "postmaster"), Ok("mx://relay.example".to_owned()));
    }

    #[test]
    fn a_table_is_asked_as_transport_maps_are() {
        let table = keys(&[
            ("user+ext@dom.example", "smtp://one"),
            ("user@dom.example", "smtp://two"),
            ("dom.example", "smtp://three"),
            (".dom.example", "smtp://four"),
            ("broken.example", "nowhere"),
            ("dunno.example", "DUNNO"),
        ]);
        let routes = [route(vec![Pattern::Any], Way::ByRecipient(table)), route(vec![Pattern::Any], to("rest"))];
        for (recipient, host) in [
            ("User+Ext@dom.example", "one"),
            ("user+other@dom.example", "two"),
            ("someone@dom.example", "three"),
            ("+ext@dom.example", "three"),
            ("a@b.c.dom.example", "four"),
            ("a@else.example", "rest"),
            ("a@dunno.example", "rest"),
        ] {
            assert_eq!(sent_to(&routes, "", recipient), Ok(format!("smtp://{host}:25")), "{recipient}");
        }
        let broken = sent_to(&routes, "", "a@broken.example");
        assert_eq!(broken, Err("451 4.3.5 table t: `nowhere` is no next hop".to_owned()));
        let rest = [route(vec![Pattern::Any], Way::ByRecipient(keys(&[("*", "mx")])))];
        assert_eq!(sent_to(&rest, "", "a@b.example"), Ok("mx://b.example".to_owned()));
    }

    #[test]
    fn senders_choose_a_way() {
        let table = keys(&[("boss@a.example", "smtp://boss"), ("@a.example", "smtp://a"), ("<>", "smtp://null")]);
        let mut own = route(vec![Pattern::Any], to("own"));
        own.senders = vec![Pattern::Domain("own.example".to_owned()), Pattern::Address("x@other.example".to_owned())];
        let routes = [own, route(vec![Pattern::Any], Way::BySender(table)), route(vec![Pattern::Any], to("rest"))];
        for (sender, host) in [
            ("boss+x@A.example", "boss"),
            ("a@a.example", "a"),
            ("", "null"),
            ("a@own.example", "own"),
            ("X@other.example", "own"),
            ("a@sub.own.example", "rest"),
        ] {
            assert_eq!(sent_to(&routes, sender, "u@b.example"), Ok(format!("smtp://{host}:25")), "{sender}");
        }
    }

    #[test]
    fn a_table_that_fails_defers() {
        let table = tables::open(&Kind::Fail("broken".to_owned()), &|_| None).expect("a table").table;
        let keys = Keys { name: "t".to_owned(), table, delimiters: String::new() };
        let routes = [route(vec![Pattern::Table(keys)], to("x")), route(vec![Pattern::Any], to("y"))];
        assert!(sent_to(&routes, "", "a@b.example").is_err_and(|reply| reply.starts_with("451 4.3.0 table t: ")));
    }
}
