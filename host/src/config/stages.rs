//! `[[session]]`, `[[message]]` and `[[delivery]]`: one entry a stage.

use std::{collections::BTreeSet, fmt, ops::Range, path::PathBuf};

use toml::de::DeValue;

use super::{
    conditions,
    diagnostic::{Diagnostic, Source},
    reader::{Section, Value},
    tables::{TableEntry, missing_table},
    units,
};
use crate::pipeline::{Condition, FilterLimits, OnError, Phase};

/// Which list a stage stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageList {
    /// `[[session]]`.
    Session,
    /// `[[message]]`.
    Message,
    /// `[[delivery]]`.
    Delivery,
}

impl fmt::Display for StageList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Message => "message",
            Self::Delivery => "delivery",
        })
    }
}

/// Where a stage's filter comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plugin {
    /// One that the relay carries inside.
    Stock(String),
    /// A file.
    File(PathBuf),
}

/// The moments at which a `[[session]]` stage is asked.
pub type SessionPhases = Vec<Phase>;

/// One stage as the file has it.
#[derive(Debug)]
pub struct StageEntry {
    /// Its list.
    pub list: StageList,
    /// Its place in the list, from 1.
    pub number: usize,
    /// `name`, or the plugin's name.
    pub name: String,
    /// What runs.
    pub plugin: Plugin,
    /// Where `plugin` stands.
    pub plugin_span: Range<usize>,
    /// `config` as the filter gets it.
    pub config: serde_json::Value,
    /// Where each part of `config` stands.
    pub config_places: Vec<ConfigPlace>,
    /// The tables it may ask: all that `config` or `tables` name.
    pub tables: BTreeSet<String>,
    /// `files`: the directory it may write into, and where that stands; for `[[message]]` only.
    pub files: Option<(PathBuf, Range<usize>)>,
    /// `wasi.directory`: the directory it may read, and where that stands.
    pub readable_directory: Option<(PathBuf, Range<usize>)>,
    /// `reuse`: calls that one instance may take. Default 1: each call has an instance of its own.
    pub reuse: u32,
    /// `on-error`.
    pub on_error: OnError,
    /// `timeout`, `memory`, `lookups`, `output`, `edits`, `log`.
    pub limits: FilterLimits,
    /// `when`.
    pub condition: Option<Condition>,
    /// `dns`: where that stands, if the stage may ask the DNS.
    pub dns: Option<Range<usize>>,
    /// `phases`; for `[[session]]` only.
    pub phases: Option<SessionPhases>,
}

/// Where a part of `config` stands.
#[derive(Debug)]
pub struct ConfigPlace {
    /// `domains`, `domains[2]`, `rules[0].pattern`; empty for the whole.
    path: String,
    /// Its key, where it has one.
    key: Option<Range<usize>>,
    /// Its value.
    value: Range<usize>,
}

impl StageEntry {
    /// Where the part of `config` with this path stands: its key or its value, the nearest part that is there, else the stage's
    /// `plugin`.
    pub fn config_span(&self, path: &str, of_key: bool) -> Range<usize> {
        let mut path = path;
        loop {
            if let Some(place) = self.config_places.iter().find(|place| place.path == path) {
                return place.key.clone().filter(|_| of_key).unwrap_or_else(|| place.value.clone());
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None if path.is_empty() => return self.plugin_span.clone(),
                None => path = "",
            }
        }
    }
}

const ON_ERROR: [(&str, OnError); 3] =
    [("defer", OnError::Defer), ("reject", OnError::Reject), ("skip", OnError::Skip)];

pub(super) fn read(root: &Section<'_, '_>, source: &Source, tables: &[TableEntry]) -> Vec<StageEntry> {
    let lists = [("session", StageList::Session), ("message", StageList::Message), ("delivery", StageList::Delivery)];
    let mut stages = Vec::new();
    for (key, list) in lists {
        let sections = root.sections(key);
        let numbered = sections.iter().zip(1..);
        stages.extend(numbered.filter_map(|(section, number)| stage(section, list, number, source, tables)));
    }
    stages
}

fn stage(
    section: &Section<'_, '_>,
    list: StageList,
    number: usize,
    source: &Source,
    tables: &[TableEntry],
) -> Option<StageEntry> {
    let plugin = section.required("plugin", |value| Ok((value.text()?, value.span())));
    let name = section.read("name", |value| value.text());
    let (config, config_places) = config(section);
    let mut granted = named_tables(&config, tables);
    granted.extend(section.read("tables", |value| value.list(|value| table_name(value, tables))).unwrap_or_default());
    let directory = |value: Value<'_>| Ok((source.resolve(&value.text()?), value.span()));
    let files = match list {
        StageList::Message => section.read("files", directory),
        _ => None,
    };
    let dns = section.read("dns", |value| Ok((value.boolean()?, value.span())));
    let dns = dns.and_then(|(granted, span)| granted.then_some(span));
    let readable_directory = section.section("wasi").and_then(|wasi| {
        let granted = wasi.read("directory", directory);
        wasi.finish();
        granted
    });
    let reuse = section.read("reuse", units::count).unwrap_or(1);
    let on_error = section.read("on-error", |value| value.choice(&ON_ERROR)).unwrap_or_default();
    let limits = limits(section);
    let condition = match list {
        StageList::Session => None,
        _ => section.section("when").map(|when| conditions::read(&when)),
    };
    let phases = match list {
        StageList::Session => {
            let names = Phase::ALL.map(|phase| (phase.name(), phase));
            section.read("phases", |value| value.list(|value| value.choice(&names)))
        }
        _ => None,
    };
    section.finish();
    let (plugin, plugin_span) = plugin?;
    let (plugin, plugin_name) = resolve(&plugin, source);
    Some(StageEntry {
        list,
        number,
        name: name.unwrap_or(plugin_name),
        plugin,
        plugin_span,
        config,
        config_places,
        tables: granted,
        files,
        readable_directory,
        reuse,
        on_error,
        limits,
        condition,
        dns,
        phases,
    })
}

/// A name without dot and slash is a stock filter's; all else is a file's.
fn resolve(plugin: &str, source: &Source) -> (Plugin, String) {
    if !plugin.contains(['/', '.']) {
        return (Plugin::Stock(plugin.to_owned()), plugin.to_owned());
    }
    let path = source.resolve(plugin);
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    (Plugin::File(path), name)
}

fn limits(section: &Section<'_, '_>) -> FilterLimits {
    let default = FilterLimits::default();
    FilterLimits {
        timeout: section.read("timeout", units::duration).unwrap_or(default.timeout),
        memory: section.read("memory", units::size).unwrap_or(default.memory),
        lookups: section.read("lookups", units::count).unwrap_or(default.lookups),
        output: section.read("output", units::size).unwrap_or(default.output),
        edits: section.read("edits", units::count).unwrap_or(default.edits),
        log: section
            .read("log", |value| {
                let size = units::size(value)?;
                u32::try_from(size).map_err(|_| value.wrong("this must be below 4 GiB"))
            })
            .unwrap_or(default.log),
    }
}

fn table_name(value: Value<'_>, tables: &[TableEntry]) -> Result<String, Vec<Diagnostic>> {
    let name = value.text()?;
    match missing_table(&name, tables, value.span()) {
        None => Ok(name),
        Some(missing) => Err(vec![missing]),
    }
}

/// `config` as JSON, with the places of all its parts.
fn config(section: &Section<'_, '_>) -> (serde_json::Value, Vec<ConfigPlace>) {
    let mut places = Vec::new();
    let json = section.read("config", |value| {
        if value.as_table().is_none() {
            return Err(value.wrong("`config` must be a table"));
        }
        to_json(value, String::new(), None, &mut places)
    });
    (json.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new())), places)
}

fn to_json(
    value: Value<'_>,
    path: String,
    key: Option<Range<usize>>,
    places: &mut Vec<ConfigPlace>,
) -> Result<serde_json::Value, Vec<Diagnostic>> {
    places.push(ConfigPlace { path: path.clone(), key, value: value.span() });
    Ok(match value.raw() {
        DeValue::String(text) => serde_json::Value::String(text.clone().into_owned()),
        DeValue::Integer(integer) => {
            let number = i64::from_str_radix(integer.as_str(), integer.radix());
            number.map_err(|_| value.wrong("this number is too large"))?.into()
        }
        DeValue::Float(float) => {
            let number = float.as_str().parse::<f64>().ok().and_then(serde_json::Number::from_f64);
            number.ok_or_else(|| value.wrong("this number can't be passed to a filter"))?.into()
        }
        DeValue::Boolean(boolean) => (*boolean).into(),
        DeValue::Datetime(datetime) => datetime.to_string().into(),
        DeValue::Array(_) => {
            let mut index = 0_usize..;
            let mut path = || format!("{path}[{}]", index.next().unwrap_or_default());
            value.list(|value| to_json(value, path(), None, places))?.into()
        }
        DeValue::Table(_) => {
            let convert = |key: &str, span: Range<usize>, value: Value<'_>| {
                let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                Ok((key.to_owned(), to_json(value, path, Some(span), places)?))
            };
            serde_json::Value::Object(value.map_with_keys(convert)?.into_iter().collect())
        }
    })
}

/// The tables whose names occur anywhere in a configuration: naming one is what grants it.
fn named_tables(config: &serde_json::Value, tables: &[TableEntry]) -> BTreeSet<String> {
    match config {
        serde_json::Value::String(text) => {
            tables.iter().map(|table| &table.name).filter(|name| *name == text).cloned().collect()
        }
        serde_json::Value::Array(values) => values.iter().flat_map(|value| named_tables(value, tables)).collect(),
        serde_json::Value::Object(values) => values.values().flat_map(|value| named_tables(value, tables)).collect(),
        _ => BTreeSet::new(),
    }
}
