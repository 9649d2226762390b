//! `mailweir test` and `mailweir plugin test`: users' own tests of their pipelines, those of the examples among them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

fn mailweir(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailweir")).args(args).current_dir(folder).output().expect("mailweir runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A folder with this configuration, in which `filters/` has the built ones.
fn pipeline(stages_and_tests: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    symlink(env!("MAILWEIR_GUESTS"), folder.path().join("filters")).expect("a link");
    let head = "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n\
                relay.domains = [\"example.com\"]\n[[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://127.0.0.1:2526\"\n";
    fs::write(folder.path().join("mailweir.toml"), format!("{head}{stages_and_tests}")).expect("written");
    folder
}

#[test]
fn the_examples_pass_their_own_tests() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for name in ["minimal.toml", "internal-relay.toml", "demo.toml"] {
        let folder = pipeline("");
        fs::copy(examples.join(name), folder.path().join(name)).expect("a copy");
        let output = mailweir(folder.path(), &["test", "--config", name]);
        assert!(output.status.success(), "{name}: {}", text(&output));
    }
}

const TAG: &str = "
[[message]]
plugin = \"filters/tag-external.wasm\"
[[test]]
name = \"marked\"
message = \"letter.eml\"
sender = \"joe@elsewhere.example\"
recipients = [\"ann@example.com\"]
client = { address = \"192.0.2.7\", name = \"mx.elsewhere.example\", login = \"joe\" }
expect.fields = { subject = \"[EXTERNAL] hello\", x-external = \"yes\" }
[[test]]
name = \"everything is wrong\"
content = \"Subject: hello\\n\\ntext\\n\"
sender = \"joe@elsewhere.example\"
recipients = [\"ann@example.com\"]
client.address = \"192.0.2.7\"
[test.expect]
verdict = \"hold\"
reason = \"looks bad\"
sender = \"\"
recipients = [\"bob@example.com\"]
fields = { subject = \"hello\", x-external = [\"yes\", \"no\"] }
body = \"other\\n\"
failures = [\"tag-external\"]
";

#[test]
fn what_is_not_as_expected_is_told() {
    let folder = pipeline(TAG);
    fs::write(folder.path().join("letter.eml"), "Subject: hello\n\ntext\n").expect("written");
    let output = mailweir(folder.path(), &["test", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["passed"], &report["failed"]), (&1.into(), &1.into()), "{report}");
    let failed = &report["tests"][1];
    assert_eq!((&failed["file"], failed["line"].as_u64()), (&"mailweir.toml".into(), Some(18)), "{failed}");
    let differences = failed["differences"].as_array().expect("differences").iter();
    let told: Vec<_> = differences.map(|one| (one["what"].as_str(), one["found"].as_str())).collect();
    let expected = [
        ("verdict", "deliver"),
        ("reason", ""),
        ("sender", "<joe@elsewhere.example>"),
        ("recipients", "ann@example.com"),
        ("field subject", "[EXTERNAL] hello"),
        ("field x-external", "yes"),
        ("body", "text\n"),
        ("failures", ""),
    ];
    assert_eq!(told, expected.map(|(what, found)| (Some(what), Some(found))));
    let people = text(&mailweir(folder.path(), &["test"]));
    assert!(people.contains("FAILED  everything is wrong  mailweir.toml:18"), "{people}");
    assert!(people.contains("      - hold\n      + deliver\n"), "{people}");
    assert!(people.ends_with("1 passed, 1 failed\n"), "{people}");
}

#[test]
fn tests_can_be_chosen_and_must_be_there() {
    let folder = pipeline(TAG);
    // The other test is not run; this one's message is not there.
    let output = mailweir(folder.path(), &["test", "mark"]);
    assert!(!output.status.success() && text(&output).contains("letter.eml"), "{}", text(&output));
    fs::write(folder.path().join("letter.eml"), "Subject: hello\n\ntext\n").expect("written");
    let output = mailweir(folder.path(), &["test", "mark"]);
    assert!(output.status.success() && text(&output).ends_with("1 passed, 0 failed\n"), "{}", text(&output));
    let output = mailweir(folder.path(), &["test", "no such name"]);
    assert!(!output.status.success() && text(&output).contains("no test has such a name"), "{}", text(&output));
    let output = mailweir(pipeline("").path(), &["test"]);
    assert!(!output.status.success() && text(&output).contains("there is no [[test]]"), "{}", text(&output));
}

#[test]
fn a_failure_fails_its_test_unless_it_is_expected() {
    let failing = |expect: &str| {
        let folder = pipeline(&format!(
            "[[message]]\nplugin = \"filters/misbehave.wasm\"\nconfig.act = \"panic\"\non-error = \"skip\"\n[[test]]\n\
             content = \"Subject: hello\\n\\n\"\nsender = \"\"\nrecipients = [\"ann@example.com\"]\n{expect}"
        ));
        let output = mailweir(folder.path(), &["test"]);
        (output.status.success(), text(&output))
    };
    let (passed, said) = failing("");
    assert!(!passed && said.contains("misbehave: failed, on-error = skip"), "{said}");
    assert!(failing("expect.failures = [\"misbehave\"]\n").0);
}

#[test]
fn a_new_build_takes_the_place_of_the_old_one() {
    let folder = pipeline(TAG);
    fs::write(folder.path().join("letter.eml"), "Subject: hello\n\ntext\n").expect("written");
    fs::create_dir(folder.path().join("new")).expect("a folder");
    // It is another filter altogether, which doesn't know what to do without an `act`.
    let guests = Path::new(env!("MAILWEIR_GUESTS"));
    fs::copy(guests.join("misbehave.wasm"), folder.path().join("new/tag-external.wasm")).expect("a copy");
    let output = mailweir(folder.path(), &["plugin", "test", "new/tag-external.wasm"]);
    assert!(!output.status.success() && text(&output).contains("missing field `act`"), "{}", text(&output));
    let output = mailweir(folder.path(), &["plugin", "test", "other.wasm", "marked"]);
    assert!(!output.status.success() && text(&output).contains("no stage with a plugin"), "{}", text(&output));
}

#[test]
fn inspect_tells_what_a_plugin_is() {
    let guests = Path::new(env!("MAILWEIR_GUESTS"));
    let output = mailweir(guests, &["plugin", "inspect", "block-names.wasm"]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for part in ["core module", "mailweir:filter 0.1.0", "rustc", "looks things up: tables", "in [[message]]"] {
        assert!(said.contains(part), "`{part}` in {said}");
    }
    let output = mailweir(guests, &["plugin", "inspect", "misbehave.wasm", "--json"]);
    let inspection: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&inspection["not_in_session"], &inspection["not_in_message"]), (&Value::Null, &Value::Null));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = fs::read(guests.join("block-names.wasm")).expect("a plugin");
    for (octets, said) in
        [(&b"no plugin"[..], "this is not WebAssembly"), (&whole[..20_000], "this is no valid component")]
    {
        fs::write(folder.path().join("x.wasm"), octets).expect("written");
        let output = mailweir(folder.path(), &["plugin", "inspect", "x.wasm"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains(said) && text(&output).lines().count() == 1, "{}", text(&output));
    }
}
