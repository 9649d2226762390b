//! `union` and `pipe`: tables made of tables (Postfix unionmap, pipemap).

use std::sync::Arc;

use super::{Table, TableError};

/// All values that its tables have for a key, joined by commas.
pub(super) struct Union(pub(super) Vec<Arc<dyn Table>>);

impl Table for Union {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        let mut values = Vec::new();
        for table in &self.0 {
            values.extend(table.lookup(key)?);
        }
        Ok((!values.is_empty()).then(|| values.join(",")))
    }

    fn has_patterns(&self) -> bool {
        self.0.iter().any(|table| table.has_patterns())
    }
}

/// The value of each table is the key for the next; without a row in one of them there is none.
pub(super) struct Pipe(pub(super) Vec<Arc<dyn Table>>);

impl Table for Pipe {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        let mut value = key.to_owned();
        for table in &self.0 {
            match table.lookup(&value)? {
                Some(next) => value = next,
                None => return Ok(None),
            }
        }
        Ok(Some(value))
    }

    fn has_patterns(&self) -> bool {
        self.0.iter().any(|table| table.has_patterns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::{constant::Failing, inline::Inline};

    fn table(rows: &[(&str, &str)]) -> Arc<dyn Table> {
        let rows: Vec<_> = rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Arc::new(Inline::new(&rows))
    }

    #[test]
    fn unions_join_and_pipes_follow() {
        // Rule 5.4
        let (one, two) = (table(&[("a", "b"), ("x", "1")]), table(&[("b", "c"), ("x", "2")]));
        let union = Union(vec![Arc::clone(&one), Arc::clone(&two)]);
        assert_eq!(union.lookup("X").expect("a value").as_deref(), Some("1,2"));
        assert_eq!(union.lookup("a").expect("a value").as_deref(), Some("b"));
        assert_eq!(union.lookup("z").expect("no value"), None);
        let pipe = Pipe(vec![one, two]);
        assert_eq!(pipe.lookup("a").expect("a value").as_deref(), Some("c"));
        assert_eq!(pipe.lookup("b").expect("no value"), None);
    }

    #[test]
    fn an_error_of_a_part_is_an_error_of_the_whole() {
        // Rules L3, trap 20
        let failing: Arc<dyn Table> = Arc::new(Failing("no".to_owned()));
        assert!(Union(vec![table(&[("a", "b")]), Arc::clone(&failing)]).lookup("a").is_err());
        assert!(Pipe(vec![table(&[("a", "b")]), failing]).lookup("a").is_err());
    }
}
