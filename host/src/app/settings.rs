//! What the running parts get of a configuration, at the start and when it is read again.

use std::sync::Arc;

use super::App;
use crate::{
    config::Config,
    delivery::{self, OwnAddresses, RetrySchedule},
    dns::{DnsError, Resolver},
    server,
};

/// The settings of the parts that take new ones while they run.
pub(super) struct Settings {
    pub(super) server: server::Settings,
    pub(super) delivery: delivery::Settings,
}

impl App {
    pub(super) fn settings(&self) -> Result<Settings, DnsError> {
        let resolver = Resolver::new(&self.config.dns)?;
        Ok(Settings { server: self.server_settings(&resolver), delivery: self.delivery_settings(resolver) })
    }

    fn server_settings(&self, resolver: &Resolver) -> server::Settings {
        let Config { hostname, trusted, xclient, limits, storage, .. } = &self.config;
        let Config { delay_reject, missing_fields, dns, client_names, .. } = &self.config;
        server::Settings {
            listeners: self.listeners.clone(),
            trusted: trusted.clone(),
            xclient: xclient.clone(),
            client_names: client_names.then(|| (resolver.clone(), dns.timeout)),
            relay_domains: Arc::clone(&self.relay_domains),
            size_limit: limits.message_size,
            memory: limits.memory,
            overflow: self.config.state_dir.clone(),
            recipient_limit: limits.recipients,
            missing_fields: *missing_fields,
            local_part_limit: limits.local_part,
            error_limit: limits.errors,
            junk_limit: limits.junk_commands,
            hop_limit: limits.hops,
            header_limit: limits.header_size,
            line_limit: limits.line_length,
            idle_timeout: limits.idle_timeout,
            min_rate: limits.min_rate,
            greet_delay: limits.greet_delay,
            forbid_unauth_pipelining: limits.forbid_unauth_pipelining,
            session_time: limits.session_time,
            max_sessions: limits.sessions,
            max_sessions_per_client: limits.sessions_per_client,
            reserve: storage.reserve,
            delay_reject: *delay_reject,
            ..server::Settings::new(hostname)
        }
    }

    fn delivery_settings(&self, resolver: Resolver) -> delivery::Settings {
        let Config { hostname, queue, listeners, proxy_interfaces, .. } = &self.config;
        let listeners = listeners.iter().flat_map(|listener| &listener.addresses).map(|(address, _)| *address);
        delivery::Settings {
            hostname: hostname.clone(),
            routes: self.routes.clone(),
            resolver,
            own: OwnAddresses { listeners: listeners.collect(), proxies: proxy_interfaces.clone() },
            retry: RetrySchedule { first: queue.first_retry, longest: queue.longest_retry, lifetime: queue.lifetime },
            concurrency: queue.concurrency,
            delay_warning: queue.delay_warning,
            double_bounces: queue.double_bounces.clone(),
            bounce_size: queue.bounce_size,
            timeouts: queue.timeouts,
        }
    }
}
