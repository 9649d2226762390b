//! `[limits]`: what the relay takes on; `[queue]`: how it tries again. Every key has a default.

use std::{ops::Range, time::Duration};

use super::{
    diagnostic::Diagnostic,
    reader::{Converted, Section, Value},
    units,
};
use crate::{
    delivery::{DoubleBounces, Timeouts},
    mail::{Address, LONGEST_LOCAL_PART},
};

/// `[limits]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message in octets. Default 10,240,000 (Postfix message_size_limit).
    pub message_size: u64,
    /// Octets of memory for all messages that come in. Default 256 MiB, or `message_size`, if that is more.
    pub memory: u64,
    /// Recipients of one transaction. Default 1,000 (Postfix smtpd_recipient_limit).
    pub recipients: usize,
    /// Octets of a message's header. Default 1 MiB.
    pub header_size: u64,
    /// Octets of a line of a message, without its line end. Default as long as it likes.
    pub line_length: Option<u64>,
    /// Octets of a local part. Default 64 (RFC 5321 4.5.3.1.1).
    pub local_part: usize,
    /// Refused commands of a session. Default 20 (Postfix smtpd_hard_error_limit).
    pub errors: u32,
    /// Commands of a session that do nothing. Default 100 (Postfix smtpd_junk_command_limit).
    pub junk_commands: u32,
    /// Received fields of one message, ours included. Default 50 (Postfix hopcount_limit).
    pub hops: usize,
    /// Sessions at a time. Default 1,000.
    pub sessions: usize,
    /// Where that stands, if it does.
    pub sessions_span: Option<Range<usize>>,
    /// Sessions at a time of one client that isn't trusted. Default 50 (Postfix smtpd_client_connection_count_limit).
    pub sessions_per_client: usize,
    /// How long a session may last. Default 1 h.
    pub session_time: Duration,
    /// How long a client may take over one command. Default 5 min (RFC 5321 4.5.3.2.7).
    pub idle_timeout: Duration,
    /// How long a client that isn't trusted waits for the greeting. Default not at all (Postfix postscreen_greet_wait).
    pub greet_delay: Option<Duration>,
    /// End sessions that go on before they have the reply to EHLO or DATA. Default true (Postfix
    /// smtpd_forbid_unauth_pipelining).
    pub forbid_unauth_pipelining: bool,
    /// Octets of a message in a second at least. Default 500 (Postfix smtpd_min_data_rate).
    pub min_rate: u64,
    /// Filter calls at a time. Default 256.
    pub filter_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 10_240_000,
            memory: 256 << 20,
            recipients: 1000,
            header_size: 1 << 20,
            line_length: None,
            local_part: 64,
            errors: 20,
            junk_commands: 100,
            hops: 50,
            sessions: 1000,
            sessions_span: None,
            sessions_per_client: 50,
            session_time: Duration::from_secs(3600),
            idle_timeout: Duration::from_secs(300),
            min_rate: 500,
            greet_delay: None,
            forbid_unauth_pipelining: true,
            filter_calls: 256,
        }
    }
}

/// `[queue]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Wait before the second attempt; it doubles from there. Default 5 min (Postfix minimal_backoff_time).
    pub first_retry: Duration,
    /// Longest wait between attempts. Default 4,000 s (Postfix maximal_backoff_time).
    pub longest_retry: Duration,
    /// Age at which a message is returned. Default 5 days (Postfix maximal_queue_lifetime).
    pub lifetime: Duration,
    /// Attempts at a time, over all next hops. Default 100 (Postfix default_process_limit).
    pub concurrency: usize,
    /// How long a next hop may take, phase by phase.
    pub timeouts: Timeouts,
    /// Age at which the sender is told that a message is late. Default never (Postfix delay_warning_time).
    pub delay_warning: Option<Duration>,
    /// What becomes of reports that can't be delivered. Default: they are held.
    pub double_bounces: DoubleBounces,
    /// Octets of a message that is returned whole at most. Default 50,000 (Postfix bounce_size_limit).
    pub bounce_size: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_secs(300),
            longest_retry: Duration::from_secs(4000),
            lifetime: Duration::from_secs(5 * 86_400),
            concurrency: 100,
            timeouts: Timeouts::default(),
            delay_warning: None,
            double_bounces: DoubleBounces::Hold,
            bounce_size: 50_000,
        }
    }
}

pub(super) fn read_limits(root: &Section<'_, '_>) -> Limits {
    let default = Limits::default();
    let Some(section) = root.section("limits") else { return default };
    let count = |key, default| section.read(key, units::count).map_or(default, |count| count as usize);
    let message_size = section.read("message-size", units::size).unwrap_or(default.message_size);
    let limits = Limits {
        message_size,
        memory: section.read("memory", units::size).unwrap_or(default.memory.max(message_size)),
        recipients: count("recipients", default.recipients),
        header_size: section.read("header-size", units::size).unwrap_or(default.header_size),
        line_length: section.read("line-length", units::size),
        local_part: section.read("local-part", local_part).unwrap_or(default.local_part),
        errors: section.read("errors", units::count).unwrap_or(default.errors),
        junk_commands: section.read("junk-commands", units::count).unwrap_or(default.junk_commands),
        hops: count("hops", default.hops),
        sessions: count("sessions", default.sessions),
        sessions_span: section.span_of("sessions"),
        sessions_per_client: count("sessions-per-client", default.sessions_per_client),
        session_time: section.read("session-time", units::duration).unwrap_or(default.session_time),
        idle_timeout: section.read("idle-timeout", units::duration).unwrap_or(default.idle_timeout),
        greet_delay: section.read("greet-delay", units::duration),
        forbid_unauth_pipelining: section
            .read("forbid-unauth-pipelining", |value| value.boolean())
            .unwrap_or(default.forbid_unauth_pipelining),
        min_rate: section.read("min-rate", units::size).unwrap_or(default.min_rate),
        filter_calls: section.read("filter-calls", units::count).unwrap_or(default.filter_calls),
    };
    if limits.memory < limits.message_size {
        let span =
            section.span_of("memory").or_else(|| section.span_of("message-size")).unwrap_or_else(|| section.span());
        let (memory, size) = (limits.memory, limits.message_size);
        let small = Diagnostic::error(
            span,
            format!("a message of `message-size`, {size} octets, has no room in `memory`, {memory}"),
        );
        root.mistakes.add(small.with_help("room for ten of them is little"));
    }
    section.finish();
    limits
}

pub(super) fn read_queue(root: &Section<'_, '_>) -> Queue {
    let default = Queue::default();
    let Some(section) = root.section("queue") else { return default };
    let queue = Queue {
        first_retry: section.read("first-retry", units::duration).unwrap_or(default.first_retry),
        longest_retry: section.read("longest-retry", units::duration).unwrap_or(default.longest_retry),
        lifetime: section.read("lifetime", units::duration).unwrap_or(default.lifetime),
        concurrency: section.read("concurrency", units::count).map_or(default.concurrency, |count| count as usize),
        timeouts: Timeouts {
            connect: section.read("connect-timeout", units::duration).unwrap_or(default.timeouts.connect),
            command: section.read("command-timeout", units::duration).unwrap_or(default.timeouts.command),
            data: section.read("data-timeout", units::duration).unwrap_or(default.timeouts.data),
        },
        delay_warning: section.read("delay-warning", units::duration),
        double_bounces: section.read("double-bounces", double_bounces).unwrap_or(default.double_bounces),
        bounce_size: section.read("bounce-size", units::size).unwrap_or(default.bounce_size),
    };
    section.finish();
    queue
}

fn local_part(value: Value<'_>) -> Converted<usize> {
    let wrong = || value.wrong(format!("this must be 64 to {LONGEST_LOCAL_PART} octets"));
    usize::try_from(value.number()?).ok().filter(|octets| (64..=LONGEST_LOCAL_PART).contains(octets)).ok_or_else(wrong)
}

fn double_bounces(value: Value<'_>) -> Converted<DoubleBounces> {
    let text = value.text()?;
    match (text.as_str(), Address::parse(&text)) {
        ("hold", _) => Ok(DoubleBounces::Hold),
        ("discard", _) => Ok(DoubleBounces::Discard),
        (_, Ok(address)) => Ok(DoubleBounces::Postmaster(address)),
        (_, Err(_)) => {
            let wrong = Diagnostic::error(value.span(), format!("`{text}` is not known here"));
            Err(vec![wrong.with_help("\"hold\", \"discard\", or the address of a postmaster")])
        }
    }
}
