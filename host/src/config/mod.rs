//! `mailweir.toml`: from text with places to values that can't be wrong any more.
//!
//! Reading collects every mistake of the file, each with its place, before it gives up.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// A configuration that can work.
#[derive(Debug)]
pub struct Config {
    /// Our name in greetings, EHLO and Received fields.
    pub hostname: String,
    /// Queue, compiled filters, records.
    pub state_dir: PathBuf,
    /// `[listen.NAME]`.
    pub listeners: Vec<Listener>,
    /// Where mail goes.
    pub routes: Vec<Route>,
}

/// `[listen.NAME]`.
#[derive(Debug)]
pub struct Listener {
    /// NAME.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
}

/// `[[route]]`.
#[derive(Debug)]
pub struct Route {
    /// Recipient domains; `*` is any.
    pub domains: Vec<String>,
    /// Host or address, and port.
    pub next_hop: (String, u16),
    /// Longest time in the queue.
    pub lifetime: Duration,
}
