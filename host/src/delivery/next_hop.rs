//! Next hops as they are written: `mx`, `smtp://host:port`, `smtps://…`, `lmtp://…`, `lmtp:///socket`.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

/// What is spoken to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP (RFC 5321).
    Smtp,
    /// SMTP that begins with a TLS handshake (RFC 8314 3.3).
    Smtps,
    /// LMTP (RFC 2033).
    Lmtp,
}

impl Protocol {
    const ALL: [Self; 3] = [Self::Smtp, Self::Smtps, Self::Lmtp];

    /// The scheme of the URL.
    fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Lmtp => "lmtp",
        }
    }

    /// The port where none is named; for LMTP Postfix's `lmtp_tcp_port`.
    fn default_port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Smtps => 465,
            Self::Lmtp => 24,
        }
    }
}

/// Where mail goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NextHop {
    /// The mail exchangers of a domain (RFC 5321 5.1).
    Mx {
        /// In lower case; none is the domain of the recipient.
        domain: Option<String>,
        /// 25 unless the operator says otherwise.
        port: u16,
    },
    /// A host of the operator's choice: its addresses, no MX.
    Host {
        /// What is spoken to it.
        protocol: Protocol,
        /// Host name or IP address, without brackets.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// LMTP over a Unix socket.
    Socket(PathBuf),
}

/// Why a text is no next hop. In a table it becomes `451 4.3.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no next hop")]
pub struct NextHopError;

impl NextHopError {
    /// What would be one.
    pub const HELP: &str = "\"mx\", \"mx:PORT\", \"mx://DOMAIN\", \"smtp://HOST:PORT\", \"smtps://HOST:PORT\", \
                            \"lmtp://HOST:PORT\" or \"lmtp:///PATH\"; an IPv6 address stands in brackets";
}

impl NextHop {
    /// The next hop for mail to this domain.
    #[must_use]
    pub(super) fn for_domain(&self, recipient_domain: &str) -> Self {
        match self {
            Self::Mx { domain: None, port } => Self::Mx { domain: Some(recipient_domain.to_owned()), port: *port },
            fixed => fixed.clone(),
        }
    }

    /// The host or domain without port, for tables of passwords.
    pub(super) fn host(&self) -> Option<&str> {
        match self {
            Self::Mx { domain, .. } => domain.as_deref(),
            Self::Host { host, .. } => Some(host),
            Self::Socket(_) => None,
        }
    }

    /// Whether each recipient gets a reply of its own after the data.
    pub(super) fn is_lmtp(&self) -> bool {
        matches!(self, Self::Socket(_) | Self::Host { protocol: Protocol::Lmtp, .. })
    }
}

impl FromStr for NextHop {
    type Err = NextHopError;

    fn from_str(text: &str) -> Result<Self, NextHopError> {
        if let Some(rest) = text.strip_prefix("mx") {
            return mx(rest);
        }
        let (scheme, rest) = text.split_once("://").ok_or(NextHopError)?;
        let protocol = Protocol::ALL.into_iter().find(|protocol| protocol.name() == scheme).ok_or(NextHopError)?;
        if rest.starts_with('/') && protocol == Protocol::Lmtp {
            return Ok(Self::Socket(rest.into()));
        }
        let (host, port) = host_and_port(rest, protocol.default_port())?;
        Ok(Self::Host { protocol, host, port })
    }
}

/// What follows `mx`: nothing, a port, or a domain of its own.
fn mx(rest: &str) -> Result<NextHop, NextHopError> {
    let default = Protocol::Smtp.default_port();
    let (domain, port) = match (rest, rest.strip_prefix("://")) {
        ("", _) => (None, default),
        (_, Some(rest)) => {
            let (domain, port) = host_and_port(rest, default)?;
            (Some(domain), port)
        }
        (rest, None) => (None, port(rest.strip_prefix(':').ok_or(NextHopError)?)?),
    };
    Ok(NextHop::Mx { domain, port })
}

fn port(text: &str) -> Result<u16, NextHopError> {
    text.parse().ok().filter(|port| *port > 0).ok_or(NextHopError)
}

fn host_and_port(text: &str, default: u16) -> Result<(String, u16), NextHopError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(NextHopError)?;
        let host = host.parse::<IpAddr>().map_err(|_| NextHopError)?.to_string();
        return Ok((host, rest.strip_prefix(':').map_or_else(|| ok_if_empty(rest, default), port)?));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, text)) => (host, port(text)?),
        None => (text, default),
    };
    if is_host(host) { Ok((host.to_lowercase(), port)) } else { Err(NextHopError) }
}

fn ok_if_empty(rest: &str, port: u16) -> Result<u16, NextHopError> {
    if rest.is_empty() { Ok(port) } else { Err(NextHopError) }
}

/// A host name (RFC 1123 2.1), also with underscores and beyond ASCII, or an IPv4 address.
fn is_host(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !c.is_ascii();
    let label = |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && label.chars().all(allowed);
    text.len() <= 255 && text.split('.').all(label)
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mx { domain: None, port: 25 } => f.write_str("mx"),
            Self::Mx { domain: None, port } => write!(f, "mx:{port}"),
            Self::Mx { domain: Some(domain), port: 25 } => write!(f, "mx://{domain}"),
            Self::Mx { domain: Some(domain), port } => write!(f, "mx://{domain}:{port}"),
            Self::Host { protocol, host, port } if host.contains(':') => {
                write!(f, "{}://[{host}]:{port}", protocol.name())
            }
            Self::Host { protocol, host, port } => write!(f, "{}://{host}:{port}", protocol.name()),
            Self::Socket(path) => write!(f, "lmtp://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops_come_back_as_they_were_written() {
        for text in [
            "mx",
            "mx:2525",
            "mx://example.com",
            "mx://example.com:2525",
            "smtp://mail.example.com:25",
            "smtps://192.0.2.1:465",
            "lmtp://[2001:db8::1]:24",
            "lmtp:///run/dovecot/lmtp",
        ] {
            assert_eq!(text.parse().map(|hop: NextHop| hop.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn ports_have_defaults() {
        for (text, full) in [
            ("smtp://Mail.example.com", "smtp://mail.example.com:25"),
            ("smtps://mail.example.com", "smtps://mail.example.com:465"),
            ("lmtp://[::1]", "lmtp://[::1]:24"),
        ] {
            assert_eq!(text.parse().map(|hop: NextHop| hop.to_string()).as_deref(), Ok(full));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "mail.example.com",
            "mx.example.com",
            "mx:",
            "mx:0",
            "mx://",
            "http://mail.example.com",
            "smtp://",
            "smtp://host:0",
            "smtp://host:70000",
            "smtp://ho st:25",
            "smtp://::1:25",
            "smtp://[::1",
            "smtp://[host]:25",
            "smtp:///run/socket",
        ] {
            assert_eq!(text.parse::<NextHop>(), Err(NextHopError), "{text}");
        }
    }

    #[test]
    fn mx_is_that_of_the_recipients_domain() {
        let mx: NextHop = "mx:2525".parse().expect("a next hop");
        assert_eq!(mx.for_domain("example.com").to_string(), "mx://example.com:2525");
        let fixed: NextHop = "smtp://mail.example.com".parse().expect("a next hop");
        assert_eq!(fixed.for_domain("example.com"), fixed);
    }
}
