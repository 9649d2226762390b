//! What a message may look like: how often it has been round, how large its header is, how long its lines are.

use super::settings::Settings;
use crate::{
    mail::{BodyType, Message},
    smtp::{EnhancedCode, Reply},
};

/// Refuse what the settings don't allow. Our own Received field is on top already.
pub(super) fn check(message: &Message, body: BodyType, settings: &Settings) -> Result<(), Reply> {
    let hops = message.fields().iter().filter(|field| field.is("Received")).count();
    if hops >= settings.hop_limit {
        // RFC 5321 6.3
        return Err(Reply::new(554, EnhancedCode(5, 4, 0), "Error: too many hops"));
    }
    let header: usize = message.fields().iter().map(|field| field.raw().len()).sum();
    if header as u64 > settings.header_limit {
        return Err(Reply::new(552, EnhancedCode(5, 3, 4), "Error: message header size exceeds fixed limit"));
    }
    match settings.line_limit {
        // What is binary has no lines (RFC 3030 3).
        Some(limit) if body != BodyType::BinaryMime && longest_line(message) > limit => {
            Err(Reply::new(550, EnhancedCode(5, 6, 0), format!("Error: a line is longer than {limit} octets")))
        }
        _ => Ok(()),
    }
}

/// Octets without the line end.
fn longest_line(message: &Message) -> u64 {
    let (mut longest, mut line) = (0, 0);
    for piece in message.pieces() {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            // The CR is no part of it.
            longest = longest.max((line + end - start).saturating_sub(1));
            (line, start) = (0, end + 1);
        }
        line += piece.len() - start;
    }
    longest.max(line) as u64
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn settings() -> Settings {
        Settings { header_limit: 100, line_limit: Some(50), ..Settings::new("relay.example") }
    }

    fn refused(raw: String, body: BodyType) -> Option<String> {
        let message = Message::parse(Bytes::from(raw));
        check(&message, body, &settings()).err().map(|reply| reply.to_string())
    }

    #[test]
    fn the_longest_line_and_the_largest_header_and_one_octet_more() {
        let lines = |octets| refused(format!("Subject: x\r\n\r\n{}\r\n", "y".repeat(octets)), BodyType::default());
        assert_eq!(lines(50), None);
        assert_eq!(lines(51).as_deref(), Some("550 5.6.0 Error: a line is longer than 50 octets"));
        let header =
            |octets| refused(format!("A: {}\r\n b{}\r\n\r\n", "x".repeat(45), "y".repeat(octets)), BodyType::default());
        assert_eq!(header(46), None);
        assert_eq!(header(47).as_deref(), Some("552 5.3.4 Error: message header size exceeds fixed limit"));
        assert_eq!(refused(format!("\r\n{}", "y".repeat(99)), BodyType::BinaryMime), None);
    }

    proptest! {
        #[test]
        fn lines_are_measured_wherever_the_message_is_cut(lines in vec("[a-z: ]{0,60}", 0..20), last in "[a-z]{0,60}") {
            let raw = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>() + &last;
            let expected = lines.iter().chain([&last]).map(String::len).max().unwrap_or_default() as u64;
            prop_assert_eq!(longest_line(&Message::parse(Bytes::from(raw))), expected);
        }
    }
}
