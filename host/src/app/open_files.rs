//! Open files: the system lets a process have so many, and each session and each attempt to deliver takes some of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Diagnostic, Severity};

/// An attempt's connection, and one that is kept for the next attempt or a question to the DNS.
const PER_ATTEMPT: u64 = 2;
/// For everything else: listening sockets, databases, tables, requests of operators.
const OTHERS: u64 = 64;

/// Let this process have as many as it may.
pub(super) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(limit = current, "the limit of open files can't be raised: {error}");
    }
}

/// More sessions and attempts than there can be open files: connections would wait, and mail with them.
pub(super) fn look(config: &Config, warnings: &mut Vec<Diagnostic>) {
    let (sessions, attempts) = (config.limits.sessions, config.queue.concurrency);
    let Some(limit) = getrlimit(Resource::Nofile).maximum else { return };
    let needed = needed(sessions as u64, attempts as u64);
    if needed <= limit {
        return;
    }
    let listener = || config.listeners.iter().flat_map(|listener| &listener.addresses).map(|(_, span)| span.clone());
    let span = config.limits.sessions_span.clone().or_else(|| listener().next()).unwrap_or_default();
    let message = format!(
        "{sessions} sessions and {attempts} attempts to deliver want {needed} open files, and a process started from here may have {limit}"
    );
    let scarce = Diagnostic { severity: Severity::Warning, ..Diagnostic::error(span, message) };
    warnings
        .push(scarce.with_help("fewer `[limits] sessions`, or a higher limit: systemd's `LimitNOFILE=`, `ulimit -Hn`"));
}

fn needed(sessions: u64, attempts: u64) -> u64 {
    sessions.saturating_add(attempts.saturating_mul(PER_ATTEMPT)).saturating_add(OTHERS)
}
