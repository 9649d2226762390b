//! `mailweir.toml`: from text with places to values that can't be wrong any more.
//!
//! Every mistake of the file is collected with its place before reading gives up: `reader` asks for keys by name and type, one
//! file for each part of the TOML says which keys there are, `check` looks at what only the whole can show.

mod admin;
mod cases;
mod check;
mod conditions;
mod diagnostic;
mod dns;
mod limits;
mod listeners;
mod reader;
mod routes;
mod stages;
mod storage;
mod tables;
mod telemetry;
#[cfg(test)]
mod tests;
mod units;

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    ops::Range,
    path::PathBuf,
};

use crate::{
    dns::DnsSettings,
    mail::{MissingFields, Network},
    telemetry::Endpoint,
};

pub use cases::{Case, CaseClient, CaseMessage, CaseVerdict, Expected};
pub use diagnostic::{Diagnostic, Severity, Source};
pub use limits::{Limits, Queue};
pub use listeners::{Listener, ListenerAuth, ListenerTls};
pub use routes::{AccountEntry, AuthEntry, Covered, RouteEntry, RouteWay};
pub use stages::{ConfigPlace, Plugin, SessionPhases, StageEntry, StageList};
pub use storage::Storage;
pub use tables::TableEntry;

pub(crate) use reader::suggestion;
use reader::{Mistakes, Section, Value};
pub(crate) use units::parse_duration;

/// Values of `missing-fields`.
const MISSING_FIELDS: [(&str, MissingFields); 3] =
    [("always", MissingFields::Always), ("trusted", MissingFields::Trusted), ("never", MissingFields::Never)];

/// A configuration that can work, as far as the file itself can show.
#[derive(Debug)]
pub struct Config {
    /// Where it came from.
    pub source: Source,
    /// Our name in greetings, EHLO and Received fields.
    pub hostname: String,
    /// Queue and compiled filters.
    pub state_dir: PathBuf,
    /// Where keys stand that hold until the next start.
    pub fixed_spans: FixedSpans,
    /// Whether refusals at connect, helo and mail are told at RCPT (Postfix smtpd_delay_reject).
    pub delay_reject: bool,
    /// Whose messages get the fields that they lack (Postfix always_add_missing_headers).
    pub missing_fields: MissingFields,
    /// How the log is written.
    pub log_format: LogFormat,
    /// `[listen.NAME]`.
    pub listeners: Vec<Listener>,
    /// `[networks] trusted`.
    pub trusted: Vec<Network>,
    /// `[networks] xclient`: who may tell that it brings another's mail.
    pub xclient: Vec<Network>,
    /// `[networks] proxy-interfaces`: our addresses as the world sees them.
    pub proxy_interfaces: Vec<IpAddr>,
    /// `[relay] domains`.
    pub relay_domains: Vec<RelayDomain>,
    /// `[tables]`.
    pub tables: Vec<TableEntry>,
    /// `[[session]]`, `[[message]]` and `[[delivery]]`, in this order.
    pub stages: Vec<StageEntry>,
    /// `[[route]]`.
    pub routes: Vec<RouteEntry>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[queue]`.
    pub queue: Queue,
    /// `[spool]` and `[records]`.
    pub storage: Storage,
    /// `[dns]`.
    pub dns: DnsSettings,
    /// `[dns] client-names`: whether clients are looked up in the DNS (Postfix smtpd_peername_lookup).
    pub client_names: bool,
    /// `[admin] address`, and where it stands.
    pub admin: Option<(SocketAddr, Range<usize>)>,
    /// `[telemetry] otlp`.
    pub traces: Option<Endpoint>,
    /// `[[test]]`.
    pub cases: Vec<Case>,
}

/// Where keys and sections stand that a relay takes over at its start only; the beginning of the file for those that are not there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FixedSpans {
    /// `hostname`, as the log has it.
    pub hostname: Range<usize>,
    /// `state-dir`.
    pub state_dir: Range<usize>,
    /// `log-format`.
    pub log_format: Range<usize>,
    /// `[records]`.
    pub records: Range<usize>,
    /// `[telemetry]`.
    pub telemetry: Range<usize>,
}

impl FixedSpans {
    fn of(root: &Section<'_, '_>) -> Self {
        let span = |key| root.span_of(key).unwrap_or(0..0);
        Self {
            hostname: span("hostname"),
            state_dir: span("state-dir"),
            log_format: span("log-format"),
            records: span("records"),
            telemetry: span("telemetry"),
        }
    }
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people: time, level, what happened, its facts as `name=value`.
    #[default]
    Text,
    /// The same as an object of JSON.
    Json,
    /// What happens to sessions and messages in the lines of Postfix's log.
    Postfix,
}

impl LogFormat {
    const NAMES: [(&str, Self); 3] = [("text", Self::Text), ("json", Self::Json), ("postfix", Self::Postfix)];
}

/// One of `[relay] domains`.
#[derive(Debug, PartialEq, Eq)]
pub enum RelayDomain {
    /// This domain and all below it.
    Name(String),
    /// The keys of this table.
    Table(String),
}

impl Config {
    /// Read a file. All mistakes come back at once, in the order of the file, with what was read as far as it goes for showing them.
    pub fn load(path: PathBuf) -> Result<Self, (Source, Vec<Diagnostic>)> {
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(Source { path, text }),
            Err(error) => {
                let diagnostic = Diagnostic::error(0..0, format!("the configuration can't be read: {error}"));
                Err((Source { path, text: String::new() }, vec![diagnostic]))
            }
        }
    }

    /// The same from a text that is there already.
    pub fn parse(source: Source) -> Result<Self, (Source, Vec<Diagnostic>)> {
        let mistakes = Mistakes::default();
        let parsed = reader::parse(&source.text, &mistakes);
        // With broken syntax the keys around it can't be trusted: only the syntax is reported.
        let config = if mistakes.is_empty() { read(&source, &parsed, &mistakes) } else { None };
        let mut diagnostics = mistakes.into_sorted();
        match config {
            Some(mut config) if diagnostics.is_empty() => {
                config.source = source;
                Ok(config)
            }
            _ => {
                if diagnostics.is_empty() {
                    diagnostics.push(Diagnostic::error(0..0, "this is no configuration"));
                }
                Err((source, diagnostics))
            }
        }
    }
}

/// All parts of the file; none if something that must be there is not.
fn read(source: &Source, parsed: &reader::Parsed<'_>, mistakes: &Mistakes) -> Option<Config> {
    let root = Section::root(parsed, mistakes);
    let hostname = root.required("hostname", units::domain);
    let state_dir = root.required("state-dir", |value| Ok(source.resolve(&value.text()?)));
    let delay_reject = root.read("delay-reject", |value| value.boolean()).unwrap_or(true);
    let missing_fields = root.read("missing-fields", |value| value.choice(&MISSING_FIELDS)).unwrap_or_default();
    let log_format = root.read("log-format", |value| value.choice(&LogFormat::NAMES)).unwrap_or_default();
    let Networks { trusted, xclient, proxy_interfaces } =
        root.section("networks").map(|section| networks(&section)).unwrap_or_default();
    let relay_domains = root.section("relay").and_then(|section| {
        let domains = section.read("domains", |value| value.list(relay_domain));
        section.finish();
        domains
    });
    let tables = tables::read(&root, source);
    let listeners = listeners::read(&root, source, &tables);
    let stages = stages::read(&root, source, &tables);
    let routes = routes::read(&root, source, &tables);
    let limits = limits::read_limits(&root);
    let queue = limits::read_queue(&root);
    let storage = storage::read(&root, limits.message_size);
    let (dns, client_names) = dns::read(&root);
    let admin = admin::read(&root);
    let traces = telemetry::read(&root);
    let cases = cases::read(&root, source);
    root.finish();
    let config = Config {
        source: Source::default(),
        hostname: hostname?,
        state_dir: state_dir?,
        fixed_spans: FixedSpans::of(&root),
        delay_reject,
        missing_fields,
        log_format,
        listeners,
        trusted: trusted.unwrap_or_else(loopback),
        xclient,
        proxy_interfaces,
        relay_domains: relay_domains.unwrap_or_default(),
        tables,
        stages,
        routes,
        limits,
        queue,
        storage,
        dns,
        client_names,
        admin,
        traces,
        cases,
    };
    check::whole(&config, &root, mistakes);
    Some(config)
}

/// Who is trusted unless the file says otherwise: this machine.
fn loopback() -> Vec<Network> {
    ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect()
}

/// `[networks]`.
#[derive(Default)]
struct Networks {
    /// Who is trusted, if that is said.
    trusted: Option<Vec<Network>>,
    xclient: Vec<Network>,
    proxy_interfaces: Vec<IpAddr>,
}

fn networks(section: &Section<'_, '_>) -> Networks {
    let of = |key| section.read(key, |value| value.list(|value| value.parsed::<Network>()));
    let (trusted, xclient) = (of("trusted"), of("xclient").unwrap_or_default());
    let proxies = section.read("proxy-interfaces", |value| value.list(|value| value.parsed::<IpAddr>()));
    section.finish();
    Networks { trusted, xclient, proxy_interfaces: proxies.unwrap_or_default() }
}

fn relay_domain(value: Value<'_>) -> Result<RelayDomain, Vec<Diagnostic>> {
    match value.as_table() {
        Some(_) => value.single_key("table", |value| value.text()).map(RelayDomain::Table),
        None => units::domain(value).map(RelayDomain::Name),
    }
}
