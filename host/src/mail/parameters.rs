//! What a client asks for with MAIL and RCPT beside the addresses, and what has to be passed on with the message.

/// Parameters of MAIL that go on to the next hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// RET: how much of the message a report of failure quotes (RFC 3461 4.3).
    pub ret: Option<Ret>,
    /// ENVID as it stood on the wire, in xtext (RFC 3461 4.4).
    pub envid: Option<String>,
    /// BODY (RFC 6152, RFC 3030).
    pub body: BodyType,
    /// SMTPUTF8: addresses or header may go beyond ASCII (RFC 6531 3.4).
    pub utf8: bool,
}

/// RFC 3461 4.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header.
    Hdrs,
}

impl Ret {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Hdrs => "HDRS",
        }
    }

    /// Without regard to case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Full, Self::Hdrs].into_iter().find(|ret| ret.name().eq_ignore_ascii_case(text))
    }
}

/// What the client said about the octets of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType {
    /// Nothing, or 7BIT.
    #[default]
    SevenBit,
    /// 8BITMIME (RFC 6152).
    EightBitMime,
    /// BINARYMIME (RFC 3030 3): lines may be of any length and end in any way.
    BinaryMime,
}

impl BodyType {
    /// As on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }

    /// Without regard to case.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::SevenBit, Self::EightBitMime, Self::BinaryMime];
        all.into_iter().find(|body| body.name().eq_ignore_ascii_case(text))
    }
}

/// NOTIFY of RCPT (RFC 3461 4.1): about what the sender wants a report. All false is NEVER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// The message was delivered.
    pub success: bool,
    /// It was given up.
    pub failure: bool,
    /// It is late.
    pub delay: bool,
}

impl Notify {
    /// The words of NOTIFY: a list of SUCCESS, FAILURE and DELAY, or NEVER alone. None for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Some(Self::default());
        }
        let mut notify = Self::default();
        for word in text.split(',') {
            match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => notify.success = true,
                "FAILURE" => notify.failure = true,
                "DELAY" => notify.delay = true,
                _ => return None,
            }
        }
        Some(notify)
    }

    /// As on the wire.
    pub fn words(self) -> String {
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let words: Vec<_> = words.into_iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word).collect();
        if words.is_empty() { "NEVER".to_owned() } else { words.join(",") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notify_is_a_list_or_never() {
        for text in ["NEVER", "SUCCESS", "SUCCESS,FAILURE,DELAY", "FAILURE,DELAY"] {
            assert_eq!(Notify::parse(text).map(Notify::words).as_deref(), Some(text));
        }
        assert_eq!(Notify::parse("delay,failure").map(Notify::words).as_deref(), Some("FAILURE,DELAY"));
        for text in ["", "NEVER,SUCCESS", "SUCCESS,", "ALWAYS", "SUCCESS, FAILURE"] {
            assert_eq!(Notify::parse(text), None, "{text}");
        }
    }
}
