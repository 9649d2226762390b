//! `text`: a file in the source format of postmap(1), in memory.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs,
    path::Path,
};

use super::{OpenError, Table, TableError};

/// Rows in memory; keys are folded to lower case.
#[derive(Debug, Default)]
pub struct Text {
    rows: HashMap<String, String>,
    /// Lines that somebody should look at.
    pub warnings: Vec<TextWarning>,
}

/// A line of the file that is not used as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextWarning {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub message: String,
}

impl Text {
    /// Read a file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let content = fs::read(path).map_err(|error| OpenError { path: path.to_owned(), error })?;
        Ok(Self::parse(&content))
    }

    /// Read a table: a row a logical line, key and value separated by blanks. A line that begins with a blank goes on with the one
    /// before; empty lines and lines whose first other character is `#` are skipped. The first row of a key counts.
    pub fn parse(content: &[u8]) -> Self {
        let mut table = Self::default();
        for (line, row) in logical_lines(content) {
            let added = match String::from_utf8(row) {
                Ok(row) => table.add(&row),
                Err(_) => Err("this line is not UTF-8; it is skipped".to_owned()),
            };
            if let Err(message) = added {
                table.warnings.push(TextWarning { line, message });
            }
        }
        table
    }

    fn add(&mut self, row: &str) -> Result<(), String> {
        let (key, value) = split_row(row)?;
        let looks_like_alias = key.ends_with(':').then(|| format!("key `{key}` ends in `:`; is this an aliases file?"));
        match self.rows.entry(key.to_lowercase()) {
            Entry::Occupied(_) => return Err(format!("key `{key}` is there already; the first row counts")),
            Entry::Vacant(place) => drop(place.insert(value.to_owned())),
        }
        looks_like_alias.map_or(Ok(()), Err)
    }
}

/// Rows with the number of their first line.
fn logical_lines(content: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut rows: Vec<(usize, Vec<u8>)> = Vec::new();
    for (line, number) in content.split(|octet| *octet == b'\n').zip(1..) {
        let trimmed = line.trim_ascii();
        if trimmed.is_empty() || trimmed.starts_with(b"#") {
            continue;
        }
        match rows.last_mut() {
            Some((_, row)) if line.first().is_some_and(u8::is_ascii_whitespace) => {
                row.push(b' ');
                row.extend_from_slice(trimmed);
            }
            _ => rows.push((number, trimmed.to_vec())),
        }
    }
    rows
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

impl Table for Text {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.rows.get(&key.to_lowercase()).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(table: &Text, key: &str) -> Option<String> {
        table.lookup(key).expect("no error")
    }

    #[test]
    fn reads_the_source_format_of_postmap() {
        // 5.1
        let table = Text::parse(
            b"# comment\n\nJoe@Example.com  Joe.Doe@example.com\n\"sp ace\"@d\tx@y\nlong@d a@b,\n  # comment inside\n\tc@d\n",
        );
        assert_eq!(table.warnings, []);
        assert_eq!(value(&table, "JOE@example.com").as_deref(), Some("Joe.Doe@example.com"));
        assert_eq!(value(&table, "\"sp ace\"@d").as_deref(), Some("x@y"));
        assert_eq!(value(&table, "long@d").as_deref(), Some("a@b, c@d"));
        assert_eq!(value(&table, "other"), None);
    }

    #[test]
    fn warns_with_line_numbers() {
        let table = Text::parse(b"a 1\nA 2\nnovalue\n\"open 3\nbad\xff 4\nname: 5\n");
        let lines: Vec<_> = table.warnings.iter().map(|warning| warning.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
        // Trap 27: the first of two rows counts.
        assert_eq!(value(&table, "a").as_deref(), Some("1"));
        assert_eq!(value(&table, "name:").as_deref(), Some("5"));
    }
}
