//! Lookup tables of the relay. A filter sees those that its stage in the TOML names.

use serde::{Deserialize, Deserializer, de};

pub use crate::wit::message::mailweir::filter::tables::{Hit, Key};
use crate::{Failure, host};

/// A table's name as a configuration value: one that the stage isn't granted is a mistake with its place.
///
/// Naming a table anywhere in `config` grants it, so the mistake is a name that is not in `[tables]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(String);

impl Table {
    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        match host::granted() {
            Some(granted) if !granted.contains(&name) => {
                Err(de::Error::custom(format_args!("there is no table `{name}` in [tables]")))
            }
            _ => Ok(Self(name)),
        }
    }
}

impl Key {
    /// All of what is looked for.
    pub fn whole(text: impl Into<String>) -> Self {
        Self { text: text.into(), partial: false }
    }

    /// A part of what is looked for, such as the domain of an address: not shown to tables of patterns.
    pub fn partial(text: impl Into<String>) -> Self {
        Self { text: text.into(), partial: true }
    }
}

/// The first key that is in any of the tables: each key is tried in all tables before the next key is.
///
/// The error means that it is not known whether there is a row; pass it on with `?`, and the message is tried again later.
pub fn lookup(tables: &[Table], keys: &[Key]) -> Result<Option<Hit>, Failure> {
    let names: Vec<String> = tables.iter().map(|table| table.0.clone()).collect();
    host::lookup(&names, keys).map_err(Failure)
}
