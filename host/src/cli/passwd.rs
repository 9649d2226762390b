//! `mailweir passwd`: a row for the table of users that may log in.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::ValueEnum;

use super::output;
use crate::server::password::{PasswordError, Scheme};

/// Ask for a password and print a row for the table of users that may log in.
#[derive(clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The name to log in with, often an address.
    #[arg(value_name = "NAME")]
    name: String,
    /// How the password is hashed.
    #[arg(long, value_enum, default_value = "argon2")]
    scheme: Hash,
}

const EXAMPLE: &str = "\
Examples:
  mailweir passwd joe@example.com >> users            asks twice, and shows nothing
  mailweir passwd joe@example.com < password >> users  takes the first line

The table is named in the listener:
  [listen.submission]
  auth = { users = \"users\" }
  [tables]
  users = { type = \"text\", path = \"users\" }";

#[derive(Clone, Copy, ValueEnum)]
enum Hash {
    /// Argon2id: the best of them.
    Argon2,
    /// For programs that know no argon2.
    Bcrypt,
    /// For crypt(3) everywhere.
    Sha512Crypt,
}

/// There is no row.
#[derive(Debug, thiserror::Error)]
enum PasswdError {
    /// A key of a table can't be like this.
    #[error("`{0}` is no name: blanks and control characters can't stand in it")]
    Name(String),
    #[error("the password can't be read: {0}")]
    Read(#[from] io::Error),
    #[error("the password is empty")]
    Empty,
    #[error("the two passwords differ")]
    Differ,
    #[error(transparent)]
    Hash(#[from] PasswordError),
}

pub(super) fn run(args: &Args) -> ExitCode {
    match row(args) {
        Ok(row) => {
            anstream::println!("{row}");
            ExitCode::SUCCESS
        }
        Err(error) => output::fail(&error),
    }
}

fn row(args: &Args) -> Result<String, PasswdError> {
    let name = &args.name;
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) || name.starts_with('#') {
        return Err(PasswdError::Name(name.clone()));
    }
    let password = ask()?;
    if password.is_empty() {
        return Err(PasswdError::Empty);
    }
    let scheme = match args.scheme {
        Hash::Argon2 => Scheme::Argon2,
        Hash::Bcrypt => Scheme::Bcrypt,
        Hash::Sha512Crypt => Scheme::Sha512Crypt,
    };
    Ok(format!("{name} {}", scheme.hash(&password)?))
}

/// From the terminal, twice and without an echo; else the first line of standard input.
fn ask() -> Result<String, PasswdError> {
    if !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    let password = rpassword::prompt_password("Password: ")?;
    if rpassword::prompt_password("Again: ")? == password { Ok(password) } else { Err(PasswdError::Differ) }
}
