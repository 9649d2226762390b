//! Commands that only look: `check` and `trace`, for people and for scripts.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// Runs the binary in a folder with this configuration and a message.
fn run(config: &str, args: &[&str]) -> (TempDir, Output) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let head = "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n";
    fs::write(folder.path().join("mailweir.toml"), format!("{head}\n{config}\n{ROUTE}")).expect("written");
    fs::write(folder.path().join("letter.eml"), MESSAGE).expect("written");
    let output = mailweir(folder.path(), args);
    (folder, output)
}

fn mailweir(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailweir")).args(args).current_dir(folder).output().expect("mailweir runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

const ROUTE: &str = "[[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://127.0.0.1:2526\"\n";
const MESSAGE: &str = "From: Joe <joe@host7.example.com>\nTo: user1@example.com\nSubject: hello\n\ntext\n";
const TRACE: &[&str] =
    &["trace", "letter.eml", "--json", "--from", "joe@host7.example.com", "--to", "user1@example.com"];

fn pipeline() -> String {
    let guests = env!("MAILWEIR_GUESTS");
    format!(
        r#"
[networks]
trusted = ["127.0.0.1"]
[relay]
domains = ["example.com"]
[tables]
people = {{ type = "inline", rows = {{ "user1@example.com" = "jane@example.com" }} }}
[[session]]
plugin = "{guests}/greet-check.wasm"
phases = ["helo", "rcpt"]
[[message]]
plugin = "canonical"
config.both = ["people"]
[[message]]
plugin = "masquerade"
config.domains = ["example.com"]
[[message]]
plugin = "{guests}/tag-external.wasm"
when = {{ client.trusted = false }}
[[delivery]]
plugin = "{guests}/misbehave.wasm"
config.act = "panic"
on-error = "skip"
"#
    )
}

#[test]
fn trace_tells_each_stage_and_why() {
    let (_folder, output) = run(&pipeline(), TRACE);
    assert!(output.status.success());
    let traced = json(&output);
    assert_eq!(traced["verdict"], "would be delivered");
    assert_eq!((&traced["sender"], &traced["recipients"][0]), (&"joe@example.com".into(), &"jane@example.com".into()));
    let stages: Vec<_> = traced["stages"].as_array().expect("stages").iter().collect();
    let heads: Vec<_> = stages
        .iter()
        .map(|stage| format!("{} {} {}", stage["list"], stage["stage"], stage["verdict"]).replace('"', ""))
        .collect();
    let expected = [
        "session greet-check next",
        "session greet-check next",
        "message canonical next",
        "message masquerade next",
        "message tag-external skipped",
        "delivery misbehave failed, on-error = skip",
    ];
    assert_eq!(heads, expected);
    assert_eq!((&stages[0]["phase"], &stages[1]["phase"]), (&"helo".into(), &"rcpt <user1@example.com>".into()));
    assert_eq!(stages[0]["reason"], "the client is trusted");
    let canonical = &stages[2];
    let why = "user1@example.com: table people: `user1@example.com` is `jane@example.com`";
    assert_eq!(canonical["edits"][0]["reason"], why);
    assert_eq!(canonical["diff"][0]["line"], "To: user1@example.com");
    assert_eq!(canonical["diff"][1]["line"], "To: jane@example.com");
    assert!(stages[5]["backtrace"].as_array().is_some_and(|frames| !frames.is_empty()), "{}", stages[5]);
}

#[test]
fn trace_shows_what_filters_log() {
    let (_folder, output) = run(&pipeline().replace("config.act = \"panic\"", "config.act = \"log-flood\""), TRACE);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("line 0") && said.contains("stage=\"misbehave\""), "{said}");
}

#[test]
fn trace_refuses_what_the_relay_would_refuse() {
    let args =
        ["trace", "letter.eml", "--json", "--client", "192.0.2.7", "--from", "a@b.example", "--to", "c@d.example"];
    let (_folder, output) = run(&pipeline(), &args);
    assert_eq!(json(&output)["verdict"], "refused: 554 5.7.1 <c@d.example>: Relay access denied");
}

#[test]
fn trace_for_people_has_no_colours_in_a_pipe() {
    let args: Vec<_> = TRACE.iter().copied().filter(|arg| *arg != "--json").collect();
    let (_folder, output) = run(&pipeline(), &args);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(text.contains("[[message]] 2 masquerade  next") && text.contains("- From: Joe <joe@host7"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn explain_tells_why_and_why_not() {
    let args = ["explain", "user1@host7.example.com", "--json"];
    let (folder, output) = run(&pipeline(), &args);
    let explained = json(&output);
    assert_eq!(
        (&explained["sender"], &explained["recipients"][0]),
        (&"user1@example.com".into(), &"user1@host7.example.com".into())
    );
    let stages = explained["stages"].as_array().expect("stages");
    let stage = |name: &str| stages.iter().find(|stage| stage["stage"] == name).expect("it has run");
    let miss = "no row in people for `user1@host7.example.com`, `@host7.example.com`";
    assert_eq!(stage("canonical")["notes"][0], format!("sender user1@host7.example.com: {miss}"));
    assert_eq!(stage("canonical")["notes"][2], format!("From user1@host7.example.com: {miss}"));
    let left = "recipient 1 user1@host7.example.com: `classes` has no envelope-recipient";
    assert_eq!(stage("masquerade")["notes"][0], left);
    let below = "user1@host7.example.com is below `example.com` of `domains`";
    assert_eq!(stage("masquerade")["edits"][0]["reason"], below);
    assert_eq!((&stages[0]["list"], &stages[0]["phase"]), (&"session".into(), &"helo".into()));
    // What a stage alone makes of it, and whose header stays.
    let args = ["explain", "user1@example.com", "--stage", "canonical", "--client", "192.0.2.9"];
    let text = String::from_utf8(mailweir(folder.path(), &args).stdout).expect("UTF-8");
    assert!(
        text.contains("table people: `user1@example.com` is `jane@example.com`") && !text.contains("masquerade"),
        "{text}"
    );
    assert!(text.contains("header fields stay: client 192.0.2.9 is none of `rewrite-clients`"), "{text}");
    let unknown = mailweir(folder.path(), &["explain", "a@b.example", "--stage", "nothing"]);
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn explain_tells_what_access_says_of_an_address() {
    let config = r#"
[relay]
domains = ["example.com"]
[tables]
left = { type = "inline", rows = { "user1@example.com" = "550 5.1.6 Has left" } }
[[session]]
plugin = "access"
config.recipient = [{ check_recipient_access = "left" }]
[[message]]
plugin = "masquerade"
config.domains = ["example.com"]
"#;
    let (folder, output) = run(config, &["explain", "user1@example.com", "--client", "192.0.2.7"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for part in [
        "[[session]] 1 access",
        "recipient[0] check_recipient_access left: `user1@example.com` is `550 5.1.6 Has left`",
        "[[message]] 1 masquerade",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("refused: 550 5.1.6 <user1@example.com>: Recipient address rejected: Has left"), "{text}");
    // What it says alone, and what the others say without it.
    let stage = |name: &str| {
        String::from_utf8(mailweir(folder.path(), &["explain", "user1@example.com", "--stage", name]).stdout)
    };
    let alone = stage("access").expect("UTF-8");
    assert!(alone.contains("Has left") && !alone.contains("masquerade"), "{alone}");
    let without = stage("masquerade").expect("UTF-8");
    assert!(without.contains("would be delivered") && !without.contains("access"), "{without}");
}

#[test]
fn check_warns_of_rows_that_make_something_else_of_their_own_results() {
    // Rule 2.4
    let config = r#"
[tables]
people = { type = "text", path = "people" }
inner = { type = "inline", rows = { "jane@example.com" = "other@example.com" } }
[[message]]
plugin = "canonical"
config = { sender = ["inner"], both = ["people"] }
[[delivery]]
plugin = "generic"
config.tables = ["people"]
"#;
    let (folder, _) = run(config, &["check"]);
    fs::write(folder.path().join("people"), "joe@example.com jane@example.com\nx@example.com @other.example\n")
        .expect("written");
    let report = json(&mailweir(folder.path(), &["check", "--json"]));
    let told: Vec<_> = report["diagnostics"].as_array().expect("diagnostics").iter().collect();
    let why = "stage `canonical`: `joe@example.com` becomes `jane@example.com`, and that becomes `other@example.com` when it comes again";
    assert!(report["ok"] == true && told.len() == 1 && told[0]["message"] == why, "{report}");
    assert!(told[0]["file"].as_str().is_some_and(|file| file.ends_with("people")) && told[0]["line"] == 1, "{report}");
    // One that generic would go on with.
    fs::write(folder.path().join("people"), "b@x.example c@x.example\na@x.example b@x.example\n").expect("written");
    let report = json(&mailweir(folder.path(), &["check", "--json"]));
    let why =
        "stage `generic`: `a@x.example` becomes `b@x.example`, and that becomes `c@x.example` when it comes again";
    assert_eq!(report["diagnostics"][0]["message"], why);
}

#[test]
fn check_warns_of_what_tables_do_not_mean_with_file_and_line() {
    // Rules trap 1, trap 2, S2
    let config = r#"
[tables]
senders = { type = "text", path = "senders" }
patterns = { type = "regexp", path = "patterns" }
[[session]]
plugin = "access"
config.sender = [{ check_sender_access = "senders" }, { check_sender_access = "patterns" }]
"#;
    let (folder, _) = run(config, &["check"]);
    let write = |name: &str, rows: &str| fs::write(folder.path().join(name), rows).expect("written");
    write("senders", "a.example 550\nann@b.example OK\nANN@b.example REJECT\n");
    write("patterns", "/^bob/ OK\n/^JOE/i REJECT\n");
    let output = mailweir(folder.path(), &["check"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    for warning in [
        "senders:1: warning: stage `access`: `a.example 550` permits: a number without a text is the same as OK",
        "senders:3: warning: key `ANN@b.example` is there already; the first row counts",
        "patterns:2: warning: the flag `i` makes this pattern sensitive to case",
    ] {
        assert!(told.contains(warning), "{warning} in {told}");
    }
}

#[test]
fn check_is_readable_by_scripts() {
    let (_folder, output) = run(&pipeline().replace("config.domains", "config.domain"), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert_eq!(report["ok"], false);
    let mistake = &report["diagnostics"][0];
    assert_eq!((&mistake["file"], &mistake["severity"]), (&"mailweir.toml".into(), &"error".into()));
    assert!(mistake["line"].as_u64() > Some(15) && mistake["column"].as_u64() > Some(0), "{mistake}");
    let (folder, output) = run(&pipeline(), &["check", "--json"]);
    assert!(output.status.success() && json(&output)["ok"] == true);
    // The compiled filters are there now, and the second look is as good as the first.
    assert_eq!(mailweir(folder.path(), &["check", "--json"]).stdout, output.stdout);
}
