//! Replies of a server, read from whatever pieces they come in (RFC 5321 4.2.1).

use bytes::{Buf, BytesMut};

use crate::smtp::{EnhancedCode, Reply};

/// Octets of one reply at most; a server that says more is not talking SMTP.
const LONGEST_REPLY: usize = 64 * 1024;

/// What came is no SMTP reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server did not answer as an SMTP server does")]
pub(crate) struct NoReply;

/// Take one whole reply from the front of the buffer; none while it is not all there.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<Reply>, NoReply> {
    let mut lines = Vec::new();
    let mut end = 0;
    loop {
        let rest = buffer.get(end..).unwrap_or_default();
        let Some(length) = memchr::memchr(b'\n', rest) else {
            return if buffer.len() > LONGEST_REPLY { Err(NoReply) } else { Ok(None) };
        };
        let line = rest.get(..length).unwrap_or_default();
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        end += length + 1;
        let last = is_last(&line)?;
        lines.push(line);
        if last {
            break;
        }
    }
    buffer.advance(end);
    assemble(&lines).map(Some)
}

/// Whether no line follows this one: a blank, or nothing, stands after the code.
fn is_last(line: &str) -> Result<bool, NoReply> {
    let digits = line.bytes().take(3).filter(u8::is_ascii_digit).count();
    match (digits, line.as_bytes().get(3)) {
        (3, Some(b'-')) => Ok(false),
        (3, Some(b' ') | None) => Ok(true),
        _ => Err(NoReply),
    }
}

fn assemble(lines: &[String]) -> Result<Reply, NoReply> {
    let code = lines.last().and_then(|line| line.get(..3)).and_then(|code| code.parse().ok()).ok_or(NoReply)?;
    if !(200..=599).contains(&code) {
        return Err(NoReply);
    }
    let texts: Vec<&str> = lines.iter().map(|line| line.get(4..).unwrap_or_default()).collect();
    let enhanced = texts.first().and_then(|text| enhanced(text.split(' ').next()?, code));
    let text = match enhanced {
        Some(_) => texts.iter().map(|text| text.split_once(' ').map_or("", |(_, rest)| rest)).collect::<Vec<_>>(),
        None => texts,
    };
    Ok(Reply { code, enhanced, text: text.join("\n") })
}

/// RFC 2034 4: the class is the first digit of the code.
fn enhanced(word: &str, code: u16) -> Option<EnhancedCode> {
    let mut parts = word.split('.').map(|part| part.parse::<u16>().ok());
    let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    let class = u8::try_from(class).ok().filter(|class| u16::from(*class) == code / 100)?;
    parts.next().is_none().then_some(EnhancedCode(class, subject, detail))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<Option<Reply>, NoReply> {
        take(&mut BytesMut::from(text))
    }

    #[test]
    fn reads_replies_with_and_without_enhanced_codes() {
        let plain = Reply { code: 250, enhanced: None, text: "mx.example\nSIZE 1000\nDSN".to_owned() };
        assert_eq!(read(b"250-mx.example\r\n250-SIZE 1000\r\n250 DSN\r\n"), Ok(Some(plain)));
        let enhanced = Reply::new(550, EnhancedCode(5, 1, 1), "no such\nuser");
        assert_eq!(read(b"550-5.1.1 no such\r\n550 5.1.1 user\r\n"), Ok(Some(enhanced)));
        assert_eq!(read(b"354\r\n"), Ok(Some(Reply { code: 354, enhanced: None, text: String::new() })));
        // A class that doesn't fit the code is text.
        let text = Reply { code: 250, enhanced: None, text: "5.1.1 odd".to_owned() };
        assert_eq!(read(b"250 5.1.1 odd\n"), Ok(Some(text)));
    }

    #[test]
    fn refuses_what_is_no_reply() {
        for text in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"25 x\r\n", b"250x\r\n", b"999 x\r\n", b"\r\n"] {
            assert_eq!(read(text), Err(NoReply), "{text:?}");
        }
        assert_eq!(read(&[b'2'; LONGEST_REPLY + 1]), Err(NoReply));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(cut in 0_usize..40) {
            let text = b"250-2.1.0 first\r\n250 2.1.0 second\r\n354 go\r\n";
            let mut buffer = BytesMut::from(&text[..cut]);
            let early = take(&mut buffer).expect("replies");
            buffer.extend_from_slice(&text[cut..]);
            let first = early.map_or_else(|| take(&mut buffer), |reply| Ok(Some(reply)));
            prop_assert_eq!(first, Ok(Some(Reply::new(250, EnhancedCode(2, 1, 0), "first\nsecond"))));
            prop_assert_eq!(take(&mut buffer).expect("replies").map(|reply| reply.code), Some(354));
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn any_octets_are_survived(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            drop(read(&text));
        }
    }
}
