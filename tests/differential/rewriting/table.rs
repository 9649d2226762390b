//! One random lookup table, as Postfix and as we name it.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, process::Command};

use crate::{file, random::Random};

/// Keys of tables of fixed texts: full addresses, users, domains.
const KEYS: [&str; 30] = [
    "joe@one.example",
    "joe+x@one.example",
    "ann@one.example",
    "Bob@One.Example",
    "joe@host.one.example",
    "joe@host.dom.example",
    "joe@origin.example",
    "joe@local.example",
    "joe@[127.0.0.1]",
    "joe@[192.0.2.1]",
    "joe",
    "joe+x",
    "ann",
    "ann+y",
    "\"a b\"",
    "\"a b\"@one.example",
    "\"a@b\"@one.example",
    "\"joe\"@one.example",
    "a..b@one.example",
    "\"a..b\"@one.example",
    "@one.example",
    "@two.example",
    "@sub.one.example",
    "@origin.example",
    "@local.example",
    "@dom.example",
    "ann@two.example",
    "owner-list@one.example",
    "list-request@one.example",
    "postmaster@one.example",
];

/// Values of rows that are addresses.
const VALUES: [&str; 25] = [
    "joe@two.example",
    "Ann@Three.example",
    "ann@two.example",
    "bob@one.example",
    "far@isp.example",
    "far+away@isp.example",
    "@isp.example",
    "@two.example",
    "@Three.Example",
    "@host",
    "joe",
    "bob+z",
    "joe@host",
    "first@isp.example, second@isp.example",
    "first@isp.example second@isp.example",
    "Joe Doe <joe.doe@isp.example>",
    "joe(comment)@isp.example",
    "joe (a (nested) comment) @isp.example",
    "\"q q\"@isp.example",
    "a..b@isp.example",
    "site!user",
    "user%isp.example",
    "joe@isp.example.",
    "joe@[192.0.2.7]",
    "team: joe@isp.example, ann@isp.example;",
];

/// Values of rows that are none.
const NO_ADDRESSES: [&str; 3] = ["()", "<>", ","];

/// Patterns, and values that use what they found.
const PATTERNS: [(&str, &str); 8] = [
    ("/^(.*)@sub\\.one\\.example$/", "$1@isp.example"),
    ("/^joe\\+(.*)@(.*)$/", "${1}.joe@$(2)"),
    ("!/example/", "none@isp.example"),
    ("/@nodot$/", "dot@isp.example"),
    ("/^Ann@/", "ann@isp.example"),
    ("/^JOE@/i", "sensitive@isp.example"),
    ("/^\"a b\"@/", "quoted@isp.example"),
    ("/^[a-c]+@two\\.example$/", "@isp.example"),
];

/// A lookup table.
#[derive(Clone, Debug)]
pub(crate) enum Table {
    /// In one of the forms of [`FIXED`].
    Fixed(&'static str, BTreeMap<String, &'static str>),
    Patterns(&'static str, Vec<String>),
    Static(&'static str),
    /// Can't be asked.
    Fail,
}

/// Forms of tables of fixed texts; compiled ones are built by postmap or by us, and read by both.
const FIXED: [&str; 7] = ["text", "text", "inline", "cdb", "lmdb", "cdb by us", "lmdb by us"];

impl Table {
    /// A table with which a lookup can fail; or not: Postfix's smtp(8) ends when it does, and the master waits a minute then.
    pub(crate) fn random(random: &mut Random, can_fail: bool) -> Self {
        match random.below(20) {
            0 => Self::Static(random.pick(&["all@isp.example", "@isp.example", "joe"])),
            1 if can_fail => Self::Fail,
            2..5 => {
                let count = 1 + random.below(4);
                let rule = |random: &mut Random| {
                    let (pattern, value) = PATTERNS[random.below(PATTERNS.len())];
                    format!("{pattern} {value}")
                };
                Self::Patterns(random.pick(&["regexp", "pcre"]), (0..count).map(|_| rule(random)).collect())
            }
            _ => {
                let form = random.pick(&FIXED);
                let mut rows = BTreeMap::new();
                for _ in 0..random.below(12) {
                    // Rows of one folded key: Postfix refuses the whole table (S2).
                    let values: &[&'static str] = if can_fail && random.percent(3) { &NO_ADDRESSES } else { &VALUES };
                    rows.entry(random.pick(&KEYS).to_lowercase()).or_insert(values[random.below(values.len())]);
                }
                if form == "inline" {
                    // Its syntax has no room for these, and it takes no table without rows.
                    rows.retain(|key, value| !key.contains('"') && !value.contains(['"', '(', ';', ',']));
                    rows.entry("never@never.example".to_owned()).or_insert("x@isp.example");
                }
                Self::Fixed(form, rows)
            }
        }
    }

    pub(crate) fn is_pattern(&self) -> bool {
        matches!(self, Self::Patterns(..))
    }

    pub(crate) fn is_in_memory(&self) -> bool {
        matches!(self, Self::Fixed("text" | "inline", _))
    }

    /// The value of a key that stands there, where this can be said without asking the table.
    pub(crate) fn value(&self, key: &str) -> Option<&'static str> {
        match self {
            Self::Fixed(_, rows) => rows.get(&key.to_lowercase()).copied(),
            Self::Static(value) => Some(value),
            Self::Patterns(..) | Self::Fail => None,
        }
    }

    /// Rows that are walked by `check`.
    pub(crate) fn rows(&mut self) -> Option<&mut BTreeMap<String, &'static str>> {
        match self {
            Self::Fixed(_, rows) => Some(rows),
            _ => None,
        }
    }

    /// The content of its file.
    pub(crate) fn content(&self) -> String {
        match self {
            Self::Fixed(_, rows) => rows.iter().map(|(key, value)| format!("{key}\t{value}\n")).collect(),
            Self::Patterns(_, rules) => rules.iter().map(|rule| format!("{rule}\n")).collect(),
            Self::Static(value) => format!("(static) {value}\n"),
            Self::Fail => "(fails)\n".to_owned(),
        }
    }

    /// Write its file, and compile it where it is a compiled one.
    pub(crate) fn write(&self, path: &Path) {
        file::write(path, self.content());
        let Self::Fixed(form, _) = self else { return };
        let built = match form.split_once(' ') {
            Some((kind, _)) => {
                Command::new(env!("CARGO_BIN_EXE_mailweir")).args(["table", "build", "--type", kind]).arg(path).output()
            }
            None if matches!(*form, "cdb" | "lmdb") => {
                let folder = path.parent().expect("in a folder");
                fs::write(folder.join("main.cf"), "compatibility_level = 3.6\n").expect("written");
                Command::new("postmap").arg("-c").arg(folder).arg(format!("{form}:{}", path.display())).output()
            }
            None => return,
        };
        let built = built.expect("`make tools` installs postmap");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }

    /// For `main.cf`.
    pub(crate) fn for_postfix(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Fixed("inline", rows) => {
                let rows: Vec<_> = rows.iter().map(|(key, value)| format!("{{ {key} = {value} }}")).collect();
                format!("inline:{{ {} }}", rows.join(", "))
            }
            Self::Fixed("text", _) => format!("texthash:{path}"),
            Self::Fixed(form, _) => format!("{}:{path}", form.split(' ').next().unwrap_or_default()),
            Self::Patterns(kind, _) => format!("{kind}:{path}"),
            Self::Static(value) => format!("static:{{{value}}}"),
            Self::Fail => "fail:temp".to_owned(),
        }
    }

    /// For `[tables]`.
    pub(crate) fn for_us(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Fixed("inline", rows) => {
                let mut text = "type = \"inline\", rows = {".to_owned();
                for (number, (key, value)) in rows.iter().enumerate() {
                    let comma = if number == 0 { "" } else { "," };
                    write!(text, "{comma} {key:?} = {value:?}").expect("written");
                }
                text + " }"
            }
            Self::Fixed(form, _) => {
                format!("type = \"{}\", path = \"{path}\"", form.split(' ').next().unwrap_or_default())
            }
            Self::Patterns(kind, _) => format!("type = \"{kind}\", path = \"{path}\""),
            Self::Static(value) => format!("type = \"static\", value = \"{value}\""),
            Self::Fail => "type = \"fail\", value = \"as told\"".to_owned(),
        }
    }
}
