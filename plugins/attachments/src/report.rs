//! What was found, in words for the log and for `trace`, or as JSON for programs.

use mailweir_sdk::{explain, log};
use serde::Serialize;

use crate::{
    collector::{Found, Saved},
    config::{Report, Settings, Then},
};

/// One attachment, for programs.
#[derive(Serialize)]
struct Entry<'a> {
    part: &'a str,
    name: &'a str,
    #[serde(rename = "type")]
    media_type: &'a str,
    encoding: &'a str,
    size: u64,
    saved: Option<&'a str>,
    exists: bool,
    then: &'a str,
    damage: Option<String>,
    remarks: &'a [String],
}

/// Tell about one attachment; `header_lines` is what comes before the body's first line.
pub fn tell(found: &Found, settings: &Settings, header_lines: u64) {
    let damage = found.damage.as_ref().map(|(line, damage)| {
        let more = if found.damages > 1 { format!(", and {} more", found.damages - 1) } else { String::new() };
        format!("line {}: {damage}{more}", line + header_lines)
    });
    let summary = format!(
        "{} ({}, {}, {} octets, part {})",
        found.name, found.media_type, found.encoding, found.size, found.path
    );
    if let Some(damage) = &damage {
        log::warn(&format!("{summary} is damaged: {damage}"));
    } else if let Saved::As(name) = &found.saved {
        log::info(&format!("{summary} is to be saved as {name}"));
    }
    explain::note(|| match settings.report {
        Report::Text => in_words(&summary, found, settings, damage.as_deref()),
        Report::Json => as_json(found, damage),
    });
}

fn in_words(summary: &str, found: &Found, settings: &Settings, damage: Option<&str>) -> String {
    let saved = match &found.saved {
        Saved::As(name) => format!("saved as {name}"),
        Saved::Exists => "not saved, there is a file of that name".to_owned(),
        Saved::No => "not saved".to_owned(),
    };
    let why = if found.rule + 1 == settings.rules.len() {
        "no rule fits".to_owned()
    } else {
        format!("rule {}", found.rule + 1)
    };
    let damage = damage.map(|damage| format!("; damaged: {damage}")).unwrap_or_default();
    let remarks: String = found.remarks.iter().map(|remark| format!("; {remark}")).collect();
    format!("{summary}: {saved}, {}; {why}{damage}{remarks}", word(found.then))
}

fn word(then: Then) -> &'static str {
    match then {
        Then::Keep => "kept",
        Then::Strip => "stripped",
        Then::Reject => "rejected",
    }
}

fn as_json(found: &Found, damage: Option<String>) -> String {
    let entry = Entry {
        part: &found.path,
        name: &found.name,
        media_type: &found.media_type,
        encoding: found.encoding,
        size: found.size,
        saved: if let Saved::As(name) = &found.saved { Some(name) } else { None },
        exists: found.saved == Saved::Exists,
        then: word(found.then),
        damage,
        remarks: &found.remarks,
    };
    serde_json::to_string(&entry).unwrap_or_default()
}
