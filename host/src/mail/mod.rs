//! Mail as data: addresses, envelopes, messages and the edits that change them. No I/O, no tokio, no wasmtime.

mod address;
mod edit;
mod envelope;
mod message;

pub use address::{Address, AddressError, ReversePath};
pub use edit::{Change, Edit, EditError, Position, apply};
pub use envelope::{Client, Envelope, Recipient};
pub use message::{Body, Field, Message};
