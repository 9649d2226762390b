//! Configurations that can't work: what `mailweir check` says about each stands beside it in `bad-configs/`.
//!
//! `BLESS=1 cargo test --test bad_configs` writes the expectations anew; read the difference before you keep it.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use self::certificates::Authority;

#[path = "support/certificates.rs"]
mod certificates;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    files
}

/// A folder in which configurations find the built filters as `filters/`, damaged ones, certificates, users, and a folder to write files into.
fn workplace() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    symlink(env!("MAILWEIR_GUESTS"), folder.path().join("filters")).expect("a link");
    fs::write(folder.path().join("cut-off.wasm"), b"\0asm\x01\0\0\0\x01\x05\x01").expect("written");
    let exceptions = wat::parse_str(r#"(component (core module (type (func)) (import "a" "b" (tag (type 0)))))"#);
    fs::write(folder.path().join("exceptions.wasm"), exceptions.expect("valid text")).expect("written");
    fs::create_dir(folder.path().join("scans")).expect("a folder");
    fs::write(folder.path().join("users"), "joe@example.com $6$salt$hash\n").expect("written");
    let authority = Authority::new();
    fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
    authority.issue(&["relay.example.com"]).write(folder.path(), "relay");
    authority.issue(&["other.example.com", "*.example.net"]).write(folder.path(), "other");
    authority.issue_until(&["relay.example.com"], 2021).write(folder.path(), "expired");
    folder
}

/// What `check` says, and whether it found the configuration good.
fn check(folder: &Path, name: &str) -> (String, bool) {
    let output = Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .args(["check", "--config", name])
        .current_dir(folder)
        .output()
        .expect("mailweir runs");
    (String::from_utf8(output.stderr).expect("UTF-8"), output.status.success())
}

#[test]
fn every_mistake_is_told_with_its_place() {
    let folder = workplace();
    let configs = files(&repository().join("tests/bad-configs"), "toml");
    assert!(configs.len() >= 25, "only {} bad configurations", configs.len());
    let mut wrong = Vec::new();
    for config in configs {
        let name = config.file_name().and_then(|name| name.to_str()).expect("a plain name");
        fs::copy(&config, folder.path().join(name)).expect("a copy");
        let (said, good) = check(folder.path(), name);
        assert!(!good, "{name} was found good");
        let expected = config.with_extension("expected");
        if env::var_os("BLESS").is_some() {
            fs::write(&expected, &said).expect("written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("--- {name} ---\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "not as expected:\n{}", wrong.concat());
}

#[test]
fn every_example_is_good() {
    let folder = workplace();
    for example in files(&repository().join("examples"), "toml") {
        let name = example.file_name().and_then(|name| name.to_str()).expect("a plain name");
        fs::copy(&example, folder.path().join(name)).expect("a copy");
        let (said, good) = check(folder.path(), name);
        assert!(good, "{name}: {said}");
    }
}

/// A key that nobody knows, put into every table of every example, must be found: no table of the file goes unread.
#[test]
fn a_bogus_key_is_found_wherever_it_stands() {
    let folder = workplace();
    let mut tried = 0;
    for example in files(&repository().join("examples"), "toml") {
        let text = fs::read_to_string(&example).expect("a readable file");
        for bogus in with_bogus_key(&text) {
            fs::write(folder.path().join("bogus.toml"), &bogus).expect("written");
            let (said, good) = check(folder.path(), "bogus.toml");
            let line = bogus.lines().position(|line| line.contains("bogus-key")).expect("it is there") + 1;
            assert!(!good && said.contains(&format!("bogus.toml:{line}:")), "line {line} of:\n{bogus}\nsaid:\n{said}");
            assert!(said.contains("bogus-key"), "{said}");
            tried += 1;
        }
    }
    assert!(tried >= 20, "only {tried} places were tried");
}

/// The text with a bogus key: at the top, after each table header, and in each inline table but those with free keys.
fn with_bogus_key(text: &str) -> Vec<String> {
    let mut variants = vec![format!("bogus-key = 1\n{text}")];
    let mut add = |offset: usize, key: &str| {
        let (before, after) = text.split_at(offset);
        variants.push(format!("{before}{key}{after}"));
    };
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        // `[tables]` has names that the user chooses; its entries are inline tables.
        if line.starts_with('[') && line.trim() != "[tables]" {
            add(offset + line.len(), "bogus-key = 1\n");
        }
        let code = line.split('#').next().unwrap_or_default();
        for (at, brace) in code.match_indices("{ ") {
            let before = code.split_at(at).0.trim_end();
            // Rows and header fields have names that the user chooses, too.
            if !["rows =", "header =", "fields ="].iter().any(|free| before.ends_with(free)) {
                add(offset + at + brace.len(), "bogus-key = 1, ");
            }
        }
        offset += line.len();
    }
    variants
}
