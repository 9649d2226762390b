//! What the value of a table says: access(5).

use crate::reply::{Class, Refusal, Subject};

/// One action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Dunno,
    Permit,
    /// `REJECT`, `DEFER`, and codes with a text.
    Refuse(Refusal),
    DeferIfReject(Refusal),
    DeferIfPermit(Refusal),
    Hold(String),
    Discard(String),
    Redirect(String),
    Bcc(String),
    /// Name, and the raw value behind the colon.
    Prepend(String, String),
    /// `WARN` or `INFO`, and what is logged.
    Log(&'static str, String),
    /// The action can't be done as it stands; it is left out.
    Ignored(&'static str),
    /// A content filter, or a table's name: `451 4.3.5`.
    Impossible(&'static str),
    /// Names of restrictions and classes.
    Restrictions(Vec<String>),
}

/// Codes that actions without one of their own answer with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ActionCodes {
    pub(crate) reject: u16,
    pub(crate) defer: u16,
}

impl Action {
    /// The action that a value is (rule 6.2).
    pub(crate) fn parse(value: &str, subject: Subject<'_>, codes: ActionCodes) -> Self {
        let (word, text) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        let text = text.trim_start();
        let refusal = |code, enhanced, otherwise| Refusal::with_text(subject, code, enhanced, text, otherwise);
        let or = |otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
        match word.to_ascii_uppercase().as_str() {
            "DUNNO" => Self::Dunno,
            "OK" | "RELAY" => Self::Permit,
            "REJECT" => Self::Refuse(refusal(codes.reject, "5.7.1", "Access denied")),
            "DEFER" => Self::Refuse(refusal(codes.defer, "4.7.1", "Access denied")),
            "DEFER_IF_REJECT" => Self::DeferIfReject(refusal(codes.defer, "4.7.1", "Service unavailable")),
            "DEFER_IF_PERMIT" => Self::DeferIfPermit(refusal(codes.defer, "4.7.1", "Service unavailable")),
            "HOLD" => Self::Hold(about(subject, &or("triggers HOLD action"))),
            "DISCARD" => Self::Discard(about(subject, &or("triggers DISCARD action"))),
            "REDIRECT" if is_address(text) => Self::Redirect(text.to_owned()),
            "BCC" if is_address(text) => Self::Bcc(text.to_owned()),
            "REDIRECT" | "BCC" => Self::Ignored("it needs an address: user@domain"),
            "PREPEND" => prepend(text),
            "WARN" => Self::Log("warn", about(subject, text)),
            "INFO" => Self::Log("info", about(subject, text)),
            "FILTER" => Self::Impossible("a content filter is a stage of [[message]] here"),
            _ => Self::other(value, word, text, subject),
        }
    }

    /// What is no word of its own.
    fn other(value: &str, word: &str, text: &str, subject: Subject<'_>) -> Self {
        let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
        // Trap 1: programs that let people in after they fetched mail write a time.
        if digits(value) {
            return Self::Permit;
        }
        // S7: any other number is the name of a restriction that nobody knows.
        if word.len() == 3 && digits(word) && word.starts_with(['4', '5']) && !text.is_empty() {
            let code = word.parse().unwrap_or(450);
            let default = if code < 500 { "4.7.1" } else { "5.7.1" };
            return Self::Refuse(Refusal::with_text(subject, code, default, text, "Access denied"));
        }
        // Trap 19.
        if value.contains(':') {
            return Self::Impossible("a table can't be named here; a restriction class can");
        }
        let words = value.split([' ', '\t', ',', '\r', '\n']).filter(|word| !word.is_empty());
        Self::Restrictions(words.map(str::to_owned).collect())
    }
}

/// As Postfix's log has it.
fn about(subject: Subject<'_>, text: &str) -> String {
    format!("<{}>: {} {text}", subject.name, subject.class.name())
}

/// Both parts, and no blank outside of quotes: what the relay takes as an address.
fn is_address(text: &str) -> bool {
    let (local, domain) = mailweir_rewrite::address::split(text);
    let blank = |text: &str| text.contains(|c: char| c.is_whitespace() || c.is_control());
    let local_fits = !local.is_empty() && (local.starts_with('"') || !blank(local));
    local_fits && domain.is_some_and(|domain| !domain.is_empty() && !blank(domain))
}

/// RFC 5322 2.2: a name of printable characters, a colon, and a value on one line.
fn prepend(text: &str) -> Action {
    let is_name = |name: &str| (1..=76).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic());
    match text.split_once(':') {
        Some((name, value)) if is_name(name) && value.len() < 900 && !value.contains(char::is_control) => {
            Action::Prepend(name.to_owned(), value.to_owned())
        }
        _ => Action::Ignored("it needs a header field: Name: value"),
    }
}

/// What `<name>` stands for in the log where nobody has said HELO, MAIL or RCPT.
pub(crate) const DATA: Subject<'_> = Subject { class: Class::Data, name: "DATA" };
/// At the end of data.
pub(crate) const END_OF_DATA: Subject<'_> = Subject { class: Class::EndOfData, name: "END-OF-MESSAGE" };

#[cfg(test)]
mod tests {
    use super::*;

    const CODES: ActionCodes = ActionCodes { reject: 554, defer: 450 };

    fn parse(value: &str) -> Action {
        Action::parse(value, Subject { class: Class::Client, name: "unknown[192.0.2.1]" }, CODES)
    }

    fn refused(value: &str) -> String {
        match parse(value) {
            Action::Refuse(refusal) | Action::DeferIfPermit(refusal) | Action::DeferIfReject(refusal) => {
                format!("{} {} {}", refusal.code, refusal.enhanced, refusal.text)
            }
            other => panic!("{value}: {other:?}"),
        }
    }

    #[test]
    fn words_have_no_case_and_ignore_what_follows() {
        // Rule 6.2
        for (value, action) in
            [("OK", Action::Permit), ("ok then", Action::Permit), ("Relay", Action::Permit), ("dunno x", Action::Dunno)]
        {
            assert_eq!(parse(value), action, "{value}");
        }
    }

    #[test]
    fn refusals_have_code_class_and_text() {
        let who = "<unknown[192.0.2.1]>: Client host rejected:";
        for (value, reply) in [
            ("REJECT", "554 5.7.1 X Access denied"),
            ("reject  Go away", "554 5.7.1 X Go away"),
            ("REJECT 5.2.2 full", "554 5.2.2 X full"),
            ("REJECT 4.2.2 full", "554 5.2.2 X full"),
            ("REJECT 5.1.1", "554 5.0.0 X Access denied"),
            ("DEFER", "450 4.7.1 X Access denied"),
            ("DEFER later", "450 4.7.1 X later"),
            ("550 no", "550 5.7.1 X no"),
            ("451 4.2.1 no", "451 4.2.1 X no"),
            ("521 bye", "521 5.7.1 X bye"),
            ("DEFER_IF_PERMIT", "450 4.7.1 X Service unavailable"),
            ("DEFER_IF_REJECT soon", "450 4.7.1 X soon"),
        ] {
            assert_eq!(refused(value), reply.replace('X', who), "{value}");
        }
    }

    #[test]
    fn bare_digits_permit() {
        // Rule trap 1
        for value in ["550", "1", "1063982400"] {
            assert_eq!(parse(value), Action::Permit, "{value}");
        }
    }

    #[test]
    fn other_numbers_are_names_that_nobody_knows() {
        // Rule S7
        for value in ["399 x", "600 x", "250 x", "55 x", "5500 x"] {
            assert!(matches!(parse(value), Action::Restrictions(_)), "{value}");
        }
    }

    #[test]
    fn names_are_separated_by_blanks_and_commas() {
        let names = Action::Restrictions(vec!["strict".to_owned(), "permit".to_owned()]);
        assert_eq!(parse("strict, permit"), names);
        // Rule trap 19
        assert!(matches!(parse("check_sender_access hash:x"), Action::Impossible(_)));
        assert!(matches!(parse("FILTER smtp:x"), Action::Impossible(_)));
    }

    #[test]
    fn what_needs_an_argument_is_left_out_without() {
        assert_eq!(parse("REDIRECT a@b.example"), Action::Redirect("a@b.example".to_owned()));
        assert_eq!(parse("BCC \"a b\"@b.example"), Action::Bcc("\"a b\"@b.example".to_owned()));
        assert_eq!(parse("PREPEND X-A: b"), Action::Prepend("X-A".to_owned(), " b".to_owned()));
        for value in ["REDIRECT", "REDIRECT nobody", "BCC a b@c", "PREPEND", "PREPEND X-A b", "PREPEND X A: b"] {
            assert!(matches!(parse(value), Action::Ignored(_)), "{value}");
        }
        assert_eq!(parse("HOLD"), Action::Hold("<unknown[192.0.2.1]>: Client host triggers HOLD action".to_owned()));
        assert_eq!(parse("DISCARD spam"), Action::Discard("<unknown[192.0.2.1]>: Client host spam".to_owned()));
        assert_eq!(parse("WARN x"), Action::Log("warn", "<unknown[192.0.2.1]>: Client host x".to_owned()));
    }
}
