//! `static`: the same value for every key. `fail`: an error for every key, to try out what happens then.

use super::{Table, TableError};

/// Every key has this value.
#[derive(Debug)]
pub(super) struct Constant(pub(super) String);

impl Table for Constant {
    fn lookup(&self, _: &str) -> Result<Option<String>, TableError> {
        Ok(Some(self.0.clone()))
    }
}

/// No key can be looked up.
#[derive(Debug)]
pub(super) struct Failing(pub(super) String);

impl Table for Failing {
    fn lookup(&self, _: &str) -> Result<Option<String>, TableError> {
        Err(TableError(self.0.clone()))
    }
}
