//! The SMTP protocol without I/O (RFC 5321): commands, replies, the states of a session, the end of data. No tokio.

mod reply;

pub use reply::{EnhancedCode, Reply};
