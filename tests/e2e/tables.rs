//! Lookup tables: the command, files shared with Postfix's postmap, and tables that change under a running relay.

use std::{fmt::Write as _, fs, path::Path, process::Output};

use tempfile::TempDir;

use crate::{
    client::Client,
    clients::text,
    program::feed,
    relay::{Relay, wait_until},
    sink::Sink,
};

fn table(folder: &Path, args: &[&str], input: &str) -> Output {
    feed(folder, env!("CARGO_BIN_EXE_mailweir"), &[&["table"], args].concat(), input)
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(output));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

/// A folder with a configuration for postmap and a table in its source format.
fn source() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("main.cf"), "compatibility_level = 3.6\n").expect("written");
    let mut rows =
        String::from("# people\nJoe@Example.com  Joe.Doe@example.com\nlong@d a@b,\n\tc@d\n\"sp ace\"@d x@y\n");
    for number in 0..2_000 {
        writeln!(rows, "user{number}@host{}.example  person.{number}@example.com", number % 7).expect("written");
    }
    fs::write(folder.path().join("people"), rows).expect("written");
    folder
}

/// All keys of [`source`] in another case, and some that it doesn't have.
fn keys() -> String {
    let mut keys = String::from("JOE@example.com\nlong@d\n\"sp ace\"@d\nnobody\n@d\n");
    (0..2_000).for_each(|number| writeln!(keys, "USER{number}@host{}.example", number % 5).expect("written"));
    keys
}

#[test]
fn postmap_and_we_read_what_the_other_has_built() {
    let folder = source();
    let path = folder.path();
    let postmap = |args: &[&str], input: &str| feed(path, "postmap", &[&["-c", "."], args].concat(), input);
    let expected = stdout(&postmap(&["-q", "-", "texthash:people"], &keys().to_lowercase()));
    assert!(expected.lines().count() > 200, "{expected}");
    for kind in ["cdb", "lmdb"] {
        let (named, built) = (format!("{kind}:people"), format!("people.{kind}"));
        stdout(&postmap(&[&named], ""));
        assert_eq!(
            stdout(&table(path, &["query", &named, "-"], &keys().to_lowercase())),
            expected,
            "{kind} by postmap"
        );
        fs::remove_file(path.join(&built)).expect("removed");
        stdout(&table(path, &["build", "people", "--type", kind], ""));
        assert_eq!(stdout(&table(path, &["query", &named, "-"], &keys().to_lowercase())), expected, "{kind} by us");
        assert_eq!(stdout(&postmap(&["-q", "-", &named], &keys().to_lowercase())), expected, "our {kind} for postmap");
        assert_eq!(stdout(&table(path, &["query", &named, "JOE@example.com"], "")), "Joe.Doe@example.com\n");
    }
    assert_eq!(stdout(&table(path, &["query", "text:people", "-"], &keys().to_lowercase())), expected);
    // postmap can't list a cdb.
    let sorted = |output: &Output| {
        let mut rows: Vec<_> = stdout(output).lines().map(str::to_owned).collect();
        rows.sort();
        rows
    };
    let theirs = sorted(&postmap(&["-s", "lmdb:people"], ""));
    for kind in ["cdb", "lmdb"] {
        assert_eq!(sorted(&table(path, &["dump", &format!("{kind}:people")], "")), theirs, "{kind}");
    }
}

#[test]
fn patterns_and_networks_answer_as_in_postfix() {
    let folder = source();
    let path = folder.path();
    let regexp = "/^(.*)-out@(.*)$/ 550 Use ${1}@$(2), not $$1\nif /example\\.com$/\n/^bounce/ inner\n!/^joe@/ not joe\nendif\n/^JOE/i never\n\
                  /@x\\.example$/!/^a/ not a\n";
    let cidr = "10.1.2.3 host\n10.1.0.0/16 net\n!10.0.0.0/7 outside\nif 10.0.0.0/9\n10.2.0.0/16 inner\nendif\n[2001:db8::]/32 six\n";
    fs::write(path.join("patterns"), regexp).expect("written");
    fs::write(path.join("perl"), regexp.replace("/@x\\.example$/!/^a/", "/^[^a].*@x\\.example$/")).expect("written");
    fs::write(path.join("networks"), cidr).expect("written");
    let keys = "list-out@d.example\nBOUNCE@example.com\njoe@example.com\neve@example.com\na@x.example\nb@x.example\njoe\n\
                10.1.2.3\n10.1.9.9\n192.0.2.1\n10.2.0.1\n10.200.0.1\n2001:db8::1\n2001:0DB8:0::1\n11.0.0.1\nword\n";
    for kind in ["regexp:patterns", "pcre:perl", "cidr:networks"] {
        let theirs = feed(path, "postmap", &["-c", ".", "-q", "-", kind], keys);
        assert_eq!(stdout(&table(path, &["query", kind, "-"], keys)), stdout(&theirs), "{kind}");
    }
    // Rule trap 2: the flag that does the opposite of what it looks like is told.
    let checked = table(path, &["check", "regexp:patterns"], "");
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        text(&checked).contains("patterns:6: warning: the flag `i` makes this pattern sensitive to case"),
        "{}",
        text(&checked)
    );
    let explained = stdout(&table(path, &["explain", "cidr:networks", "10.2.0.1"], ""));
    assert!(explained.contains("networks:5 answers\ninner\n"), "{explained}");
}

#[test]
fn what_is_wrong_with_a_table_is_told_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("people"), "a 1\nA 2\nnovalue\nname: 3\n").expect("written");
    for kind in ["hash", "lmdb"] {
        let built = table(path, &["build", "people", "--type", kind], "");
        let said = text(&built);
        assert!(built.status.success() && said.contains("people:2: warning: key `A` is there already"), "{said}");
        assert!(
            said.contains("people:3: warning: key `novalue` has no value") && said.contains("2 rows, 3 warnings"),
            "{said}"
        );
        // Rule trap 27: the first row of a key counts.
        assert_eq!(stdout(&table(path, &["query", &format!("{kind}:people"), "a"], "")), "1\n");
    }
    assert_eq!(table(path, &["query", "text:people", "nobody"], "").status.code(), Some(1));
    for (args, expected) in [
        (["query", "text:nothing", "a"], "nothing: No such file or directory"),
        (["query", "cdb:people.txt", "a"], "people.txt.cdb: No such file or directory"),
        (["query", "people", "a"], "`people` is no TYPE:FILE"),
    ] {
        let output = table(path, &args, "");
        assert!(output.status.code() == Some(1) && text(&output).contains(expected), "{args:?}: {}", text(&output));
    }
    fs::write(path.join("short.cdb"), "short").expect("written");
    assert!(text(&table(path, &["query", "cdb:short", "a"], "")).contains("this is no cdb file"));
}

#[test]
fn tables_of_a_configuration_are_asked_by_name() {
    // Rules 5.4, trap 27: a query asks for the key as it stands.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::write(path.join("people"), "joe@example.com jane\n@example.com all\n").expect("written");
    let config = "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n[tables]\n\
                  people = { type = \"text\", path = \"people\" }\nmore = { type = \"inline\", rows = { jane = \"Jane Doe\" } }\n\
                  both = { type = \"pipe\", tables = [\"people\", \"more\"] }\nany = { type = \"static\", value = \"x\" }\n\
                  broken = { type = \"fail\", value = \"out of order\" }\n\
                  [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://127.0.0.1:1\"\n";
    fs::write(path.join("mailweir.toml"), config).expect("written");
    assert_eq!(stdout(&table(path, &["query", "both", "joe@example.com"], "")), "Jane Doe\n");
    assert_eq!(stdout(&table(path, &["query", "any", "whatever"], "")), "x\n");
    assert_eq!(table(path, &["query", "people", "ann@example.com"], "").status.code(), Some(1));
    let failed = table(path, &["query", "broken", "x"], "");
    assert!(failed.status.code() == Some(1) && text(&failed).contains("out of order"), "{}", text(&failed));
    let unknown = table(path, &["query", "peple", "x"], "");
    assert!(text(&unknown).contains("there is no table `peple` in mailweir.toml"), "{}", text(&unknown));
    assert_eq!(stdout(&table(path, &["dump", "people"], "")), "joe@example.com\tjane\n@example.com\tall\n");
    let rowless = table(path, &["dump", "any"], "");
    assert!(rowless.status.code() == Some(1) && text(&rowless).contains("has no rows to show"), "{}", text(&rowless));
}

#[test]
fn scripts_read_what_the_commands_say() {
    let folder = source();
    let path = folder.path();
    let json =
        |args: &[&str]| -> serde_json::Value { serde_json::from_str(&stdout(&table(path, args, ""))).expect("JSON") };
    let types = json(&["types", "--json"]);
    let names: Vec<_> =
        types.as_array().expect("a list").iter().map(|one| one["name"].as_str().expect("a name")).collect();
    let expected = "cdb cidr fail hash inline lmdb pcre pipe regexp static text union";
    assert_eq!(names.join(" "), expected);
    // For people there is a line a type.
    assert_eq!(stdout(&table(path, &["types"], "")).lines().count(), names.len());
    let built = json(&["build", "people", "--json"]);
    assert!(
        built["rows"] == 2_003 && built["path"] == "people.cdb" && built["warnings"] == serde_json::json!([]),
        "{built}"
    );
    let row = json(&["query", "hash:people", "JOE@example.com", "--json"]);
    assert_eq!(row, serde_json::json!({ "key": "JOE@example.com", "value": "Joe.Doe@example.com" }));
    let dumped = stdout(&table(path, &["dump", "text:people", "--json"], ""));
    let first: serde_json::Value = serde_json::from_str(dumped.lines().next().expect("a row")).expect("JSON");
    assert_eq!(first, serde_json::json!({ "key": "joe@example.com", "value": "Joe.Doe@example.com", "line": 2 }));
    let checked = json(&["check", "text:people", "--json"]);
    assert_eq!(checked, serde_json::json!({ "ok": true, "warnings": [] }));
    let explained = stdout(&table(path, &["explain", "text:people", "Long@D"], ""));
    let expected = "key `long@d` is looked for as a whole, in lower case\npeople:3 answers\na@b,\tc@d\n";
    assert_eq!(explained, expected);
}

/// A relay whose recipients go through a table of this type; it is written by `write`.
fn rewriting(sink: &Sink, kind: &str, write: impl Fn(&Path, &str)) -> (Relay, impl Fn(&str)) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let rows = move |target: &str| write(&path, &format!("joe@example.com {target}\n"));
    rows("first@example.com");
    let config = format!(
        "hostname = \"relay.example.com\"\nstate-dir = \"state\"\nlisten.smtp.addresses = [\"127.0.0.1:0\"]\n\
         tables.people = {{ type = \"{kind}\", path = \"people\" }}\n[[message]]\nplugin = \"canonical\"\nconfig.both = [\"people\"]\n\
         [[route]]\ndomains = [\"*\"]\nnext-hop = \"smtp://{}\"\n",
        sink.address()
    );
    (Relay::with_config(folder, &config), rows)
}

/// Send messages until one arrives for this recipient.
fn arrives_for(relay: &Relay, sink: &Sink, expected: &str) {
    wait_until(&format!("mail goes to {expected}"), || {
        let before = sink.count();
        ask(relay.address());
        wait_until("it is delivered", || sink.count() > before);
        sink.delivered().last().is_some_and(|message| message.recipients == [expected])
    });
}

#[test]
fn changed_tables_of_each_kind_are_picked_up() {
    let sink = Sink::start();
    for (kind, built) in [("text", None), ("lmdb", Some("lmdb")), ("regexp", None)] {
        let write = |path: &Path, row: &str| {
            let row = if kind == "regexp" { format!("/^{}", row.replacen(' ', "/ ", 1)) } else { row.to_owned() };
            fs::write(path.join("people"), row).expect("written");
            if let Some(built) = built {
                stdout(&table(path, &["build", "people", "--type", built], ""));
            }
        };
        let (relay, rows) = rewriting(&sink, kind, write);
        arrives_for(&relay, &sink, "first@example.com");
        rows("second@example.com");
        arrives_for(&relay, &sink, "second@example.com");
    }
}

#[test]
fn a_changed_table_is_picked_up_and_a_broken_one_is_not() {
    let sink = Sink::start();
    for kind in ["cdb", "lmdb"] {
        let replace = |path: &Path, new: &str| {
            fs::rename(path.join(new), path.join(format!("people.{kind}"))).expect("renamed");
        };
        let (relay, build) = rewriting(&sink, kind, |path, rows| {
            fs::write(path.join("new"), rows).expect("written");
            stdout(&table(path, &["build", "new", "--type", kind], ""));
            replace(path, &format!("new.{kind}"));
        });
        arrives_for(&relay, &sink, "first@example.com");
        build("second@example.com");
        arrives_for(&relay, &sink, "second@example.com");
        fs::write(relay.folder().join("broken"), "this is no table").expect("written");
        replace(relay.folder(), "broken");
        wait_until("the broken table is told", || {
            ask(relay.address());
            relay.log().contains("a changed table is broken, the old version stays in use")
        });
        arrives_for(&relay, &sink, "second@example.com");
        build("third@example.com");
        arrives_for(&relay, &sink, "third@example.com");
    }
}

/// A message, so that the table is asked.
fn ask(address: std::net::SocketAddr) {
    let mut client = Client::connect(address).expect("a session");
    client.send("a@example.org", &["joe@example.com"], b"Subject: x\r\n\r\n.\r\n").expect("a reply");
}
