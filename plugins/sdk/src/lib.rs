//! Write Mailweir filters in Rust.
//!
//! A filter is a type that says how it is made from its configuration ([`Filter`]) and what it does with a message
//! ([`MessageFilter`]) or at a moment of a session ([`SessionFilter`]). [`export!`] makes a plugin of it:
//!
//! ```
//! use mailweir_sdk::{ConfigError, Failure, Filter, Message, MessageFilter, Outcome};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     text: String,
//! }
//!
//! struct Tag(Config);
//!
//! impl Filter for Tag {
//!     type Config = Config;
//!
//!     fn configure(config: Config) -> Result<Self, Vec<ConfigError>> {
//!         Ok(Self(config))
//!     }
//! }
//!
//! impl MessageFilter for Tag {
//!     fn filter(&self, message: &Message) -> Result<Outcome, Failure> {
//!         let mut outcome = Outcome::next();
//!         if !message.client().trusted {
//!             outcome.insert_field_on_top("X-Tag", &self.0.text).because(|| "the client is not trusted".to_owned());
//!         }
//!         Ok(outcome)
//!     }
//! }
//!
//! mailweir_sdk::export!(Tag: message);
//!
//! // Natively, as in `cargo test`, messages are built by hand:
//! let filter = Tag(Config { text: "external".to_owned() });
//! let message = Message::builder().field("Subject", "hello").build();
//! assert_eq!(filter.filter(&message).unwrap().edits.len(), 1);
//! ```
//!
//! **State.** The relay calls `configure` once and freezes the result. Each message meets a fresh copy of the frozen filter, so
//! nothing that a call changes is there at the next one.
//!
//! **Hash maps.** The freezing also freezes the seed of `std::collections::HashMap`: a sender who knows the plugin could choose
//! keys that all collide. For keys that come from mail use `BTreeMap`, or a sorted `Vec`.

#![deny(missing_docs)]

// Generated code names the crate as its users do.
extern crate self as mailweir_sdk;

mod config;
mod decision;
pub mod dns;
pub mod explain;
mod export;
pub mod files;
mod host;
pub mod log;
mod message;
mod outcome;
pub mod tables;
#[doc(hidden)]
pub mod wit;

#[cfg(not(target_arch = "wasm32"))]
pub use host::native;

pub use config::ConfigError;
pub use decision::{Decision, Effect};
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub use export::glue;
pub use host::Body;
pub use message::Message;
pub use outcome::{Change, Edit, Outcome};
pub use wit::session::exports::mailweir::filter::session::{Facts, Note, Phase};
pub use wit::types::{Client, Field, NewField, Position, Reply, ReversePath, Verdict};

use serde::de::DeserializeOwned;

/// What every filter has: a configuration.
pub trait Filter: Sized + Send + Sync + 'static {
    /// The stage's `config`. With `#[serde(deny_unknown_fields)]`, as it should be, typing errors in key names are found.
    type Config: DeserializeOwned;

    /// Make the filter; called once, at start. What serde can't check is checked here; report all mistakes, not only the first.
    fn configure(config: Self::Config) -> Result<Self, Vec<ConfigError>>;
}

/// A filter for `[[message]]` and `[[delivery]]`.
pub trait MessageFilter: Filter {
    /// Decide about one message. After an `Err` the stage's `on-error` says what becomes of the message.
    fn filter(&self, message: &Message) -> Result<Outcome, Failure>;
}

/// A filter for `[[session]]`.
pub trait SessionFilter: Filter {
    /// Decide at one moment of a session. An `Err` as in [`MessageFilter::filter`].
    fn decide(&self, facts: &Facts) -> Result<Decision, Failure>;
}

/// The filter could not do its work. The text is for the relay's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub String);

impl<T: std::fmt::Display> From<T> for Failure {
    fn from(error: T) -> Self {
        Self(error.to_string())
    }
}
