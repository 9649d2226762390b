//! Connections to next hops, and how they were secured over which mail left.

use prometheus_client::{metrics::family::Family, registry::Registry};

use super::traffic::{Counters, yes_no};
use crate::events::{ContactFailureKind, Contacted, NextHopTls, Security};

/// Values of `tls`.
const TLS: [&str; 3] = ["no", "untrusted", "verified"];

/// Counts all connections from its beginning on.
pub(super) struct NextHops {
    connections: Counters<2>,
    failures: Counters<1>,
    delivered: Counters<2>,
}

impl Default for NextHops {
    fn default() -> Self {
        let next_hops =
            Self { connections: Family::default(), failures: Family::default(), delivered: Family::default() };
        for tls in TLS {
            for login in [false, true] {
                let labels = [("tls", tls), ("login", yes_no(login))];
                drop(next_hops.connections.get_or_create(&labels));
                drop(next_hops.delivered.get_or_create(&labels));
            }
        }
        for kind in ContactFailureKind::ALL {
            drop(next_hops.failures.get_or_create(&[("kind", kind.name())]));
        }
        next_hops
    }
}

impl NextHops {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { connections, failures, delivered } = self;
        let help = "Connections to servers of next hops that mail could be sent on, by how they were secured";
        registry.register("next_hop_connections", help, connections.clone());
        let help = "Attempts to connect to such servers that failed before mail could be sent, by what failed";
        registry.register("next_hop_connection_failures", help, failures.clone());
        let help = "Recipients that were delivered, by how the connection was secured";
        registry.register("recipients_delivered", help, delivered.clone());
    }

    pub(super) fn contacted(&self, event: &Contacted<'_>) {
        match event.result {
            Ok(security) => self.connections.get_or_create(&labels(security)).inc(),
            Err(failure) => self.failures.get_or_create(&[("kind", failure.kind.name())]).inc(),
        };
    }

    pub(super) fn delivered(&self, security: &Security) {
        self.delivered.get_or_create(&labels(security)).inc();
    }
}

fn labels(security: &Security) -> [(&'static str, &'static str); 2] {
    let tls = security.tls.as_ref().map_or("no", NextHopTls::trust);
    [("tls", tls), ("login", yes_no(security.login.is_some()))]
}
