//! What one filter may use for one message.

use std::time::Duration;

/// Bounds per filter and call. Exceeding one is a `FilterError` of the kind that names it, except for `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterLimits {
    /// Wall time of one call, instantiation and host calls included. Default 5 s.
    pub timeout: Duration,
    /// Linear memory in octets. Default 64 MiB.
    pub memory: u64,
    /// Keys looked up in tables. Default 10,000.
    pub lookups: u32,
    /// Octets of a new body. Default 50 MiB.
    pub output: u64,
    /// Edits, or effects, in one answer. Default 10,000.
    pub edits: u32,
    /// Octets of log text; what is beyond is dropped and counted. Default 16 KiB.
    pub log: u32,
}

impl Default for FilterLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            memory: 64 << 20,
            lookups: 10_000,
            output: 50 << 20,
            edits: 10_000,
            log: 16 << 10,
        }
    }
}
