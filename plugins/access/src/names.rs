//! What is a host name and what isn't, as Postfix's valid_hostname(3) sees it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Letters, digits, `_` and `-` in labels of at most 63, joined by single dots, not all digits.
pub(crate) fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-'))
    };
    name.len() <= 255
        && name.split('.').all(label)
        && !name.bytes().all(|octet| octet == b'.' || octet.is_ascii_digit())
}

/// The same, for a domain in an address, which may be international (RFC 6531), and has a dot.
pub(crate) fn is_full_domain(domain: &str) -> bool {
    let ascii: String = domain.chars().map(|c| if c.is_ascii() { c } else { 'x' }).collect();
    is_host_name(&ascii) && domain.contains('.')
}

/// An address as HELO has it without brackets; `IPv6:` stands before the newer ones (RFC 5321 4.1.3).
pub(crate) fn is_address_literal(text: &str) -> bool {
    match text.get(..5).filter(|start| start.eq_ignore_ascii_case("IPv6:")) {
        Some(start) => text.strip_prefix(start).is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => text.parse::<Ipv4Addr>().is_ok(),
    }
}

/// A host name, or a bare address, which is let through as in Postfix.
pub(crate) fn is_host(name: &str) -> bool {
    is_host_name(name) || name.parse::<IpAddr>().is_ok()
}

/// Without one dot at the end.
pub(crate) fn without_last_dot(name: &str) -> &str {
    name.strip_suffix('.').filter(|rest| !rest.is_empty() && !rest.ends_with('.')).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_told_from_others() {
        for good in ["a", "mail.example.org", "a_b.example", "1.example", "xn--e1afmkfd.example"] {
            assert!(is_host_name(good), "{good}");
        }
        let long = format!("{}.example", "a".repeat(64));
        for bad in
            ["", ".", "a..b", ".a", "a.", "-a.b", "a-.b", "a b", "1.2.3.4", "a,b", "[1.2.3.4]", &long, "ü.example"]
        {
            assert!(!is_host_name(bad), "{bad}");
        }
        assert!(is_full_domain("ü.example") && !is_full_domain("localhost") && !is_full_domain("a..b"));
        assert!(is_host("192.0.2.1") && is_host("::1") && !is_host("192.0.2"));
    }

    #[test]
    fn literals_are_checked() {
        assert!(
            is_address_literal("192.0.2.1") && is_address_literal("IPv6:2001:db8::1") && is_address_literal("ipv6:::1")
        );
        assert!(!is_address_literal("192.0.2") && !is_address_literal("2001:db8::1") && !is_address_literal("IPv6:x"));
    }

    #[test]
    fn one_dot_at_the_end_goes() {
        assert_eq!((without_last_dot("a.b."), without_last_dot("a.."), without_last_dot(".")), ("a.b", "a..", "."));
    }
}
