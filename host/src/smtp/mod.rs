//! The SMTP protocol without I/O (RFC 5321): commands, replies, the states of a session, the end of data. No tokio.
//!
//! Octets go in with [`Session::step`], an [`Action`] comes out. What the protocol alone can't decide (may this client
//! send to that recipient?) comes out as [`Action::Ask`] and goes back with [`Session::answer`]. So a whole session can
//! be driven from a test or a fuzzer, octet by octet.
//!
//! A new verb is a variant of [`Command`] and a file in `verb/`; a new service extension is a line in `extensions.rs`.

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

mod command;
mod data;
mod extensions;
mod line;
mod path;
mod patience;
mod reply;
mod session;
mod settings;
#[cfg(test)]
mod tests;
mod verb;

pub use command::{Command, CommandError, Verb};
pub use data::{BareLineEnds, DataDecoder, DataError, Framing};
pub use line::{LINE_LIMIT, LineError, LineReader};
pub use reply::{EnhancedCode, Reply};
pub use session::{Action, Completed, Hello, Question, Session, Transaction};
pub use settings::{AuthOffer, SessionSettings, StartTls};
pub use verb::{
    auth::{AuthCommand, Credentials, Mechanism},
    bdat::ChunkHeader,
    mail::MailCommand,
    rcpt::RcptCommand,
    xclient::Xclient,
};
