//! Mailbox addresses as they stand on the wire (RFC 5321 4.1.2).

use std::fmt;

/// A mailbox: `local-part@domain`, or the bare `postmaster` (RFC 5321 4.5.1), without source route and angle brackets.
/// The spelling is kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address(String);

/// Why a text is no mailbox address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing is there.
    #[error("the address is empty")]
    Empty,
}

impl Address {
    /// Parse one mailbox.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address as it is written between angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the last `@`, quotes included.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&self.0, |(local, _)| local)
    }

    /// What stands after the last `@`; none for the bare `postmaster`.
    pub fn domain(&self) -> Option<&str> {
        self.0.rsplit_once('@').map(|(_, domain)| domain)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The argument of MAIL FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>` (RFC 5321 4.5.5).
    Null,
    /// The sender's mailbox.
    Address(Address),
}

impl fmt::Display for ReversePath {
    /// The address, or nothing for the null sender; without angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Address(address) => address.fmt(f),
        }
    }
}
