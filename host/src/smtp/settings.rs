//! What the protocol has to know about the server around it.

use super::data::BareLineEnds;

/// What a session has to know about its server.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// Our name in the greeting and behind a bare `postmaster`.
    pub hostname: String,
    /// Whether it speaks LMTP (RFC 2033), not SMTP.
    pub lmtp: bool,
    /// Largest message in octets.
    pub size_limit: u64,
    /// Most recipients of one transaction.
    pub recipient_limit: usize,
    /// Longest local part that a client may name, in octets.
    pub local_part_limit: usize,
    /// Refused commands before the session is ended, since its last message (Postfix `smtpd_hard_error_limit`).
    pub error_limit: u32,
    /// Commands that do nothing before each is an error, since its last message (Postfix `smtpd_junk_command_limit`).
    pub junk_limit: u32,
    /// What becomes of half line ends.
    pub bare_line_ends: BareLineEnds,
    /// Whether the client may, or has to, begin TLS.
    pub starttls: StartTls,
    /// Whether the client may log in.
    pub auth: AuthOffer,
    /// Whether it has to before MAIL.
    pub auth_required: bool,
}

impl SessionSettings {
    /// Plain SMTP, with Postfix's limits.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            size_limit: 10_240_000,
            lmtp: false,
            recipient_limit: 1000,
            local_part_limit: 64,
            error_limit: 20,
            junk_limit: 100,
            bare_line_ends: BareLineEnds::Reject,
            starttls: StartTls::Absent,
            auth: AuthOffer::Absent,
            auth_required: false,
        }
    }
}

/// Whether a client may tell a password (RFC 4954).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthOffer {
    /// There is no AUTH: `503 5.5.1`.
    Absent,
    /// Where nobody else can read it.
    UnderTls,
    /// Everywhere.
    Always,
}

/// Whether a session without TLS may, or has to, go on under TLS (RFC 3207).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartTls {
    /// There is no STARTTLS.
    #[default]
    Absent,
    /// The client may begin TLS.
    Offered,
    /// Before TLS nothing is taken: `530 5.7.0`.
    Required,
}
