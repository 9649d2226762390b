//! Which rules of `tests/rules.txt` a case is about, by what stands in its configuration and its addresses.

use super::{letter::Letter, setup::Setup};

/// Whether a rule is about an address.
type Test = fn(&str) -> bool;

const OF_ADDRESSES: [(&str, Test); 11] = [
    ("section 1: site!user", |address| address.contains('!') && !address.contains('@')),
    ("section 1: user%site", |address| address.contains('%') && !address.contains('@')),
    ("section 1: the origin", |address| !address.contains(['@', '!', '%'])),
    ("section 1: a domain without a dot", |address| domain(address).is_some_and(|domain| !domain.contains(['.', '[']))),
    ("section 1: a dot at the end", |address| address.ends_with('.')),
    ("2.2: an extension", |address| address.contains('+')),
    ("2.2: a name that is never split", |address| {
        ["owner-", "list-request", "postmaster"].iter().any(|name| address.starts_with(name))
    }),
    ("L6, H7: quotes", |address| address.starts_with('"') || address.contains("..")),
    ("H3: a comment within", |address| address.contains('(')),
    ("H9: a literal", |address| address.contains('[')),
    ("L5, trap 8: a user of a local domain", |address| {
        domain(address).is_none_or(|domain| ["origin.example", "local.example", "[127.0.0.1]"].contains(&domain))
    }),
];

fn domain(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}

/// The rules, each once.
pub(crate) fn of(letter: &Letter, setup: &Setup) -> Vec<&'static str> {
    let has = |is: Test| letter.addresses.iter().any(|address| is(address));
    let mut rules: Vec<_> = OF_ADDRESSES.iter().filter(|(_, is)| has(*is)).map(|(rule, _)| *rule).collect();
    rules.extend(setup.rules());
    if letter.sender.is_empty() {
        rules.push("O4: the null sender");
    }
    if letter.fields.iter().any(|(_, value)| value.contains("<@")) {
        rules.push("section 1: a source route");
    }
    rules
}
