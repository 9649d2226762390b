//! From what a table is to the table.

use std::{path::Path, sync::Arc};

use super::{
    Kind, Loaded, OpenError, Table,
    cdb::Cdb,
    cidr::Cidr,
    combined::{Pipe, Union},
    constant::{Constant, Failing},
    inline::Inline,
    lmdb::Lmdb,
    pattern::{Dialect, Patterns},
    reload::ReloadingTable,
    text::Text,
};

/// Finds the tables that a union or a pipe is made of.
pub type Others<'a> = &'a dyn Fn(&str) -> Option<Arc<dyn Table>>;

/// Open a table. Tables in files are opened again when the file changes; a broken new version leaves the old one in use.
pub fn open(kind: &Kind, others: Others<'_>) -> Result<Loaded, OpenError> {
    let parts = |names: &[String]| {
        let part =
            |name: &String| others(name).ok_or_else(|| OpenError::new(Path::new(name), "there is no such table"));
        names.iter().map(part).collect::<Result<Vec<_>, _>>()
    };
    match kind {
        Kind::Text(path) => ReloadingTable::open(path, Text::open),
        Kind::Cdb(path) => ReloadingTable::open(&with_ending(path, "cdb"), Cdb::open),
        Kind::Lmdb(path) => ReloadingTable::open(&with_ending(path, "lmdb"), Lmdb::open),
        Kind::Regexp(path) => ReloadingTable::open(path, |path| Patterns::open(path, Dialect::Regexp)),
        Kind::Pcre(path) => ReloadingTable::open(path, |path| Patterns::open(path, Dialect::Pcre)),
        Kind::Cidr(path) => ReloadingTable::open(path, Cidr::open),
        Kind::Inline(rows) => Ok(Loaded::new(Inline::new(rows), vec![])),
        Kind::Static(value) => Ok(Loaded::new(Constant(value.clone()), vec![])),
        Kind::Fail(reason) => Ok(Loaded::new(Failing(reason.clone()), vec![])),
        Kind::Union(names) => Ok(Loaded::new(Union(parts(names)?), vec![])),
        Kind::Pipe(names) => Ok(Loaded::new(Pipe(parts(names)?), vec![])),
    }
}

/// The same for one who asks many keys at once and then ends: a `cdb` file of up to 1 GiB is read into memory, and no change is looked for.
pub fn open_for_many(kind: &Kind, others: Others<'_>) -> Result<Loaded, OpenError> {
    match kind {
        Kind::Cdb(path) => Cdb::open_in_memory(&with_ending(path, "cdb")),
        kind => open(kind, others),
    }
}

/// As in Postfix, a compiled table is named without its ending.
pub(super) fn with_ending(path: &Path, ending: &str) -> std::path::PathBuf {
    if path.extension().is_some_and(|found| found == ending) {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
