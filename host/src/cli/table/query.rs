//! `mailweir table query`.

use std::{
    io::{self, BufRead, BufWriter, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::{Failure, TableArg};
use crate::tables::Table;

#[derive(clap::Args)]
#[command(
    long_about = "Look keys up, each as it stands: no domains or users are tried instead, as filters do. One key prints its value, several \
                  print `key<TAB>value`, as postmap -q does. Keys without a row print nothing.",
    after_help = "Examples: mailweir table query hash:canonical joe@example.com\n          cut -f1 keys | mailweir table query hash:canonical -\n\
                  Exit codes: 0 a row was found, 1 none was, or the table can't be asked."
)]
pub(super) struct Args {
    #[command(flatten)]
    table: TableArg,
    /// The keys; - reads them from standard input, one a line.
    #[arg(required = true)]
    keys: Vec<String>,
    /// Write a JSON object a row.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct JsonRow<'a> {
    key: &'a str,
    value: &'a str,
}

struct Answers<'a> {
    table: &'a dyn Table,
    out: BufWriter<io::StdoutLock<'static>>,
    json: bool,
    /// Whether the key stands before its value.
    with_key: bool,
    found: bool,
}

impl Answers<'_> {
    fn look_up(&mut self, key: &str) -> Result<(), Failure> {
        let Some(value) = self.table.lookup(key)? else { return Ok(()) };
        self.found = true;
        if self.json {
            serde_json::to_writer(&mut self.out, &JsonRow { key, value: &value })?;
            writeln!(self.out)?;
        } else if self.with_key {
            writeln!(self.out, "{key}\t{value}")?;
        } else {
            writeln!(self.out, "{value}")?;
        }
        Ok(())
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (_, loaded) = args.table.open()?;
    let from_stdin = args.keys.iter().any(|key| key == "-");
    let mut answers = Answers {
        table: &*loaded.table,
        out: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
        json: args.json,
        with_key: from_stdin || args.keys.len() > 1,
        found: false,
    };
    for key in &args.keys {
        if key != "-" {
            answers.look_up(key)?;
            continue;
        }
        let mut lines = io::stdin().lock();
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            answers.look_up(line.trim_end_matches(['\r', '\n']))?;
            line.clear();
        }
    }
    answers.out.flush()?;
    Ok(if answers.found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
