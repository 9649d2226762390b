//! The types of tables, by name.

use std::path::{Path, PathBuf};

/// What a table is, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `text`.
    Text(PathBuf),
    /// `inline`.
    Inline(Vec<(String, String)>),
    /// `hash`, `cdb`: a compiled file.
    Cdb(PathBuf),
    /// `lmdb`: a compiled file.
    Lmdb(PathBuf),
    /// `regexp`.
    Regexp(PathBuf),
    /// `pcre`.
    Pcre(PathBuf),
    /// `cidr`.
    Cidr(PathBuf),
    /// `static`.
    Static(String),
    /// `fail`.
    Fail(String),
    /// `union`.
    Union(Vec<String>),
    /// `pipe`.
    Pipe(Vec<String>),
}

/// A type for people who look for one.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// As in `type = "…"`.
    pub name: &'static str,
    /// The key that stands beside it: `path`, `rows`, `value`, `tables`.
    pub argument: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
}

/// All types.
pub const TYPES: [TypeInfo; 12] = [
    of("cdb", "path", "compiled file, read from disk; also what postmap makes of cdb:"),
    of("cidr", "path", "rules for blocks of IP addresses, cidr_table(5)"),
    of("fail", "value", "an error for every key, to try out what happens then"),
    of("hash", "path", "the compiled form of `mailweir table build`: a cdb file"),
    of("inline", "rows", "rows in the TOML itself"),
    of("lmdb", "path", "compiled file, read from disk; also what postmap makes of lmdb:"),
    of("pcre", "path", "rules with Perl's regular expressions, pcre_table(5)"),
    of("pipe", "tables", "the value of each table is the key for the next (pipemap)"),
    of("regexp", "path", "rules with POSIX regular expressions, regexp_table(5)"),
    of("static", "value", "the same value for every key"),
    of("text", "path", "the source format of postmap(1), read into memory (texthash)"),
    of("union", "tables", "the values of all tables, joined by commas (unionmap)"),
];

const fn of(name: &'static str, argument: &'static str, about: &'static str) -> TypeInfo {
    TypeInfo { name, argument, about }
}

impl Kind {
    /// A table in a file; none where there is no such type, or it is no file.
    pub fn of_file(name: &str, path: &Path) -> Option<Self> {
        let path = path.to_owned();
        Some(match name {
            "text" | "texthash" => Self::Text(path),
            "cdb" | "hash" => Self::Cdb(path),
            "lmdb" => Self::Lmdb(path),
            "regexp" => Self::Regexp(path),
            "pcre" => Self::Pcre(path),
            "cidr" => Self::Cidr(path),
            _ => return None,
        })
    }
}
