//! Relay control: who may send where. A client that isn't trusted may send to our domains only, or we would be an open relay.

use crate::{
    mail::{Address, Client, Recipient},
    pipeline::{Facts, Phase, Refusal, SessionStages},
    smtp::{EnhancedCode, Reply},
};

/// It is not known whether a domain is ours: `451 4.3.0`, never the same as "no".
#[derive(Clone, Debug, thiserror::Error)]
#[error("relay domains: {0}")]
pub struct DomainsError(pub String);

/// The domains that we relay for (Postfix `relay_domains`).
pub trait RelayDomains: Send + Sync {
    /// Whether this domain is one of them.
    fn contains(&self, domain: &str) -> Result<bool, DomainsError>;
}

/// A list of domains; each stands for itself and all its subdomains, without regard to case
/// (Postfix `parent_domain_matches_subdomains`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainList(pub Vec<String>);

impl RelayDomains for DomainList {
    fn contains(&self, domain: &str) -> Result<bool, DomainsError> {
        Ok(self.0.iter().any(|listed| {
            let start = domain.len().checked_sub(listed.len());
            match start.and_then(|start| domain.split_at_checked(start)) {
                Some((parent, end)) => end.eq_ignore_ascii_case(listed) && (parent.is_empty() || parent.ends_with('.')),
                None => false,
            }
        }))
    }
}

/// Who says no to a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A session stage.
    Stage(Refusal),
    /// Relay control, or it isn't known whether the domain is ours.
    Relay(Reply),
}

impl Denied {
    /// What the client hears.
    pub fn reply(&self) -> &Reply {
        match self {
            Self::Stage(refusal) => &refusal.reply,
            Self::Relay(reply) => reply,
        }
    }
}

/// Whether this client may send to this recipient. `facts` gets to know whether the recipient is one that we relay for.
///
/// The order is Postfix's: what was refused before RCPT, then relay control, then the recipient's own checks. Where a stage
/// decides about relaying it does so in its own order, among its other lists; what none of them permits is still ours or denied.
/// The bare `postmaster` is taken from everybody (RFC 5321 4.5.1; trap 30).
pub async fn admit(
    domains: &dyn RelayDomains,
    stages: &mut SessionStages,
    client: &Client,
    recipient: &Recipient,
    facts: impl FnOnce(bool) -> Facts,
) -> Result<(), Denied> {
    let original = &recipient.original;
    if original.domain().is_none() {
        return Ok(());
    }
    if let Some(refusal) = stages.refusal() {
        return Err(Denied::Stage(refusal.clone()));
    }
    let ours = is_ours(domains, original).map_err(Denied::Relay)?;
    if !stages.decide_relaying() {
        check(client, original, ours, None).map_err(Denied::Relay)?;
        return stages.decide(Phase::Rcpt, || facts(ours)).await.map_err(Denied::Stage);
    }
    stages.decide(Phase::Rcpt, || facts(ours)).await.map_err(Denied::Stage)?;
    check(client, original, ours, stages.relaying()).map_err(Denied::Relay)
}

/// Whether a recipient is one that we relay for. A local part that names a further way (`user%elsewhere@ours`, also quoted) isn't
/// ours to deliver, whatever its domain (Postfix permit_auth_destination; trap 21).
fn is_ours(domains: &dyn RelayDomains, original: &Address) -> Result<bool, Reply> {
    let Some(domain) = original.domain() else { return Ok(true) };
    if original.local_part().contains(['@', '%', '!']) {
        return Ok(false);
    }
    domains.contains(domain).map_err(|error| {
        tracing::error!(domain, "{error}");
        Reply::new(451, EnhancedCode(4, 3, 0), format!("<{original}>: Temporary lookup failure"))
    })
}

/// Refuse what would make us an open relay. `permitted` is what the stages that decide about it said; without them those may send
/// anywhere that we trust, and those who have logged in.
fn check(client: &Client, original: &Address, is_ours: bool, permitted: Option<bool>) -> Result<(), Reply> {
    if is_ours || permitted.unwrap_or(client.trusted || client.login.is_some()) {
        return Ok(());
    }
    Err(Reply::new(554, EnhancedCode(5, 7, 1), format!("<{original}>: Relay access denied")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_are_meant_and_lookalikes_not() {
        let list = DomainList(vec!["example.com".to_owned(), "Other.example".to_owned()]);
        for (domain, expected) in [
            ("example.com", true),
            ("EXAMPLE.com", true),
            ("a.b.example.com", true),
            ("other.example", true),
            ("badexample.com", false),
            ("com", false),
            ("example.com.evil.example", false),
            ("é.example", false),
        ] {
            assert_eq!(list.contains(domain).ok(), Some(expected), "{domain}");
        }
    }

    #[test]
    fn strangers_may_send_to_our_domains_only() {
        let peer = "192.0.2.1:1000".parse().expect("an address");
        let mut client = Client { peer, name: None, helo: None, tls: None, login: None, trusted: false };
        let list = DomainList(vec!["ours.example".to_owned()]);
        let may = |client: &Client, text: &str| {
            let address = Address::parse(text).expect("an address");
            check(client, &address, is_ours(&list, &address).expect("no table"), None).is_ok()
        };
        for (address, expected) in [
            ("a@ours.example", true),
            ("postmaster", true),
            ("a@elsewhere.example", false),
            ("a@[192.0.2.1]", false),
            // Rule trap 21
            ("a%elsewhere.example@ours.example", false),
            ("elsewhere.example!a@ours.example", false),
            ("\"a@elsewhere.example\"@ours.example", false),
        ] {
            assert_eq!(may(&client, address), expected, "{address}");
        }
        client.login = Some("joe".to_owned());
        assert!(may(&client, "a@elsewhere.example"));
        client.login = None;
        client.trusted = true;
        assert!(may(&client, "a%b@elsewhere.example"));
        // What a stage decides holds for trusted clients as well, and takes nothing from our own domains.
        let elsewhere = Address::parse("a@elsewhere.example").expect("an address");
        assert!(check(&client, &elsewhere, false, Some(false)).is_err());
        assert!(check(&client, &elsewhere, true, Some(false)).is_ok());
        client.trusted = false;
        assert!(check(&client, &elsewhere, false, Some(true)).is_ok());
    }

    #[test]
    fn an_unknown_answer_defers() {
        struct Broken;
        impl RelayDomains for Broken {
            fn contains(&self, _: &str) -> Result<bool, DomainsError> {
                Err(DomainsError("no such file".to_owned()))
            }
        }
        let address = Address::parse("a@b.example").expect("an address");
        let reply = is_ours(&Broken, &address).expect_err("an error");
        assert_eq!(reply.to_string(), "451 4.3.0 <a@b.example>: Temporary lookup failure");
    }
}
