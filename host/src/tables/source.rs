//! The source format of postmap(1): rows in a text file. Shared by tables that are read and by those that are built from it.

use std::borrow::Cow;

use super::Warning;

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// As it stands, with its quotes.
    pub(super) key: Cow<'a, str>,
    pub(super) value: Cow<'a, str>,
    /// Number of its first line, from 1.
    pub(super) line: usize,
}

/// Lines that belong together, with the number of the first: a line that begins with a blank goes on with the one before; empty lines
/// and lines whose first other character is `#` are passed over, also in between.
pub(super) fn logical_lines(content: &[u8]) -> impl Iterator<Item = (usize, Cow<'_, [u8]>)> {
    let mut physical = content.split(|octet| *octet == b'\n').zip(1_usize..).filter_map(|(line, number)| {
        let trimmed = line.trim_ascii_start();
        let skipped = trimmed.is_empty() || trimmed.starts_with(b"#");
        (!skipped).then_some((number, trimmed.len() < line.len(), line))
    });
    let mut pending = physical.next();
    std::iter::from_fn(move || {
        let (number, _, first) = pending.take()?;
        let mut row = Cow::Borrowed(first);
        pending = physical.next();
        while let Some((_, true, more)) = pending {
            row.to_mut().extend_from_slice(more);
            pending = physical.next();
        }
        let row = match row {
            Cow::Borrowed(row) => Cow::Borrowed(row.trim_ascii()),
            Cow::Owned(row) => Cow::Owned(row.trim_ascii().to_vec()),
        };
        Some((number, row))
    })
}

/// All rows, or why a line is none.
pub(super) fn rows(content: &[u8]) -> impl Iterator<Item = Result<Row<'_>, Warning>> {
    logical_lines(content).map(|(line, octets)| {
        let parsed = match octets {
            Cow::Borrowed(octets) => str::from_utf8(octets).map_err(|_| NOT_UTF8.to_owned()).and_then(|text| {
                let (key, value) = split_row(text)?;
                Ok((Cow::Borrowed(key), Cow::Borrowed(value)))
            }),
            Cow::Owned(octets) => String::from_utf8(octets).map_err(|_| NOT_UTF8.to_owned()).and_then(|text| {
                let (key, value) = split_row(&text)?;
                Ok((Cow::Owned(key.to_owned()), Cow::Owned(value.to_owned())))
            }),
        };
        match parsed {
            Ok((key, value)) => Ok(Row { key, value, line }),
            Err(message) => Err(Warning { line, message }),
        }
    })
}

const NOT_UTF8: &str = "this line is not UTF-8; it is skipped";

/// What is suspicious about a row that is used all the same.
pub(super) fn suspicion(row: &Row<'_>) -> Option<Warning> {
    let message = || format!("key `{}` ends in `:`; is this an aliases file?", row.key);
    row.key.ends_with(':').then(|| Warning { line: row.line, message: message() })
}

/// A row whose key another row has already.
pub(super) fn duplicate(row: &Row<'_>) -> Warning {
    Warning { line: row.line, message: format!("key `{}` is there already; the first row counts", row.key) }
}

/// The key ends at the first blank outside quotes; it keeps its quotes.
fn split_row(row: &str) -> Result<(&str, &str), String> {
    let (mut quoted, mut escaped) = (false, false);
    let end = row.bytes().position(|octet| match octet {
        _ if escaped => {
            escaped = false;
            false
        }
        b'\\' => {
            escaped = true;
            false
        }
        b'"' => {
            quoted = !quoted;
            false
        }
        octet => octet.is_ascii_whitespace() && !quoted,
    });
    if quoted {
        return Err("a quote is not closed; the line is skipped".to_owned());
    }
    let (key, value) = end.and_then(|end| row.split_at_checked(end)).unwrap_or((row, ""));
    match value.trim() {
        "" => Err(format!("key `{key}` has no value; the line is skipped")),
        value => Ok((key, value)),
    }
}

/// A key as fixed-text tables keep it: in lower case (postmap(1) without `-f`).
pub(super) fn fold(key: &str) -> Cow<'_, str> {
    let folded = key.bytes().all(|octet| octet.is_ascii() && !octet.is_ascii_uppercase());
    if folded { Cow::Borrowed(key) } else { Cow::Owned(key.to_lowercase()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_go_on_behind_blanks() {
        // Rules 5.1, trap 28
        let content = b"# comment\n\na  1\nlong@d a@b,\n  # comment inside\n\tc@d\nz 9";
        let read: Vec<_> =
            rows(content).map(|row| row.map(|row| (row.line, row.key.into_owned(), row.value.into_owned()))).collect();
        let row = |line, key: &str, value: &str| Ok((line, key.to_owned(), value.to_owned()));
        assert_eq!(read, [row(3, "a", "1"), row(4, "long@d", "a@b,\tc@d"), row(7, "z", "9")]);
    }

    #[test]
    fn keys_are_folded_beyond_ascii() {
        // Rules 2.5, S14: to lower case; Postfix also makes `ss` of `ß`.
        assert_eq!(fold("Joe@\u{c4}RGER.example"), "joe@\u{e4}rger.example");
        assert_eq!(fold("Stra\u{df}e"), "stra\u{df}e");
    }

    proptest! {
        #[test]
        fn any_octets_are_survived(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            for row in rows(&content).flatten() {
                prop_assert!(!row.value.is_empty() && row.line > 0);
            }
        }
    }
}
