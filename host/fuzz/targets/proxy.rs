//! A header of the PROXY protocol: it is taken to its last octet and none of the client's with it, and who it names is whom it was written for.

#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use mailweir_fuzz::{PROXY, proxied};

/// The longest text (section 2.1 of the specification), and a binary one with all the notes that are taken.
const LONGEST: [usize; 2] = [107, 16 + (4 << 10)];

fuzz_target!(|octets: &[u8]| {
    let Some((client, rest)) = proxied(octets) else { return };
    let (header, behind) = octets.split_at(octets.len() - rest.len());
    assert_eq!(behind, rest);
    let binary = !header.starts_with(b"PROXY ");
    assert!(header.len() <= LONGEST[usize::from(binary)]);
    assert_eq!(client.ip(), client.ip().to_canonical());
    assert_eq!(proxied(&[header, b"EHLO me\r\n"].concat()), Some((client, &b"EHLO me\r\n"[..])));
    for end in [header.len() / 2, header.len() - 1] {
        assert_eq!(proxied(&header[..end]), None, "a part is no header");
    }
    assert_eq!(client, if binary { named_in_binary(header) } else { named_in_text(header) });
});

/// Read without any care, as what is no header was refused before.
fn named_in_text(header: &[u8]) -> SocketAddr {
    let text = str::from_utf8(header).expect("it is ASCII").trim_end();
    match text.split(' ').collect::<Vec<_>>()[..] {
        ["PROXY", "TCP4" | "TCP6", source, _, port, _] => {
            let source: IpAddr = source.parse().expect("an address");
            SocketAddr::new(source.to_canonical(), port.parse().expect("a port"))
        }
        ["PROXY", "UNKNOWN", ..] => PROXY,
        _ => panic!("{text} is no header"),
    }
}

/// The same for section 2.2: command and version, family and transport, length, addresses.
fn named_in_binary(header: &[u8]) -> SocketAddr {
    let port = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let (address, port) = match (header[12], header[13]) {
        (0x21, 0x11) => (IpAddr::from(<[u8; 4]>::try_from(&header[16..20]).expect("four octets")), port(24)),
        (0x21, 0x21) => (IpAddr::from(<[u8; 16]>::try_from(&header[16..32]).expect("sixteen octets")), port(48)),
        (0x20 | 0x21, _) => return PROXY,
        (command, _) => panic!("{command:#x} is no command"),
    };
    SocketAddr::new(address.to_canonical(), port)
}
