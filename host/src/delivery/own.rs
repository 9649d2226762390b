//! Which addresses are our own: mail that is sent there comes back (Postfix inet_interfaces and proxy_interfaces).

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// The port that everybody sends to, whatever we listen on behind a redirection.
const SMTP: u16 = 25;

/// Where this relay can be reached.
#[derive(Clone, Debug, Default)]
pub struct OwnAddresses {
    /// Where it listens; an unspecified address is every address of this machine.
    pub listeners: Vec<SocketAddr>,
    /// Its addresses as the world sees them, where something translates them (`[networks] proxy-interfaces`).
    pub proxies: Vec<IpAddr>,
}

impl OwnAddresses {
    /// Whether a connection to this address would come to us.
    pub(super) fn contain(&self, address: SocketAddr) -> bool {
        let (ip, port) = (address.ip().to_canonical(), address.port());
        let is_port = |listener: &SocketAddr| port == SMTP || port == listener.port();
        let listens = |listener: &SocketAddr| {
            let own = listener.ip();
            is_port(listener)
                && (own == ip || own.is_unspecified() && own.is_ipv4() == ip.is_ipv4() && is_of_this_machine(ip))
        };
        self.listeners.iter().any(listens)
            || self.proxies.contains(&ip) && (port == SMTP || self.listeners.iter().any(is_port))
    }
}

/// The system lets nobody bind what isn't its own; asked each time, since addresses come and go.
fn is_of_this_machine(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_and_proxies_are_ours() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let own = OwnAddresses {
            listeners: vec![address("127.0.0.2:2525"), address("0.0.0.0:2600")],
            proxies: vec!["192.0.2.7".parse().expect("an address")],
        };
        for (text, ours) in [
            ("127.0.0.2:2525", true),
            ("[::ffff:127.0.0.2]:2525", true),
            ("127.0.0.2:25", true),
            ("127.0.0.1:2525", false),
            ("127.0.0.1:2600", true),
            ("[::1]:2600", false),
            ("192.0.2.1:2600", false),
            ("192.0.2.7:25", true),
            ("192.0.2.7:2525", true),
            ("192.0.2.7:24", false),
        ] {
            assert_eq!(own.contain(address(text)), ours, "{text}");
        }
        assert!(!OwnAddresses::default().contain(address("127.0.0.1:25")));
    }
}
