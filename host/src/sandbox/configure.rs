//! Giving an instance its configuration: once, before it is frozen, or at each call where it can't be frozen.

use wasmtime::{
    Store,
    component::{Instance, InstancePre},
};

use super::{bindings::exports::configuration, guest::Guest};

/// A mistake in a stage's `config`, as the filter sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMistake {
    /// `domains[2]`, `rules[0].pattern`; empty for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

/// `configure` of a component, with what it is called with.
pub(super) struct Configure {
    indices: configuration::GuestIndices,
    /// The stage's `config` as JSON.
    config: String,
}

impl Configure {
    /// None if the component exports no such interface.
    pub(super) fn of(pre: &InstancePre<Guest>, config: &str) -> Option<Self> {
        let indices = configuration::GuestIndices::new(pre).ok()?;
        Some(Self { indices, config: config.to_owned() })
    }

    /// Call it. The outer error is a trap, or that the export has another type.
    pub(super) async fn call(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Result<(), Vec<ConfigMistake>>> {
        let exports = self.indices.load(&mut *store, instance)?;
        store.data_mut().configuring = true;
        let answer = exports.call_configure(&mut *store, &self.config).await?;
        store.data_mut().configuring = false;
        let mistake = |one: configuration::ConfigError| ConfigMistake { path: one.path, message: one.message };
        Ok(answer.map_err(|mistakes| {
            if mistakes.is_empty() {
                return vec![refused_without_a_word()];
            }
            mistakes.into_iter().map(mistake).collect()
        }))
    }
}

/// An exception in JavaScript becomes an error with an empty list. Without a mistake to tell, the stage would be left out
/// and mail would pass unfiltered.
fn refused_without_a_word() -> ConfigMistake {
    let message = "`configure` failed and named no mistake; in JavaScript it threw something else than a list of them";
    ConfigMistake { path: String::new(), message: message.to_owned() }
}
