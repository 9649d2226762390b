//! `mailweir table query` beside `postmap -q`: random files of each type, with lines that are wrong, and random keys.

use std::{path::Path, process::Output};

use crate::{
    file,
    program::feed,
    random::Random,
    report::{self, Report},
};

/// Lines of the source format of postmap(1).
const ROWS: [&str; 30] = [
    "joe@one.example  x@y.example",
    "JOE@One.Example\tOther",
    "ann@one.example   value with   blanks  ",
    "# comment",
    "",
    "   ",
    " continued",
    "\tcontinued # not a comment",
    "  # comment in between",
    "\"a b\"@one.example quoted",
    "\"unclosed value",
    "\"a\\\"b c\"@d escaped",
    "key\\ with backslash",
    "a\"b c\"d quoted inside",
    "novalue",
    "name: alias",
    "@one.example @two.example",
    "x@y.example joe@one.example",
    "Other third",
    "\u{43a}\u{43b}\u{44e}\u{447} \u{437}\u{43d}",
    "\u{41a}\u{41b}\u{42e}\u{427} second",
    "\u{c4}rger umlaut",
    "10.1.2.3 address",
    "$1 dollar",
    "a=b equals",
    "key, comma",
    "\u{a0}nbsp value",
    "very  long\\",
    "trailing\tvalue\t",
    "!x negated",
];

const ROW_KEYS: [&str; 24] = [
    "joe@one.example",
    "Joe@One.example",
    "ann@one.example",
    "\"a b\"@one.example",
    "a b@one.example",
    "\"unclosed",
    "\"a\\\"b c\"@d",
    "key",
    "key\\",
    "key\\ with",
    "a\"b c\"d",
    "novalue",
    "name:",
    "NAME:",
    "@one.example",
    "x@y.example",
    "Other",
    "\u{43a}\u{43b}\u{44e}\u{447}",
    "\u{41a}\u{41b}\u{42e}\u{427}",
    "\u{e4}RGER",
    "a=b",
    "key,",
    "trailing",
    "!x",
];

/// Lines of regexp_table(5) and pcre_table(5).
const PATTERNS: [&str; 36] = [
    "/^joe@/ first",
    "/^(.*)@one\\.example$/ $1@isp.example",
    "/^(.*)@(.*)$/ ${1}-$(2)-$$1",
    "!/@/ no at",
    "!/^(joe)/ $1",
    "if /one/",
    "if !/ann/",
    "IF /two/",
    "endif",
    "ENDIF",
    "/(a)|(b)/ [$1][$2]",
    "/x/",
    "/unclosed x",
    "/a(b/ bad",
    "/a/q bad flag",
    "/JOE/i sensitive",
    "/^ann$/m multi",
    "|pipe| other delimiter",
    "/slash\\/in/ slash",
    "/[[:digit:]]+/ digits",
    "/^.{3}$/ three",
    "# comment",
    "   continued",
    "",
    "word without pattern",
    "/^a+$/ $0",
    "/^(a+)$/ $2",
    "/dollar$/ costs 5$",
    "/^[^@]*\\+/ extension",
    "/ blank / blank",
    "//  empty pattern",
    "/\u{e4}/ umlaut",
    "!!/two/ twice",
    "! /two/ apart",
    "/(one|two)\\.example/ domain $1",
    "if /unclosed",
];

const PATTERN_KEYS: [&str; 18] = [
    "joe@one.example",
    "JOE@one.example",
    "joe",
    "ann",
    "ANN@two.example",
    "a",
    "b",
    "aaa",
    "abc",
    "pipe",
    "slash/in",
    "123",
    "x",
    "dollar",
    "a+b",
    "with blank in",
    "\u{c4}rger",
    "two.example",
];

/// Lines of cidr_table(5).
const NETWORKS: [&str; 30] = [
    "10.0.0.0/8 eight",
    "10.1.2.3 host",
    "!10.0.0.0/8 outside",
    "!192.0.2.1 other",
    "if 10.0.0.0/8",
    "if !192.0.2.0/24",
    "if 10.1.2.3",
    "endif",
    "[2001:db8::]/32 six",
    "2001:DB8:0::1 six host",
    "10.0.0.1/8 bits behind",
    "010.0.0.1 octal",
    "10.0.0.0/33 too long",
    "10.0.0.0/8",
    "junk x",
    "::ffff:10.1.2.3 mapped",
    "0.0.0.0/0 any",
    "::/0 any six",
    "10.0.0.0 /8 apart",
    "[10.0.0.0]/8 brackets",
    "[10.1.2.3] brackets",
    "10.0.0/24 short",
    "10.1.2.3/ empty",
    "# comment",
    " continued",
    "!!10.1.2.3 twice",
    "! 10.1.2.3 apart",
    "192.0.2.0/24\ttab",
    "10.1.2.3/32 exact",
    "if junk",
];

const NETWORK_KEYS: [&str; 15] = [
    "10.1.2.3",
    "10.200.1.1",
    "192.0.2.1",
    "192.0.2.200",
    "2001:db8::1",
    "2001:DB8:0:0::1",
    "2001:db9::1",
    "::ffff:10.1.2.3",
    "010.0.0.1",
    "8.0.0.1",
    "junk",
    "10.0.0.0/8",
    "[10.1.2.3]",
    "10.1",
    "::1",
];

/// Type here, type in Postfix.
const KINDS: [(&str, &str); 10] = [
    ("text", "texthash"),
    ("cdb", "cdb"),
    ("lmdb", "lmdb"),
    ("cdb by us", "cdb"),
    ("lmdb by us", "lmdb"),
    ("regexp", "regexp"),
    ("pcre", "pcre"),
    ("cidr", "cidr"),
    ("union", "unionmap"),
    ("pipe", "pipemap"),
];

fn lines(random: &mut Random, most: usize, of: &[&'static str]) -> String {
    (0..1 + random.below(most)).map(|_| format!("{}\n", of[random.below(of.len())])).collect()
}

/// A configuration that names what is made of two tables.
const CONFIG: &str = "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n\
    [tables]\nt0 = { type = \"text\", path = \"t0\" }\nt1 = { type = \"text\", path = \"t1\" }\n\
    union = { type = \"union\", tables = [\"t0\", \"t1\"] }\npipe = { type = \"pipe\", tables = [\"t0\", \"t1\"] }\n\
    [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://127.0.0.1:1\"\n";

fn mailweir(folder: &Path, args: &[&str], input: &str) -> Output {
    feed(folder, env!("CARGO_BIN_EXE_mailweir"), args, input)
}

fn postmap(folder: &Path, args: &[&str], input: &str) -> Output {
    feed(folder, "postmap", &[&["-c", "."], args].concat(), input)
}

/// Compile the table where it is a compiled one; its name for us and for Postfix.
fn build(folder: &Path, ours: &str, theirs: &str) -> (String, String) {
    match ours.split_once(' ') {
        Some((kind, _)) => {
            mailweir(folder, &["table", "build", "--type", kind, "t0"], "");
            (format!("{kind}:t0"), format!("{theirs}:t0"))
        }
        None if matches!(ours, "union" | "pipe") => (ours.to_owned(), format!("{theirs}:{{texthash:t0,texthash:t1}}")),
        None => {
            let name = format!("{theirs}:t0");
            if matches!(ours, "cdb" | "lmdb") {
                postmap(folder, &[&name], "");
            }
            (format!("{ours}:t0"), name)
        }
    }
}

/// A documented difference about the key of this row: `plugins/README.md`.
fn documented(kind: &str, row: &str) -> Option<&'static str> {
    match kind {
        "cidr" if row.starts_with("::ffff:") => Some("difference: an IPv4 address in IPv6 notation is an IPv4 address"),
        "regexp" | "pcre" if !row.is_ascii() => Some("difference: patterns match characters, not octets"),
        _ => None,
    }
}

/// One table; the same keys to both.
fn table(seed: u64, _: usize, report: &mut Report) {
    let mut random = Random::new(seed);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let (kind, theirs) = KINDS[random.below(KINDS.len())];
    let (all, keys): (&[&str], &[&str]) = match kind {
        "regexp" | "pcre" => (&PATTERNS, &PATTERN_KEYS),
        "cidr" => (&NETWORKS, &NETWORK_KEYS),
        _ => (&ROWS, &ROW_KEYS),
    };
    let (rows, more) = (lines(&mut random, 12, all), lines(&mut random, 12, all));
    let files = [("main.cf", "compatibility_level = 3.6\n"), ("mailweir.toml", CONFIG), ("t0", &rows), ("t1", &more)];
    files.iter().for_each(|(name, content)| file::write(&path.join(name), content));
    let (our_name, their_name) = build(path, kind, theirs);
    let keys: String = keys.iter().map(|key| format!("{key}\n")).collect();
    let ours = mailweir(path, &["table", "query", &our_name, "-"], &keys);
    let theirs = postmap(path, &["-q", "-", &their_name], &keys);
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let (our_rows, their_rows) = (text(&ours.stdout), text(&theirs.stdout));
    report.count(format!("{kind}: {}", if their_rows.is_empty() { "no row" } else { "rows" }));
    let only = |rows: &str, others: &str| -> Vec<String> {
        rows.lines().filter(|row| !others.lines().any(|other| other == *row)).map(str::to_owned).collect()
    };
    let (only_they, only_we) = (only(&their_rows, &our_rows), only(&our_rows, &their_rows));
    let differing: Vec<_> = only_they.iter().chain(&only_we).map(|row| documented(kind, row)).collect();
    differing.iter().flatten().for_each(|what| report.count(*what));
    if differing.contains(&None) || (differing.is_empty() && our_rows != their_rows) {
        report.differ(
            format!("SEED={seed} {our_name}: only Postfix has {only_they:?}, only we {only_we:?}"),
            format!("--- t0\n{rows}\n--- t1\n{more}\n{}\n{}", text(&theirs.stderr), text(&ours.stderr)),
        );
    }
}

#[test]
fn tables_answer_as_for_postmap() {
    report::run("tables", 40, 1, table);
}
