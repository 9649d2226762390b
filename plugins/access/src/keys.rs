//! The keys under which names and addresses are looked up in access tables, in Postfix's order (rule 6.1).

use mailweir_rewrite::address::{quote, split, split_extension, unquote};
use mailweir_sdk::tables::Key;

/// A mail address: `user+ext@domain`, `user@domain`, the domain and those above it, `user+ext@`, `user@`. The address is in external
/// form; where quotes make a difference each is also looked up without them (L6).
pub(crate) fn mail_address(address: &str, delimiters: &str) -> Vec<Key> {
    let (local, domain) = split(address);
    let (full, domain) = (unquote(local), domain.unwrap_or_default());
    let bare = split_extension(&full, delimiters).map(|(user, _)| user);
    let mut keys = Vec::with_capacity(8);
    let mut both = |local: &str, domain: &str, partial| {
        let quoted = quote(local);
        if quoted != local {
            keys.push(Key { text: format!("{quoted}@{domain}"), partial });
        }
        keys.push(Key { text: format!("{local}@{domain}"), partial });
    };
    both(&full, domain, false);
    bare.iter().for_each(|bare| both(bare, domain, true));
    let mut ends = Vec::new();
    let mut end = |local: &str| {
        let quoted = quote(local);
        if quoted != local {
            ends.push(Key::partial(format!("{quoted}@")));
        }
        ends.push(Key::partial(format!("{local}@")));
    };
    end(&full);
    bare.iter().for_each(|bare| end(bare));
    keys.extend(parents(domain).map(Key::partial));
    keys.extend(ends);
    keys
}

/// An address whose owner or existence is looked up (relay_recipient_maps, smtpd_sender_login_maps): `user+ext@domain`,
/// `user@domain`, `@domain` (rule 2.1).
pub(crate) fn owned_address(address: &str, delimiters: &str) -> Vec<Key> {
    let (local, domain) = split(address);
    let (full, domain) = (unquote(local), domain.unwrap_or_default());
    let bare = split_extension(&full, delimiters).map(|(user, _)| user);
    let mut keys = Vec::with_capacity(3);
    for (local, partial) in [(Some(full.as_str()), false), (bare, true)] {
        let Some(local) = local else { continue };
        let quoted = quote(local);
        if quoted != local {
            keys.push(Key { text: format!("{quoted}@{domain}"), partial });
        }
        keys.push(Key { text: format!("{local}@{domain}"), partial });
    }
    keys.push(Key::partial(format!("@{domain}")));
    keys
}

/// A host name and the domains above it; a number that looks like one stands for itself only.
pub(crate) fn host(name: &str) -> Vec<Key> {
    let most = if name.parse::<std::net::IpAddr>().is_ok() { 1 } else { usize::MAX };
    let key = |(index, text): (usize, &str)| Key { text: text.to_owned(), partial: index > 0 };
    parents(name).take(most).enumerate().map(key).collect()
}

/// An IP address and the networks that it is in: `192.0.2.1`, `192.0.2`, `192.0`, `192`; `2001:db8::1`, `2001:db8:`, `2001:db8`, `2001`.
pub(crate) fn ip_address(address: &str) -> Vec<Key> {
    let delimiter = if address.contains(':') { ':' } else { '.' };
    let all = std::iter::successors(Some(address), |text| text.rsplit_once(delimiter).map(|(left, _)| left));
    all.enumerate().map(|(index, text)| Key { text: text.to_owned(), partial: index > 0 }).collect()
}

/// The name and what follows each of its dots; a dot at the end is no key of its own.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    let domains = std::iter::successors(Some(name), |text| {
        let rest = text.get(text.chars().next()?.len_utf8()..)?;
        rest.split_once('.').map(|(_, parent)| parent)
    });
    domains.take_while(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(keys: &[Key]) -> Vec<&str> {
        keys.iter().map(|key| key.text.as_str()).collect()
    }

    fn whole(keys: &[Key]) -> Vec<&str> {
        keys.iter().filter(|key| !key.partial).map(|key| key.text.as_str()).collect()
    }

    #[test]
    fn of_mail_addresses_in_order() {
        // Rules 6.1, trap 16: the domain comes before `user@`.
        let keys = mail_address("user+ext@a.b.example", "+");
        let expected =
            ["user+ext@a.b.example", "user@a.b.example", "a.b.example", "b.example", "example", "user+ext@", "user@"];
        assert_eq!(texts(&keys), expected);
        // Pattern tables get one question (trap 7).
        assert_eq!(whole(&keys), ["user+ext@a.b.example"]);
        assert_eq!(texts(&mail_address("user+ext@d", "")), ["user+ext@d", "d", "user+ext@"]);
        // Rule L6
        let quoted = mail_address("\"a b\"@d", "");
        assert_eq!(texts(&quoted), ["\"a b\"@d", "a b@d", "d", "\"a b\"@", "a b@"]);
    }

    #[test]
    fn of_owned_addresses_in_order() {
        // Rule 2.1: without local domains
        assert_eq!(texts(&owned_address("u+x@d.example", "+")), ["u+x@d.example", "u@d.example", "@d.example"]);
        assert_eq!(texts(&owned_address("u@d.example", "+")), ["u@d.example", "@d.example"]);
    }

    #[test]
    fn of_hosts_in_order() {
        // Rule 6.1: clients, HELO
        assert_eq!(texts(&host("mail.example.org")), ["mail.example.org", "example.org", "org"]);
        assert_eq!(whole(&host("mail.example.org")), ["mail.example.org"]);
        assert_eq!(texts(&host("192.0.2.1")), ["192.0.2.1"]);
        assert_eq!(texts(&host("mail.example.")), ["mail.example.", "example."]);
        assert_eq!(texts(&host("")), Vec::<&str>::new());
    }

    #[test]
    fn of_ip_addresses_in_order() {
        // Rule 6.1: the most specific one wins.
        assert_eq!(texts(&ip_address("127.0.0.3")), ["127.0.0.3", "127.0.0", "127.0", "127"]);
        assert_eq!(texts(&ip_address("2001:db8::1")), ["2001:db8::1", "2001:db8:", "2001:db8", "2001"]);
        assert_eq!(whole(&ip_address("127.0.0.3")), ["127.0.0.3"]);
    }
}
