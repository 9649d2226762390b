//! xtext (RFC 3461 4): `+` and two hexadecimal digits stand for an octet; and what ENVID and ORCPT are made of.

use std::fmt::Write as _;

/// The text that is meant; what is no xtext is left as it is.
pub fn decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match escaped(rest) {
            Some((octet, after)) => {
                octets.push(octet);
                rest = after;
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// The octet that `+` and two digits at the front stand for, and what comes after them.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([b'+', high, low], after) = text.split_first_chunk()? else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(*high)? << 4 | digit(*low)?, after))
}

/// An ORCPT for an address whose sender named none: xtext, and beyond US-ASCII `utf-8` with all in US-ASCII
/// (RFC 6533 3).
pub fn orcpt(address: &str) -> String {
    let mut text = if address.is_ascii() { "rfc822;" } else { "utf-8;" }.to_owned();
    for c in address.chars() {
        match c {
            '+' | '=' => write!(text, "+{:02X}", u32::from(c)).ok(),
            '\\' if !address.is_ascii() => write!(text, "\\x{{5C}}").ok(),
            '!'..='~' => {
                text.push(c);
                Some(())
            }
            c if c.is_ascii() => write!(text, "+{:02X}", u32::from(c)).ok(),
            c => write!(text, "\\x{{{:X}}}", u32::from(c)).ok(),
        };
    }
    text
}

/// The value of ENVID, if it is one: xtext of printable characters (RFC 3461 4.4). A report tells it decoded.
pub fn parse_envid(value: &str) -> Option<String> {
    is_printable_xtext(value).then(|| value.to_owned())
}

/// The value of ORCPT, if it is one: type, semicolon, address (RFC 3461 4.2). What a `utf-8` address has beyond US-ASCII, which
/// needs SMTPUTF8, comes out as `\x{…}`, so that it can go to every server (RFC 6533 3).
pub fn parse_orcpt(value: &str, utf8: bool) -> Option<String> {
    let (kind, address) = value.split_once(';')?;
    let known_kind = !kind.is_empty() && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    if !known_kind || address.is_empty() {
        return None;
    }
    if !kind.eq_ignore_ascii_case("utf-8") {
        return is_printable_xtext(address).then(|| value.to_owned());
    }
    let mut ascii = String::with_capacity(value.len());
    for c in address.chars() {
        match c {
            c if c.is_ascii() => ascii.push(c),
            c if utf8 => write!(ascii, "\\x{{{:X}}}", u32::from(c)).ok()?,
            _ => return None,
        }
    }
    (is_printable_xtext(&ascii) && has_good_code_points(&ascii)).then(|| format!("{kind};{ascii}"))
}

fn is_printable_xtext(text: &str) -> bool {
    decode_printable(text).is_some()
}

/// What the text stands for, if it is xtext and that is printable US-ASCII.
pub fn decode_printable(text: &str) -> Option<String> {
    let (mut decoded, mut rest) = (String::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let (octet, after) = match (escaped(rest), *first) {
            (Some(decoded), _) => decoded,
            (None, b'!'..=b'~') if !b"+=".contains(first) => (*first, after),
            _ => return None,
        };
        if !matches!(octet, b' '..=b'~') {
            return None;
        }
        decoded.push(char::from(octet));
        rest = after;
    }
    Some(decoded)
}

/// Whether each backslash begins a character that is written as `\x{…}` (RFC 6533 3, EmbeddedUnicodeChar).
fn has_good_code_points(text: &str) -> bool {
    text.split('\\').skip(1).all(|after| {
        let digits = after.strip_prefix("x{").and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        code.and_then(char::from_u32).is_some_and(|c| !c.is_control())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plus_and_two_digits_are_an_octet() {
        for (text, meant) in [
            ("a+2Bb@c.example", "a+b@c.example"),
            ("+3D+C3+BC", "=\u{fc}"),
            ("a+", "a+"),
            ("a+zz", "a+zz"),
            ("+2", "+2"),
        ] {
            assert_eq!(decode(text), meant);
        }
    }

    #[test]
    fn envid() {
        for good in ["QQ314159", "a+2Bb", "a+20b", "<x@y>"] {
            assert_eq!(parse_envid(good).as_deref(), Some(good));
        }
        for bad in ["a+", "a+2", "a+zz", "a=b", "a b", "a+0D+0A", "\u{fc}", "+C3+BC"] {
            assert_eq!(parse_envid(bad), None, "{bad}");
        }
    }

    #[test]
    fn orcpt_of_a_client() {
        for good in ["rfc822;a+2Bb@c.example", "x400;c+3Dde", "RFC822;x", "utf-8;\\x{FC}@b.example"] {
            assert_eq!(parse_orcpt(good, false).as_deref(), Some(good));
        }
        assert_eq!(parse_orcpt("utf-8;\u{fc}+2B@b.example", true).as_deref(), Some("utf-8;\\x{FC}+2B@b.example"));
        for bad in [
            "",
            "rfc822",
            "rfc822;",
            ";a",
            "rfc 822;a",
            "rfc822;a+",
            "rfc822;+0A",
            "rfc822;\u{fc}",
            "utf-8;\\",
            "utf-8;\\x{D800}",
            "utf-8;\\x{A}",
            "utf-8;\\x{FC",
        ] {
            assert_eq!(parse_orcpt(bad, true), None, "{bad}");
        }
        assert_eq!(parse_orcpt("utf-8;\u{fc}", false), None, "without SMTPUTF8");
    }

    proptest! {
        #[test]
        fn what_we_write_we_take(address in "[ -~]{1,20}|[ -~äüß€😀]{1,20}") {
            let text = orcpt(&address);
            prop_assert_eq!(parse_orcpt(&text, false), Some(text.clone()));
            if address.is_ascii() {
                prop_assert_eq!(decode(&text), format!("rfc822;{address}"));
            }
        }

        #[test]
        fn what_is_taken_is_ascii_without_blanks(value in "(rfc822|utf-8);[ -~äü+{}]{0,20}", utf8: bool) {
            if let Some(orcpt) = parse_orcpt(&value, utf8) {
                prop_assert!(orcpt.bytes().all(|octet| octet.is_ascii_graphic()));
            }
        }
    }
}
