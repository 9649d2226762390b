//! `[listen.NAME]`: where clients connect, and what they find there.

use std::{net::SocketAddr, ops::Range, path::PathBuf, time::Duration};

use super::{
    diagnostic::{Diagnostic, Source},
    reader::{Section, Value},
    tables::{TableEntry, known_table},
    units,
};
use crate::{mail::Network, server::TlsMode, smtp::BareLineEnds};

/// How long a handshake may take. Postfix's smtpd_starttls_timeout is 300 s, and 10 s under stress.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Wrong passwords that a client may tell in an hour.
const FAILURES: u32 = 10;
/// How long the reply to the first of them takes (Postfix smtpd_error_sleep_time).
const FAILURE_DELAY: Duration = Duration::from_secs(1);

/// `[listen.NAME]`.
#[derive(Debug)]
pub struct Listener {
    /// NAME.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<(SocketAddr, Range<usize>)>,
    /// `protocol`: whether it is LMTP (RFC 2033), not SMTP.
    pub lmtp: bool,
    /// `bare-line-ends`.
    pub bare_line_ends: BareLineEnds,
    /// `tls`.
    pub tls: Option<ListenerTls>,
    /// `auth`.
    pub auth: Option<ListenerAuth>,
    /// `proxy`.
    pub proxies: Vec<Network>,
}

/// `tls` of a listener.
#[derive(Debug)]
pub struct ListenerTls {
    /// PEM file with the certificate and those above it.
    pub certificate: PathBuf,
    /// Where its name stands.
    pub certificate_span: Range<usize>,
    /// PEM file with the private key.
    pub key: PathBuf,
    /// Where its name stands.
    pub key_span: Range<usize>,
    /// When TLS begins.
    pub mode: TlsMode,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

/// `auth` of a listener.
#[derive(Debug)]
pub struct ListenerAuth {
    /// Table of names and hashes of their passwords.
    pub users: String,
    /// Where its name stands.
    pub users_span: Range<usize>,
    /// Whether passwords are taken without TLS.
    pub without_tls: bool,
    /// Whether mail is taken only from those who have logged in.
    pub required: bool,
    /// Failures in an hour, after which a client is not heard any more.
    pub failures: u32,
    /// How long the reply to a first failure takes.
    pub failure_delay: Duration,
}

pub(super) fn read(root: &Section<'_, '_>, source: &Source, tables: &[TableEntry]) -> Vec<Listener> {
    let listeners = root.named_sections("listen", |name, section| listener(name, section, source, tables));
    listeners.into_iter().flatten().collect()
}

fn listener(name: &str, section: &Section<'_, '_>, source: &Source, tables: &[TableEntry]) -> Option<Listener> {
    let address = |value: Value<'_>| units::socket_address(value).map(|address| (address, value.span()));
    let addresses = section.required("addresses", |value| value.list(address));
    let lmtp = section.read("protocol", |value| value.choice(&[("smtp", false), ("lmtp", true)])).unwrap_or(false);
    let bare = [("reject", BareLineEnds::Reject), ("normalize", BareLineEnds::Normalize)];
    let bare_line_ends = section.read("bare-line-ends", |value| value.choice(&bare)).unwrap_or_default();
    let tls = section.section("tls").and_then(|section| tls(&section, source));
    let auth = section.section("auth").and_then(|section| auth(&section, tables));
    let proxies = section.read("proxy", |value| value.list(|value| value.parsed())).unwrap_or_default();
    section.finish();
    if let Some(auth) = &auth
        && section.span_of("tls").is_none()
        && !auth.without_tls
    {
        let span = section.span_of("auth").unwrap_or_else(|| section.span());
        let never =
            Diagnostic::error(span, "nobody could log in: passwords are taken under TLS only, and there is none");
        section.mistakes.add(never.with_help("give the listener a `tls`, or say `without-tls = true` in `auth`"));
    }
    Some(Listener { name: name.to_owned(), addresses: addresses?, lmtp, bare_line_ends, tls, auth, proxies })
}

fn auth(section: &Section<'_, '_>, tables: &[TableEntry]) -> Option<ListenerAuth> {
    let users = section.required("users", |value| known_table(value, tables).map(|name| (name, value.span())));
    let without_tls = section.read("without-tls", |value| value.boolean()).unwrap_or(false);
    let required = section.read("required", |value| value.boolean()).unwrap_or(false);
    let failures = section.read("failures", units::count).unwrap_or(FAILURES);
    let failure_delay = section.read("failure-delay", units::duration).unwrap_or(FAILURE_DELAY);
    section.finish();
    let (users, users_span) = users?;
    Some(ListenerAuth { users, users_span, without_tls, required, failures, failure_delay })
}

fn tls(section: &Section<'_, '_>, source: &Source) -> Option<ListenerTls> {
    let file = |value: Value<'_>| Ok((source.resolve(&value.text()?), value.span()));
    let certificate = section.required("certificate", file);
    let key = section.read("key", file);
    let modes = [("starttls", TlsMode::StartTls), ("required", TlsMode::Required), ("implicit", TlsMode::Implicit)];
    let mode = section.read("mode", |value| value.choice(&modes)).unwrap_or_default();
    let handshake_timeout = section.read("handshake-timeout", units::duration).unwrap_or(HANDSHAKE_TIMEOUT);
    section.finish();
    let (certificate, certificate_span) = certificate?;
    // Many tools write both into one file.
    let (key, key_span) = key.unwrap_or_else(|| (certificate.clone(), certificate_span.clone()));
    Some(ListenerTls { certificate, certificate_span, key, key_span, mode, handshake_timeout })
}
