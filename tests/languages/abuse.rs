//! Guests in C and JavaScript that do what they must not (those in Rust are tested beside the sandbox): each act is contained, named and
//! told, and the next message is none the worse.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::workshop::{Workshop, json, mailweir};

/// What the Subject tells the guest to do, and what the failure says, by language where that differs.
const ACTS: [(&str, [&str; 2]); 8] = [
    ("trap", ["it trapped", "Error: as told < trap@misbehave.js:9:"]),
    ("spin", ["longer than `timeout`", "longer than `timeout`"]),
    ("memory", ["more memory than `memory`", "out of memory"]),
    ("recurse", ["it trapped", "too much recursion"]),
    ("edits", ["more memory than `memory`", "more memory than `memory`"]),
    ("some-edits", ["20000 edits", "20000 edits"]),
    ("range", ["1000000", "1000000"]),
    ("inject", ["bare CR or LF", "bare CR or LF"]),
];

const PIPELINE: &str = r#"
hostname = "relay.example.com"
state-dir = "state"
listen.smtp.addresses = ["127.0.0.1:0"]
[[message]]
plugin = "misbehave.wasm"
timeout = "3s"
[[route]]
domains = ["*"]
next-hop = "smtp://127.0.0.1:2526"
"#;

/// A guest in the folder of an example, whose Makefile builds it.
fn guest(language: &str, file: &str) -> Workshop {
    let workshop = Workshop::begin(language, "tag-external");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests").join(language).join(file);
    fs::copy(source, workshop.folder().join(file)).expect("a copy");
    fs::write(workshop.folder().join("mailweir.toml"), PIPELINE).expect("written");
    workshop.make("misbehave.wasm");
    workshop
}

/// What becomes of a message with this Subject: the whole report, and the stage's part.
fn trace(folder: &Path, act: &str) -> (Value, Value) {
    fs::write(folder.join("letter.eml"), format!("Subject: {act}\n\ntext\n")).expect("written");
    let args = ["trace", "letter.eml", "--from", "joe@example.com", "--to", "ann@example.com", "--json"];
    let traced = json(&mailweir(folder, &args));
    let stage = traced["stages"][0].clone();
    (traced, stage)
}

fn all_acts(language: usize, folder: &Path) {
    for (act, said) in ACTS {
        let (traced, stage) = trace(folder, act);
        assert_eq!(traced["verdict"], "defer: 451 4.3.0 Filter misbehave failed, try again later", "{act}: {stage}");
        assert!(stage["reason"].as_str().is_some_and(|reason| reason.contains(said[language])), "{act}: {stage}");
        let (traced, stage) = trace(folder, "nothing");
        assert_eq!(traced["verdict"], "would be delivered", "after {act}: {stage}");
    }
    // A flood of calls ends with the time, one of log lines is cut.
    let (_, stage) = trace(folder, "calls");
    assert!(stage["reason"].as_str().is_some_and(|reason| reason.contains("`timeout`")), "{stage}");
    fs::write(folder.join("letter.eml"), "Subject: log\n\ntext\n").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_mailweir"))
        .args(["trace", "letter.eml", "--from", "joe@example.com", "--to", "ann@example.com"])
        .current_dir(folder)
        .env("MAILWEIR_LOG", "info")
        .output()
        .expect("mailweir runs");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && log.contains("log lines were dropped"), "{log}");
    assert!(log.len() < 1 << 20, "{} octets of log", log.len());
}

#[test]
fn in_c() {
    all_acts(0, &guest("c", "misbehave.c").folder());
}

#[test]
fn in_javascript() {
    all_acts(1, &guest("javascript", "misbehave.js").folder());
}
