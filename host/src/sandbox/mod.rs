//! The sandbox: filters as WASM components, each message in a fresh instance, everything bounded.
//!
//! The only tree that knows wasmtime. A plugin is made ready once ([`Sandbox::load`]: what is it, what does it export, configure
//! it, freeze it, compile it, keep the result on disk) and then stands in the pipeline as a [`Filter`](crate::pipeline::Filter).

mod bindings;
mod cache;
mod clock;
mod component;
mod configure;
mod contain;
mod convert;
mod dns;
mod engine;
mod filter;
mod guest;
mod imports;
mod inspect;
mod load;
mod reuse;
mod slow_lane;
mod snapshot;
mod stock;
#[cfg(test)]
mod tests;
mod wasi;

pub use component::CONTRACT;
pub use configure::ConfigMistake;
pub use engine::{Sandbox, SandboxError, SandboxSettings};
pub use imports::LOG_TARGET;
pub use inspect::Inspection;
pub use load::{LoadError, Plugin, Role};
pub use stock::{stock, stock_names};
