//! Mail as data: addresses, envelopes, messages and the edits that change them. No I/O, no tokio, no wasmtime.

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

mod address;
mod date;
mod edit;
mod envelope;
mod field_rules;
mod message;
mod missing;
mod network;
mod parameters;
mod received;
#[cfg(test)]
mod tests;
mod xtext;

pub use address::{Address, AddressError, LONGEST_DOMAIN, LONGEST_LOCAL_PART, ReversePath};
pub use date::{rfc3339, rfc5322};
pub use edit::{Change, Edit, EditError, Position, apply};
pub use envelope::{Client, Envelope, Recipient};
pub use field_rules::{FieldError, check_field};
pub use message::{Body, Field, Message};
pub use missing::{MissingFields, missing_fields};
pub use network::{Network, NetworkError};
pub use parameters::{BodyType, MailParameters, Notify, Ret};
pub use received::{Protocol, Received, version_and_cipher};
pub use xtext::{decode as decode_xtext, decode_printable, orcpt, parse_envid, parse_orcpt};
