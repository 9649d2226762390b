//! Connections that have done their work and wait a moment for more.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::connection::{ClientError, Connection};
use crate::delivery::{NextHop, Settings};

/// How long a connection waits; a server that wants us gone sooner closes it, which is noticed.
const LONGEST_IDLE: Duration = Duration::from_secs(2);
/// Transactions on one connection at most (Postfix smtp_connection_reuse_count_limit is off; others limit at 100).
const MOST_TRANSACTIONS: u32 = 100;

/// Idle connections by next hop.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<NextHop, Vec<(Connection, Instant)>>>,
}

impl Pool {
    /// A connection: an idle one if it still lives, else a new one.
    pub(super) async fn get(&self, next_hop: &NextHop, settings: &Settings) -> Result<Connection, ClientError> {
        while let Some((connection, since)) = self.take(next_hop) {
            if since.elapsed() < LONGEST_IDLE && !connection.is_stale() {
                return Ok(connection);
            }
        }
        Connection::open(next_hop, settings).await
    }

    /// Keep a connection for the next transaction, or say goodbye on it.
    pub(super) async fn put(&self, next_hop: &NextHop, connection: Connection) {
        if connection.used >= MOST_TRANSACTIONS {
            connection.quit().await;
            return;
        }
        self.lock().entry(next_hop.clone()).or_default().push((connection, Instant::now()));
    }

    /// Say goodbye on all connections that have waited too long.
    pub(crate) async fn close_idle(&self) {
        let mut old = Vec::new();
        self.lock().retain(|_, connections| {
            let keep = connections.iter().position(|(_, since)| since.elapsed() < LONGEST_IDLE);
            old.extend(connections.drain(..keep.unwrap_or(connections.len())).map(|(connection, _)| connection));
            !connections.is_empty()
        });
        for connection in old {
            connection.quit().await;
        }
    }

    fn take(&self, next_hop: &NextHop) -> Option<(Connection, Instant)> {
        self.lock().get_mut(next_hop)?.pop()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NextHop, Vec<(Connection, Instant)>>> {
        // Nothing in here can leave the map half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
