//! The envelope of a message and the client that brought it.

use std::net::SocketAddr;

use super::{
    address::{Address, ReversePath},
    parameters::{MailParameters, Notify},
};

/// The reverse-path and all recipients of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// From MAIL.
    pub sender: ReversePath,
    /// From RCPT, in order; never empty once the message has been accepted.
    pub recipients: Vec<Recipient>,
    /// What else MAIL said.
    pub parameters: MailParameters,
}

impl Envelope {
    /// An envelope of which nothing but the addresses is known.
    pub fn new(sender: ReversePath, recipients: Vec<Recipient>) -> Self {
        Self { sender, recipients, parameters: MailParameters::default() }
    }
}

/// One recipient of an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// Where the message goes now; filters may have rewritten it.
    pub address: Address,
    /// The address that the client gave with RCPT (for ORCPT and for reports).
    pub original: Address,
    /// NOTIFY, if the client gave it (RFC 3461 4.1).
    pub notify: Option<Notify>,
    /// ORCPT as it stood on the wire: type, semicolon, address in xtext (RFC 3461 4.2).
    pub orcpt: Option<String>,
}

impl Recipient {
    /// Nobody has rewritten it yet.
    pub fn new(address: Address) -> Self {
        Self { original: address.clone(), address, notify: None, orcpt: None }
    }
}

/// The client that a message came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address and port.
    pub peer: SocketAddr,
    /// Forward-confirmed reverse name.
    pub name: Option<String>,
    /// The argument of EHLO, HELO or LHLO.
    pub helo: Option<String>,
    /// TLS version and cipher.
    pub tls: Option<String>,
    /// The name proved with AUTH.
    pub login: Option<String>,
    /// Whether the address is in `[networks] trusted`.
    pub trusted: bool,
}
