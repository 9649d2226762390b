//! `mailweir plugin new`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::ValueEnum;

use super::templates::{Example, Language};
use crate::cli::output;

/// Begin a filter, from an example in its language.
#[derive(clap::Args)]
#[command(
    long_about = "Make a folder with a filter that works, copied from an example in the language: source, Makefile, the contract, \
                  mailweir.toml with a pipeline and tests, and a letter to try it on. The examples are tag-external, which marks messages from outside, and \
                  block-names, which refuses attachments whose names a table lists.",
    after_help = "Example: mailweir plugin new --lang c my-filter"
)]
pub(super) struct Args {
    /// Name of the filter and of the folder: letters, digits and hyphens.
    #[arg(value_parser = name)]
    name: String,
    /// The language.
    #[arg(long, value_name = "LANG")]
    lang: Language,
    /// The example to begin with.
    #[arg(long, value_name = "EXAMPLE", default_value = "tag-external")]
    like: Example,
    /// Where the folder is made.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    inside: PathBuf,
}

/// As crates, Python modules and files in all languages can be named.
fn name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(allowed) {
        return Err("a name begins with a letter and has small letters, digits and hyphens only".to_owned());
    }
    Ok(text.to_owned())
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
struct WriteError {
    path: String,
    error: io::Error,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let folder = args.inside.join(&args.name);
    match write(&folder, args) {
        Ok(()) => {
            print(&folder, args);
            ExitCode::SUCCESS
        }
        Err(error) => output::fail(&error),
    }
}

fn write(folder: &Path, args: &Args) -> Result<(), WriteError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error| WriteError { path, error }
    };
    fs::create_dir(folder).map_err(failed(folder))?;
    for (path, text) in args.lang.files(args.like, &args.name) {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(failed(parent))?;
        fs::write(&path, text).map_err(failed(&path))?;
    }
    Ok(())
}

fn print(folder: &Path, args: &Args) {
    let (folder, name) = (folder.display(), &args.name);
    let config = match args.like {
        Example::TagExternal => "config = { text = \"[EXTERNAL]\", domains = [\"example.com\"] }",
        Example::BlockNames => "config.table = \"blocked\"",
    };
    let language = args.lang.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    println!("{folder} is a filter in {language}; its README.md shows how it is made. Build it and run its tests:\n");
    println!("    cd {folder}\n    mailweir plugin build\n    mailweir plugin test {name}.wasm");
    println!("    mailweir trace letter.eml --from joe@elsewhere.example --to ann@example.com --client 192.0.2.7\n");
    println!("For your pipeline:\n\n    [[message]]\n    plugin = \"{name}.wasm\"\n    {config}");
}
