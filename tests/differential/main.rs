//! Stock filters and tables beside a real Postfix: random configurations go to both, and what they make of random input is compared.
//!
//! `N` cases of each kind are tried; `SEED` repeats a run, which prints it (without either, always the same). Each documented difference is
//! counted under its name; anything else fails with what is needed to see it again. Needs root, as Postfix does.

#[path = "../e2e/client.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod client;
mod file;
#[path = "../e2e/postfix.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod postfix;
#[path = "../support/program.rs"]
mod program;
mod random;
#[path = "../e2e/relay.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod relay;
mod report;
#[path = "../e2e/sink.rs"]
#[allow(dead_code, reason = "the end-to-end tests use all of it")]
mod sink;

mod access;
mod query;
mod rewriting;
