//! What can break in the conversation with a server, and which reply it becomes for the recipients.

use std::{io, time::Duration};

use super::reply::NoReply;
use crate::{
    events::ContactFailureKind,
    smtp::{EnhancedCode, Reply},
};

/// The conversation with a server broke. What was under way is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No connection: refused, no way there, no answer.
    #[error("connect to {0}: {1}")]
    Connect(String, String),
    /// It broke in the middle.
    #[error("lost connection: {0}")]
    Lost(#[from] io::Error),
    /// It took too long.
    #[error("timed out after {limit:?} while {doing}")]
    Timeout {
        /// How long was waited.
        limit: Duration,
        /// For what.
        doing: &'static str,
    },
    /// The other side doesn't talk SMTP.
    #[error(transparent)]
    NoReply(#[from] NoReply),
    /// It does not want us: the greeting or EHLO was refused.
    #[error("refused to talk to us: {0}")]
    Refused(Reply),
    /// The handshake failed, or the certificate is not the one that the route wants.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// The route wants TLS.
    #[error("TLS is required, but the server does not offer it")]
    NoTls,
    /// The route has a name and a password.
    #[error("AUTH is required, but the server offers neither PLAIN nor LOGIN")]
    NoAuth,
    /// They are not the right ones.
    #[error("AUTH failed: {0}")]
    AuthRefused(Reply),
    /// Name and password aren't known now.
    #[error("AUTH: {0}")]
    Account(String),
    /// The server says our own name.
    #[error("{0} answers with our own name: mail would loop back to myself")]
    OurName(String),
}

impl ClientError {
    /// What failed, if it failed before mail could be sent.
    pub(crate) fn kind(&self) -> ContactFailureKind {
        match self {
            Self::Connect(..) => ContactFailureKind::Connect,
            Self::Lost(_) | Self::Timeout { .. } | Self::NoReply(_) | Self::Refused(_) | Self::OurName(_) => {
                ContactFailureKind::Greeting
            }
            Self::Tls(_) | Self::NoTls => ContactFailureKind::Tls,
            Self::NoAuth | Self::AuthRefused(_) | Self::Account(_) => ContactFailureKind::Auth,
        }
    }

    /// Another attempt may end better, whatever it was.
    pub(crate) fn reply(&self) -> Reply {
        let enhanced = match self {
            Self::Connect(..) => EnhancedCode(4, 4, 1),
            Self::Lost(_) | Self::Timeout { .. } => EnhancedCode(4, 4, 2),
            Self::NoReply(_) => EnhancedCode(4, 5, 0),
            Self::Refused(reply) => {
                reply.enhanced.map_or(EnhancedCode(4, 0, 0), |code| EnhancedCode(4, code.1, code.2))
            }
            Self::NoTls => EnhancedCode(4, 7, 4),
            Self::Tls(_) => EnhancedCode(4, 7, 5),
            Self::NoAuth | Self::Account(_) => EnhancedCode(4, 7, 0),
            Self::AuthRefused(_) => EnhancedCode(4, 7, 8),
            Self::OurName(_) => EnhancedCode(4, 4, 6),
        };
        Reply::new(451, enhanced, self.to_string())
    }
}
