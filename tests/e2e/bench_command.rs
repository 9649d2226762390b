//! `mailweir bench`: figures about each filter, as a table, as JSON, as a page, and two versions side by side.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

const LETTERS: &str = "From joe@host7.example.com Tue Nov 24 12:00:00 2026\nFrom: joe@host7.example.com\nTo: ann@example.net\n\none\n\n\
                       From ann Wed\nFrom: ann@host8.example.com\nTo: bob@example.net\n\ntwo\n";

pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let guests = env!("MAILWEIR_GUESTS");
    let config = format!(
        "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n\
         [tables]\npeople = {{ type = \"inline\", rows = {{ \"ann@example.net\" = \"jane@example.net\" }} }}\n\
         [[session]]\nplugin = \"{guests}/greet-check.wasm\"\nphases = [\"helo\", \"rcpt\"]\n\
         [[message]]\nplugin = \"canonical\"\nconfig.both = [\"people\"]\n\
         [[message]]\nplugin = \"masquerade\"\nconfig.domains = [\"example.com\"]\n\
         [[delivery]]\nplugin = \"{guests}/misbehave.wasm\"\nname = \"broken\"\nconfig.act = \"panic\"\non-error = \"skip\"\n\
         [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://127.0.0.1:2526\"\n"
    );
    fs::write(folder.path().join("mailweir.toml"), config).expect("written");
    fs::create_dir(folder.path().join("letters")).expect("made");
    fs::write(folder.path().join("letters/archive.mbox"), LETTERS).expect("written");
    fs::write(folder.path().join("letters/third.eml"), "From: x@example.com\n\nthree\n").expect("written");
    folder
}

pub(crate) fn bench(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailweir"));
    command.args(["bench", "letters", "--seconds", "0.3"]).args(args).current_dir(folder);
    command.output().expect("it runs")
}

#[test]
fn every_stage_is_measured() {
    let folder = folder();
    let output = bench(folder.path(), &["--json", "--html", "bench.html"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["messages"], 3);
    let runs = found["runs"].as_u64().expect("a number");
    let stages = found["filters"].as_array().expect("a list");
    let names: Vec<_> = stages.iter().map(|one| one["stage"].as_str().expect("a name")).collect();
    assert_eq!(names, ["greet-check", "canonical", "masquerade", "broken"]);
    for stage in stages {
        let figure = |name: &str| stage["time"][name].as_f64().expect("a number");
        assert!(figure("min") > 0.0 && figure("min") <= figure("p50") && figure("p50") <= figure("max"), "{stage}");
        assert!(stage["instantiate"].as_f64() > Some(0.0) && stage["memory"].as_u64() > Some(0), "{stage}");
        let expected = if stage["stage"] == "greet-check" { 2 * runs } else { runs };
        assert_eq!(stage["calls"].as_u64(), Some(expected), "{stage}");
        let failures = if stage["stage"] == "broken" { runs } else { 0 };
        assert_eq!(stage["failures"].as_u64(), Some(failures), "{stage}");
    }
    assert!(stages[1]["host"].as_f64() > Some(0.0), "canonical asks a table");
    let shares: f64 = stages.iter().map(|one| one["share"].as_f64().expect("a number")).sum();
    assert!((0.99..1.01).contains(&shares), "{shares}");
    let page = fs::read_to_string(folder.path().join("bench.html")).expect("a page");
    assert_eq!(page.matches("<svg").count(), 5, "one picture a stage and one of the chain");
    assert!(!page.contains("http"), "it needs nothing from elsewhere");
}

#[test]
fn filters_see_the_client_that_is_named() {
    let folder = folder();
    let path = folder.path().join("mailweir.toml");
    let text = fs::read_to_string(&path).expect("a pipeline");
    let masquerade = "plugin = \"masquerade\"\n";
    let condition = format!("{masquerade}when = {{ client.address = [\"192.0.2.0/24\"] }}\n");
    fs::write(path, text.replace(masquerade, &condition)).expect("written");
    let calls = |args: &[&str]| {
        let output = bench(folder.path(), &[&["--stage", "masquerade", "--json"], args].concat());
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        found["filters"][0]["calls"].as_u64().expect("a number")
    };
    assert_eq!(calls(&[]), 0);
    assert!(calls(&["--client", "192.0.2.7"]) > 0);
}

#[test]
fn two_versions_take_turns() {
    let folder = folder();
    let stock = |name: &str| format!("{}/{name}.wasm", env!("MAILWEIR_GUESTS"));
    let (same, also) = (stock("masquerade"), stock("masquerade"));
    let output = bench(folder.path(), &["--stage", "masquerade", "--compare", &same, &also, "--json"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let ratio = |name: &str| found["ratio"][name].as_f64().expect("a number");
    assert!(ratio("low") <= ratio("ratio") && ratio("ratio") <= ratio("high"), "{found}");
}

#[test]
fn what_can_not_be_measured_is_told() {
    let folder = folder();
    let said = |args: &[&str]| {
        let output = bench(folder.path(), args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    assert!(said(&["--stage", "nobody"]).contains("no stage has the name `nobody`"));
    assert!(said(&["missing.eml"]).contains("missing.eml: No such file"));
    let compared = said(&["--stage", "masquerade", "--compare", "letters/third.eml", "letters/third.eml"]);
    assert!(compared.contains("this is not WebAssembly"), "{compared}");
}
