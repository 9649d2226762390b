//! What the operator says about the receiving side.

use std::{
    env,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::{
    auth::Auth,
    intake::Memory,
    relay::{DomainList, RelayDomains},
    tls::{Tls, TlsMode},
};
use crate::{
    dns::Resolver,
    mail::{MissingFields, Network},
    smtp::{AuthOffer, BareLineEnds, SessionSettings, StartTls},
};

/// Settings of one listener.
#[derive(Clone)]
pub struct ListenerSettings {
    /// NAME of `[listen.NAME]`.
    pub name: String,
    /// Where it listens; port 0 lets the system choose.
    pub addresses: Vec<SocketAddr>,
    /// Whether it speaks LMTP (RFC 2033), not SMTP.
    pub lmtp: bool,
    /// What becomes of half line ends in commands and messages.
    pub bare_line_ends: BareLineEnds,
    /// TLS; none where there is no certificate.
    pub tls: Option<Tls>,
    /// Logins; none where there is no AUTH.
    pub auth: Option<Auth>,
    /// The load balancers that connect here, each with a header of the PROXY protocol; empty where clients connect themselves.
    pub proxies: Vec<Network>,
}

impl ListenerSettings {
    /// A listener that offers nothing beside plain SMTP.
    pub fn new(name: impl Into<String>, addresses: Vec<SocketAddr>) -> Self {
        let bare_line_ends = BareLineEnds::default();
        Self { name: name.into(), addresses, lmtp: false, bare_line_ends, tls: None, auth: None, proxies: vec![] }
    }
}

/// Settings of the server.
#[derive(Clone)]
pub struct Settings {
    /// Our name in greetings, EHLO and Received fields, and the domain of the bare `postmaster`.
    pub hostname: String,
    /// Where clients connect, and what they find there.
    pub listeners: Vec<ListenerSettings>,
    /// Clients that may send to any domain (Postfix `mynetworks`).
    pub trusted: Vec<Network>,
    /// Who is asked for the names of clients, and for how long at most (Postfix smtpd_peername_lookup); none: they have no names.
    pub client_names: Option<(Resolver, Duration)>,
    /// Clients that may say XCLIENT (Postfix `smtpd_authorized_xclient_hosts`).
    pub xclient: Vec<Network>,
    /// Domains that any client may send to.
    pub relay_domains: Arc<dyn RelayDomains>,
    /// Largest message in octets.
    pub size_limit: u64,
    /// Octets of memory for all messages that come in; what finds no room is in a file meanwhile.
    pub memory: u64,
    /// The folder of such files.
    pub overflow: PathBuf,
    /// Most recipients of one transaction.
    pub recipient_limit: usize,
    /// Whose messages get the fields that they lack.
    pub missing_fields: MissingFields,
    /// Longest local part that a client may name, in octets (RFC 5321 4.5.3.1.1).
    pub local_part_limit: usize,
    /// Refused commands of a session before it is ended (Postfix `smtpd_hard_error_limit`).
    pub error_limit: u32,
    /// Commands of a session that do nothing before each counts as refused (Postfix `smtpd_junk_command_limit`).
    pub junk_limit: u32,
    /// Most Received fields, our own included (Postfix `hopcount_limit`).
    pub hop_limit: usize,
    /// Octets of a message's header at most.
    pub header_limit: u64,
    /// Octets of a line of a message at most, without its line end (RFC 5322 2.1.1 says 998); none: as long as they like.
    pub line_limit: Option<u64>,
    /// How long a client may take over one command, or take no reply (RFC 5321 4.5.3.2.7); also over a message, unless it comes
    /// with `min_rate`.
    pub idle_timeout: Duration,
    /// Octets of a message that come in a second at least (Postfix smtpd_min_data_rate).
    pub min_rate: u64,
    /// How long a session may last; a message that is coming in is not cut off.
    pub session_time: Duration,
    /// How long a client that isn't trusted waits for the greeting, and what it says before that is a reason to close
    /// (Postfix postscreen_greet_wait); none: it is greeted at once.
    pub greet_delay: Option<Duration>,
    /// End sessions that go on before they have the reply to EHLO or DATA (Postfix smtpd_forbid_unauth_pipelining).
    pub forbid_unauth_pipelining: bool,
    /// How long sessions may go on with their message after the shutdown began.
    pub drain_timeout: Duration,
    /// Most sessions at a time, over all listeners.
    pub max_sessions: usize,
    /// Most sessions at a time of one client that isn't trusted: an IPv4 address, or an IPv6 network of 64 bits
    /// (Postfix smtpd_client_connection_count_limit).
    pub max_sessions_per_client: usize,
    /// Octets that must be free where messages are kept; with less, 452 4.3.1 at MAIL (Postfix queue_minfree).
    pub reserve: u64,
    /// Tell refusals at connect, helo and mail at RCPT (Postfix `smtpd_delay_reject`).
    pub delay_reject: bool,
}

impl Settings {
    /// A server that listens nowhere, trusts nobody and relays for no domain; the limits are Postfix's defaults, but for
    /// 1,000 sessions of at most an hour, and local parts of 64 octets.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            listeners: vec![],
            trusted: vec![],
            client_names: None,
            xclient: vec![],
            relay_domains: Arc::new(DomainList::default()),
            size_limit: 10_240_000,
            memory: 256 << 20,
            overflow: env::temp_dir(),
            recipient_limit: 1000,
            missing_fields: MissingFields::default(),
            local_part_limit: 64,
            error_limit: 20,
            junk_limit: 100,
            hop_limit: 50,
            header_limit: 1 << 20,
            line_limit: None,
            idle_timeout: Duration::from_secs(300),
            min_rate: 500,
            session_time: Duration::from_secs(3600),
            greet_delay: None,
            forbid_unauth_pipelining: true,
            drain_timeout: Duration::from_secs(30),
            max_sessions: 1000,
            max_sessions_per_client: 50,
            reserve: 0,
            delay_reject: true,
        }
    }

    /// The place for all messages that come in.
    pub(super) fn memory(&self) -> Memory {
        Memory::new(self.memory, self.overflow.clone())
    }

    /// What the protocol has to know at a listener.
    pub(super) fn session(&self, listener: &ListenerSettings) -> SessionSettings {
        SessionSettings {
            hostname: self.hostname.clone(),
            size_limit: self.size_limit,
            recipient_limit: self.recipient_limit,
            local_part_limit: self.local_part_limit,
            error_limit: self.error_limit,
            junk_limit: self.junk_limit,
            lmtp: listener.lmtp,
            bare_line_ends: listener.bare_line_ends,
            starttls: match listener.tls.as_ref().map(|tls| tls.mode) {
                None => StartTls::Absent,
                Some(TlsMode::StartTls | TlsMode::Implicit) => StartTls::Offered,
                Some(TlsMode::Required) => StartTls::Required,
            },
            auth: match &listener.auth {
                None => AuthOffer::Absent,
                Some(auth) if auth.without_tls => AuthOffer::Always,
                Some(_) => AuthOffer::UnderTls,
            },
            auth_required: listener.auth.as_ref().is_some_and(|auth| auth.required),
        }
    }

    /// Whether an address is in `trusted`.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}
