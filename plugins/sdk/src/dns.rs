//! Questions to the DNS, for stages that the TOML grants it (`dns = true`). A call may ask 100.

use crate::host;
pub use crate::wit::message::mailweir::filter::dns::{Error, Exchanges, MailExchange};

/// Whether the stage may ask. Natively, as in `cargo test`, it may.
pub fn granted() -> bool {
    host::dns_granted()
}

/// Who takes mail for a domain (MX).
pub fn mail_exchanges(domain: &str) -> Result<Exchanges, Error> {
    host::mail_exchanges(domain)
}

/// The addresses of a host (A, AAAA), IPv4 first; none where the name exists and has no address.
pub fn addresses(host: &str) -> Result<Vec<String>, Error> {
    host::addresses(host)
}

/// The hosts that serve a domain (NS); none where the domain exists and has no such records of its own.
pub fn name_servers(domain: &str) -> Result<Vec<String>, Error> {
    host::name_servers(domain)
}

/// The names that an IP address claims to have (PTR), whether they are true or not.
pub fn names(address: &str) -> Result<Vec<String>, Error> {
    host::names(address)
}
