//! The example filters, which are what a new filter begins as. They are part of the relay, so that it needs nothing beside it.

use clap::ValueEnum;

use crate::sandbox::CONTRACT;

/// A path below the folder, and what is there.
type File = (&'static str, &'static str);

/// Files of the repository.
macro_rules! files {
    ($folder:literal: $($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../../../", $folder, "/", $name)))),*]
    };
}

/// Languages that there are examples in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
    C,
    Javascript,
    Python,
    Go,
    Zig,
    Assemblyscript,
}

/// What the examples do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Example {
    TagExternal,
    BlockNames,
}

const PIPELINES: &[File] = files!("examples/filters": "tag-external.toml", "block-names.toml");
const LETTER: &[File] = files!("examples/filters": "letter.eml");
const RUST_TAG: &[File] = files!("examples/filters/rust/tag-external": "Cargo.toml", "README.md", "src/lib.rs");
const RUST_BLOCK: &[File] = files!("examples/filters/rust/block-names": "Cargo.toml", "README.md", "src/lib.rs");
const RUST: &[File] = files!("examples/filters/rust": "Makefile");
const SDK: &[File] = files!("plugins/sdk":
    "Cargo.toml", "src/config.rs", "src/decision.rs", "src/dns.rs", "src/explain.rs", "src/export.rs", "src/files.rs",
    "src/host/mod.rs", "src/host/native.rs", "src/host/relay.rs", "src/host/zone.rs", "src/lib.rs", "src/log.rs", "src/message.rs", "src/outcome.rs",
    "src/tables.rs", "src/wit.rs");
const WORKSPACE: &str = include_str!("../../../../Cargo.toml");
const C: &[File] = files!("examples/filters/c":
    "Makefile", "README.md", "mailweir.c", "mailweir.h", "support.c", "support.h", "tag-external.c", "block-names.c");
const JAVASCRIPT: &[File] = files!("examples/filters/javascript":
    "Makefile", "README.md", "componentize.mjs", "tag-external.js", "block-names.js");
const PYTHON: &[File] = files!("examples/filters/python":
    "Makefile", "README.md", "tag_external.py", "block_names.py");
const GO: &[File] = files!("examples/filters/go":
    "Makefile", "README.md", "go.mod", "mailweir/abi.go", "mailweir/mailweir.go", "tag-external/main.go",
    "block-names/main.go");
const ZIG: &[File] = files!("examples/filters/zig":
    "Makefile", "README.md", "mailweir.zig", "tag-external.zig", "block-names.zig");
const ASSEMBLYSCRIPT: &[File] = files!("examples/filters/assemblyscript":
    "Makefile", "README.md", "exports.mjs", "json.ts", "mailweir.ts", "tag-external.ts", "block-names.ts");

impl Example {
    fn name(self) -> &'static str {
        match self {
            Self::TagExternal => "tag-external",
            Self::BlockNames => "block-names",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::TagExternal => Self::BlockNames,
            Self::BlockNames => Self::TagExternal,
        }
    }
}

impl Language {
    /// The files of a filter that begins as this example and has another name.
    pub(super) fn files(self, like: Example, name: &str) -> Vec<(String, String)> {
        let mut files = match self {
            Self::Rust => rust(like),
            Self::C => filter_files(C, like),
            Self::Javascript => filter_files(JAVASCRIPT, like),
            Self::Python => filter_files(PYTHON, like),
            Self::Go => filter_files(GO, like),
            Self::Zig => filter_files(ZIG, like),
            Self::Assemblyscript => filter_files(ASSEMBLYSCRIPT, like),
        };
        let renamed = |text: &str| {
            let text = text.replace(like.name(), name);
            text.replace(&like.name().replace('-', "_"), &name.replace('-', "_"))
        };
        for (path, text) in &mut files {
            (*path, *text) = (renamed(path), renamed(text));
        }
        let pipeline = format!("{}.toml", like.name());
        files.extend(
            copies(PIPELINES, "")
                .filter(|(path, _)| *path == pipeline)
                .map(|(_, text)| ("mailweir.toml".to_owned(), renamed(&text))),
        );
        files.extend(copies(LETTER, ""));
        let wit = if self == Self::Rust { "mailweir/wit/" } else { "wit/" };
        files.extend(copies(&CONTRACT, wit));
        files.push((".gitignore".to_owned(), "*.wasm\n.tools/\nstate/\ntarget/\n__pycache__/\n".to_owned()));
        files
    }
}

fn copies<'a>(files: &'a [File], folder: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
    files.iter().map(move |(path, text)| (format!("{folder}{path}"), (*text).to_owned()))
}

/// All but the source of the other example. README.md says the same of this one.
fn filter_files(files: &[File], like: Example) -> Vec<(String, String)> {
    let other = like.other().name();
    let is_others = |path: &str| path.replace('_', "-").starts_with(other);
    let is_others_row = |line: &&str| line.strip_prefix("| `").is_some_and(is_others);
    let mut files: Vec<_> = copies(files, "").filter(|(path, _)| !is_others(path)).collect();
    for (_, text) in files.iter_mut().filter(|(path, _)| path == "README.md") {
        let of_this: String = text.split_inclusive('\n').filter(|line| !is_others_row(line)).collect();
        *text = of_this.replace(other, like.name());
    }
    files
}

/// A crate and its workspace, with the SDK as a member: it is in no registry yet.
fn rust(like: Example) -> Vec<(String, String)> {
    let example = if like == Example::TagExternal { RUST_TAG } else { RUST_BLOCK };
    let mut files: Vec<_> =
        copies(example, "").chain(copies(RUST, "")).chain(copies(SDK, "mailweir/plugins/sdk/")).collect();
    for (path, text) in &mut files {
        if path == "Cargo.toml" {
            *text = text.replace("../../../../plugins/sdk", "mailweir/plugins/sdk");
            text.push_str("\n[workspace]\nresolver = \"3\"\nmembers = [\"mailweir/plugins/sdk\"]\n\n");
            text.extend(shared_sections());
        }
    }
    files
}

/// What the workspace of this repository says for all its crates.
fn shared_sections() -> impl Iterator<Item = &'static str> {
    let wanted = |section: &&str| section.starts_with("[workspace.") || section.contains("[profile.plugin]");
    WORKSPACE.split_inclusive("\n\n").filter(wanted)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn sources(folder: &Path) -> usize {
        let paths = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        paths.map(|path| if path.is_dir() { sources(&path) } else { 1 }).sum()
    }

    /// The parts of a text that `…` separates, each as lines without their indentation.
    fn parts(text: &str) -> Vec<Vec<&str>> {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        lines.split(|line| *line == "…").map(<[_]>::to_vec).collect()
    }

    /// Code blocks, but for those of the configuration.
    fn code(page: &str) -> impl Iterator<Item = &str> {
        let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
        blocks.filter(|(language, _)| *language != "toml").map(|(_, code)| code)
    }

    #[test]
    fn pages_show_what_stands_in_the_sources() {
        let rust = [RUST_TAG, RUST_BLOCK].concat();
        for files in [&rust, C, JAVASCRIPT, PYTHON, GO, ZIG, ASSEMBLYSCRIPT] {
            let (pages, sources): (Vec<File>, Vec<File>) = files.iter().partition(|(path, _)| *path == "README.md");
            for (_, page) in pages {
                assert!(code(page).count() > 0, "{page}");
                for part in code(page).flat_map(parts) {
                    let shows = |(_, source): &File| {
                        let lines: Vec<_> = source.lines().map(str::trim).collect();
                        lines.windows(part.len()).any(|window| window == part)
                    };
                    assert!(sources.iter().any(shows), "no source has\n{}", part.join("\n"));
                }
            }
        }
    }

    #[test]
    fn all_of_the_sdk_goes_along() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/sdk/src");
        assert_eq!(SDK.len(), sources(&folder) + 1, "SDK lists each source, and Cargo.toml");
    }

    #[test]
    fn a_filter_has_its_own_name_everywhere() {
        for language in Language::value_variants() {
            for like in [Example::TagExternal, Example::BlockNames] {
                let files = language.files(like, "my-filter");
                assert!(files.iter().any(|(path, _)| path == "Makefile"), "{language:?}");
                for (path, text) in files.iter().filter(|(path, _)| !path.contains("mailweir")) {
                    let old = like.name();
                    let replaced = !path.contains(old) && !text.contains(old) && !text.contains(&old.replace('-', "_"));
                    assert!(replaced, "{language:?}: {path}");
                    let others = like.other().name();
                    assert!(path != "README.md" || !text.contains(others), "{language:?}: {path} tells of {others}");
                }
            }
        }
    }
}
