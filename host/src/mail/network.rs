//! Blocks of IP addresses, as `[networks]` and conditions name them.

use std::{fmt, net::IpAddr, str::FromStr};

/// Addresses that share a prefix: `192.0.2.0/24`, `2001:db8::/32`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an IP address before the slash.
    #[error("this is no IP address; write 192.0.2.0/24, 2001:db8::/32 or a single address")]
    Address,
    /// Not a number, or more bits than the address has.
    #[error("the number after the slash must be 0 to 32 (IPv4) or 0 to 128 (IPv6)")]
    Prefix,
    /// Bits behind the prefix are set: most likely a typing error (Postfix mynetworks refuses it too).
    #[error("the address has bits behind the prefix; drop them, or the prefix")]
    HostBits,
}

impl Network {
    /// Whether the address lies in it. An IPv4 address that came mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix);
                own.to_bits().checked_shr(shift).unwrap_or(0) == other.to_bits().checked_shr(shift).unwrap_or(0)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix);
                own.to_bits().checked_shr(shift).unwrap_or(0) == other.to_bits().checked_shr(shift).unwrap_or(0)
            }
            _ => false,
        }
    }

    /// Whether an address is of its family, IPv4 or IPv6.
    pub fn is_of_family(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.to_canonical().is_ipv4()
    }

    /// Whether it is everybody: a prefix of no bits.
    pub fn is_everybody(&self) -> bool {
        self.prefix == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or(NetworkError::Prefix)?,
            None => bits,
        };
        let host_bits = match address {
            IpAddr::V4(address) => address.to_bits().checked_shl(u32::from(prefix)).unwrap_or(0) != 0,
            IpAddr::V6(address) => address.to_bits().checked_shl(u32::from(prefix)).unwrap_or(0) != 0,
        };
        if host_bits { Err(NetworkError::HostBits) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contains_what_shares_the_prefix() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().expect("a network").contains(address.parse().expect("an address"))
        };
        assert!(contains("192.0.2.0/24", "192.0.2.255"));
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(contains("::1", "::1"));
        assert!(!contains("2001:db8::/33", "2001:db8:8000::"));
    }

    #[test]
    fn refuses_typing_errors() {
        for (text, error) in [
            ("example.com", NetworkError::Address),
            ("192.0.2.0/33", NetworkError::Prefix),
            ("::/129", NetworkError::Prefix),
            ("192.0.2.0/x", NetworkError::Prefix),
            ("192.0.2.1/24", NetworkError::HostBits),
            ("1.2.3.4/0", NetworkError::HostBits),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }
}
