//! Replies: code, enhanced code and text (RFC 5321 4.2, RFC 3463, RFC 2034), and their form on the wire.

use std::fmt;

use bytes::{BufMut, BytesMut};

/// Longest reply line in octets, line end included (RFC 5321 4.5.3.1.5).
const LINE_LIMIT: usize = 512;

/// Enhanced status code, such as 5.7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnhancedCode(pub u8, pub u16, pub u16);

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// What the server says to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// None on greetings, HELO, EHLO and 354 (RFC 2034 4).
    pub enhanced: Option<EnhancedCode>,
    /// One line of text, or several for a multi-line reply, separated by `\n`.
    pub text: String,
}

impl Reply {
    /// A reply with an enhanced code.
    pub fn new(code: u16, enhanced: EnhancedCode, text: impl Into<String>) -> Self {
        Self { code, enhanced: Some(enhanced), text: text.into() }
    }

    /// A reply without an enhanced code.
    pub fn plain(code: u16, text: impl Into<String>) -> Self {
        Self { code, enhanced: None, text: text.into() }
    }

    /// Whether it refuses (4xx or 5xx).
    pub fn refuses(&self) -> bool {
        self.code >= 400
    }

    /// Whether the server closes the connection after it: 421 (RFC 5321 3.8) and 521 (RFC 7504).
    pub fn closes(&self) -> bool {
        matches!(self.code, 421 | 521)
    }

    /// Append the reply as it goes out: each line with code and enhanced code, at most 512 octets with its CRLF.
    /// Longer text is cut, and what isn't printable US-ASCII becomes `?`, so that no text can forge a line.
    pub fn write(&self, out: &mut BytesMut) {
        let enhanced = self.enhanced.map_or_else(String::new, |code| format!("{code} "));
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            let prefix = format!("{}{mark}{enhanced}", self.code);
            let room = LINE_LIMIT.saturating_sub(prefix.len() + 2);
            out.extend_from_slice(prefix.as_bytes());
            out.extend(line.chars().take(room).map(|c| if c == ' ' || c.is_ascii_graphic() { c as u8 } else { b'?' }));
            out.put_slice(b"\r\n");
        }
    }
}

impl fmt::Display for Reply {
    /// On one line, as logs show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        write!(f, " {}", self.text.replace('\n', " / "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wire(reply: &Reply) -> String {
        let mut out = BytesMut::new();
        reply.write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn single_line() {
        assert_eq!(wire(&Reply::new(550, EnhancedCode(5, 7, 1), "no")), "550 5.7.1 no\r\n");
        assert_eq!(wire(&Reply::plain(354, "go")), "354 go\r\n");
    }

    #[test]
    fn every_line_of_several_has_both_codes() {
        let reply = Reply::new(214, EnhancedCode(2, 0, 0), "a\nb\nc");
        assert_eq!(wire(&reply), "214-2.0.0 a\r\n214-2.0.0 b\r\n214 2.0.0 c\r\n");
        assert_eq!(reply.to_string(), "214 2.0.0 a / b / c");
    }

    #[test]
    fn unprintable_text_is_replaced() {
        assert_eq!(wire(&Reply::plain(550, "a\r250 ok\0\tü")), "550 a?250 ok???\r\n");
    }

    proptest! {
        #[test]
        fn lines_are_short_and_printable(text in "(?s).{0,1200}", code in 200u16..600) {
            let wire = wire(&Reply::new(code, EnhancedCode(5, 999, 999), text.as_str()));
            prop_assert!(wire.ends_with("\r\n"));
            let lines: Vec<&str> = wire.trim_end_matches("\r\n").split("\r\n").collect();
            prop_assert_eq!(lines.len(), text.split('\n').count());
            for line in lines {
                prop_assert!(line.len() <= 510);
                prop_assert!(line.bytes().all(|octet| (32..127).contains(&octet)));
            }
        }
    }
}
