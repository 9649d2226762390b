//! Mailbox addresses as they stand on the wire (RFC 5321 4.1.2).

use std::{
    borrow::Cow,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Octets of a local part at most, so that an address fits into every line of SMTP (RFC 5321 4.5.3.1.5, 4.5.3.1.6). The RFC's own
/// limit is 64 (4.5.3.1.1), which Postfix doesn't enforce: what clients may send is a setting of the server.
pub const LONGEST_LOCAL_PART: usize = 240;
/// Octets of a domain at most (RFC 5321 4.5.3.1.2).
pub const LONGEST_DOMAIN: usize = 255;
/// Octets of one label of a domain at most (RFC 1035 2.3.4).
const LONGEST_LABEL: usize = 63;

/// A mailbox, cheap to clone: `local-part@domain`, or the bare `postmaster` (RFC 5321 4.5.1), without source route and angle brackets.
///
/// The spelling is kept as it came. Local parts are taken more liberally than the RFC's grammar, as real mail needs: dots may
/// lead, trail and double. UTF-8 is allowed in both parts (RFC 6531).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

/// Why a text is no mailbox address. At MAIL it becomes 501 5.1.7, at RCPT 501 5.1.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing is there.
    #[error("it is empty")]
    Empty,
    /// No `@`, and not `postmaster`.
    #[error("it has no domain")]
    NoDomain,
    /// Nothing before the `@`.
    #[error("it has no local part")]
    NoLocalPart,
    /// More than [`LONGEST_LOCAL_PART`].
    #[error("its local part is longer than {LONGEST_LOCAL_PART} octets")]
    LocalPartTooLong,
    /// RFC 5321 4.5.3.1.2.
    #[error("its domain is longer than 255 octets")]
    DomainTooLong,
    /// A control character, a blank or a special character outside quotes.
    #[error("its local part has a character that must be quoted")]
    LocalPart,
    /// An opening quote that nothing closes, or text after the closing one.
    #[error("its quoted local part does not end before the `@`")]
    Quoting,
    /// An empty or too long label, or a character that no host name has.
    #[error("its domain is no host name")]
    Domain,
    /// `[…]` that is neither an IPv4 address nor `IPv6:` and an IPv6 address.
    #[error("its address literal is no IP address")]
    Literal,
}

impl Address {
    /// Parse one mailbox.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.eq_ignore_ascii_case("postmaster") {
            return Ok(Self(text.into()));
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoDomain)?;
        check_local_part(local)?;
        check_domain(domain)?;
        Ok(Self(text.into()))
    }

    /// The address as it is written between angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the last `@`, quotes included.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or(&*self.0, |(local, _)| local)
    }

    /// What stands after the last `@`; none for the bare `postmaster`.
    pub fn domain(&self) -> Option<&str> {
        self.0.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// Whether the address needs SMTPUTF8 (RFC 6531).
    pub fn is_international(&self) -> bool {
        !self.0.is_ascii()
    }
}

fn check_local_part(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError::NoLocalPart);
    }
    if local.len() > LONGEST_LOCAL_PART {
        return Err(AddressError::LocalPartTooLong);
    }
    match local.strip_prefix('"') {
        Some(rest) => check_quoted(rest),
        // RFC 5322 3.2.3: no specials (but dots), no controls, no blanks.
        None if local.chars().all(|c| !c.is_control() && !" ()<>[]:;@\\,\"".contains(c)) => Ok(()),
        None => Err(AddressError::LocalPart),
    }
}

/// RFC 5321 4.1.2 Quoted-string, after its opening quote.
fn check_quoted(rest: &str) -> Result<(), AddressError> {
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return if chars.as_str().is_empty() { Ok(()) } else { Err(AddressError::Quoting) },
            '\\' if chars.next().is_none_or(char::is_control) => return Err(AddressError::LocalPart),
            c if c.is_control() => return Err(AddressError::LocalPart),
            _ => {}
        }
    }
    Err(AddressError::Quoting)
}

fn check_domain(domain: &str) -> Result<(), AddressError> {
    if domain.len() > LONGEST_DOMAIN {
        return Err(AddressError::DomainTooLong);
    }
    if let Some(literal) = domain.strip_prefix('[') {
        return check_literal(literal.strip_suffix(']').ok_or(AddressError::Literal)?);
    }
    // RFC 6531 3.3 allows U-labels (RFC 5890 2.3.2.1); their form on the wire of the DNS is what must be one.
    let ascii = if domain.is_ascii() {
        Cow::Borrowed(domain)
    } else {
        Cow::Owned(idna::domain_to_ascii(domain).map_err(|_| AddressError::Domain)?)
    };
    let mut all_digits = true;
    for label in ascii.split('.') {
        let fits =
            !label.is_empty() && label.len() <= LONGEST_LABEL && !label.starts_with('-') && !label.ends_with('-');
        if !fits || !label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_') {
            return Err(AddressError::Domain);
        }
        all_digits &= label.bytes().all(|octet| octet.is_ascii_digit());
    }
    // A bare IP address is no domain: RFC 5321 4.1.3 wants brackets around it.
    if all_digits { Err(AddressError::Domain) } else { Ok(()) }
}

/// RFC 5321 4.1.3.
fn check_literal(literal: &str) -> Result<(), AddressError> {
    let is_ip = match literal.get(..5) {
        Some(tag) if tag.eq_ignore_ascii_case("ipv6:") => {
            literal.get(5..).is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
        }
        _ => literal.parse::<Ipv4Addr>().is_ok(),
    };
    if is_ip { Ok(()) } else { Err(AddressError::Literal) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The argument of MAIL FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>` (RFC 5321 4.5.5).
    Null,
    /// The sender's mailbox.
    Address(Address),
}

impl ReversePath {
    /// Parse what stands between the angle brackets of MAIL FROM; nothing is the null sender.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() { Ok(Self::Null) } else { Address::parse(text).map(Self::Address) }
    }

    /// The address, or nothing for the null sender; without angle brackets.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Null => "",
            Self::Address(address) => address.as_str(),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_what_real_mail_has() {
        for text in [
            "a@b.example",
            "postmaster",
            "Postmaster",
            "user+tag@example.com",
            "\"u v\"@example.com",
            "\"a@b\"@c.example",
            ".u@example.com",
            "u.@example.com",
            "u..v@example.com",
            "u@[192.0.2.1]",
            "u@[IPv6:::1]",
            "u@_dmarc.example.com",
            "x!y%z@example.com",
            "grüße@bücher.example",
            "a@localhost",
            "\"\\\"\"@example.com",
            "u@3com.com",
        ] {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.as_str(), text);
        }
    }

    #[test]
    fn refuses_what_is_none() {
        use AddressError::*;
        for (text, error) in [
            ("", Empty),
            ("user", NoDomain),
            // Rule S3: Postfix sends these on as `""@example.com`.
            ("@example.com", NoLocalPart),
            ("a b@example.com", LocalPart),
            ("a<b@example.com", LocalPart),
            ("a\r\nb@example.com", LocalPart),
            ("a\0@example.com", LocalPart),
            ("\"a@example.com", Quoting),
            ("\"a\"b@example.com", Quoting),
            ("\"a\rb\"@example.com", LocalPart),
            ("a@", Domain),
            ("a@b..c", Domain),
            ("a@-b.example", Domain),
            ("a@b c.example", Domain),
            ("a@b>.example", Domain),
            ("a@192.0.2.1", Domain),
            ("a@b\u{85}c.example", Domain),
            ("a@b\u{2028}.example", Domain),
            ("a@xn--\u{fc}.example", Domain),
            ("a@b.example.", Domain),
            ("a@b\u{3002}", Domain),
            ("a@[192.0.02.1]", Literal),
            ("a@[::1]", Literal),
            ("a@[IPv6:fe80::1%eth0]", Literal),
            ("a@[x400:c=de]", Literal),
            ("a@[192.0.2]", Literal),
            ("a@[IPv6:xyz]", Literal),
            ("a@[192.0.2.1", Literal),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_limited() {
        let domain_of = |length: usize| format!("{}e", "a.".repeat((length - 1) / 2));
        assert!(Address::parse(&format!("{}@example.com", "u".repeat(LONGEST_LOCAL_PART))).is_ok());
        let longer = Address::parse(&format!("{}@example.com", "u".repeat(LONGEST_LOCAL_PART + 1)));
        assert_eq!(longer, Err(AddressError::LocalPartTooLong));
        assert!(Address::parse(&format!("u@{}", domain_of(255))).is_ok());
        assert_eq!(Address::parse(&format!("u@{}", domain_of(257))), Err(AddressError::DomainTooLong));
        assert_eq!(Address::parse(&format!("u@{}.example", "l".repeat(64))), Err(AddressError::Domain));
    }

    #[test]
    fn splits_at_the_last_at() {
        let address = Address::parse("\"a@b\"@c.example").expect("valid");
        assert_eq!((address.local_part(), address.domain()), ("\"a@b\"", Some("c.example")));
        assert_eq!(Address::parse("postmaster").expect("valid").domain(), None);
    }

    /// Mailboxes by the grammar of RFC 5321 4.1.2 and 4.1.3, with RFC 6531's additions.
    fn mailbox() -> impl Strategy<Value = String> {
        let dot_string = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~ü漢-]{1,8}(\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~ü漢-]{1,8}){0,3}";
        let quoted = r#""([ !#-\[\]-~ß]|\\[ -~]){0,20}""#;
        let domain = "[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\\.[a-z]([a-z0-9-]{0,10}[a-z0-9])?){0,4}";
        let literal = prop_oneof![
            any::<Ipv4Addr>().prop_map(|address| format!("[{address}]")),
            any::<Ipv6Addr>().prop_map(|address| format!("[IPv6:{address}]")),
        ];
        let punycode = |domain: &String| !domain.contains("--");
        let domain = prop_oneof![
            domain.prop_filter("no A-labels by chance", punycode),
            literal,
            Just("bücher.example".to_owned())
        ];
        (prop_oneof![dot_string, quoted], domain).prop_map(|(local, domain)| format!("{local}@{domain}"))
    }

    proptest! {
        #[test]
        fn what_the_rfc_calls_a_mailbox_is_an_address(text in mailbox()) {
            let address = Address::parse(&text);
            prop_assert_eq!(address.as_ref().map(Address::as_str), Ok(text.as_str()));
            let address = address.expect("an address");
            let parts = format!("{}@{}", address.local_part(), address.domain().expect("a domain"));
            prop_assert_eq!(parts, text);
        }

        #[test]
        fn what_is_taken_keeps_its_place(text in r#"["<>@ ,:;\\a.\[\]\r\n\x00\x7fü\u{85}-]{0,12}(@[a.ü\u{85}\[\]:-]{0,6})?"#) {
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(!text.chars().any(char::is_control));
                prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
            }
        }
    }
}
