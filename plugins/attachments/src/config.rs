//! The stage's `config`.

use mailweir_sdk::{ConfigError, files::Existing as SdkExisting};
use serde::Deserialize;

use crate::rules::{Pattern, Rule, Size};

/// As written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// What happens when there is a file of that name already.
    #[serde(default)]
    existing: Existing,
    /// Encodings that are looked for in texts.
    #[serde(default = "all_in_text")]
    in_text: Vec<TextEncoding>,
    /// Messages within the message.
    #[serde(default)]
    nested: Nested,
    /// Line ends of texts that are saved.
    #[serde(default)]
    line_ends: LineEnds,
    /// What becomes of an attachment that is not as its sender made it.
    #[serde(default)]
    damaged: Damaged,
    /// Whether attachments are saved that no rule fits.
    #[serde(default = "yes")]
    save: bool,
    /// What becomes of them in the message.
    #[serde(default)]
    then: Then,
    /// The first that fits counts.
    #[serde(default)]
    rules: Vec<RuleEntry>,
    /// What stands in the place of a stripped attachment.
    #[serde(default = "default_note")]
    note: String,
    /// The form of what `trace` is told.
    #[serde(default)]
    report: Report,
}

/// One entry of `rules`; all that is given must fit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RuleEntry {
    #[serde(default)]
    name: OneOrMore,
    #[serde(default)]
    extension: OneOrMore,
    #[serde(default, rename = "type")]
    media_type: OneOrMore,
    #[serde(default)]
    size: SizeEntry,
    damaged: Option<bool>,
    #[serde(default = "yes")]
    save: bool,
    #[serde(default)]
    then: Then,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged, expecting = "neither a text nor a list of texts")]
enum OneOrMore {
    #[default]
    None,
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::One(text) => vec![text],
            Self::More(list) => list,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SizeEntry {
    min: Option<Octets>,
    max: Option<Octets>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "neither a number of octets nor a text such as \"10MiB\"")]
enum Octets {
    Number(u64),
    Text(String),
}

/// `existing`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Existing {
    /// The new one gets a number.
    #[default]
    Number,
    /// The new one takes its place.
    Overwrite,
    /// The new one is not kept.
    Skip,
}

impl From<Existing> for SdkExisting {
    fn from(existing: Existing) -> Self {
        match existing {
            Existing::Number => Self::Number,
            Existing::Overwrite => Self::Overwrite,
            Existing::Skip => Self::Skip,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum TextEncoding {
    Uuencode,
    Xxencode,
    Binhex,
    Yenc,
}

/// `in-text`, for asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InText {
    /// uuencode and `begin-base64`.
    pub uuencode: bool,
    /// xxencode.
    pub xxencode: bool,
    /// BinHex 4.0.
    pub binhex: bool,
    /// yEnc.
    pub yenc: bool,
}

/// `nested`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Nested {
    /// Their attachments are this message's.
    #[default]
    Open,
    /// Each is an attachment, a file that ends in `.eml`.
    Save,
}

/// `line-ends`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum LineEnds {
    /// As they came: CRLF in mail.
    #[default]
    AsSent,
    /// LF.
    Lf,
}

/// `damaged`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Damaged {
    /// Treated as any other; what could be read is saved.
    #[default]
    Save,
    /// Neither saved nor stripped; a rule that rejects it still does.
    Leave,
    /// The filter fails, and the stage's `on-error` decides.
    Fail,
}

/// `then`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// It stays in the message.
    #[default]
    Keep,
    /// A note takes its place.
    Strip,
    /// The message is refused.
    Reject,
}

/// `report`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// For people.
    #[default]
    Text,
    /// One JSON object an attachment.
    Json,
}

fn yes() -> bool {
    true
}

fn all_in_text() -> Vec<TextEncoding> {
    vec![TextEncoding::Uuencode, TextEncoding::Xxencode, TextEncoding::Binhex, TextEncoding::Yenc]
}

fn default_note() -> String {
    "The attachment \"{name}\" ({type}, {size} octets) was taken out of this message.".to_owned()
}

/// Placeholders of `note`.
const PLACEHOLDERS: [&str; 4] = ["name", "type", "size", "saved"];

/// As compiled.
#[derive(Debug)]
pub struct Settings {
    /// What happens when there is a file of that name already.
    pub existing: Existing,
    /// What is looked for in texts.
    pub in_text: InText,
    /// Messages within the message.
    pub nested: Nested,
    /// Line ends of texts that are saved.
    pub line_ends: LineEnds,
    /// What becomes of what is damaged.
    pub damaged: Damaged,
    /// In order; the last one fits everything.
    pub rules: Vec<Rule>,
    /// What stands in the place of a stripped attachment.
    pub note: String,
    /// The form of what `trace` is told.
    pub report: Report,
}

impl Settings {
    /// Check, and compile.
    pub fn new(config: Config) -> Result<Self, Vec<ConfigError>> {
        let mut mistakes = Vec::new();
        let mut rules = Vec::new();
        for (index, entry) in config.rules.into_iter().enumerate() {
            rules.push(rule(entry, &format!("rules[{index}]"), &mut mistakes));
        }
        rules.push(Rule { save: config.save, then: config.then, ..Rule::default() });
        if let Some(unknown) = unknown_placeholder(&config.note) {
            let known = PLACEHOLDERS.map(|name| format!("{{{name}}}")).join(", ");
            mistakes.push(ConfigError::new("note", format!("unknown placeholder {{{unknown}}}; there are {known}")));
        }
        if config.note.chars().any(|c| c.is_control() && c != '\n') {
            mistakes.push(ConfigError::new("note", "it must not contain control characters other than line ends"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let wants = |encoding| config.in_text.contains(&encoding);
        Ok(Self {
            existing: config.existing,
            in_text: InText {
                uuencode: wants(TextEncoding::Uuencode),
                xxencode: wants(TextEncoding::Xxencode),
                binhex: wants(TextEncoding::Binhex),
                yenc: wants(TextEncoding::Yenc),
            },
            nested: config.nested,
            line_ends: config.line_ends,
            damaged: config.damaged,
            rules,
            note: config.note,
            report: config.report,
        })
    }

    /// Whether any attachment may have to be saved.
    pub fn saves(&self) -> bool {
        self.rules.iter().any(|rule| rule.save)
    }
}

fn rule(entry: RuleEntry, path: &str, mistakes: &mut Vec<ConfigError>) -> Rule {
    let mut octets = |key: &str, octets: Option<Octets>| match octets {
        None => None,
        Some(Octets::Number(number)) => Some(number),
        Some(Octets::Text(text)) => {
            let parsed = parse_octets(&text);
            if parsed.is_none() {
                let why = format!("`{text}` is no size; a number of octets, or a text with its unit such as \"10MiB\"");
                mistakes.push(ConfigError::new(format!("{path}.size.{key}"), why));
            }
            parsed
        }
    };
    let size = Size { min: octets("min", entry.size.min), max: octets("max", entry.size.max) };
    if size.min.zip(size.max).is_some_and(|(min, max)| min > max) {
        mistakes.push(ConfigError::new(format!("{path}.size"), "no size is both above `min` and below `max`"));
    }
    let extensions = entry.extension.list();
    for (index, extension) in extensions.iter().enumerate() {
        if extension.is_empty() || extension.contains(['.', '*', '?', '/']) {
            let why =
                format!("`{extension}` is no extension; write \"pdf\" without dot, and other patterns into `name`");
            mistakes.push(ConfigError::new(format!("{path}.extension[{index}]"), why));
        }
    }
    let types = entry.media_type.list();
    for (index, text) in types.iter().enumerate() {
        if !text.contains('/') {
            let why = format!("`{text}` is no media type; write \"image/png\" or \"image/*\"");
            mistakes.push(ConfigError::new(format!("{path}.type[{index}]"), why));
        }
    }
    Rule {
        names: entry.name.list().iter().map(|text| Pattern::new(text)).collect(),
        extensions: extensions.iter().map(|text| text.to_lowercase()).collect(),
        types: types.iter().map(|text| Pattern::new(text)).collect(),
        size,
        damaged: entry.damaged,
        save: entry.save,
        then: entry.then,
    }
}

/// A number with a unit, as sizes are written everywhere in the TOML: `10KiB`, `10MB`.
fn parse_octets(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let one = match text.strip_prefix(digits)? {
        "B" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(one)
}

fn unknown_placeholder(note: &str) -> Option<&str> {
    let mut names = note.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    names.find(|name| !PLACEHOLDERS.contains(name))
}
