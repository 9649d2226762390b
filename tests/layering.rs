//! Who may import whom: the picture of `host/README.md`, kept true; and that each rule of `tests/rules.txt` has a test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What each part of `host/src` may import of the others. `cli` and `app` may import all.
const MAY_IMPORT: [(&str, &[&str]); 18] = [
    ("mail", &[]),
    ("dns", &[]),
    ("files", &[]),
    ("handshake", &[]),
    ("reload", &[]),
    ("smtp", &["mail"]),
    ("tables", &["mail", "reload"]),
    ("spool", &["mail"]),
    ("control", &["spool"]),
    ("pipeline", &["files", "mail", "smtp"]),
    ("sandbox", &["dns", "files", "mail", "pipeline", "smtp", "tables"]),
    ("events", &["mail", "pipeline", "smtp", "spool"]),
    ("records", &["events", "mail", "pipeline", "smtp", "spool"]),
    ("delivery", &["dns", "events", "handshake", "mail", "pipeline", "smtp", "spool", "tables"]),
    ("server", &["dns", "events", "files", "handshake", "mail", "pipeline", "reload", "smtp", "spool", "tables"]),
    ("admin", &["events", "pipeline", "smtp", "spool"]),
    ("telemetry", &["events", "pipeline", "smtp"]),
    ("config", &["delivery", "dns", "mail", "pipeline", "server", "smtp", "tables", "telemetry"]),
];

/// Libraries that only one part may know.
const ONLY_IN: [(&str, &[&str]); 16] = [
    ("wasmtime", &["sandbox"]),
    ("wasmtime_wasi", &["sandbox"]),
    ("wasmparser", &["sandbox"]),
    ("wit_component", &["sandbox"]),
    ("hickory_resolver", &["dns"]),
    ("rusqlite", &["records", "spool"]),
    ("toml", &["config"]),
    ("clap", &["cli"]),
    ("axum", &["admin"]),
    ("prometheus_client", &["admin"]),
    ("opentelemetry", &["telemetry"]),
    ("opentelemetry_otlp", &["telemetry"]),
    ("opentelemetry_sdk", &["telemetry"]),
    ("opentelemetry_http", &["telemetry"]),
    ("hyper_util", &["telemetry"]),
    ("tokio", &["admin", "app", "cli", "control", "delivery", "pipeline", "sandbox", "server", "spool", "telemetry"]),
];

const LONGEST_FILE: usize = 400;

struct File {
    path: PathBuf,
    /// Part of `host/src`: a folder, or a file's stem.
    part: String,
    text: String,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    files(folder, "rs")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

fn host_files() -> Vec<File> {
    let root = repository().join("host/src");
    let file = |path: PathBuf| {
        let part = path.strip_prefix(&root).expect("below the root").components().next().expect("a part");
        let part = part.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned();
        let text = fs::read_to_string(&path).expect("UTF-8");
        File { path, part, text }
    };
    rust_files(&root).into_iter().map(file).collect()
}

/// Every `crate::PART` of a file, with its line; `use crate::{…}` blocks are taken apart.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let line_of = |at: usize| text.split_at(at).0.matches('\n').count() + 1;
    for (at, _) in text.match_indices("crate::") {
        let rest = text.split_at(at + "crate::".len()).1;
        let Some(block) = rest.strip_prefix('{') else {
            found.push((line_of(at), first_word(rest)));
            continue;
        };
        let mut depth = 0_u32;
        let mut expects_name = true;
        for (offset, c) in block.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => expects_name = true,
                c if depth == 0 && expects_name && c.is_alphabetic() => {
                    found.push((line_of(at), first_word(block.split_at(offset).1)));
                    expects_name = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether a library is named as one: `name::` that is no part of a longer word or path.
fn names_library(line: &str, library: &str) -> bool {
    line.match_indices(&format!("{library}::")).any(|(at, _)| {
        let before = line.split_at(at).0.chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    })
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[test]
fn parts_import_only_what_lies_below_them() {
    let mut broken = Vec::new();
    for file in host_files() {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(part, _)| *part == file.part) else { continue };
        let parts: Vec<_> = MAY_IMPORT.iter().map(|(part, _)| *part).chain(["app", "cli"]).collect();
        for (line, import) in imports(&file.text) {
            let is_part = parts.contains(&import.as_str());
            if is_part && import != file.part && !allowed.contains(&import.as_str()) {
                broken.push(format!("{}:{line}: `{}` must not import `{import}`", file.path.display(), file.part));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut broken = Vec::new();
    for file in host_files() {
        // Tests of the sans-IO parts may run filters, which are async.
        let is_test = file.path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
        for (number, line) in file.text.lines().enumerate().filter(|(_, line)| !is_comment(line)) {
            for (library, parts) in ONLY_IN {
                if names_library(line, library) && !parts.contains(&file.part.as_str()) && !is_test {
                    broken.push(format!("{}:{}: `{library}` belongs to {parts:?}", file.path.display(), number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn filters_know_the_relay_by_its_contract_only() {
    let mut manifests = Vec::new();
    for folder in ["plugins", "examples/filters", "tests/guests"] {
        manifests.extend(files(&repository().join(folder), "toml"));
    }
    assert!(manifests.len() >= 8, "the filters' manifests are found");
    for path in manifests {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let depends = text.lines().any(|line| line.starts_with("mailweir ") || line.starts_with("mailweir."));
        assert!(!depends, "{}: filters must not depend on the relay", path.display());
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut broken = Vec::new();
    for folder in ["host", "plugins", "examples/filters", "tests"] {
        for path in rust_files(&repository().join(folder)) {
            let text = fs::read_to_string(&path).expect("UTF-8");
            let lines = text.lines().count();
            if lines > LONGEST_FILE {
                broken.push(format!("{}: {lines} lines, more than {LONGEST_FILE}", path.display()));
            }
            if !text.starts_with("//!") {
                broken.push(format!("{}:1: the file does not begin by saying what it is (`//!`)", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The part of a file that is tests.
fn tests_of(path: &Path, text: &str) -> String {
    let is_test = path.components().any(|part| part.as_os_str().to_string_lossy().starts_with("tests"));
    let start = if is_test { Some(0) } else { text.find("#[cfg(test)]\nmod tests {") };
    start.map_or_else(String::new, |start| text.split_at(start).1.to_owned())
}

/// Ids behind `// Rule` and `// Rules`, up to a colon.
fn rules_named(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("// Rules ").or_else(|| line.strip_prefix("// Rule "))
    });
    let ids = lines.flat_map(|line| line.split(':').next().unwrap_or_default().split(", "));
    ids.map(|id| id.trim().to_owned()).collect()
}

#[test]
fn each_rule_of_postfix_is_named_by_a_test() {
    let list = fs::read_to_string(repository().join("tests/rules.txt")).expect("the rules");
    let rules: Vec<_> =
        list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once("  ")).collect();
    assert!(rules.len() > 80, "the list is read");
    let mut named = Vec::new();
    for folder in ["host/src", "plugins", "tests"] {
        for path in rust_files(&repository().join(folder)) {
            named.extend(rules_named(&tests_of(&path, &fs::read_to_string(&path).expect("UTF-8"))));
        }
    }
    let missing: Vec<_> = rules.iter().filter(|(id, _)| !named.iter().any(|name| name == id)).collect();
    assert!(missing.is_empty(), "no test names these rules of tests/rules.txt: {missing:#?}");
    let unknown: Vec<_> = named.iter().filter(|name| !rules.iter().any(|(id, _)| id == name)).collect();
    assert!(unknown.is_empty(), "tests name rules that are not in tests/rules.txt: {unknown:?}");
}

/// The keys of the structures of a filter that are read from its `config`.
fn keys(text: &str) -> Vec<String> {
    let read = text.split("deny_unknown_fields").skip(1);
    let bodies = read.filter_map(|rest| rest.split_once("struct ")?.1.split_once('{')?.1.split_once("\n}"));
    let mut keys = Vec::new();
    for (body, _) in bodies {
        let mut renamed = None;
        for line in body.lines().map(str::trim) {
            let name = line.split_once("rename = \"").and_then(|(_, rest)| rest.split_once('"'));
            renamed = name.map(|(name, _)| name.to_owned()).or(renamed);
            let field = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").split_once(": ");
            if let Some((field, _)) = field.filter(|_| !line.starts_with(['#', '/'])) {
                keys.push(renamed.take().unwrap_or_else(|| field.replace('_', "-")));
            }
        }
    }
    keys
}

#[test]
fn each_key_of_a_filter_stands_on_its_page() {
    let mut count = 0;
    for filter in ["access", "attachments", "canonical", "generic", "masquerade"] {
        let folder = repository().join("plugins").join(filter);
        let page = fs::read_to_string(folder.join("README.md")).expect("its page");
        for path in rust_files(&folder.join("src")) {
            for key in keys(&fs::read_to_string(path).expect("UTF-8")) {
                let shown = [format!("`{key}`"), format!("{key} ="), format!("`{key}.")];
                assert!(shown.iter().any(|shown| page.contains(shown)), "{filter}: its page has no `{key}`");
                count += 1;
            }
        }
    }
    assert!(count > 40, "the keys are found");
}

#[test]
fn the_test_itself_sees_imports() {
    let text = "use crate::{\n    mail::{self, Address},\n    spool::Spool,\n};\nuse crate::app;\n// crate::x\n";
    let names: Vec<_> = imports(text).into_iter().map(|(line, name)| format!("{line} {name}")).collect();
    assert_eq!(names, ["1 mail", "1 spool", "5 app", "6 x"]);
    assert!(names_library("use toml::Spanned;", "toml") && !names_library("my_toml::x", "toml"));
}
