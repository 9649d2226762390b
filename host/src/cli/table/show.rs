//! `mailweir table dump`, `check`, `types` and `explain`.

use std::{
    io::{self, BufWriter, Write},
    process::ExitCode,
};

use serde_json::json;

use super::{Failure, TableArg};
use crate::tables::{Kind, TYPES};

/// Show all rows.
#[derive(clap::Args)]
#[command(after_help = "Example: mailweir table dump hash:canonical")]
pub(super) struct DumpArgs {
    #[command(flatten)]
    table: TableArg,
    /// Write a JSON object a row.
    #[arg(long)]
    json: bool,
}

/// All rows as `key<TAB>value`.
pub(super) fn dump(args: &DumpArgs) -> Result<ExitCode, Failure> {
    let (_, loaded) = args.table.open()?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut written = Ok(());
    let has_rows = loaded.table.rows(&mut |row| {
        if written.is_ok() {
            written = match args.json {
                true => writeln!(out, "{}", json!({ "key": row.key, "value": row.value, "line": row.line })),
                false => writeln!(out, "{}\t{}", row.key, row.value),
            };
        }
    })?;
    written?;
    out.flush()?;
    if has_rows { Ok(ExitCode::SUCCESS) } else { Err("a table of this type has no rows to show".into()) }
}

/// Look for mistakes in a table's file.
#[derive(clap::Args)]
#[command(
    after_help = "Example: mailweir table check regexp:header_checks\nExit codes: 0 nothing to say, 1 warnings, or the table can't be opened."
)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    table: TableArg,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// Warnings with file and line.
pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let (kind, loaded) = args.table.open()?;
    let file = file_of(&kind);
    if args.json {
        let warning = |one: &crate::tables::Warning| json!({ "file": file, "line": one.line, "message": one.message });
        let warnings: Vec<_> = loaded.warnings.iter().map(warning).collect();
        println!("{:#}", json!({ "ok": warnings.is_empty(), "warnings": warnings }));
    } else {
        for warning in &loaded.warnings {
            anstream::eprintln!("{file}:{}: warning: {}", warning.line, warning.message);
        }
        let mut count = 0_u64;
        loaded.table.rows(&mut |_| count += 1)?;
        println!("{}: {count} rows, {} warnings", args.table.table, loaded.warnings.len());
    }
    Ok(if loaded.warnings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn file_of(kind: &Kind) -> String {
    match kind {
        Kind::Text(path)
        | Kind::Cdb(path)
        | Kind::Lmdb(path)
        | Kind::Regexp(path)
        | Kind::Pcre(path)
        | Kind::Cidr(path) => path.display().to_string(),
        Kind::Inline(_) | Kind::Static(_) | Kind::Fail(_) | Kind::Union(_) | Kind::Pipe(_) => "[tables]".to_owned(),
    }
}

/// Tell which types of tables there are.
#[derive(clap::Args)]
#[command(after_help = "Example: mailweir table types --json")]
pub(super) struct TypesArgs {
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// A line a type.
pub(super) fn types(args: &TypesArgs) -> Result<ExitCode, Failure> {
    if args.json {
        let types = TYPES.map(|info| json!({ "name": info.name, "argument": info.argument, "about": info.about }));
        println!("{:#}", serde_json::Value::from(types.to_vec()));
    } else {
        for info in TYPES {
            let example = format!("{{ type = \"{}\", {} = … }}", info.name, info.argument);
            println!("{example:<36} {}", info.about);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Tell which line answers for a key, and how the key is looked for.
#[derive(clap::Args)]
#[command(after_help = "Example: mailweir table explain cidr:clients 192.0.2.7")]
pub(super) struct ExplainArgs {
    #[command(flatten)]
    table: TableArg,
    /// The key.
    key: String,
}

/// How the key is looked for, which line answers, and what it says.
pub(super) fn explain(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let (kind, loaded) = args.table.open()?;
    let ExplainArgs { key, .. } = args;
    if loaded.table.has_patterns() {
        println!("key `{key}` is compared with each rule in order, as it stands; the first that fits decides");
    } else {
        println!("key `{}` is looked for as a whole, in lower case", key.to_lowercase());
    }
    match loaded.table.lookup(key)? {
        Some(value) => {
            if let Some(line) = loaded.table.line_of(key) {
                println!("{}:{line} answers", file_of(&kind));
            }
            println!("{value}");
            Ok(ExitCode::SUCCESS)
        }
        None => {
            println!("no row");
            Ok(ExitCode::FAILURE)
        }
    }
}
