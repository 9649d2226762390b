//! How many sessions there may be, in all and of one client.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::smtp::{EnhancedCode, Reply};

/// Bits of an IPv6 address that name a network; a client may have all addresses of one (RFC 4291 2.5.4).
const IPV6_NETWORK: u32 = 64;

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Crowded {
    /// All places are taken: `421 4.3.2`.
    #[error("too many connections")]
    Everywhere,
    /// This client has all that it may have: `421 4.7.0`.
    #[error("too many connections from {0}")]
    FromClient(IpAddr),
}

impl Crowded {
    pub(super) fn reply(self, hostname: &str) -> Reply {
        let code = match self {
            Self::Everywhere => EnhancedCode(4, 3, 2),
            Self::FromClient(_) => EnhancedCode(4, 7, 0),
        };
        Reply::new(421, code, format!("{hostname} Error: {self}"))
    }
}

/// Counts the sessions.
#[derive(Debug)]
pub(super) struct Admission(Mutex<Places>);

#[derive(Debug)]
struct Places {
    limit: usize,
    limit_per_client: usize,
    total: usize,
    by_client: HashMap<IpAddr, usize>,
}

impl Admission {
    pub(super) fn new(limit: usize, limit_per_client: usize) -> Self {
        Self(Mutex::new(Places { limit, limit_per_client, total: 0, by_client: HashMap::new() }))
    }

    /// Other limits, for sessions that begin from now on.
    pub(super) fn resize(&self, limit: usize, limit_per_client: usize) {
        let mut places = self.places();
        (places.limit, places.limit_per_client) = (limit, limit_per_client);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a session with this client. Trusted ones may have as many as there are
    /// (Postfix smtpd_client_event_limit_exceptions).
    pub(super) fn admit(self: &Arc<Self>, client: IpAddr, trusted: bool) -> Result<Place, Crowded> {
        let network = network(client);
        let mut places = self.places();
        if places.total >= places.limit {
            return Err(Crowded::Everywhere);
        }
        let of_client = places.by_client.get(&network).copied().unwrap_or_default();
        if !trusted && of_client >= places.limit_per_client {
            return Err(Crowded::FromClient(client));
        }
        places.by_client.insert(network, of_client + 1);
        places.total += 1;
        Ok(Place { admission: Arc::clone(self), network })
    }
}

/// The place of one session; dropped, it is free again.
#[derive(Debug)]
pub(super) struct Place {
    admission: Arc<Admission>,
    network: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.admission.places();
        places.total -= 1;
        if let Some(of_client) = places.by_client.get_mut(&self.network) {
            *of_client -= 1;
            if *of_client == 0 {
                places.by_client.remove(&self.network);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or an IPv6 network.
pub(super) fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> IPV6_NETWORK << IPV6_NETWORK).into(),
        IpAddr::V4(address) => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admission: &Arc<Admission>, client: &str, trusted: bool) -> Result<Place, Crowded> {
        admission.admit(client.parse().expect("an address"), trusted)
    }

    #[test]
    fn a_client_leaves_places_for_others() {
        let admission = Arc::new(Admission::new(4, 2));
        let first = admit(&admission, "192.0.2.1", false).expect("a place");
        let _second = admit(&admission, "::ffff:192.0.2.1", false).expect("a place");
        let refused = admit(&admission, "192.0.2.1", false).expect_err("a third");
        assert_eq!(
            refused.reply("relay.example").to_string(),
            "421 4.7.0 relay.example Error: too many connections from 192.0.2.1"
        );
        let _other = admit(&admission, "192.0.2.2", false).expect("a place");
        drop(first);
        let _again = admit(&admission, "192.0.2.1", false).expect("a place");
        let _trusted = admit(&admission, "192.0.2.1", true).expect("a place");
        assert_eq!(admit(&admission, "192.0.2.3", true).expect_err("no place"), Crowded::Everywhere);
    }

    #[test]
    fn new_limits_leave_old_sessions_alone() {
        let admission = Arc::new(Admission::new(2, 2));
        let both = [admit(&admission, "192.0.2.1", false), admit(&admission, "192.0.2.1", false)];
        admission.resize(1, 1);
        assert!(both.iter().all(Result::is_ok) && admit(&admission, "192.0.2.2", true).is_err());
        drop(both);
        assert!(admit(&admission, "192.0.2.2", true).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let admission = Arc::new(Admission::new(9, 1));
        let _one = admit(&admission, "2001:db8:1:2::1", false).expect("a place");
        assert!(admit(&admission, "2001:db8:1:2:ffff::9", false).is_err());
        assert!(admit(&admission, "2001:db8:1:3::1", false).is_ok());
    }

    #[test]
    fn nothing_is_kept_of_clients_that_are_gone() {
        let admission = Arc::new(Admission::new(9, 1));
        for last in 0..=255 {
            drop(admit(&admission, &format!("192.0.2.{last}"), false));
        }
        admission.resize(9, 0);
        assert!(admit(&admission, "192.0.2.1", false).is_err());
        let places = admission.places();
        assert_eq!((places.total, places.by_client.len()), (0, 0));
    }
}
