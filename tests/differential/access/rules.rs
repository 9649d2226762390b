//! Which rules of `tests/rules.txt` a session is about, by what stands in its configuration and what its client says.

use super::{dialogue::Dialogue, setup::Setup};

/// Whether a rule is about the value of a row.
type Test = fn(&str) -> bool;

const OF_VALUES: [(&str, Test); 11] = [
    ("6.2: OK and RELAY", |value| starts(value, &["OK", "RELAY"])),
    ("6.2: REJECT, DEFER, codes", |value| starts(value, &["REJECT", "DEFER", "4", "5"])),
    ("6.2: DEFER_IF_PERMIT", |value| starts(value, &["DEFER_IF_PERMIT"])),
    ("6.2: DEFER_IF_REJECT", |value| starts(value, &["DEFER_IF_REJECT"])),
    ("6.2: an address's enhanced code", |value| value.contains(".1.")),
    ("6.2: PREPEND, BCC, WARN, INFO", |value| starts(value, &["PREPEND", "BCC", "WARN", "INFO"])),
    ("6.2: names of restrictions and classes", |value| value.chars().next().is_some_and(char::is_lowercase)),
    ("trap 1: a bare number", |value| value.bytes().all(|octet| octet.is_ascii_digit())),
    ("trap 18: DISCARD, HOLD, REDIRECT", |value| starts(value, &["DISCARD", "HOLD", "REDIRECT"])),
    ("trap 19: a table in a value", |value| value.starts_with("hash:")),
    ("S7: a number that is no code", |value| starts(value, &["399", "600", "55"])),
];

fn starts(value: &str, words: &[&str]) -> bool {
    let word = value.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    words.iter().any(|start| word == *start || start.len() == 1 && word.len() == 3 && word.starts_with(start))
}

/// The rules, each once.
pub(crate) fn of(dialogue: &Dialogue, setup: &Setup) -> Vec<&'static str> {
    let values: Vec<_> = setup.values().collect();
    let valued = OF_VALUES.iter().filter(|(_, is)| values.iter().any(|value| is(value))).map(|(rule, _)| *rule);
    let says = |text: &str| dialogue.lines.iter().any(|line| line.contains(text));
    let said = [
        ("6.1: the null sender", says("FROM:<>")),
        ("6.3: several recipients", dialogue.lines.len() > 4),
        (
            "trap 21: a recipient with a further way",
            dialogue.lines.iter().any(|line| Dialogue::names_a_further_way(line)),
        ),
        ("trap 30: postmaster", says("TO:<postmaster>")),
    ];
    let said = said.into_iter().filter_map(|(rule, is_hit)| is_hit.then_some(rule));
    valued.chain(said).chain(setup.rules()).collect()
}
