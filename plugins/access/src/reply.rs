//! What a client hears: code, enhanced code and text, as Postfix's smtpd(8) writes them.

/// What is judged, in the words of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Client,
    /// By the name that its address claims to have.
    ReverseClient,
    Login,
    Helo,
    Sender,
    Recipient,
    Data,
    EndOfData,
}

impl Class {
    /// Log readers such as pflogsumm know these words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "Client host",
            Self::ReverseClient => "Unverified Client host",
            Self::Login => "SASL login name",
            Self::Helo => "Helo command",
            Self::Sender => "Sender address",
            Self::Recipient => "Recipient address",
            Self::Data => "Data command",
            Self::EndOfData => "End-of-data",
        }
    }
}

/// What a restriction is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) class: Class,
    pub(crate) name: &'a str,
}

/// A reply that refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    /// Its first digit is that of the code.
    pub(crate) enhanced: String,
    pub(crate) text: String,
}

impl Refusal {
    /// A reply with exactly this text.
    pub(crate) fn new(code: u16, enhanced: &str, text: impl Into<String>) -> Self {
        // Codes of four digits and more come from nowhere; those that RFC 5321 4.2 has no room for keep their class.
        let code = if code % 100 > 59 { code - code % 100 + 50 } else { code };
        let rest = enhanced.split_once('.').map_or("7.1", |(_, rest)| rest);
        Self { code, enhanced: format!("{}.{rest}", code / 100), text: text.into() }
    }

    /// `<name>: Class rejected: why`.
    pub(crate) fn of(subject: Subject<'_>, code: u16, enhanced: &str, why: &str) -> Self {
        Self::new(code, enhanced, format!("<{}>: {} rejected: {why}", subject.name, subject.class.name()))
    }

    /// The same from the text of an action, which may begin with an enhanced code.
    pub(crate) fn with_text(subject: Subject<'_>, code: u16, default: &str, text: &str, otherwise: &str) -> Self {
        let (enhanced, text) = split_enhanced(text).unwrap_or((default, text));
        let why = if text.is_empty() { otherwise } else { text };
        Self::of(subject, code, &fitting(enhanced, subject.class), why)
    }

    /// Something in the configuration or a table can't be done.
    pub(crate) fn configuration() -> Self {
        Self::new(451, "4.3.5", "Server configuration error")
    }

    /// 4xx in place of 5xx (Postfix soft_bounce).
    pub(crate) fn softened(self) -> Self {
        if self.code < 500 { self } else { Self::new(self.code - 100, &self.enhanced, self.text) }
    }

    /// For a note; [`decoded`](Self::decoded) reads it.
    pub(crate) fn encoded(&self) -> String {
        format!("{} {} {}", self.code, self.enhanced, self.text)
    }

    pub(crate) fn decoded(text: &str) -> Option<Self> {
        let (code, rest) = text.split_once(' ')?;
        let (enhanced, text) = rest.split_once(' ')?;
        Some(Self::new(code.parse().ok()?, enhanced, text))
    }
}

/// An enhanced code (RFC 3463) at the beginning of a text, and what follows it.
fn split_enhanced(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit());
    let mut parts = word.split('.');
    let class = parts.next().is_some_and(|class| matches!(class, "2" | "4" | "5"));
    let valid = class && parts.next().is_some_and(number) && parts.next().is_some_and(number) && parts.next().is_none();
    valid.then(|| (word, rest.trim_start()))
}

/// An address's enhanced code (x.1.y) says whether sender or recipient is bad: made to fit what is refused (rule 6.2, dsn_fix).
fn fitting(enhanced: &str, class: Class) -> String {
    let Some((first, detail)) = enhanced.split_once(".1.") else { return enhanced.to_owned() };
    let rest = match (class, detail) {
        (Class::Sender, "1" | "3" | "4" | "6" | "7") => "1.7",
        (Class::Sender, "2" | "8") => "1.8",
        (Class::Recipient, "7") => "1.3",
        (Class::Recipient, "8") => "1.2",
        (Class::Recipient, "1" | "2" | "3" | "4" | "5" | "6") => return enhanced.to_owned(),
        (Class::Sender | Class::Recipient, _) => "1.0",
        _ => "0.0",
    };
    format!("{first}.{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_codes_of_addresses_fit_what_is_refused() {
        // Rule 6.2: dsn_fix
        for (given, sender, recipient, other) in [
            ("5.1.1", "5.1.7", "5.1.1", "5.0.0"),
            ("5.1.2", "5.1.8", "5.1.2", "5.0.0"),
            ("4.1.3", "4.1.7", "4.1.3", "4.0.0"),
            ("5.1.4", "5.1.7", "5.1.4", "5.0.0"),
            ("5.1.5", "5.1.0", "5.1.5", "5.0.0"),
            ("5.1.6", "5.1.7", "5.1.6", "5.0.0"),
            ("5.1.7", "5.1.7", "5.1.3", "5.0.0"),
            ("5.1.8", "5.1.8", "5.1.2", "5.0.0"),
            ("5.1.10", "5.1.0", "5.1.0", "5.0.0"),
            ("5.7.1", "5.7.1", "5.7.1", "5.7.1"),
            ("5.11.1", "5.11.1", "5.11.1", "5.11.1"),
        ] {
            assert_eq!(fitting(given, Class::Sender), sender, "{given}");
            assert_eq!(fitting(given, Class::Recipient), recipient, "{given}");
            assert_eq!(fitting(given, Class::Helo), other, "{given}");
        }
    }

    #[test]
    fn a_text_may_begin_with_an_enhanced_code() {
        assert_eq!(split_enhanced("5.7.27 go away"), Some(("5.7.27", "go away")));
        assert_eq!(split_enhanced("5.2.2"), Some(("5.2.2", "")));
        for none in ["", "go away", "5.7 x", "3.7.1 x", "5.7.1000 x", "5.7.1.2 x", "5..1 x", "5.7.1: x"] {
            assert_eq!(split_enhanced(none), None, "{none}");
        }
    }

    #[test]
    fn codes_and_enhanced_codes_agree() {
        let subject = Subject { class: Class::Sender, name: "a@b.example" };
        let refusal = Refusal::with_text(subject, 450, "4.7.1", "5.1.1 no", "?");
        assert_eq!(refusal, Refusal::new(450, "4.1.7", "<a@b.example>: Sender address rejected: no"));
        // RFC 5321 4.2 knows no second digit above 5.
        assert_eq!(Refusal::new(599, "5.7.1", "x").code, 550);
        assert_eq!(Refusal::new(554, "5.7.1", "x").softened(), Refusal::new(454, "4.7.1", "x"));
        let refusal = Refusal::new(554, "5.7.1", "a b");
        assert_eq!((refusal.encoded().as_str(), Refusal::decoded("554 5.7.1 a b")), ("554 5.7.1 a b", Some(refusal)));
    }
}
