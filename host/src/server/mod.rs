//! The receiving side: from an accepted connection to a message that is safe in the spool.
//!
//! `listener` accepts whom `admission` has a place for, `connection` moves octets between socket and protocol ([`crate::smtp`]), `decide` answers what the
//! protocol asks, `intake` has the octets of a message until it is complete, `receive` takes care of it then, if it has a `shape` that is taken. TLS and the PROXY protocol belong between listener and connection,
//! which knows its stream only as something to read and write; what AUTH proves goes into the `Client` of `decide`.

mod admission;
mod connection;
mod deadline;
mod decide;
mod intake;
mod keep;
mod listener;
mod receive;
mod relay;
mod settings;
mod shape;
#[cfg(test)]
mod tests;

pub use keep::publish_pending;
pub use listener::{Server, ServerError};
pub use relay::{Denied, DomainList, DomainsError, RelayDomains, admit};
pub use settings::Settings;
