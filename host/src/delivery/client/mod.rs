//! The SMTP and LMTP client: connections to servers, kept for a while, and one transaction after another on them.

mod auth;
mod connection;
mod data;
mod error;
mod fit;
mod hello;
mod pool;
mod reply;
mod seven_bit;
mod stream;
mod tls;
mod transaction;

pub(super) use connection::{Connection, Manner};
pub(super) use error::ClientError;
pub(super) use pool::Pool;
pub use tls::{Tls, TlsError, TlsMode};
pub(super) use transaction::{Broken, Copy, send};
