//! xtext (RFC 3461 4): `+` and two hexadecimal digits stand for an octet.

/// The text that is meant; what is no xtext is left as it is.
pub(super) fn decode(text: &str) -> String {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'+').and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
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
}
