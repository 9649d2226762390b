//! `text`: a file in the source format of postmap(1), in memory (Postfix `texthash`).

use std::{
    collections::{HashMap, hash_map::Entry},
    fs,
    path::Path,
};

use super::{
    Loaded, OpenError, Table, TableError, TableRow, Warning,
    source::{self, fold},
};

/// Rows in memory; keys are folded to lower case. The first row of a key counts (Postfix refuses the whole table then: S2).
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Key as it stands, value and line.
    rows: HashMap<String, (String, usize)>,
}

impl Text {
    /// Read a file.
    pub(super) fn open(path: &Path) -> Result<Loaded, OpenError> {
        let content = fs::read(path).map_err(|error| OpenError::io(path, error))?;
        let (table, warnings) = Self::parse(&content);
        Ok(Loaded::new(table, warnings))
    }

    fn parse(content: &[u8]) -> (Self, Vec<Warning>) {
        let (mut table, mut warnings) = (Self::default(), Vec::new());
        for row in source::rows(content) {
            let row = match row {
                Ok(row) => row,
                Err(warning) => {
                    warnings.push(warning);
                    continue;
                }
            };
            match table.rows.entry(fold(&row.key).into_owned()) {
                Entry::Occupied(_) => warnings.push(source::duplicate(&row)),
                Entry::Vacant(place) => {
                    warnings.extend(source::suspicion(&row));
                    place.insert((row.value.into_owned(), row.line));
                }
            }
        }
        (table, warnings)
    }
}

impl Table for Text {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        Ok(self.rows.get(&*fold(key)).map(|(value, _)| value.clone()))
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        self.rows.get(&*fold(key)).map(|(_, line)| *line)
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|(_, (_, line))| *line);
        for (key, (value, line)) in rows {
            visit(TableRow { key, value, line: Some(*line) });
        }
        Ok(true)
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
        // Rules 5.1, 2.5
        let (table, warnings) = Text::parse(b"Joe@Example.com  Joe.Doe@example.com\n\"sp ace\"@d\tx@y\n");
        assert_eq!(warnings, []);
        assert_eq!(value(&table, "JOE@example.com").as_deref(), Some("Joe.Doe@example.com"));
        assert_eq!(value(&table, "\"sp ace\"@d").as_deref(), Some("x@y"));
        assert_eq!(value(&table, "other"), None);
        assert_eq!(table.line_of("joe@example.com"), Some(1));
    }

    #[test]
    fn warns_with_line_numbers() {
        let (table, warnings) = Text::parse(b"a 1\nA 2\nnovalue\n\"open 3\nbad\xff 4\nname: 5\n");
        let lines: Vec<_> = warnings.iter().map(|warning| warning.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
        // Rules trap 27, S2: the first of two rows counts.
        assert_eq!(value(&table, "a").as_deref(), Some("1"));
        assert_eq!(value(&table, "name:").as_deref(), Some("5"));
    }
}
