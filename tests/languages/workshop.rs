//! A filter that somebody begins, builds and tests.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

const NAME: &str = "my-filter";

/// A filter's folder in a temporary one.
pub(crate) struct Workshop {
    place: TempDir,
    example: &'static str,
    language: String,
}

impl Workshop {
    pub(crate) fn begin(language: &str, example: &'static str) -> Self {
        let place = tempfile::tempdir().expect("a temporary folder");
        let workshop = Self { place, example, language: language.to_owned() };
        let output = mailweir(workshop.place.path(), &["plugin", "new", "--lang", language, "--like", example, NAME]);
        workshop.succeeded("plugin new", &output);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("[[message]]") && text.contains("plugin = \"my-filter.wasm\""), "{text}");
        let again = mailweir(workshop.place.path(), &["plugin", "new", "--lang", language, NAME]);
        assert!(!again.status.success(), "a folder that is there is left alone");
        workshop
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.place.path().join(NAME)
    }

    fn succeeded(&self, what: &str, output: &Output) {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} {}: {what}\n{out}{err}", self.language, self.example);
    }

    pub(crate) fn build(&self) {
        if self.language == "rust" {
            // What one example has compiled serves the other.
            let shared = target_folder().join("languages");
            fs::create_dir_all(&shared).expect("a folder");
            symlink(shared, self.folder().join("target")).expect("a link");
        }
        self.run(Command::new(env!("CARGO_BIN_EXE_mailweir")).args(["plugin", "build"]));
    }

    /// What README.md tells to type, as it stands there.
    pub(crate) fn follow_its_page(&self) {
        let page = fs::read_to_string(self.folder().join("README.md")).expect("a page");
        let outside_of_code = page.split("```").step_by(2).flat_map(str::lines);
        // What a machine needs first is installed by tests/install-tools.sh.
        let commands: Vec<_> = outside_of_code
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| !line.starts_with("apt-get"))
            .collect();
        assert!(commands.len() >= 4, "{}: {commands:?}", self.language);
        for command in commands {
            self.run(Command::new("sh").args(["-c", command]));
        }
    }

    /// One plugin, by the Makefile.
    pub(crate) fn make(&self, plugin: &str) {
        self.run(Command::new("make").arg(plugin));
    }

    /// In the folder, with tools that stay for the next time.
    fn run(&self, command: &mut Command) {
        // What cargo sets for this test must not reach another build.
        let command = command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        let command = command.current_dir(self.folder()).env("TOOLS", target_folder().join("tools"));
        let ours = Path::new(env!("CARGO_BIN_EXE_mailweir")).parent().expect("a folder").as_os_str();
        let path = [ours, ":".as_ref(), &env::var_os("PATH").unwrap_or_default()].into_iter().collect::<OsString>();
        let command = command.env("PATH", path);
        self.succeeded(&format!("{command:?}"), &command.output().expect("it runs"));
    }

    pub(crate) fn inspect(&self) {
        let output = mailweir(&self.folder(), &["plugin", "inspect", "my-filter.wasm", "--json"]);
        self.succeeded("plugin inspect", &output);
        let inspection = json(&output);
        assert_eq!(inspection["contract"], serde_json::json!(["0.1.0"]), "{inspection}");
        assert_eq!(inspection["not_in_message"], Value::Null, "{inspection}");
        assert!(inspection["not_in_session"].as_str().is_some_and(|why| why.contains("session@0.1.0")), "{inspection}");
    }

    /// The same for all languages: `examples/filters/*.toml`.
    pub(crate) fn run_tests(&self) {
        let output = mailweir(&self.folder(), &["plugin", "test", "my-filter.wasm", "--json"]);
        self.succeeded("plugin test", &output);
        let report = json(&output);
        assert!(report["passed"].as_u64() >= Some(8) && report["failed"] == 0, "{report}");
    }

    pub(crate) fn mistakes_have_their_places(&self) {
        let pipeline = fs::read_to_string(self.folder().join("mailweir.toml")).expect("a pipeline");
        let (good, bad, key) = match self.example {
            "tag-external" => ("text = \"[EXTERNAL]\"", "txt = \"[EXTERNAL]\"", "txt"),
            _ => ("config.table = \"blocked\"", "config = { table = \"blocked\", tabel = 1 }", "tabel"),
        };
        assert!(pipeline.contains(good), "{pipeline}");
        let broken = pipeline.replace(good, bad);
        fs::write(self.folder().join("bad.toml"), &broken).expect("written");
        let output = mailweir(&self.folder(), &["check", "--config", "bad.toml", "--json"]);
        assert!(!output.status.success());
        let report = json(&output);
        let [mistake] = report["diagnostics"].as_array().map_or(&[][..], Vec::as_slice) else { panic!("{report}") };
        let line = broken.lines().position(|line| line.contains(bad)).expect("a line");
        let column = broken.lines().nth(line).and_then(|line| line.find(key)).expect("a key");
        let place = serde_json::json!(["bad.toml", line + 1, column + 1]);
        assert_eq!(serde_json::json!([mistake["file"], mistake["line"], mistake["column"]]), place, "{report}");
        assert!(mistake["message"].as_str().is_some_and(|text| text.contains("unknown")), "{report}");
    }

    pub(crate) fn trace(&self) {
        let letter = "Subject: hello\nContent-Disposition: attachment; filename=a.exe\n\ntext\n";
        fs::write(self.folder().join("letter.eml"), letter).expect("written");
        let args = ["trace", "letter.eml", "--from", "joe@elsewhere.example", "--to", "ann@example.com", "--json"];
        // Tag-external trusts 127.0.0.1 only, block-names takes mail for elsewhere from trusted clients only.
        let client = if self.example == "tag-external" { "192.0.2.7" } else { "127.0.0.1" };
        let output = mailweir(&self.folder(), &[&args[..], &["--client", client]].concat());
        self.succeeded("trace", &output);
        let traced = json(&output);
        let stage = &traced["stages"][0];
        if self.example == "tag-external" {
            assert_eq!(stage["edits"].as_array().map(Vec::len), Some(2), "{traced}");
            assert_eq!(stage["edits"][0]["reason"], "the message is external", "{traced}");
        } else {
            assert_eq!(traced["verdict"], "reject: 550 5.7.1 a.exe: programs are not taken", "{traced}");
            assert!(stage["reason"].is_string(), "{traced}");
        }
    }
}

pub(crate) fn mailweir(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailweir")).args(args).current_dir(folder).output().expect("mailweir runs")
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    })
}

/// The folder of all builds of this workspace.
fn target_folder() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_mailweir"));
    binary.ancestors().nth(2).expect("a target folder").to_owned()
}
