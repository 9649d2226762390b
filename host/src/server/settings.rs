//! What the operator says about the receiving side.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use super::relay::{DomainList, RelayDomains};
use crate::mail::Network;

/// Settings of the server.
#[derive(Clone)]
pub struct Settings {
    /// Our name in greetings, EHLO and Received fields, and the domain of the bare `postmaster`.
    pub hostname: String,
    /// Name and addresses of each listener; port 0 lets the system choose.
    pub listeners: Vec<(String, Vec<SocketAddr>)>,
    /// Clients that may send to any domain (Postfix `mynetworks`).
    pub trusted: Vec<Network>,
    /// Domains that any client may send to.
    pub relay_domains: Arc<dyn RelayDomains>,
    /// Largest message in octets.
    pub size_limit: u64,
    /// Most recipients of one transaction.
    pub recipient_limit: usize,
    /// Most Received fields, our own included (Postfix `hopcount_limit`).
    pub hop_limit: usize,
    /// How long a client may take over one command, or take no reply (RFC 5321 4.5.3.2.7); also over a message, unless it comes
    /// with `min_rate`.
    pub idle_timeout: Duration,
    /// Octets of a message that come in a second at least (Postfix smtpd_min_data_rate).
    pub min_rate: u64,
    /// How long a session may last; a message that is coming in is not cut off.
    pub session_time: Duration,
    /// How long sessions may go on with their message after the shutdown began.
    pub drain_timeout: Duration,
    /// Most sessions at a time, over all listeners.
    pub max_sessions: usize,
    /// Most sessions at a time of one client that isn't trusted: an IPv4 address, or an IPv6 network of 64 bits
    /// (Postfix smtpd_client_connection_count_limit).
    pub max_sessions_per_client: usize,
    /// Tell refusals at connect, helo and mail at RCPT (Postfix `smtpd_delay_reject`).
    pub delay_reject: bool,
}

impl Settings {
    /// A server that listens nowhere, trusts nobody and relays for no domain; the limits are Postfix's defaults, but for
    /// 1,000 sessions of at most an hour.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            listeners: vec![],
            trusted: vec![],
            relay_domains: Arc::new(DomainList::default()),
            size_limit: 10_240_000,
            recipient_limit: 1000,
            hop_limit: 50,
            idle_timeout: Duration::from_secs(300),
            min_rate: 500,
            session_time: Duration::from_secs(3600),
            drain_timeout: Duration::from_secs(30),
            max_sessions: 1000,
            max_sessions_per_client: 50,
            delay_reject: true,
        }
    }
}
