//! Messages in files, as commands take them.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;

use crate::mail::Message;

/// Read a message from a file, or from standard input for `-`, with the line ends that a client would send.
pub(super) fn read(path: &Path) -> io::Result<Message> {
    Ok(Message::parse(Bytes::from(with_crlf(&read_raw(path)?))))
}

/// The octets of a file, or of standard input for `-`.
pub(super) fn read_raw(path: &Path) -> io::Result<Vec<u8>> {
    if path.as_os_str() != "-" {
        return fs::read(path);
    }
    let mut raw = Vec::new();
    io::stdin().read_to_end(&mut raw)?;
    Ok(raw)
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

/// A file that begins with `From ` is an mbox (RFC 4155): a message begins at each such line after an empty one, and within it
/// `>From ` stands for `From `. Any other file is one message.
pub(super) fn split_mbox(raw: Vec<u8>) -> Vec<Vec<u8>> {
    if !raw.starts_with(b"From ") {
        return vec![raw];
    }
    let (mut messages, mut empty_before) = (Vec::<Vec<u8>>::new(), true);
    for line in raw.split_inclusive(|octet| *octet == b'\n') {
        if empty_before && line.starts_with(b"From ") {
            messages.push(Vec::new());
        } else if let Some(message) = messages.last_mut() {
            message.extend_from_slice(unquoted(line));
        }
        empty_before = line.trim_ascii().is_empty();
    }
    messages
}

/// The line without one `>` where it only keeps a `From ` from being taken for the next message.
fn unquoted(line: &[u8]) -> &[u8] {
    let marks = line.iter().take_while(|octet| **octet == b'>').count();
    let is_quoted = marks > 0 && line.get(marks..).is_some_and(|rest| rest.starts_with(b"From "));
    line.get(usize::from(is_quoted)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mbox_is_taken_apart() {
        let raw = b"From joe Tue\nSubject: 1\n\n>From me\n>>From you\nFrom here it goes on\n\nFrom ann Wed\nSubject: 2\n\nx\n";
        let messages = split_mbox(raw.to_vec());
        let texts: Vec<_> = messages.iter().map(|message| String::from_utf8_lossy(message)).collect();
        assert_eq!(texts, ["Subject: 1\n\nFrom me\n>From you\nFrom here it goes on\n\n", "Subject: 2\n\nx\n"]);
        assert_eq!(split_mbox(b"Subject: 1\n\nFrom me\n".to_vec()).len(), 1);
    }
}
