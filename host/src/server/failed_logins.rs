//! How often somebody has told a wrong password.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::admission::network;

/// How long a failure counts.
const MEMORY: Duration = Duration::from_secs(3600);
/// Clients that are remembered at most; then the one that has failed longest ago is forgotten.
const MOST_CLIENTS: usize = 10_000;

/// Failures of the last hour, by client.
#[derive(Debug, Default)]
pub(super) struct FailedLogins(Mutex<HashMap<IpAddr, Failures>>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Instant,
}

impl FailedLogins {
    /// Of this client, up to now.
    pub(super) fn count(&self, client: IpAddr, now: Instant) -> u32 {
        let clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.get(&network(client)).filter(|failures| counts(failures, now)).map_or(0, |failures| failures.count)
    }

    /// One more; how many there are with it.
    pub(super) fn add(&self, client: IpAddr, now: Instant) -> u32 {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let client = network(client);
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&client) {
            clients.retain(|_, failures| counts(failures, now));
            let oldest = clients.iter().min_by_key(|(_, failures)| failures.last).map(|(client, _)| *client);
            if let Some(oldest) = oldest.filter(|_| clients.len() >= MOST_CLIENTS) {
                clients.remove(&oldest);
            }
        }
        let failures = clients.entry(client).or_insert(Failures { count: 0, last: now });
        failures.count = if counts(failures, now) { failures.count.saturating_add(1) } else { 1 };
        failures.last = now;
        failures.count
    }
}

fn counts(failures: &Failures, now: Instant) -> bool {
    now.saturating_duration_since(failures.last) < MEMORY
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn failures_count_for_an_hour() {
        let (failed, now) = (FailedLogins::default(), Instant::now());
        let client = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(failed.count(client, now), 0);
        assert_eq!((failed.add(client, now), failed.add(client, now)), (1, 2));
        assert_eq!(failed.count("::ffff:192.0.2.1".parse().expect("an address"), now), 2);
        assert_eq!(failed.count(client, now + MEMORY), 0);
        assert_eq!(failed.add(client, now + MEMORY), 1);
    }

    #[test]
    fn memory_is_bounded() {
        let (failed, now) = (FailedLogins::default(), Instant::now());
        let client = |number: usize| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).expect("small")));
        for number in 0..=MOST_CLIENTS {
            failed.add(client(number), now + Duration::from_millis(number as u64));
        }
        let later = now + Duration::from_secs(60);
        assert_eq!(failed.0.lock().expect("not poisoned").len(), MOST_CLIENTS);
        assert_eq!((failed.count(client(0), later), failed.count(client(1), later)), (0, 1), "the oldest is forgotten");
    }
}
