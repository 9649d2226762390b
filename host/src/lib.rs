//! Mailweir: an SMTP relay that runs every message through a chain of sandboxed WASM filters.
//!
//! A message comes in through [`server`], passes the stages of [`pipeline`], lies in the [`spool`] before the client
//! gets its 250, and leaves through [`delivery`]. `host/README.md` has the picture and the rules of who may import whom.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod delivery;
pub mod dns;
pub mod events;
pub mod files;
pub mod handshake;
pub mod mail;
pub mod pipeline;
pub mod records;
pub mod reload;
pub mod sandbox;
pub mod server;
pub mod smtp;
pub mod spool;
pub mod tables;
pub mod telemetry;
