//! `mailweir table`: build, ask and look at lookup tables.

mod build;
mod query;
mod show;

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use clap::Subcommand;

use super::{ConfigArg, output};
use crate::{
    config::Config,
    tables::{self, Kind, Loaded, OpenError, Others, Table},
};

/// Build, ask and look at lookup tables.
#[derive(clap::Args)]
#[command(
    after_help = "TABLE is a file with its type, such as text:canonical or hash:canonical, or a name from [tables] of --config.\n\
                        Example: mailweir table query text:canonical joe@example.com"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Build(build::Args),
    Query(query::Args),
    Dump(show::DumpArgs),
    Check(show::CheckArgs),
    Types(show::TypesArgs),
    Explain(show::ExplainArgs),
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log();
    let done = match &args.command {
        Command::Build(args) => build::run(args),
        Command::Query(args) => query::run(args),
        Command::Dump(args) => show::dump(args),
        Command::Check(args) => show::check(args),
        Command::Types(args) => show::types(args),
        Command::Explain(args) => show::explain(args),
    };
    done.unwrap_or_else(|error| output::fail(&*error))
}

type Failure = Box<dyn std::error::Error>;

type Open = fn(&Kind, Others<'_>) -> Result<Loaded, OpenError>;

/// Which table.
#[derive(clap::Args)]
struct TableArg {
    /// TYPE:FILE, or a name from [tables] of the configuration.
    table: String,
    #[command(flatten)]
    config: ConfigArg,
}

impl TableArg {
    /// The type and the file, where the argument names them.
    fn file(&self) -> Option<Kind> {
        let (name, path) = self.table.split_once(':')?;
        Kind::of_file(name, &PathBuf::from(path))
    }

    /// The table, open.
    fn open(&self) -> Result<(Kind, Loaded), Failure> {
        self.open_by(tables::open)
    }

    /// The table, open to be asked for many keys.
    fn open_for_many(&self) -> Result<(Kind, Loaded), Failure> {
        self.open_by(tables::open_for_many)
    }

    fn open_by(&self, open: Open) -> Result<(Kind, Loaded), Failure> {
        if let Some(kind) = self.file() {
            let loaded = open(&kind, &|_| None)?;
            return Ok((kind, loaded));
        }
        let config = Config::load(self.config.config.clone()).map_err(|(source, diagnostics)| {
            output::print_diagnostics(&source, &diagnostics);
            format!("`{}` is no TYPE:FILE, and {} can't be read", self.table, source.path.display())
        })?;
        // Others may be made of those before them.
        let mut opened: Vec<(String, Arc<dyn Table>)> = Vec::new();
        for entry in &config.tables {
            let find = |name: &str| opened.iter().find(|(other, _)| other == name).map(|(_, table)| Arc::clone(table));
            let loaded = open(&entry.kind, &find)?;
            if entry.name == self.table {
                return Ok((entry.kind.clone(), loaded));
            }
            opened.push((entry.name.clone(), loaded.table));
        }
        Err(format!("there is no table `{}` in {}", self.table, config.source.path.display()).into())
    }
}
