//! Whose header fields are rewritten (Postfix `local_header_rewrite_clients`).
//!
//! Addresses in mail from outside are somebody else's, and often signed (DKIM, RFC 6376): by default they stay. The envelope, which
//! is ours to use, is always rewritten.

use std::{fmt, net::IpAddr};

use mailweir_sdk::Client;
use serde::{Deserialize, Deserializer, de};

/// One entry of `rewrite-clients`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    All,
    Trusted,
    Authenticated,
    Network(IpAddr, u8),
}

/// `rewrite-clients`: `all`, `trusted`, `authenticated`, addresses and networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewriteClients(Vec<Entry>);

impl Default for RewriteClients {
    fn default() -> Self {
        Self(vec![Entry::Trusted, Entry::Authenticated])
    }
}

impl RewriteClients {
    /// Everybody, as for generic(5).
    pub fn all() -> Self {
        Self(vec![Entry::All])
    }

    /// Whether nobody needs to be asked who the client is.
    pub(crate) fn is_all(&self) -> bool {
        self.0.contains(&Entry::All)
    }

    /// Whether this client is one of them.
    pub fn includes(&self, client: &Client) -> bool {
        let address = client.address.parse().ok();
        self.0.iter().any(|entry| match entry {
            Entry::All => true,
            Entry::Trusted => client.trusted,
            Entry::Authenticated => client.login.is_some(),
            Entry::Network(network, bits) => {
                address.is_some_and(|address| prefix(address, *bits) == prefix(*network, *bits))
            }
        })
    }
}

impl fmt::Display for RewriteClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match entry {
                Entry::All => write!(f, "{comma}all")?,
                Entry::Trusted => write!(f, "{comma}trusted")?,
                Entry::Authenticated => write!(f, "{comma}authenticated")?,
                Entry::Network(address, bits) => write!(f, "{comma}{address}/{bits}")?,
            }
        }
        Ok(())
    }
}

/// Family and leading bits of an address.
fn prefix(address: IpAddr, bits: u8) -> (bool, u128) {
    let (is_v4, value, length) = match address {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()), 32_u32),
        IpAddr::V6(address) => (false, address.to_bits(), 128),
    };
    (is_v4, value.checked_shr(length.saturating_sub(bits.into())).unwrap_or(0))
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let network = || {
            let (address, bits) =
                text.split_once('/').map_or((text.as_str(), None), |(address, bits)| (address, Some(bits)));
            let address: IpAddr = address.parse().ok()?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(longest), |bits| bits.parse().ok()).filter(|bits| *bits <= longest)?;
            Some(Self::Network(address, bits))
        };
        match text.as_str() {
            "all" => Ok(Self::All),
            "trusted" => Ok(Self::Trusted),
            "authenticated" => Ok(Self::Authenticated),
            _ => network().ok_or_else(|| {
                de::Error::custom(format_args!(
                    "`{text}` is none of `all`, `trusted`, `authenticated`, an address or a network"
                ))
            }),
        }
    }
}

impl<'de> Deserialize<'de> for RewriteClients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use mailweir_sdk::Message;
    use serde::de::{IntoDeserializer, value};

    use super::*;

    fn clients(texts: &[&str]) -> Result<RewriteClients, value::Error> {
        RewriteClients::deserialize(texts.to_vec().into_deserializer())
    }

    #[test]
    fn says_who_is_meant() {
        // Rules 0.3, trap 3
        let client = |address: &str, trusted, login: Option<&str>| {
            let change = |client: &mut Client| {
                client.address = address.to_owned();
                client.trusted = trusted;
                client.login = login.map(str::to_owned);
            };
            Message::builder().client(change).build().client()
        };
        let default = RewriteClients::default();
        assert!(
            default.includes(&client("192.0.2.1", true, None))
                && default.includes(&client("192.0.2.1", false, Some("joe")))
        );
        assert!(!default.includes(&client("192.0.2.1", false, None)));
        let networks = clients(&["192.0.2.0/24", "2001:db8::/32", "203.0.113.7"]).expect("networks");
        for (address, expected) in [
            ("192.0.2.77", true),
            ("192.0.3.77", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("203.0.113.7", true),
            ("203.0.113.8", false),
        ] {
            assert_eq!(networks.includes(&client(address, false, None)), expected, "{address}");
        }
        assert!(clients(&["0.0.0.0/0"]).expect("a network").includes(&client("198.51.100.1", false, None)));
        for wrong in ["everybody", "192.0.2.0/33", "::/129", "192.0.2"] {
            assert!(clients(&[wrong]).is_err(), "{wrong}");
        }
        assert_eq!(networks.to_string(), "192.0.2.0/24, 2001:db8::/32, 203.0.113.7/32");
    }
}
