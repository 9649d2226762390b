//! `mailweir extract` on what real encoders make.

mod encoders;
mod names;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// The compiled filter of all these tests.
const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/extract-cache");

/// Run `extract` in a folder.
fn extract(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailweir"));
    command.arg("extract").args(arguments).current_dir(folder).env("XDG_CACHE_HOME", CACHE);
    command.output().expect("mailweir runs")
}

/// The message through `extract`: what it tells, its exit code, and the files.
fn unpack(message: &[u8]) -> (Value, Option<i32>, BTreeMap<String, Vec<u8>>) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("letter.eml"), message).expect("written");
    let output = extract(folder.path(), &["letter.eml", "--into", "out/files", "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let beside: Vec<_> = files(folder.path()).into_keys().collect();
    assert_eq!(beside, ["letter.eml"], "nothing is written beside the folder");
    assert!(files(&folder.path().join("out")).is_empty(), "nor above it");
    (told[0].clone(), output.status.code(), files(&folder.path().join("out/files")))
}

/// The files of a folder, not those below it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    entries.filter(|path| path.is_file()).map(|path| (name(&path), fs::read(&path).expect("a file"))).collect()
}

/// Octets of all kinds, the same each time; runs and zeros among them.
fn content(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut octets = Vec::with_capacity(length);
    while octets.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let octet = state.to_le_bytes()[0];
        let run = if state.to_le_bytes()[1] < 8 { 40 } else { 1 };
        octets.extend(std::iter::repeat_n(if run > 1 { octet & 0x90 } else { octet }, run));
    }
    octets.truncate(length);
    octets
}

#[test]
fn list_writes_nothing_and_existing_files_are_what_one_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = "Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\nQUJD\n";
    fs::write(folder.path().join("letter.eml"), message).expect("written");
    let output = extract(folder.path(), &["--list", "letter.eml"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!((text.as_str(), output.status.code()), ("a.png  image/png, base64, 3 octets, part 1\n", Some(0)));
    assert_eq!(files(folder.path()).len(), 1);
    fs::write(folder.path().join("a.png"), "old").expect("written");
    for (existing, expected) in [
        ("skip", vec![("a.png", "old")]),
        ("number", vec![("a-2.png", "ABC"), ("a.png", "old")]),
        ("overwrite", vec![("a-2.png", "ABC"), ("a.png", "ABC")]),
    ] {
        let output = extract(folder.path(), &["letter.eml", "--existing", existing]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut found = files(folder.path());
        found.remove("letter.eml");
        let expected: Vec<_> =
            expected.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{existing}");
    }
}

#[test]
fn standard_input_and_mailboxes_are_read_and_what_cannot_be_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let letter = "From joe Tue Nov 24 12:00:00 2026\nContent-Type: image/png; name=a.png\n\nx\n";
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailweir"));
    command.args(["extract", "-", "missing.eml", "--json"]).current_dir(folder.path()).env("XDG_CACHE_HOME", CACHE);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = command.expect("mailweir runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(format!("{letter}\n{letter}").as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("missing.eml: No such file"));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&told[0]["message"], &told[1]["message"]), (&1.into(), &2.into()));
    assert_eq!(told[1]["attachments"][0]["saved"], "a-2.png");
    assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["a-2.png", "a.png"]);
}
