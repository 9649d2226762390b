//! The arguments of MAIL and RCPT: a path, then parameters (RFC 5321 4.1.2).

use super::command::CommandError;

/// Cut `FROM:<path> parameters` behind `keyword` into the path without its angle brackets and source route, and the
/// parameters. As Postfix does, blanks before the path and a path without brackets are taken; many devices send that.
pub(super) fn split_path<'a>(argument: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (found, rest) = argument.split_at_checked(keyword.len())?;
    if !found.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest.trim_start_matches([' ', '\t']);
    match rest.strip_prefix('<') {
        Some(inner) => {
            let (path, after) = inner.split_at_checked(unquoted(inner, |c| c == '>')?)?;
            let after = after.strip_prefix('>')?;
            let parted = after.is_empty() || after.starts_with([' ', '\t']);
            parted.then_some((without_route(path), after))
        }
        None if rest.is_empty() => None,
        None => rest.split_at_checked(unquoted(rest, |c| matches!(c, ' ' | '\t')).unwrap_or(rest.len())),
    }
}

/// Where the first character that `wanted` wants stands outside of quotes.
fn unquoted(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            _ if !quoted && wanted(c) => return Some(at),
            _ => {}
        }
    }
    None
}

/// RFC 5321 4.1.2 and appendix C: `@a,@b:user@c` is `user@c`; source routes are ignored. A route without a mailbox behind it is no path,
/// above all not the null path.
fn without_route(path: &str) -> &str {
    let mailbox = if path.starts_with('@') { path.split_once(':').map(|(_, mailbox)| mailbox) } else { None };
    mailbox.filter(|mailbox| !mailbox.is_empty()).unwrap_or(path)
}

/// `keyword[=value]` after the path, separated by blanks, not checked yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters<'a>(pub(super) &'a str);

impl<'a> Parameters<'a> {
    /// Each parameter with its keyword in upper case; an error for one that is malformed or there twice.
    pub(super) fn parse(self) -> Result<Vec<(String, Option<&'a str>)>, CommandError> {
        let mut parsed: Vec<(String, Option<&str>)> = vec![];
        for parameter in self.0.split([' ', '\t']).filter(|parameter| !parameter.is_empty()) {
            let (keyword, value) = match parameter.split_once('=') {
                Some((keyword, value)) => (keyword, Some(value)),
                None => (parameter, None),
            };
            let keyword_good = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
                && keyword.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            // Beyond US-ASCII only with SMTPUTF8 (RFC 6531 3.3), which each parameter asks for by itself.
            let value_char = |c: char| !c.is_ascii() || c.is_ascii_graphic() && c != '=';
            let value_good = value.is_none_or(|value| !value.is_empty() && value.chars().all(value_char));
            let keyword = keyword.to_ascii_uppercase();
            if !keyword_good || !value_good || parsed.iter().any(|(known, _)| *known == keyword) {
                return Err(CommandError::BadParameter(parameter.to_owned()));
            }
            parsed.push((keyword, value));
        }
        Ok(parsed)
    }
}
