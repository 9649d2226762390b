//! The PROXY protocol, versions 1 and 2: which client a load balancer in front of us speaks for.
//!
//! The header is read to its last octet and not beyond it: what follows is the client's, in TLS or not.

use std::{io, net::SocketAddr, time::Duration};

use ppp::{v1, v2};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

use crate::mail::Network;

/// How long a header may take (Postfix postscreen_upstream_proxy_timeout).
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Octets of a text header, CRLF included, at most (section 2.1 of the specification).
const LONGEST_TEXT: usize = 107;
/// Octets of a binary header before those whose number it tells.
const BINARY_BEGIN: usize = 16;
/// Octets behind them that we take at most: addresses need 36, the rest is notes (TLVs) that nobody here reads.
const LONGEST_NOTES: usize = 4 << 10;

/// It isn't known who the client is; the connection is closed without a word.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProxyError {
    /// Only the proxies that the configuration lists may connect.
    #[error("it is no proxy of ours")]
    Stranger,
    /// The header did not come in time.
    #[error("no header in time")]
    Timeout,
    /// The connection ended, or failed.
    #[error("no header: {0}")]
    Socket(#[from] io::Error),
    /// This is no header of the PROXY protocol.
    #[error("bad header: {0}")]
    Header(String),
}

/// Read the header from a connection of `peer`: the client that it names, or `peer` itself where the proxy speaks for itself (LOCAL)
/// or doesn't know for whom (UNKNOWN).
pub(super) async fn client<S: AsyncRead + Unpin>(
    stream: &mut S,
    peer: SocketAddr,
    proxies: &[Network],
) -> Result<SocketAddr, ProxyError> {
    if !proxies.iter().any(|network| network.contains(peer.ip())) {
        return Err(ProxyError::Stranger);
    }
    let header = timeout(HEADER_TIMEOUT, read(stream)).await.map_err(|_| ProxyError::Timeout)??;
    let source = source(&header)?.unwrap_or(peer);
    Ok(SocketAddr::new(source.ip().to_canonical(), source.port()))
}

/// All octets of the header. Both versions have more than the binary one's mark.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, ProxyError> {
    let mut header = vec![0; v2::PROTOCOL_PREFIX.len()];
    stream.read_exact(&mut header).await?;
    if header != v2::PROTOCOL_PREFIX {
        while !header.ends_with(b"\n") {
            if header.len() == LONGEST_TEXT {
                return Err(ProxyError::Header("it is too long".to_owned()));
            }
            header.push(stream.read_u8().await?);
        }
        return Ok(header);
    }
    header.resize(BINARY_BEGIN, 0);
    let (_, rest) = header.split_at_mut(v2::PROTOCOL_PREFIX.len());
    stream.read_exact(rest).await?;
    let length = match rest {
        [.., high, low] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    if length > LONGEST_NOTES {
        return Err(ProxyError::Header("it is too long".to_owned()));
    }
    let mut notes = vec![0; length];
    stream.read_exact(&mut notes).await?;
    header.extend(notes);
    Ok(header)
}

/// The client's address; none where the header has none that could be used.
fn source(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    if header.starts_with(v2::PROTOCOL_PREFIX) {
        let header = v2::Header::try_from(header).map_err(|error| ProxyError::Header(error.to_string()))?;
        return Ok(match (header.command, header.protocol, header.addresses) {
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(ip)) => {
                Some((ip.source_address, ip.source_port).into())
            }
            (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(ip)) => {
                Some((ip.source_address, ip.source_port).into())
            }
            _ => None,
        });
    }
    let header = v1::Header::try_from(header).map_err(|error| ProxyError::Header(error.to_string()))?;
    Ok(match header.addresses {
        v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
        v1::Addresses::Unknown => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const PROXY: &str = "10.0.0.1:999";

    /// Who the client is, and what is left for it to say.
    fn parse(octets: &[u8]) -> Result<(SocketAddr, Vec<u8>), ProxyError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let mut rest = octets;
            let proxies = ["10.0.0.0/8".parse().expect("a network")];
            let client = client(&mut rest, PROXY.parse().expect("an address"), &proxies).await?;
            Ok((client, rest.to_vec()))
        })
    }

    fn binary(command: u8, family: u8, addresses: &[u8], notes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len() + notes.len()).expect("short").to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, addresses, notes, b"EHLO me\r\n"].concat()
    }

    const IPV4: &[u8] = &[192, 0, 2, 7, 10, 0, 0, 9, 0x9c, 0x40, 0, 25];

    #[test]
    fn both_versions() {
        let ipv6 =
            [&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7][..], &[0; 16], &[0x9c, 0x40, 0, 25]].concat();
        for (octets, client) in [
            (b"PROXY TCP4 192.0.2.7 10.0.0.9 40000 25\r\nEHLO me\r\n".to_vec(), "192.0.2.7:40000"),
            (b"PROXY TCP6 2001:db8::7 2001:db8::9 40000 25\r\nEHLO me\r\n".to_vec(), "[2001:db8::7]:40000"),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 40000 25\r\nEHLO me\r\n".to_vec(), "192.0.2.7:40000"),
            (b"PROXY UNKNOWN\r\nEHLO me\r\n".to_vec(), PROXY),
            (b"PROXY UNKNOWN ffff:: ffff:: 1 2\r\nEHLO me\r\n".to_vec(), PROXY),
            (binary(0x21, 0x11, IPV4, &[]), "192.0.2.7:40000"),
            (binary(0x21, 0x11, IPV4, &[4, 0, 3, 1, 2, 3]), "192.0.2.7:40000"),
            (binary(0x21, 0x21, &ipv6, &[]), "[2001:db8::7]:40000"),
            (binary(0x20, 0x00, &[], &[]), PROXY),
            (binary(0x20, 0x11, IPV4, &[]), PROXY),
            (binary(0x21, 0x00, &[], &[]), PROXY),
            (binary(0x21, 0x12, IPV4, &[]), PROXY),
            (binary(0x21, 0x31, &[0; 216], &[]), PROXY),
        ] {
            let shown = String::from_utf8_lossy(&octets);
            let (found, rest) = parse(&octets).unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!(found.to_string(), client, "{shown}");
            assert_eq!(rest, b"EHLO me\r\n", "nothing of the client's is lost: {shown}");
        }
    }

    #[test]
    fn what_is_no_header() {
        for octets in [
            b"EHLO client.example.org\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.9 40000 25\n".to_vec(),
            b"PROXY TCP4 192.0.2.777 10.0.0.9 40000 25\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.9 40000 99999\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.9\r\n".to_vec(),
            [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat(),
            b"PROXY".to_vec(),
            binary(0x31, 0x11, IPV4, &[]),
            binary(0x22, 0x11, IPV4, &[]),
            binary(0x21, 0x11, b"short", &[]),
            binary(0x21, 0x11, IPV4, &[0; 5000]),
            binary(0x21, 0x11, IPV4, &[]).get(..20).expect("longer").to_vec(),
        ] {
            assert!(parse(&octets).is_err(), "{}", String::from_utf8_lossy(&octets));
        }
    }

    proptest! {
        #[test]
        fn nothing_is_too_strange(
            octets in prop_oneof![
                vec(any::<u8>(), 0..300),
                vec(any::<u8>(), 0..300).prop_map(|rest| [v2::PROTOCOL_PREFIX.to_vec(), rest].concat()),
                "PROXY (TCP4|TCP6|UNKNOWN)?[ 0-9a-f.:]{0,120}(\r\n)?".prop_map(String::into_bytes),
            ],
        ) {
            if let Ok((_, rest)) = parse(&octets) {
                prop_assert!(octets.ends_with(&rest) && octets.len() >= rest.len() + 15);
            }
        }
    }
}
