//! The servers behind a next hop, in the order in which they are tried (RFC 5321 5.1), without those that are ourselves.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use super::{
    next_hop::{NextHop, Protocol},
    own::OwnAddresses,
};
use crate::{
    dns::{DnsError, MailExchange, MailExchanges, Resolver},
    smtp::{EnhancedCode, Reply},
};

/// One server to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Its name, or its address where it has none; nobody has proved it.
    pub(super) name: String,
    pub(super) place: Place,
    /// Whether the DNS named it as one that takes mail for the domain, and which preference it has.
    pub(super) preference: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Server {
    /// As Postfix's log and reports name it: `mx.example.com[192.0.2.1]:25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(address) => write!(f, "{}[{}]:{}", self.name, address.ip(), address.port()),
            Place::Unix(path) => write!(f, "{}[{}]", self.name, path.display()),
        }
    }
}

/// All servers of a next hop, best first; never none. The reply is what the recipients get when there is no server to try.
pub(super) async fn servers(next_hop: &NextHop, resolver: &Resolver, own: &OwnAddresses) -> Result<Vec<Server>, Reply> {
    match next_hop {
        NextHop::Socket(path) => {
            Ok(vec![Server { name: "localhost".to_owned(), place: Place::Unix(path.clone()), preference: None }])
        }
        NextHop::Host { host, port, protocol } => configured(host, *port, *protocol, resolver, own).await,
        NextHop::Mx { domain, port } => {
            let domain = domain.as_deref().unwrap_or_default();
            match literal(domain) {
                Some(ip) => literal_server(domain, SocketAddr::new(ip, *port), own),
                None => exchangers(domain, *port, resolver, own).await,
            }
        }
    }
}

/// A host that the operator named. What is wrong with it is our mistake and not the sender's: the mail waits.
async fn configured(
    host: &str,
    port: u16,
    protocol: Protocol,
    resolver: &Resolver,
    own: &OwnAddresses,
) -> Result<Vec<Server>, Reply> {
    let ours = |text: String| Reply::new(451, EnhancedCode(4, 3, 5), text);
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![ip],
        Err(_) => resolver.addresses(host).await.map_err(|error| match error {
            DnsError::Unavailable { .. } => Reply::new(451, EnhancedCode(4, 4, 3), error.to_string()),
            error => ours(format!("next hop of a route: {error}")),
        })?,
    };
    if addresses.is_empty() {
        return Err(ours(format!("next hop of a route: {host} has no address")));
    }
    if protocol != Protocol::Lmtp && addresses.iter().any(|ip| own.contain(SocketAddr::new(*ip, port))) {
        return Err(ours(format!("next hop of a route: {host}:{port} is this relay itself")));
    }
    let server = |ip| Server { name: host.to_owned(), place: Place::Tcp(SocketAddr::new(ip, port)), preference: None };
    Ok(addresses.into_iter().map(server).collect())
}

/// RFC 5321 4.1.3: an address in the place of a domain.
fn literal(domain: &str) -> Option<IpAddr> {
    let inner = domain.strip_prefix('[')?.strip_suffix(']')?;
    let tag = inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:"));
    tag.and_then(|_| inner.get(5..)).unwrap_or(inner).parse().ok()
}

fn literal_server(domain: &str, address: SocketAddr, own: &OwnAddresses) -> Result<Vec<Server>, Reply> {
    if own.contain(address) {
        return Err(loops_back(domain));
    }
    Ok(vec![Server { name: address.ip().to_string(), place: Place::Tcp(address), preference: Some(0) }])
}

async fn exchangers(domain: &str, port: u16, resolver: &Resolver, own: &OwnAddresses) -> Result<Vec<Server>, Reply> {
    let hosts = match resolver.mail_exchanges(domain).await {
        Ok(MailExchanges::Hosts(hosts)) => hosts,
        // RFC 5321 5.1: without MX records the domain is its own exchanger.
        Ok(MailExchanges::Implicit) => vec![MailExchange { preference: 0, host: domain.to_owned() }],
        // RFC 7505 4.
        Ok(MailExchanges::Null) => {
            let text = format!("domain {domain} does not accept mail (null MX)");
            return Err(Reply::new(556, EnhancedCode(5, 1, 10), text));
        }
        Err(error) => return Err(not_found(&error)),
    };
    let best = hosts.iter().map(|host| host.preference).min().unwrap_or_default();
    let (mut found, mut trouble) = (Vec::new(), None);
    for MailExchange { preference, host } in hosts {
        match resolver.addresses(&host).await {
            Ok(addresses) => found.extend(addresses.into_iter().map(|ip| Server {
                name: host.clone(),
                place: Place::Tcp(SocketAddr::new(ip, port)),
                preference: Some(preference),
            })),
            Err(error) if error.is_temporary() => trouble = Some(error),
            Err(error) => tracing::debug!(domain, "a mail exchanger without address: {error}"),
        }
    }
    if found.is_empty() {
        let text = format!("no mail exchanger of {domain} has an address");
        return Err(trouble.map_or_else(|| Reply::new(550, EnhancedCode(5, 4, 4), text), |error| not_found(&error)));
    }
    Ok(in_order(better_than_us(domain, best, found, own)?, resolver.prefers_ipv6()))
}

fn not_found(error: &DnsError) -> Reply {
    if error.is_temporary() {
        Reply::new(451, EnhancedCode(4, 4, 3), error.to_string())
    } else {
        Reply::new(550, EnhancedCode(5, 4, 4), error.to_string())
    }
}

fn loops_back(domain: &str) -> Reply {
    Reply::new(550, EnhancedCode(5, 4, 6), format!("mail for {domain} loops back to myself"))
}

/// Where we are an exchanger ourselves, only those with a better preference may get the mail: all others could send it back to us
/// (RFC 5321 5.1). `best` is the best preference of all exchangers, also of those without an address.
fn better_than_us(domain: &str, best: u16, mut servers: Vec<Server>, own: &OwnAddresses) -> Result<Vec<Server>, Reply> {
    let is_own = |server: &&Server| matches!(server.place, Place::Tcp(address) if own.contain(address));
    let Some(ours) = servers.iter().filter(is_own).filter_map(|server| server.preference).min() else {
        return Ok(servers);
    };
    servers.retain(|server| server.preference < Some(ours));
    match servers.as_slice() {
        [] if best < ours => {
            let text = format!("no better mail exchanger of {domain} than this one has an address");
            Err(Reply::new(451, EnhancedCode(4, 4, 4), text))
        }
        [] => Err(loops_back(domain)),
        _ => Ok(servers),
    }
}

/// By preference; where it is equal, the family that is preferred first, and at random within it (RFC 5321 5.1).
fn in_order(mut servers: Vec<Server>, ipv6_first: bool) -> Vec<Server> {
    let dice = RandomState::new();
    let second = |server: &Server| matches!(server.place, Place::Tcp(address) if address.is_ipv6() != ipv6_first);
    servers.sort_by_cached_key(|server| (server.preference, second(server), dice.hash_one(server.to_string())));
    servers
}
