//! `[[route]]`: each entry with its tables, its certificates and its password.

use std::{fs, sync::Arc};

use super::tables::Tables;
use crate::{
    config::{AccountEntry, AuthEntry, Config, Covered, Diagnostic, RouteEntry, RouteWay},
    delivery::{Account, Credentials, Keys, Login, NextHop, NextHopError, Pattern, Route, Tls, Way},
    tables::Kind,
};

/// Build all routes; what is wrong with any of them goes to `errors`.
pub(super) fn build(config: &Config, tables: &Tables, errors: &mut Vec<Diagnostic>) -> Vec<Route> {
    rows(config, tables, errors);
    config.routes.iter().filter_map(|entry| route(entry, tables, errors)).collect()
}

fn route(entry: &RouteEntry, tables: &Tables, errors: &mut Vec<Diagnostic>) -> Option<Route> {
    let keys = |name: &String| {
        let table = Arc::clone(tables.get(name)?);
        Some(Keys { name: name.clone(), table, delimiters: entry.delimiters.clone() })
    };
    let pattern = |covered: &Covered| match covered {
        Covered::Pattern(text) => Some(pattern(text)),
        Covered::Table(name) => keys(name).map(Pattern::Table),
    };
    let mut recipients: Vec<_> = entry.domains.iter().filter_map(|(covered, _)| pattern(covered)).collect();
    if entry.domains.is_empty() {
        recipients.push(Pattern::Any);
    }
    let way = match &entry.way {
        RouteWay::NextHop(next_hop) => Way::To(next_hop.clone()),
        RouteWay::Table(name) => Way::ByRecipient(keys(name)?),
        RouteWay::SenderTable(name) => Way::BySender(keys(name)?),
    };
    let tls = Tls::new(entry.tls, entry.tls_name.clone(), entry.tls_ca.as_deref());
    let tls = tls.map_err(|error| errors.push(Diagnostic::error(entry.tls_span.clone(), error.to_string()))).ok()?;
    let login = match &entry.auth {
        Some(auth) => Some(login(auth, tables).map_err(|error| errors.push(*error)).ok()?),
        None => None,
    };
    let senders = entry.senders.iter().filter_map(pattern).collect();
    Some(Route { recipients, senders, way, tls, login, concurrency: entry.concurrency })
}

fn pattern(text: &str) -> Pattern {
    match (text, text.strip_prefix('@'), text.strip_prefix('.')) {
        ("*", ..) => Pattern::Any,
        ("<>", ..) => Pattern::Address(String::new()),
        (_, Some(domain), _) => Pattern::Domain(domain.to_owned()),
        (_, _, Some(parent)) => Pattern::Below(parent.to_owned()),
        (text, ..) if text.contains('@') => Pattern::Address(text.to_owned()),
        (text, ..) => Pattern::Domain(text.to_owned()),
    }
}

fn login(auth: &AuthEntry, tables: &Tables) -> Result<Login, Box<Diagnostic>> {
    let wrong = |message: String| Box::new(Diagnostic::error(auth.span.clone(), message));
    let credentials = match &auth.account {
        AccountEntry::User(user, path) => {
            let text = fs::read_to_string(path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
            let password = text.lines().next().unwrap_or_default().to_owned();
            if password.is_empty() {
                let empty = wrong(format!("{}: there is no password in it", path.display()));
                return Err(Box::new(empty.with_help("the first line of the file is the password")));
            }
            Credentials::Fixed(Account { user: user.clone(), password })
        }
        AccountEntry::Table(name) => match tables.get(name) {
            Some(table) => Credentials::Table(name.clone(), Arc::clone(table)),
            None => return Err(wrong(format!("table `{name}` is not open"))),
        },
    };
    Ok(Login { credentials, without_tls: auth.without_tls })
}

/// Values that are no next hop, in tables that lie in memory: they would defer mail when they are met.
fn rows(config: &Config, tables: &Tables, errors: &mut Vec<Diagnostic>) {
    for entry in &config.routes {
        let (RouteWay::Table(name) | RouteWay::SenderTable(name)) = &entry.way else { continue };
        let Some(table) = config.tables.iter().find(|table| table.name == *name) else { continue };
        if !matches!(table.kind, Kind::Text(_) | Kind::Inline(_)) {
            continue;
        }
        let Some(opened) = tables.get(name) else { continue };
        // A table that can't be walked has nothing to tell.
        drop(opened.rows(&mut |row| {
            if row.value.parse::<NextHop>().is_err() && !row.value.eq_ignore_ascii_case("DUNNO") {
                let message = format!("table `{name}`: `{}` is no next hop (row `{}`)", row.value, row.key);
                let mut wrong = Diagnostic::error(table.span.clone(), message).with_help(NextHopError::HELP);
                if let (Kind::Text(path), Some(line)) = (&table.kind, row.line) {
                    wrong.elsewhere = Some((path.clone(), line));
                }
                errors.push(wrong);
            }
        }));
    }
}
