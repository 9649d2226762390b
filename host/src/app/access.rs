//! What the relay knows about its stock filter `access`: when it is asked, and what in its tables can't mean what it says.

use serde_json::Value;

use super::{
    advice::{at, each_row},
    tables::Tables,
};
use crate::{
    config::{Diagnostic, Plugin, Severity, StageEntry, StageList, TableEntry},
    pipeline::Phase,
    tables::Kind,
};

/// The actions of access(5) that stand before a text.
const ACTIONS: [&str; 16] = [
    "ok",
    "relay",
    "reject",
    "defer",
    "defer_if_reject",
    "defer_if_permit",
    "dunno",
    "hold",
    "discard",
    "redirect",
    "bcc",
    "prepend",
    "warn",
    "info",
    "permit",
    "filter",
];
/// How the names of restrictions begin.
const RESTRICTIONS: [&str; 5] = ["permit_", "reject_", "defer_", "check_", "warn_if_reject"];

/// Whether a stage is this filter. It alone may permit relaying: by its list `relay`, which it refuses when anybody could send
/// anywhere by it.
pub(super) fn is(stage: &StageEntry) -> bool {
    stage.list == StageList::Session && matches!(&stage.plugin, Plugin::Stock(name) if name == "access")
}

/// When the filter has something to say. With `delay-reject` it decides at RCPT about all that came before, for each recipient
/// anew (Postfix smtpd_delay_reject).
pub(super) fn phases(stage: &StageEntry, delay_reject: bool) -> Option<Vec<Phase>> {
    let lists = [
        ("client", Phase::Connect),
        ("helo", Phase::Helo),
        ("sender", Phase::Mail),
        ("data", Phase::Data),
        ("end-of-data", Phase::EndOfData),
    ];
    let wanted = lists.iter().filter(|(list, _)| stage.config.get(list).is_some());
    let early = wanted.filter(|(_, phase)| !delay_reject || *phase > Phase::Rcpt);
    is(stage).then(|| early.map(|(_, phase)| *phase).chain([Phase::Rcpt]).collect())
}

/// Look at the rows of the tables that the filter reads actions from, and at whom its list `relay` permits.
pub(super) fn look(
    stage: &StageEntry,
    entries: &[&TableEntry],
    tables: &Tables,
    errors: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) {
    let classes = stage.config.get("classes").and_then(Value::as_object);
    let is_class = |word: &str| classes.is_some_and(|classes| classes.contains_key(word));
    // Tables of addresses have values that are no actions.
    let is_action = |entry: &TableEntry| !names(&stage.config, &["listed-recipients", "sender-logins"], &entry.name);
    let entries: Vec<_> = entries.iter().copied().filter(|entry| is_action(entry)).collect();
    each_row(&entries, tables, |entry, key, value, line| {
        if let Some((message, help)) = wrong(value, is_class) {
            let message = format!("stage `{}`: `{key} {value}` {message}", stage.name);
            warnings.push(at(entry, line, Severity::Warning, message).with_help(help));
        }
    });
    for entry in entries {
        if let Kind::Static(value) = &entry.kind
            && (matches!(action(value).as_str(), "ok" | "relay" | "permit") || all_digits(value))
            && names(&stage.config, &["relay"], &entry.name)
        {
            let open = format!(
                "stage `{}`: table `{}` permits everybody in `relay`: this would be an open relay",
                stage.name, entry.name
            );
            let at = stage.config_span("relay", false);
            errors
                .push(Diagnostic::error(at, open).with_help("permit the clients that may relay: `permit_mynetworks`"));
        }
    }
}

/// Whether one of these keys of a configuration names the table, however deep; classes that it calls count as well.
fn names(config: &Value, keys: &[&str], table: &str) -> bool {
    let class = |name: &str| config.get("classes").and_then(|classes| classes.get(name));
    keys.iter().filter_map(|key| config.get(key)).any(|value| occurs(value, table, &class, DEEPEST))
}

/// Classes in classes that are followed; those that go in a circle are found elsewhere.
const DEEPEST: u32 = 10;

fn occurs<'a>(value: &'a Value, table: &str, class: &impl Fn(&str) -> Option<&'a Value>, depth: u32) -> bool {
    match value {
        Value::String(text) if text == table => true,
        Value::String(text) if depth > 0 => class(text).is_some_and(|list| occurs(list, table, class, depth - 1)),
        Value::Array(values) => values.iter().any(|value| occurs(value, table, class, depth)),
        Value::Object(values) => values.values().any(|value| occurs(value, table, class, depth)),
        _ => false,
    }
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_digit())
}

fn action(value: &str) -> String {
    value.split_whitespace().next().unwrap_or_default().to_ascii_lowercase()
}

/// What a value does that its author won't expect, and what to write instead.
fn wrong(value: &str, is_class: impl Fn(&str) -> bool) -> Option<(&'static str, &'static str)> {
    let action = action(value);
    // Trap 1.
    if all_digits(value) {
        let help = "write `OK`, or a code with a text such as `550 5.7.1 Go away`";
        return Some(("permits: a number without a text is the same as OK", help));
    }
    // S7.
    if all_digits(&action) {
        let refuses = action.len() == 3 && action.starts_with(['4', '5']);
        let help = "a code is 400 to 599 with a text behind it";
        return (!refuses)
            .then_some(("is no code of a refusal: it answers `451 4.3.5 Server configuration error`", help));
    }
    if action == "filter" {
        let help = "a content filter is a stage of [[message]] here";
        return Some(("can't be done: it answers `451 4.3.5 Server configuration error`", help));
    }
    if ACTIONS.contains(&action.as_str()) {
        return None;
    }
    // Trap 19.
    if value.contains(':') {
        let help = "put the table into a restriction class in `classes`, and write the name of the class";
        return Some(("names a table, which a value can't: it answers `451 4.3.5 Server configuration error`", help));
    }
    let known = |word: &str| {
        let lower = word.to_ascii_lowercase();
        is_class(word) || ACTIONS.contains(&lower.as_str()) || RESTRICTIONS.iter().any(|start| lower.starts_with(start))
    };
    let mut words = value.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let help =
        "see access(5): OK, REJECT, DUNNO, a code with a text, the name of a restriction or of a class in `classes`";
    (!words.all(known)).then_some(("is no action: it answers `451 4.3.5 Server configuration error`", help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_values_that_do_not_do_what_they_say() {
        let wrong = |value| wrong(value, |word| word == "strict").map(|(message, _)| message.split(':').next());
        for fine in ["OK", "reject", "REJECT 5.7.1 no", "550 no", "451 4.7.1 x: y", "strict", "PREPEND X-A: b", "dunno"]
        {
            assert_eq!(wrong(fine), None, "{fine}");
        }
        for fine in ["reject_unknown_sender_domain, permit", "warn_if_reject reject"] {
            assert_eq!(wrong(fine), None, "{fine}");
        }
        for (value, told) in [
            ("550", "permits"),
            ("250 x", "is no code of a refusal"),
            ("5500 x", "is no code of a refusal"),
            ("hash:/etc/x", "names a table, which a value can't"),
            ("check_client_access cidr:x", "names a table, which a value can't"),
            ("FILTER smtp:x", "can't be done"),
            ("rejct", "is no action"),
            ("Strict", "is no action"),
        ] {
            assert_eq!(wrong(value), Some(Some(told)), "{value}");
        }
    }
}
