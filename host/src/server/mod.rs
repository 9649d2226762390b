//! The receiving side: from an accepted connection to a message that is safe in the spool.
//!
//! `listener` accepts whom `admission` has a place for, `connection` moves octets between socket and protocol ([`crate::smtp`]), `decide` answers what the
//! protocol asks, `intake` has the octets of a message until it is complete, `receive` takes care of it then, if it has a `shape` that is taken. `stream` is
//! the octets with or without TLS, `tls` the certificate, `auth` the logins; `proxy` says whom a load balancer speaks for.

// What comes from outside must not be able to end a session with a panic, let alone the relay.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod admission;
mod auth;
mod certificate;
mod connection;
mod deadline;
mod decide;
mod failed_logins;
mod intake;
mod keep;
mod listener;
pub mod password;
mod proxy;
mod receive;
mod relay;
mod settings;
mod shape;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

pub use auth::Auth;
pub use certificate::Certificate;
pub use keep::publish_pending;
pub use listener::{Server, ServerError};
pub use relay::{Denied, DomainList, DomainsError, RelayDomains, admit};
pub use settings::{ListenerSettings, Settings};
pub use tls::{Tls, TlsError, TlsFiles, TlsMode};
