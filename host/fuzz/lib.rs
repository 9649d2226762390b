//! What the fuzz targets share. The core (`smtp`, the `mail` that it needs, and the headers of proxies before it) is compiled here by itself,
//! which it allows because it knows nothing of the rest: instrumenting Wasmtime and SQLite beside it would take minutes and find nothing.

#[path = "../src/mail/mod.rs"]
pub mod mail;
#[path = "../src/server/proxy.rs"]
mod proxy;
#[path = "../src/smtp/mod.rs"]
pub mod smtp;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use bytes::BytesMut;
use smtp::Reply;
use tokio::runtime::{Builder, Runtime};

/// The proxy that a header comes from.
pub const PROXY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9));

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// Who the client is by the header that `octets` begin with, and what is left for it to say; none where that is no header.
pub fn proxied(octets: &[u8]) -> Option<(SocketAddr, &[u8])> {
    let mut rest = octets;
    let proxies = ["127.0.0.1".parse().expect("a network")];
    let client = RUNTIME.with(|runtime| runtime.block_on(proxy::client(&mut rest, PROXY, &proxies)));
    client.ok().map(|client| (client, rest))
}

/// Cut `octets` into pieces of lengths that only they themselves choose, so that any text is a good seed.
pub fn pieces(octets: &[u8]) -> Vec<&[u8]> {
    let mut state =
        octets.iter().fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193));
    let (mut pieces, mut rest) = (Vec::new(), octets);
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Single octets as well as long pieces.
        let length = 1 + (state >> 16) as usize % if state & 0x8000 == 0 { 3 } else { 90 };
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

/// A reply must be one that a client understands, whatever the text was made of (RFC 5321 4.2, RFC 2034).
pub fn check_reply(reply: &Reply) {
    assert!((200..600).contains(&reply.code), "{reply:?}");
    assert!(reply.enhanced.is_none_or(|enhanced| u16::from(enhanced.0) == reply.code / 100), "{reply:?}");
    let mut wire = BytesMut::new();
    reply.write(&mut wire);
    let lines = wire.strip_suffix(b"\r\n").expect("it ends in CRLF");
    for line in lines.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!((4..=510).contains(&line.len()) && line.iter().all(|octet| matches!(octet, b' '..=b'~')), "{reply:?}");
    }
}
