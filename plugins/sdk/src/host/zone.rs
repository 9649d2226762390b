//! In native tests: a DNS that the test makes.

use std::cell::RefCell;

use crate::dns::{Error, Exchanges, MailExchange};

thread_local! {
    static ZONE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Put the DNS in place for this thread: rows such as `example.org MX 10 mx.example.org`, `example.org A 192.0.2.1`,
/// `192.0.2.1 PTR a.example.org`, and `example.org SERVFAIL` for a name that nobody knows now.
pub fn zone(rows: &[&str]) {
    ZONE.set(rows.iter().map(|row| (*row).to_owned()).collect());
}

/// What stands behind the types in the rows of a name, in their order.
fn records(name: &str, types: &[&str]) -> Result<Vec<String>, Error> {
    let name = name.trim_end_matches('.');
    ZONE.with_borrow(|zone| {
        let rows = zone.iter().filter_map(|row| row.split_once(' '));
        let rows: Vec<_> = rows.filter(|(owner, _)| owner.eq_ignore_ascii_case(name)).collect();
        if rows.iter().any(|(_, row)| *row == "SERVFAIL") {
            return Err(Error::Unavailable(format!("{name}: SERVFAIL")));
        }
        if rows.is_empty() {
            return Err(Error::NoSuchName);
        }
        let of_type = rows.iter().filter_map(|(_, row)| row.split_once(' ')).filter(|(kind, _)| types.contains(kind));
        Ok(of_type.map(|(_, data)| data.to_owned()).collect())
    })
}

pub(crate) fn dns_granted() -> bool {
    true
}

pub(crate) fn mail_exchanges(domain: &str) -> Result<Exchanges, Error> {
    let exchange = |row: String| {
        let (preference, host) = row.split_once(' ')?;
        Some(MailExchange { preference: preference.parse().ok()?, host: host.to_owned() })
    };
    let mut hosts: Vec<_> = records(domain, &["MX"])?.into_iter().filter_map(exchange).collect();
    hosts.sort_by_key(|host| host.preference);
    Ok(match hosts.as_slice() {
        [] => Exchanges::Implicit,
        [only] if only.host == "." => Exchanges::Null,
        _ => Exchanges::Hosts(hosts),
    })
}

pub(crate) fn addresses(host: &str) -> Result<Vec<String>, Error> {
    records(host, &["A", "AAAA"])
}

pub(crate) fn name_servers(domain: &str) -> Result<Vec<String>, Error> {
    records(domain, &["NS"])
}

pub(crate) fn names(address: &str) -> Result<Vec<String>, Error> {
    records(address, &["PTR"])
}
