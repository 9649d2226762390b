//! `cidr`: rules for blocks of IP addresses in order, in the format of cidr_table(5).

use std::{convert::Infallible, fs, net::IpAddr, path::Path};

use super::{
    Loaded, OpenError, Table, TableError, TableRow, Warning,
    rules::{Parsed, Rules, negation},
};
use crate::mail::Network;

/// Rules in memory. A key that is no IP address has no row.
#[derive(Debug)]
pub(super) struct Cidr(Rules<Pattern, Rule>);

#[derive(Debug)]
struct Pattern {
    network: Network,
    negated: bool,
}

impl Pattern {
    fn parse(negated: bool, text: &str) -> Result<Self, String> {
        // Brackets around the address are for IPv6 in places where colons mean something else.
        let network = text.replace(['[', ']'], "").parse().map_err(|error| format!("`{text}`: {error}"))?;
        Ok(Self { network, negated })
    }

    /// An address of the other family fits neither a pattern nor its opposite.
    fn fits(&self, address: IpAddr) -> bool {
        self.network.is_of_family(address) && self.network.contains(address) != self.negated
    }
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    /// As it stands.
    text: String,
    value: String,
}

impl Cidr {
    /// Read a file.
    pub(super) fn open(path: &Path) -> Result<Loaded, OpenError> {
        let content = fs::read(path).map_err(|error| OpenError::io(path, error))?;
        let (table, warnings) = Self::parse(&content);
        Ok(Loaded::new(table, warnings))
    }

    fn parse(content: &[u8]) -> (Self, Vec<Warning>) {
        let condition = |negated, text: &str| Ok((Pattern::parse(negated, text)?, None));
        let (rules, warnings) = Rules::parse(content, condition, rule);
        (Self(rules), warnings)
    }

    fn find(&self, key: &str) -> Option<(String, usize)> {
        let address: IpAddr = key.parse().ok()?;
        let answer = |rule: &Rule| Ok(rule.pattern.fits(address).then(|| rule.value.clone()));
        let Ok(found) = self.0.find::<_, Infallible>(|pattern| Ok(pattern.fits(address)), answer);
        found
    }
}

fn rule(text: &str) -> Parsed<Rule> {
    let (negated, rest) = negation(text);
    let (pattern, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let value = value.trim();
    if value.is_empty() {
        return Err(format!("`{text}` has no value"));
    }
    let rule = Rule { pattern: Pattern::parse(negated, pattern)?, text: pattern.to_owned(), value: value.to_owned() };
    Ok((rule, None))
}

impl Table for Cidr {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.find(key).map(|(value, _)| value))
    }

    fn has_patterns(&self) -> bool {
        true
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        self.find(key).map(|(_, line)| line)
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        self.0.all().for_each(|(rule, line)| visit(TableRow { key: &rule.text, value: &rule.value, line: Some(line) }));
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(table: &Cidr, key: &str) -> Option<String> {
        table.lookup(key).expect("no error")
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        // Rule 5.3
        let (table, warnings) = Cidr::parse(
            b"10.1.2.3 host\n10.1.0.0/16 net\n!10.0.0.0/7 outside\nif 10.0.0.0/9\n10.2.0.0/16 inner\nendif\n10.0.0.0/8 rest\n[2001:db8::]/32 six\n",
        );
        assert_eq!(warnings, []);
        for (key, expected) in [
            ("10.1.2.3", Some("host")),
            ("10.1.2.4", Some("net")),
            ("192.0.2.1", Some("outside")),
            ("10.2.0.1", Some("inner")),
            ("10.200.0.1", Some("rest")),
            ("2001:db8:0:0::1", Some("six")),
            ("not an address", None),
            ("11.0.0.1", None),
        ] {
            assert_eq!(value(&table, key).as_deref(), expected, "{key}");
        }
        assert_eq!(table.line_of("10.2.0.1"), Some(5));
        let (six, _) = Cidr::parse(b"[2001:DB8:0::]/32 six\n");
        assert_eq!(value(&six, "2001:db8::1").as_deref(), Some("six"));
    }

    #[test]
    fn bad_rules_are_skipped_with_a_warning() {
        // Rules 5.3, S15: no octal; bits behind the prefix; no value.
        let (table, warnings) =
            Cidr::parse(b"010.0.0.1 octal\n10.0.0.1/8 bits\n10.0.0.0/8\nendif\nif 10.0.0.0/8\n10.0.0.0/8 ok\n");
        assert_eq!(warnings.iter().map(|warning| warning.line).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        assert_eq!(value(&table, "10.0.0.1").as_deref(), Some("ok"));
    }
}
