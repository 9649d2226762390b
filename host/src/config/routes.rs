//! `[[route]]`: for which mail, where it goes, and how.

use std::{ops::Range, path::PathBuf};

use super::{
    diagnostic::{Diagnostic, Source},
    reader::{Converted, Section, Value},
    tables::{TableEntry, known_table},
    units,
};
use crate::delivery::{NextHop, NextHopError, Protocol, TlsMode};

/// Attempts at one next hop at a time (Postfix default_destination_concurrency_limit).
const CONCURRENCY: usize = 20;

/// `[[route]]`.
#[derive(Debug)]
pub struct RouteEntry {
    /// Which recipients it is for; empty where a table or the senders say that.
    pub domains: Vec<(Covered, Range<usize>)>,
    /// Which senders it is for; empty for any.
    pub senders: Vec<Covered>,
    /// Where the mail goes.
    pub way: RouteWay,
    /// Characters that begin an extension, for tables.
    pub delimiters: String,
    /// Whether there is TLS.
    pub tls: TlsMode,
    /// The name in the certificate.
    pub tls_name: Option<String>,
    /// PEM file of authorities.
    pub tls_ca: Option<PathBuf>,
    /// Where the route, or the key about TLS, stands.
    pub tls_span: Range<usize>,
    /// Name and password.
    pub auth: Option<AuthEntry>,
    /// Attempts at one next hop at a time.
    pub concurrency: usize,
}

/// A pattern of addresses, or the keys of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Covered {
    /// `example.com`, `.example.com` or `*`, for senders also `user@example.com` and `<>`; in lower case.
    Pattern(String),
    /// `{ table = "NAME" }`.
    Table(String),
}

/// Where the mail of a route goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteWay {
    /// `next-hop`.
    NextHop(NextHop),
    /// `table`: rows of recipients.
    Table(String),
    /// `sender-table`: rows of senders.
    SenderTable(String),
}

/// `auth`.
#[derive(Debug)]
pub struct AuthEntry {
    /// Where it stands.
    pub span: Range<usize>,
    /// Where name and password come from.
    pub account: AccountEntry,
    /// Whether they may be told without TLS.
    pub without_tls: bool,
}

/// Where name and password come from.
#[derive(Debug)]
pub enum AccountEntry {
    /// `user` and `password-file`.
    User(String, PathBuf),
    /// `table`.
    Table(String),
}

pub(super) fn read(root: &Section<'_, '_>, source: &Source, tables: &[TableEntry]) -> Vec<RouteEntry> {
    root.sections("route").into_iter().filter_map(|section| route(&section, source, tables)).collect()
}

fn route(section: &Section<'_, '_>, source: &Source, tables: &[TableEntry]) -> Option<RouteEntry> {
    let table_name = |value: Value<'_>| known_table(value, tables);
    let pattern = |value: Value<'_>| covered(value, tables, units::domain_pattern).map(|one| (one, value.span()));
    let domains = section.read("domains", |value| value.list(pattern));
    let senders = section.read("senders", |value| value.list(|value| covered(value, tables, sender_pattern)));
    let next_hop = section.read("next-hop", next_hop);
    let table = section.read("table", table_name);
    let sender_table = section.read("sender-table", table_name);
    let delimiters = section.read("recipient-delimiter", |value| value.text()).unwrap_or_default();
    let tls = section.read("tls", tls_mode);
    let tls_name = section.read("tls-name", units::domain);
    let tls_ca = section.read("tls-ca", |value| Ok(source.resolve(&value.text()?)));
    let auth = section.section("auth").and_then(|section| auth(&section, source, tables));
    let concurrency = section.read("concurrency", units::count).map_or(CONCURRENCY, |count| count as usize);
    section.finish();
    let is_there = |key: &str| section.span_of(key).is_some();
    if !["domains", "senders", "table", "sender-table"].into_iter().any(is_there) {
        section.mistakes.add(Diagnostic::error(section.span(), "`domains` is missing"));
    }
    let ways = ["next-hop", "table", "sender-table"].into_iter().filter(|key| is_there(key)).count();
    if ways != 1 {
        let wrong = Diagnostic::error(section.span(), "a route has one of `next-hop`, `table` and `sender-table`");
        section.mistakes.add(wrong.with_help("`table` and `sender-table` have next hops as values"));
    }
    let way = next_hop.map(RouteWay::NextHop).or(table.map(RouteWay::Table));
    let way = way.or(sender_table.map(RouteWay::SenderTable))?;
    let implicit = matches!(way, RouteWay::NextHop(NextHop::Host { protocol: Protocol::Smtps, .. }));
    let tls_key = ["tls-ca", "tls-name", "tls"].into_iter().find_map(|key| section.span_of(key));
    let entry = RouteEntry {
        domains: domains.unwrap_or_default(),
        senders: senders.unwrap_or_default(),
        way,
        delimiters,
        tls: tls.unwrap_or(if implicit { TlsMode::Encrypt } else { TlsMode::May }),
        tls_name,
        tls_ca,
        tls_span: tls_key.unwrap_or_else(|| section.span()),
        auth,
        concurrency,
    };
    contradictions(&entry, implicit, section);
    Some(entry)
}

fn contradictions(entry: &RouteEntry, implicit: bool, section: &Section<'_, '_>) {
    let span = |key: &str| section.span_of(key).unwrap_or_else(|| section.span());
    let wrong = |span, message: &str, help: &str| {
        section.mistakes.add(Diagnostic::error(span, message).with_help(help));
    };
    if implicit && entry.tls == TlsMode::None {
        wrong(span("tls"), "smtps:// is TLS", "write smtp://, or leave `tls` out");
    }
    if entry.tls != TlsMode::Verify {
        for key in ["tls-name", "tls-ca"].into_iter().filter(|key| section.span_of(key).is_some()) {
            wrong(span(key), "nobody looks at the certificate", "only `tls = \"verify\"` does");
        }
    }
    if let Some(auth) = &entry.auth
        && entry.tls == TlsMode::None
        && !auth.without_tls
    {
        let help = "use TLS, or say `without-tls = true` in `auth`";
        wrong(auth.span.clone(), "the password would go over the wire for everybody to read", help);
    }
}

fn auth(section: &Section<'_, '_>, source: &Source, tables: &[TableEntry]) -> Option<AuthEntry> {
    let user = section.read("user", |value| value.text());
    let password_file = section.read("password-file", |value| Ok(source.resolve(&value.text()?)));
    let table = section.read("table", |value| known_table(value, tables));
    let without_tls = section.read("without-tls", |value| value.boolean()).unwrap_or(false);
    section.finish();
    let is_there = |key: &str| section.span_of(key).is_some();
    match (is_there("user"), is_there("password-file"), is_there("table")) {
        (true, true, false) | (false, false, true) => {}
        _ => {
            let wrong = Diagnostic::error(section.span(), "`auth` has `user` and `password-file`, or `table`");
            section.mistakes.add(wrong.with_help("a table has `name:password` for each next hop"));
        }
    }
    let account = match table {
        Some(table) => AccountEntry::Table(table),
        None => AccountEntry::User(user?, password_file?),
    };
    Some(AuthEntry { span: section.span(), account, without_tls })
}

fn covered(
    value: Value<'_>,
    tables: &[TableEntry],
    pattern: impl Fn(Value<'_>) -> Converted<String>,
) -> Converted<Covered> {
    match value.as_table() {
        Some(_) => value.single_key("table", |value| known_table(value, tables)).map(Covered::Table),
        None => pattern(value).map(Covered::Pattern),
    }
}

/// As for domains, and `user@example.com`, `@example.com` or `<>`.
fn sender_pattern(value: Value<'_>) -> Converted<String> {
    let text = value.text()?;
    match text.rsplit_once('@') {
        Some((_, domain)) if !domain.is_empty() => Ok(text.to_lowercase()),
        _ if text == "<>" => Ok(text),
        _ => units::domain_pattern(value),
    }
}

fn next_hop(value: Value<'_>) -> Converted<NextHop> {
    let text = value.text()?;
    text.parse().map_err(|_| {
        let wrong = Diagnostic::error(value.span(), format!("`{text}` is no next hop"));
        vec![wrong.with_help(NextHopError::HELP)]
    })
}

fn tls_mode(value: Value<'_>) -> Converted<TlsMode> {
    value.choice(&[
        ("none", TlsMode::None),
        ("may", TlsMode::May),
        ("encrypt", TlsMode::Encrypt),
        ("verify", TlsMode::Verify),
    ])
}
