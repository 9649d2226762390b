//! Connections that have done their work and wait a moment for more.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::connection::Connection;
use crate::delivery::route::Destination;

/// How long a connection waits; a server that wants us gone sooner closes it, which is noticed.
const LONGEST_IDLE: Duration = Duration::from_secs(2);
/// Transactions on one connection at most (Postfix smtp_connection_reuse_count_limit is off; others limit at 100).
const MOST_TRANSACTIONS: u32 = 100;

/// Idle connections by destination.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<HashMap<Destination, Vec<(Connection, Instant)>>>,
}

impl Pool {
    /// An idle connection that still lives.
    pub(crate) fn take(&self, destination: &Destination) -> Option<Connection> {
        loop {
            let (mut connection, since) = self.lock().get_mut(destination)?.pop()?;
            if since.elapsed() < LONGEST_IDLE && !connection.is_stale() {
                return Some(connection);
            }
        }
    }

    /// Keep a connection for the next transaction, or say goodbye on it.
    pub(crate) async fn put(&self, destination: &Destination, connection: Connection) {
        if connection.used >= MOST_TRANSACTIONS {
            connection.quit().await;
            return;
        }
        self.lock().entry(destination.clone()).or_default().push((connection, Instant::now()));
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

    fn lock(&self) -> MutexGuard<'_, HashMap<Destination, Vec<(Connection, Instant)>>> {
        // Nothing in here can leave the map half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
