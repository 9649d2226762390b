//! `mailweir table query`.

use std::{
    io::{self, BufRead, BufWriter, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::{Failure, TableArg};
use crate::tables::Table;

/// Look keys up.
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

/// How rows are printed.
#[derive(Clone, Copy)]
struct Format {
    json: bool,
    /// Whether the key stands before its value.
    with_key: bool,
}

/// Print the row of a key. Whether there is one.
fn print_row(table: &dyn Table, key: &str, format: Format, out: &mut impl Write) -> Result<bool, Failure> {
    let Some(value) = table.lookup(key)? else { return Ok(false) };
    if format.json {
        serde_json::to_writer(&mut *out, &JsonRow { key, value: &value })?;
        writeln!(out)?;
    } else if format.with_key {
        writeln!(out, "{key}\t{value}")?;
    } else {
        writeln!(out, "{value}")?;
    }
    Ok(true)
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let from_stdin = args.keys.iter().any(|key| key == "-");
    let (_, loaded) = if from_stdin { args.table.open_for_many()? } else { args.table.open()? };
    let format = Format { json: args.json, with_key: from_stdin || args.keys.len() > 1 };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut found = false;
    for key in &args.keys {
        if key == "-" {
            for line in io::stdin().lock().lines() {
                found |= print_row(&*loaded.table, &line?, format, &mut out)?;
            }
        } else {
            found |= print_row(&*loaded.table, key, format, &mut out)?;
        }
    }
    out.flush()?;
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
