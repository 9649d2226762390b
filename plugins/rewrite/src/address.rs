//! One address as text: where it splits, how a local part is quoted, what its extension is.
//!
//! *External form* is what stands in mail, with quotes where RFC 5322 needs them; *internal form* is without.

/// Where the local part ends: the last `@` outside quotes.
fn at_sign(address: &str) -> Option<usize> {
    let (mut quoted, mut escaped, mut at) = (false, false, None);
    for (index, octet) in address.bytes().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'@' if !quoted => at = Some(index),
            _ => {}
        }
    }
    at
}

/// Local part and domain; the domain is none where there is no `@`.
pub fn split(address: &str) -> (&str, Option<&str>) {
    match at_sign(address).and_then(|at| Some((address.get(..at)?, address.get(at + 1..)?))) {
        Some((local, domain)) => (local, Some(domain)),
        None => (address, None),
    }
}

/// A local part without quotes and backslashes.
pub fn unquote(local: &str) -> String {
    let mut out = String::with_capacity(local.len());
    let mut chars = local.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {}
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// A local part with quotes where it needs them: unless it is words joined by single dots.
pub fn quote(local: &str) -> String {
    let special = |c: char| c.is_ascii_control() || " ()<>@,;:\\\"[]".contains(c);
    let plain = !local.split('.').any(str::is_empty) && !local.contains(special);
    if plain {
        return local.to_owned();
    }
    let mut out = String::with_capacity(local.len() + 2);
    out.push('"');
    for c in local.chars() {
        if matches!(c, '"' | '\\' | '\r') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// The address in external form, with quotes where its local part needs them and nowhere else.
pub fn external(address: &str) -> String {
    match split(address) {
        (local, Some(domain)) => format!("{}@{domain}", quote(&unquote(local))),
        (local, None) => quote(&unquote(local)),
    }
}

/// The address without a source route such as `@a.example,@b.example:` (RFC 5322 4.4).
pub fn without_route(address: &str) -> &str {
    match address.strip_prefix('@').and_then(|rest| rest.split_once(':')) {
        Some((_, rest)) if !rest.is_empty() => rest,
        _ => address,
    }
}

/// Names that are never split, whatever they contain.
const WHOLE: [&str; 3] = ["postmaster", "mailer-daemon", "double-bounce"];

/// User and extension of a local part in internal form: split at the first delimiter, which the extension keeps.
pub fn split_extension<'a>(local: &'a str, delimiters: &str) -> Option<(&'a str, &'a str)> {
    let lower = local.to_ascii_lowercase();
    let owner_or_request = delimiters.contains('-') && (lower.starts_with("owner-") || lower.ends_with("-request"));
    if WHOLE.contains(&lower.as_str()) || owner_or_request {
        return None;
    }
    let at = local.find(|c| delimiters.contains(c)).filter(|at| *at > 0)?;
    local.split_at_checked(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_last_at_outside_quotes() {
        // Rules L4, H8
        assert_eq!(split("a@b.example"), ("a", Some("b.example")));
        assert_eq!(split("\"a@b\"@c.example"), ("\"a@b\"", Some("c.example")));
        assert_eq!(split("\"a@b\""), ("\"a@b\"", None));
        assert_eq!(split("a@b@c"), ("a@b", Some("c")));
        assert_eq!(split("user"), ("user", None));
    }

    #[test]
    fn quotes_only_what_needs_it() {
        // Rule H7
        for plain in ["joe", "joe.smith", "joe+x", "grüße", "a!b%c"] {
            assert_eq!(quote(plain), plain);
        }
        for (internal, external) in
            [("a b", "\"a b\""), ("a..b", "\"a..b\""), (".a", "\".a\""), ("a\"b", "\"a\\\"b\""), ("", "\"\"")]
        {
            assert_eq!(quote(internal), external);
            assert_eq!(unquote(external), internal);
        }
    }

    #[test]
    fn external_form_has_the_quotes_it_needs() {
        // Rules L6, H7
        for (address, expected) in [
            ("\"joe\"@d.example", "joe@d.example"),
            ("a..b@d.example", "\"a..b\"@d.example"),
            ("\"a\\ b\"@d.example", "\"a b\"@d.example"),
            ("\"a@b\"", "\"a@b\""),
        ] {
            assert_eq!(external(address), expected);
        }
    }

    #[test]
    fn splits_extensions_as_postfix_does() {
        // Rule 2.2
        assert_eq!(split_extension("user+ext", "+"), Some(("user", "+ext")));
        assert_eq!(split_extension("user-a+b", "+-"), Some(("user", "-a+b")));
        assert_eq!(split_extension("foo+", "+"), Some(("foo", "+")));
        for whole in ["user", "+foo", "Postmaster", "MAILER-DAEMON", "double-bounce", "owner-list", "list-request"] {
            assert_eq!(split_extension(whole, "+-"), None, "{whole}");
        }
        assert_eq!(split_extension("owner-list+x", "+"), Some(("owner-list", "+x")));
        assert_eq!(split_extension("user+ext", ""), None);
    }
}
