//! Values with a form of their own: durations, sizes, domains, regular expressions.

use std::{net::SocketAddr, time::Duration};

use regex::Regex;

use super::{
    diagnostic::Diagnostic,
    reader::{Converted, Value},
};

/// A duration with its unit: `200ms`, `5s`, `10m`, `2h`, `5d`.
pub(super) fn duration(value: Value<'_>) -> Converted<Duration> {
    let text = value.text()?;
    parse_duration(&text).map_err(|error| {
        let wrong = Diagnostic::error(value.span(), error);
        vec![wrong.with_help("a whole number above 0 with ms, s, m, h or d, such as \"200ms\" or \"5d\"")]
    })
}

/// The same from a command line.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((text, ""));
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let total =
        milliseconds.and_then(|one: u64| number.parse::<u64>().ok()?.checked_mul(one)).filter(|total| *total > 0);
    total.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is no duration"))
}

/// A size in octets: a whole number, or a string with its unit: `64KiB`, `16MiB`, `1GiB`, `10MB`.
pub(super) fn size(value: Value<'_>) -> Converted<u64> {
    if value.raw().as_integer().is_some() {
        return value.number();
    }
    let text = value.text()?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or((&text, ""));
    let octets = match unit {
        "B" => Some(1),
        "kB" => Some(1000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    octets.and_then(|one: u64| number.parse::<u64>().ok()?.checked_mul(one)).ok_or_else(|| {
        let wrong = Diagnostic::error(value.span(), format!("`{text}` is no size"));
        vec![wrong.with_help("a number of octets, or a string with KiB, MiB, GiB, kB, MB or GB, such as \"16MiB\"")]
    })
}

/// An IP address and a port.
pub(super) fn socket_address(value: Value<'_>) -> Converted<SocketAddr> {
    let text = value.text()?;
    text.parse().map_err(|_| {
        let wrong = Diagnostic::error(value.span(), format!("`{text}` is no address to listen on"));
        vec![wrong.with_help("an IP address and a port, such as \"0.0.0.0:25\", \"127.0.0.1:2525\" or \"[::]:25\"")]
    })
}

/// A number that fits 32 bits.
pub(super) fn count(value: Value<'_>) -> Converted<u32> {
    let number = value.number()?;
    u32::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| value.wrong("this must be 1 to 4294967295"))
}

/// A host or domain name (RFC 1123 2.1), in lower case.
pub(super) fn domain(value: Value<'_>) -> Converted<String> {
    let text = value.text()?;
    if !is_domain(&text) {
        let wrong = Diagnostic::error(value.span(), format!("`{text}` is no domain name"));
        return Err(vec![
            wrong.with_help("letters, digits and hyphens with dots between, such as \"mail.example.com\""),
        ]);
    }
    Ok(text.to_lowercase())
}

/// `example.com`, `.example.com` (all below it) or `*`, in lower case.
pub(super) fn domain_pattern(value: Value<'_>) -> Converted<String> {
    let text = value.text()?;
    if text != "*" && !is_domain(text.strip_prefix('.').unwrap_or(&text)) {
        let wrong = Diagnostic::error(value.span(), format!("`{text}` is no domain pattern"));
        return Err(vec![wrong.with_help("\"example.com\", \".example.com\" (all below it) or \"*\"")]);
    }
    Ok(text.to_lowercase())
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !c.is_ascii();
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(allowed)
    };
    text.len() <= 255 && text.split('.').all(label)
}

/// A regular expression; what is wrong in it is told in one line.
pub(super) fn regex(value: Value<'_>) -> Converted<Regex> {
    let text = value.text()?;
    Regex::new(&text).map_err(|error| {
        let error = error.to_string();
        let cause = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        value.wrong(format!("this regular expression does not work: {cause}"))
    })
}
