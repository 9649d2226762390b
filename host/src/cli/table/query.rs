//! `mailweir table query`.

use std::{
    io::{self, BufRead, Write},
    panic::resume_unwind,
    process::ExitCode,
    thread,
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

/// Keys of a list that are looked up side by side, by all processors.
const BATCH: usize = 1 << 16;

/// How rows are printed.
#[derive(Clone, Copy)]
struct Format {
    json: bool,
    /// Whether the key stands before its value.
    with_key: bool,
}

/// The rows of some keys, as they are printed.
fn look_up(table: &dyn Table, keys: &[&str], format: Format) -> Result<Vec<u8>, Failure> {
    let mut rows = Vec::new();
    for key in keys {
        let Some(value) = table.lookup(key)? else { continue };
        if format.json {
            serde_json::to_writer(&mut rows, &JsonRow { key, value: &value })?;
            writeln!(rows)?;
        } else if format.with_key {
            writeln!(rows, "{key}\t{value}")?;
        } else {
            writeln!(rows, "{value}")?;
        }
    }
    Ok(rows)
}

/// The same for a list of keys, one a line, in its order. Whether there was a row.
fn look_up_lines(
    table: &dyn Table,
    mut lines: impl BufRead,
    out: &mut impl Write,
    format: Format,
) -> Result<bool, Failure> {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut found = false;
    loop {
        let mut text = String::new();
        for _ in 0..BATCH {
            if lines.read_line(&mut text)? == 0 {
                break;
            }
        }
        if text.is_empty() {
            return Ok(found);
        }
        let keys: Vec<&str> = text.lines().collect();
        let answers: Vec<_> = thread::scope(|scope| {
            let parts = keys.chunks(keys.len().div_ceil(processors));
            let threads: Vec<_> = parts
                .map(|part| scope.spawn(move || look_up(table, part, format).map_err(|error| error.to_string())))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|cause| resume_unwind(cause))).collect()
        });
        for rows in answers {
            let rows = rows?;
            found |= !rows.is_empty();
            out.write_all(&rows)?;
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let from_stdin = args.keys.iter().any(|key| key == "-");
    let (_, loaded) = if from_stdin { args.table.open_for_many()? } else { args.table.open()? };
    let format = Format { json: args.json, with_key: from_stdin || args.keys.len() > 1 };
    let mut out = io::stdout().lock();
    let mut found = false;
    for key in &args.keys {
        if key == "-" {
            found |= look_up_lines(&*loaded.table, io::stdin().lock(), &mut out, format)?;
        } else {
            let rows = look_up(&*loaded.table, &[key], format)?;
            found |= !rows.is_empty();
            out.write_all(&rows)?;
        }
    }
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::tables::TableError;

    /// Even numbers have a row, what is no number is an error.
    struct Numbers;

    impl Table for Numbers {
        fn lookup(&self, key: &str) -> Result<Option<String>, TableError> {
            let number: u32 = key.parse().map_err(|_| TableError(format!("`{key}` is no number")))?;
            Ok(number.is_multiple_of(2).then(|| format!("half of it is {}", number / 2)))
        }
    }

    const FORMAT: Format = Format { json: false, with_key: true };

    #[test]
    fn rows_come_in_the_order_of_the_keys_however_many_there_are() {
        let count = BATCH as u32 * 2 + 5;
        let (mut keys, mut expected) = (String::new(), String::new());
        for number in (0..count).rev() {
            writeln!(keys, "{number}").expect("writing to a String");
            if number.is_multiple_of(2) {
                writeln!(expected, "{number}\thalf of it is {}", number / 2).expect("writing to a String");
            }
        }
        let mut rows = Vec::new();
        assert!(look_up_lines(&Numbers, keys.as_bytes(), &mut rows, FORMAT).expect("rows"));
        assert!(rows == expected.as_bytes(), "another order, or not all of them");
    }

    #[test]
    fn no_row_is_told_from_an_error() {
        let mut rows = Vec::new();
        assert!(!look_up_lines(&Numbers, &b"1\r\n3"[..], &mut rows, FORMAT).expect("no row"));
        assert!(!look_up_lines(&Numbers, &b""[..], &mut rows, FORMAT).expect("no key"));
        let error = look_up_lines(&Numbers, &b"2\nx\n4\n"[..], &mut rows, FORMAT).expect_err("no number");
        assert_eq!(error.to_string(), "`x` is no number");
        assert_eq!(rows, b"");
    }
}
