//! `[listen.NAME]`: each entry with its certificate and its users.

use std::{sync::Arc, time::SystemTime};

use super::{
    advice::{at, each_row},
    tables::Tables,
};
use crate::{
    config::{Config, Diagnostic, Listener, ListenerAuth, ListenerTls, Severity},
    server::{Auth, Certificate, ListenerSettings, Tls, TlsError, TlsFiles, password},
};

/// Build all listeners; what is wrong with any of them goes to `errors`, what somebody should look at to `warnings`.
pub(super) fn build(
    config: &Config,
    tables: &Tables,
    errors: &mut Vec<Diagnostic>,
    warnings: &mut Vec<Diagnostic>,
) -> Vec<ListenerSettings> {
    let mut build = |listener: &Listener| {
        let addresses = listener.addresses.iter().map(|(address, _)| *address).collect();
        let tls = match &listener.tls {
            Some(entry) => Some(tls(entry, errors)?),
            None => None,
        };
        if let Some(entry) = &listener.tls {
            warnings.extend(concerns(entry, &config.hostname));
        }
        if let Some(entry) = &listener.auth {
            no_hashes(entry, config, tables, errors);
        }
        let auth = listener.auth.as_ref().and_then(|entry| auth(entry, tables));
        let &Listener { ref name, lmtp, bare_line_ends, ref proxies, .. } = listener;
        let (name, proxies) = (name.clone(), proxies.clone());
        Some(ListenerSettings { name, addresses, lmtp, bare_line_ends, tls, auth, proxies })
    };
    config.listeners.iter().filter_map(&mut build).collect()
}

/// None where the table isn't open, which has been told.
fn auth(entry: &ListenerAuth, tables: &Tables) -> Option<Auth> {
    let &ListenerAuth { without_tls, required, failures, failure_delay, .. } = entry;
    let users = Arc::clone(tables.get(&entry.users)?);
    Some(Auth { name: entry.users.clone(), users, without_tls, required, failures, failure_delay })
}

/// Values that are no hashes, passwords perhaps, in tables that lie in memory. They are not shown.
fn no_hashes(entry: &ListenerAuth, config: &Config, tables: &Tables, errors: &mut Vec<Diagnostic>) {
    let users: Vec<_> = config.tables.iter().filter(|table| table.name == entry.users).collect();
    each_row(&users, tables, |table, key, value, line| {
        if let Err(error) = password::recognise(value.trim()) {
            let message = format!("table `{}`, user `{key}`: {error}", table.name);
            errors.push(at(table, line, Severity::Error, message).with_help("`mailweir passwd NAME` makes a row"));
        }
    });
}

fn files(entry: &ListenerTls) -> TlsFiles {
    TlsFiles { certificate: entry.certificate.clone(), key: entry.key.clone() }
}

fn tls(entry: &ListenerTls, errors: &mut Vec<Diagnostic>) -> Option<Tls> {
    let failed = |error: TlsError| {
        let (span, help) = match error {
            TlsError::Certificate(_) => (
                &entry.certificate_span,
                "`certificate` names a PEM file: the server's certificate first, then those above it",
            ),
            TlsError::Key(_) => (&entry.key_span, "`key` names a PEM file with the private key of the certificate"),
        };
        errors.push(Diagnostic::error(span.clone(), error.to_string()).with_help(help));
    };
    Tls::new(entry.mode, entry.handshake_timeout, files(entry)).map_err(failed).ok()
}

/// What clients that look at the certificate would find fault with.
fn concerns(entry: &ListenerTls, hostname: &str) -> Vec<Diagnostic> {
    let looked = files(entry).certificates().and_then(|chain| Certificate::first_of(&chain));
    // What can't be read has been told as an error.
    let Ok(certificate) = looked else { return Vec::new() };
    let concern = |message: String| Diagnostic {
        severity: Severity::Warning,
        ..Diagnostic::error(entry.certificate_span.clone(), format!("{}: {message}", entry.certificate.display()))
    };
    let mut concerns = Vec::new();
    if let Err(reason) = certificate.is_valid_at(SystemTime::now()) {
        concerns.push(concern(reason).with_help("clients that look at certificates will refuse it"));
    }
    if !certificate.is_for(hostname) {
        let names = if certificate.names.is_empty() { "none".to_owned() } else { certificate.names.join(", ") };
        let message = format!("the certificate is not for `{hostname}`; its names: {names}");
        concerns.push(concern(message).with_help("the name that clients connect to should stand in the certificate"));
    }
    concerns
}
