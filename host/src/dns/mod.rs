//! Questions to the DNS: who takes mail for a domain, the addresses of a host, the name of an address and whether it leads back.
//!
//! Answers are kept as long as their TTL allows. "There is none" and "nobody knows now" are never the same answer.

#[cfg(test)]
pub(crate) mod tests;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_resolver::{
    Resolver as Hickory, TokioResolver,
    config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig},
    lookup::Lookup,
    net::{DnsError as Answer, NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};

/// How many of the names that an address claims to have are looked at.
const CLAIMED_NAMES: usize = 4;

/// How the DNS is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Servers that resolve recursively; with none those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long one server may take for one answer. Default 5 s.
    pub timeout: Duration,
    /// How often a server is asked that does not answer. Default 2.
    pub attempts: usize,
    /// Whether IPv6 addresses are given and tried before IPv4 ones. Default false.
    pub ipv6_first: bool,
}

impl Default for DnsSettings {
    fn default() -> Self {
        Self { servers: Vec::new(), timeout: Duration::from_secs(5), attempts: 2, ipv6_first: false }
    }
}

/// The DNS has no answer, for good or for now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The domain does not exist (NXDOMAIN): permanent.
    #[error("{0}: no such domain")]
    NoSuchDomain(String),
    /// This can't be asked for: no domain name. Permanent.
    #[error("{0}: not a domain name")]
    BadName(String),
    /// The servers failed or did not answer: to be tried again.
    #[error("{name}: {reason}")]
    Unavailable {
        /// What was asked for.
        name: String,
        /// What went wrong.
        reason: String,
    },
    /// The resolver can't be set up from the system's settings: the relay does not start.
    #[error("the system's resolver settings: {0}")]
    Settings(String),
}

impl DnsError {
    /// Whether asking again later may bring another answer.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// A host that takes mail for a domain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailExchange {
    /// The lowest is asked first.
    pub preference: u16,
    /// Host name, in lower case, without the dot at the end.
    pub host: String,
}

/// What a domain says about its mail (RFC 5321 5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailExchanges {
    /// It has no MX record: its own address counts.
    Implicit,
    /// It takes no mail (RFC 7505).
    Null,
    /// These hosts, by preference.
    Hosts(Vec<MailExchange>),
}

/// Asks the DNS, and remembers.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
    ipv6_first: bool,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver; nothing is asked yet.
    pub fn new(settings: &DnsSettings) -> Result<Self, DnsError> {
        let unusable = |error: NetError| DnsError::Settings(error.to_string());
        let provider = TokioRuntimeProvider::default();
        let mut builder = if settings.servers.is_empty() {
            Hickory::builder(provider).map_err(unusable)?
        } else {
            let servers = settings.servers.iter().map(name_server).collect();
            Hickory::builder_with_config(ResolverConfig::from_parts(None, Vec::new(), servers), provider)
        };
        let options = builder.options_mut();
        options.timeout = settings.timeout;
        options.attempts = settings.attempts;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        builder.build().map(|inner| Self { inner, ipv6_first: settings.ipv6_first }).map_err(unusable)
    }

    /// Whether IPv6 addresses come first.
    pub fn prefers_ipv6(&self) -> bool {
        self.ipv6_first
    }

    /// Who takes mail for a domain.
    pub async fn mail_exchanges(&self, domain: &str) -> Result<MailExchanges, DnsError> {
        let records = self.records(&name_of(domain)?, domain, RecordType::MX).await?;
        let exchange = |data: RData| match data {
            RData::MX(mx) => Some(MailExchange { preference: mx.preference, host: host_name(&mx.exchange) }),
            _ => None,
        };
        let mut hosts: Vec<_> = records.into_iter().filter_map(exchange).collect();
        hosts.sort();
        Ok(match hosts.as_slice() {
            [] => MailExchanges::Implicit,
            [only] if only.host.is_empty() => MailExchanges::Null,
            _ => MailExchanges::Hosts(hosts),
        })
    }

    /// The addresses of a host, IPv4 first unless the settings say otherwise; none where the name exists and has no address.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsError> {
        let found = self.inner.lookup_ip(name_of(host)?).await;
        match found.map_err(|error| DnsError::of(host, &error)) {
            Ok(found) => {
                let mut addresses: Vec<_> = found.iter().collect();
                addresses.sort_by_key(|address| address.is_ipv6() != self.ipv6_first);
                Ok(addresses)
            }
            Err(None) => Ok(Vec::new()),
            Err(Some(error)) => Err(error),
        }
    }

    /// The hosts that serve a domain (NS); none where the domain exists and has no such records of its own.
    pub async fn name_servers(&self, domain: &str) -> Result<Vec<String>, DnsError> {
        let records = self.records(&name_of(domain)?, domain, RecordType::NS).await?;
        let host = |data: RData| if let RData::NS(ns) = data { Some(host_name(&ns.0)) } else { None };
        Ok(records.into_iter().filter_map(host).collect())
    }

    /// The names that an address claims to have (PTR), whether they are true or not.
    pub async fn names(&self, address: IpAddr) -> Result<Vec<String>, DnsError> {
        let records = self.records(&Name::from(address), &address.to_string(), RecordType::PTR).await?;
        let host = |data: RData| if let RData::PTR(ptr) = data { Some(host_name(&ptr.0)) } else { None };
        Ok(records.into_iter().filter_map(host).filter(|name| !name.is_empty()).collect())
    }

    /// The name of an address: one that it claims to have and that leads back to it. None where no name does, and for loopback
    /// addresses, of which the DNS knows nothing (RFC 6761 6.3).
    pub async fn confirmed_name(&self, address: IpAddr) -> Result<Option<String>, DnsError> {
        if address.is_loopback() {
            return Ok(None);
        }
        let (names, mut unknown) = (self.names(address).await?, None);
        for name in names.into_iter().filter(|name| is_host_name(name)).take(CLAIMED_NAMES) {
            match self.addresses(&name).await {
                Ok(addresses) if addresses.contains(&address) => return Ok(Some(name)),
                Err(error) if error.is_temporary() => unknown = Some(error),
                Ok(_) | Err(_) => {}
            }
        }
        unknown.map_or(Ok(None), Err)
    }

    async fn records(&self, name: &Name, shown: &str, record_type: RecordType) -> Result<Vec<RData>, DnsError> {
        let found: Result<Lookup, _> = self.inner.lookup(name.clone(), record_type).await;
        match found.map_err(|error| DnsError::of(shown, &error)) {
            Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
            Err(None) => Ok(Vec::new()),
            Err(Some(error)) => Err(error),
        }
    }
}

impl DnsError {
    /// None: the name exists, but has no such record.
    fn of(name: &str, error: &NetError) -> Option<Self> {
        let NetError::Dns(Answer::NoRecordsFound(none)) = error else {
            return Some(Self::Unavailable { name: name.to_owned(), reason: error.to_string() });
        };
        match none.response_code {
            ResponseCode::NoError => None,
            ResponseCode::NXDomain => Some(Self::NoSuchDomain(name.to_owned())),
            code => Some(Self::Unavailable { name: name.to_owned(), reason: format!("the server said {code}") }),
        }
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let with_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(with_port).to_vec();
    NameServerConfig::new(address.ip(), true, connections)
}

/// Absolute, so that no search list of the system is put behind it. International names are asked for as ASCII (RFC 5891).
fn name_of(text: &str) -> Result<Name, DnsError> {
    let name = if text.is_ascii() { Name::from_ascii(text) } else { Name::from_utf8(text) };
    let mut name = name.map_err(|_| DnsError::BadName(text.to_owned()))?;
    name.set_fqdn(true);
    Ok(name)
}

/// Whether this can be a host's name (RFC 1123 2.1, and the underscore that some have): it goes into logs and header fields.
fn is_host_name(name: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    name.bytes().all(allowed)
        && !name.split('.').next_back().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()))
}

fn host_name(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}
