//! A message in a file, as commands take it.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;

use crate::mail::Message;

/// Read a message from a file, or from standard input for `-`, with the line ends that a client would send.
pub(super) fn read(path: &Path) -> io::Result<Message> {
    let mut raw = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().read_to_end(&mut raw)?;
    } else {
        raw = fs::read(path)?;
    }
    Ok(Message::parse(Bytes::from(with_crlf(&raw))))
}

/// Every line ends in CRLF.
pub(super) fn with_crlf(raw: &[u8]) -> Vec<u8> {
    let mut crlf = Vec::with_capacity(raw.len() + raw.len() / 32);
    for line in raw.split_inclusive(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        crlf.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        crlf.extend_from_slice(b"\r\n");
    }
    crlf
}
