//! The SMTP client: connections to next hops, kept for a while, and one transaction after another on them.

mod connection;
mod data;
mod pool;
mod reply;
mod transaction;

pub(super) use connection::ClientError;
pub(super) use pool::Pool;
pub(super) use transaction::{Copy, send};
