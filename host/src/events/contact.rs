//! How connections to next hops come about, and how they are secured.

use crate::smtp::Mechanism;

/// A connection to a server of a next hop, until mail can be sent on it. It may serve several messages.
#[derive(Debug)]
pub struct Contacted<'a> {
    /// The destination by name.
    pub destination: &'a str,
    /// The server.
    pub server: &'a str,
    /// How the connection is secured, or why there is none.
    pub result: Result<&'a Security, ContactFailure<'a>>,
}

/// How a connection to a next hop is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// TLS, if there is.
    pub tls: Option<NextHopTls>,
    /// How we logged in, if we did.
    pub login: Option<Mechanism>,
}

/// TLS with a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHopTls {
    /// Protocol and cipher, such as `TLSv1.3 TLS13_AES_256_GCM_SHA384`.
    pub description: String,
    /// Whether the route wanted a certificate for the server's name from an authority that is trusted; else any was taken.
    pub verified: bool,
}

impl NextHopTls {
    /// `verified` or `untrusted`, as Postfix calls them.
    pub fn trust(&self) -> &'static str {
        if self.verified { "verified" } else { "untrusted" }
    }
}

/// Why no mail can be sent to a server now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactFailure<'a> {
    /// What failed.
    pub kind: ContactFailureKind,
    /// For the operator.
    pub reason: &'a str,
}

/// What failed on the way to a connection on which mail can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContactFailureKind {
    /// Nobody answered.
    Connect,
    /// Greeting, EHLO, or anything else of the conversation.
    Greeting,
    /// The handshake; or there is no TLS where the route wants it.
    Tls,
    /// The login; or there is no way to log in that we know.
    Auth,
}

impl ContactFailureKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Greeting, Self::Tls, Self::Auth];

    /// As metrics name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Greeting => "greeting",
            Self::Tls => "tls",
            Self::Auth => "auth",
        }
    }
}
