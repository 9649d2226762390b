//! The restrictions that lists are made of, by their names in Postfix, and how a list is read from the TOML.

use std::{collections::BTreeMap, fmt};

use mailweir_sdk::{ConfigError, dns, tables::Table};
use serde::{
    Deserialize, Deserializer,
    de::{self, IntoDeserializer, MapAccess, Visitor, value::Error},
};

/// A restriction without a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    Permit,
    Reject,
    Defer,
    DeferIfPermit,
    DeferIfReject,
    WarnIfReject,
    PermitMynetworks,
    PermitSaslAuthenticated,
    PermitAuthDestination,
    RejectUnauthDestination,
    DeferUnauthDestination,
    RejectPlaintextSession,
    RejectUnknownClientHostname,
    RejectUnknownReverseClientHostname,
    RejectInvalidHeloHostname,
    RejectNonFqdnHeloHostname,
    RejectUnknownHeloHostname,
    RejectNonFqdnSender,
    RejectUnknownSenderDomain,
    RejectSenderLoginMismatch,
    RejectAuthenticatedSenderLoginMismatch,
    RejectKnownSenderLoginMismatch,
    RejectUnauthenticatedSenderLoginMismatch,
    RejectNonFqdnRecipient,
    RejectUnknownRecipientDomain,
    RejectUnlistedRecipient,
    RejectMultiRecipientBounce,
}

const PLAIN: [(&str, Plain); 27] = [
    ("permit", Plain::Permit),
    ("reject", Plain::Reject),
    ("defer", Plain::Defer),
    ("defer_if_permit", Plain::DeferIfPermit),
    ("defer_if_reject", Plain::DeferIfReject),
    ("warn_if_reject", Plain::WarnIfReject),
    ("permit_mynetworks", Plain::PermitMynetworks),
    ("permit_sasl_authenticated", Plain::PermitSaslAuthenticated),
    ("permit_auth_destination", Plain::PermitAuthDestination),
    ("reject_unauth_destination", Plain::RejectUnauthDestination),
    ("defer_unauth_destination", Plain::DeferUnauthDestination),
    ("reject_plaintext_session", Plain::RejectPlaintextSession),
    ("reject_unknown_client_hostname", Plain::RejectUnknownClientHostname),
    ("reject_unknown_reverse_client_hostname", Plain::RejectUnknownReverseClientHostname),
    ("reject_invalid_helo_hostname", Plain::RejectInvalidHeloHostname),
    ("reject_non_fqdn_helo_hostname", Plain::RejectNonFqdnHeloHostname),
    ("reject_unknown_helo_hostname", Plain::RejectUnknownHeloHostname),
    ("reject_non_fqdn_sender", Plain::RejectNonFqdnSender),
    ("reject_unknown_sender_domain", Plain::RejectUnknownSenderDomain),
    ("reject_sender_login_mismatch", Plain::RejectSenderLoginMismatch),
    ("reject_authenticated_sender_login_mismatch", Plain::RejectAuthenticatedSenderLoginMismatch),
    ("reject_known_sender_login_mismatch", Plain::RejectKnownSenderLoginMismatch),
    ("reject_unauthenticated_sender_login_mismatch", Plain::RejectUnauthenticatedSenderLoginMismatch),
    ("reject_non_fqdn_recipient", Plain::RejectNonFqdnRecipient),
    ("reject_unknown_recipient_domain", Plain::RejectUnknownRecipientDomain),
    ("reject_unlisted_recipient", Plain::RejectUnlistedRecipient),
    ("reject_multi_recipient_bounce", Plain::RejectMultiRecipientBounce),
];

/// Whose name a table is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Client,
    ReverseClient,
    Login,
    Helo,
    Sender,
    Recipient,
}

/// The name itself, or the servers that the DNS names for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Itself,
    MailExchanges,
    NameServers,
    Addresses,
}

/// A restriction that asks a table: `check_client_access` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) object: Object,
    pub(crate) by: By,
}

const OBJECTS: [(&str, Object); 6] = [
    ("client", Object::Client),
    ("reverse_client_hostname", Object::ReverseClient),
    ("sasl", Object::Login),
    ("helo", Object::Helo),
    ("sender", Object::Sender),
    ("recipient", Object::Recipient),
];
const BY: [(&str, By); 4] =
    [("", By::Itself), ("_mx", By::MailExchanges), ("_ns", By::NameServers), ("_a", By::Addresses)];

impl Check {
    fn all() -> impl Iterator<Item = Self> {
        let of = |object| BY.map(|(_, by)| Self { object, by });
        let all = OBJECTS.into_iter().flat_map(move |(_, object)| of(object));
        all.filter(|check| check.object != Object::Login || check.by == By::Itself)
    }

    fn named(name: &str) -> Option<Self> {
        Self::all().find(|check| check.to_string().eq_ignore_ascii_case(name))
    }

    fn needs_dns(self) -> bool {
        self.by != By::Itself || self.object == Object::ReverseClient
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = OBJECTS.iter().find(|(_, object)| *object == self.object).map_or("", |(name, _)| name);
        let by = BY.iter().find(|(_, by)| *by == self.by).map_or("", |(name, _)| name);
        write!(f, "check_{object}{by}_access")
    }
}

impl Plain {
    /// Without regard to case, as in Postfix.
    pub(crate) fn named(name: &str) -> Option<Self> {
        PLAIN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, plain)| *plain)
    }

    fn needs_dns(self) -> bool {
        matches!(
            self,
            Self::RejectUnknownClientHostname
                | Self::RejectUnknownReverseClientHostname
                | Self::RejectUnknownHeloHostname
                | Self::RejectUnknownSenderDomain
                | Self::RejectUnknownRecipientDomain
        )
    }

    /// Whether it is about who may relay to where, which is settled at RCPT.
    pub(crate) fn is_about_relaying(self) -> bool {
        matches!(self, Self::PermitAuthDestination | Self::RejectUnauthDestination | Self::DeferUnauthDestination)
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PLAIN.iter().find(|(_, plain)| plain == self).map_or("", |(name, _)| name))
    }
}

/// One place in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Restriction {
    Plain(Plain),
    Check(Check, Table),
    /// A list of `classes`.
    Class(String),
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(plain) => plain.fmt(f),
            Self::Check(check, table) => write!(f, "{check} {}", table.name()),
            Self::Class(name) => f.write_str(name),
        }
    }
}

/// One place in a list as the TOML has it: `"permit"`, or `{ check_client_access = "clients" }`.
#[derive(Debug)]
pub(crate) struct Item {
    name: String,
    table: Option<String>,
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a restriction: \"permit_mynetworks\", or { check_client_access = \"TABLE\" }")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Item, E> {
                Ok(Item { name: name.to_owned(), table: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
                let Some((name, table)) = map.next_entry()? else { return Err(de::Error::invalid_length(0, &self)) };
                match map.next_key::<String>()? {
                    None => Ok(Item { name, table: Some(table) }),
                    Some(_) => Err(de::Error::custom("one table of one key is one restriction: { … }, { … }")),
                }
            }
        }

        deserializer.deserialize_any(ItemVisitor)
    }
}

impl Item {
    /// What it means, or why it means nothing.
    pub(crate) fn resolve<T>(&self, classes: &BTreeMap<String, T>) -> Result<Restriction, String> {
        let Self { name, table } = self;
        let (plain, check) = (Plain::named(name), Check::named(name));
        if (plain.is_some_and(Plain::needs_dns) || check.is_some_and(Check::needs_dns)) && !dns::granted() {
            return Err(format!(
                "`{name}` asks the DNS, which the stage may not: `dns = true` beside `plugin` lets it"
            ));
        }
        match (plain, check, table) {
            (Some(plain), _, None) => Ok(Restriction::Plain(plain)),
            (Some(_), _, Some(_)) => Err(format!("`{name}` has no table: write \"{name}\"")),
            (_, Some(check), Some(table)) => {
                let table = Table::deserialize(table.as_str().into_deserializer());
                table.map(|table| Restriction::Check(check, table)).map_err(|error: Error| error.to_string())
            }
            (_, Some(_), None) => Err(format!("`{name}` needs a table: {{ {name} = \"TABLE\" }}")),
            (None, None, None) if classes.contains_key(name) => Ok(Restriction::Class(name.clone())),
            _ => Err(unknown(name, classes.keys())),
        }
    }
}

/// A restriction that nobody knows, and what to do about it.
fn unknown<'a>(name: &str, classes: impl Iterator<Item = &'a String>) -> String {
    let dns_list = ["reject_rbl_", "reject_rhsbl_", "permit_dnswl_", "permit_rhswl_"];
    let instead = match name {
        _ if dns_list.iter().any(|start| name.starts_with(start)) => {
            "; a filter of your own in [[session]] with `dns = true` can ask a DNS list"
        }
        "permit_tls_clientcerts" | "permit_tls_all_clientcerts" | "check_ccert_access" => {
            "; clients show no certificates here, they log in: `permit_sasl_authenticated`"
        }
        "reject_unknown_client" => "; its name now is `reject_unknown_client_hostname`",
        "permit_inet_interfaces" => "; our own addresses are in [networks] trusted if you put them there",
        "check_policy_service" => "; a filter of your own in [[session]] does what a policy service does",
        "reject_unauth_pipelining" => "; the relay itself sees to that",
        "sleep" => "; there is none here",
        "reject_unverified_sender" | "reject_unverified_recipient" => "; the relay does not probe addresses",
        _ => "",
    };
    if name.contains(':') {
        return format!("`{name}`: a table has a name in [tables]: {{ check_client_access = \"NAME\" }}");
    }
    let checks = Check::all().map(|check| check.to_string());
    let known = PLAIN.iter().map(|(name, _)| (*name).to_owned()).chain(checks).chain(classes.cloned());
    let nearest = known.map(|known| (strsim::damerau_levenshtein(&known, &name.to_lowercase()), known)).min();
    match nearest.filter(|(distance, _)| instead.is_empty() && *distance <= name.len().div_ceil(4)) {
        Some((_, nearest)) => format!("there is no restriction `{name}`; did you mean `{nearest}`?"),
        None => format!("there is no restriction `{name}`{instead}"),
    }
}

/// A list as it stands in a configuration, each mistake with its place.
pub(crate) fn list<T>(
    path: &str,
    items: &[Item],
    classes: &BTreeMap<String, T>,
    mistakes: &mut Vec<ConfigError>,
) -> Vec<Restriction> {
    let mut list = Vec::with_capacity(items.len());
    let mut wrong =
        |index: usize, message: String| mistakes.push(ConfigError::new(format!("{path}[{index}]"), message));
    for (index, item) in items.iter().enumerate() {
        match item.resolve(classes) {
            Ok(restriction) => list.push(restriction),
            Err(message) => wrong(index, message),
        }
    }
    let is = |index: usize, plain| list.get(index) == Some(&Restriction::Plain(plain));
    if list.len() < items.len() {
        return list;
    }
    for index in 0..list.len() {
        let last = index + 1 == list.len();
        let warned = index > 0 && is(index - 1, Plain::WarnIfReject);
        let ends = is(index, Plain::Permit) || !warned && (is(index, Plain::Reject) || is(index, Plain::Defer));
        if ends && !last {
            wrong(index + 1, format!("this is never reached: `{}` before it ends the list", list[index]));
        }
        if last && is(index, Plain::WarnIfReject) {
            wrong(index, "`warn_if_reject` needs a restriction behind it".to_owned());
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_postfix() {
        let names: Vec<_> = Check::all().map(|check| check.to_string()).collect();
        assert_eq!(names.len(), 21);
        for name in [
            "check_client_access",
            "check_client_mx_access",
            "check_reverse_client_hostname_access",
            "check_reverse_client_hostname_ns_access",
            "check_sasl_access",
            "check_helo_a_access",
            "check_sender_access",
            "check_recipient_ns_access",
        ] {
            assert!(names.iter().any(|known| known == name), "{name}");
        }
        for (name, plain) in PLAIN {
            assert_eq!((plain.to_string().as_str(), Plain::named(&name.to_uppercase())), (name, Some(plain)));
        }
    }

    #[test]
    fn a_wrong_name_gets_a_hint() {
        let classes = BTreeMap::from([("strict".to_owned(), ())]);
        let said = |name: &str, table: Option<&str>| {
            let item = Item { name: name.to_owned(), table: table.map(str::to_owned) };
            item.resolve(&classes).expect_err("a mistake")
        };
        assert!(said("permit_mynetwork", None).ends_with("did you mean `permit_mynetworks`?"));
        assert!(said("stirct", None).ends_with("did you mean `strict`?"));
        assert!(said("check_clients_access", Some("x")).ends_with("did you mean `check_client_access`?"));
        assert_eq!(said("xyzzy", None), "there is no restriction `xyzzy`");
        assert!(said("check_policy_service", None).contains("a filter of your own"));
        assert!(said("reject_rbl_client", Some("zen.example")).contains("can ask a DNS list"));
        assert!(said("permit_tls_clientcerts", None).contains("permit_sasl_authenticated"));
        assert!(said("hash:/etc/postfix/access", None).contains("a name in [tables]"));
        assert!(said("permit", Some("x")).contains("has no table"));
        assert!(said("check_client_access", None).contains("needs a table"));
    }
}
