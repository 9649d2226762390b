//! A table in a file that may change while the relay runs.

use std::{path::Path, sync::Arc};

use super::{Loaded, OpenError, Table, TableError, TableRow};
use crate::reload::{Reloading, Seen};

type Open = fn(&Path) -> Result<Loaded, OpenError>;

/// A table and the file that it comes from.
pub(super) struct ReloadingTable(Reloading<Arc<dyn Table>>);

impl ReloadingTable {
    pub(super) fn open(path: &Path, open: Open) -> Result<Loaded, OpenError> {
        let path = path.to_owned();
        let seen = Seen::now(vec![path.clone()]);
        let Loaded { table, warnings } = open(&path)?;
        let renew = move || {
            let Loaded { table, warnings } = open(&path).map_err(|error| error.to_string())?;
            for warning in &warnings {
                tracing::warn!("{}:{}: {}", path.display(), warning.line, warning.message);
            }
            Ok(table)
        };
        Ok(Loaded::new(Self(Reloading::new("table", seen, table, renew)), warnings))
    }
}

impl Table for ReloadingTable {
    fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
        self.0.current().lookup(key)
    }

    fn has_patterns(&self) -> bool {
        self.0.last().has_patterns()
    }

    fn line_of(&self, key: &str) -> Option<usize> {
        self.0.current().line_of(key)
    }

    fn rows(&self, visit: &mut dyn FnMut(TableRow<'_>)) -> Result<bool, TableError> {
        self.0.current().rows(visit)
    }
}
