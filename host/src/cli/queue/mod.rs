//! `mailweir queue`: look at the queue and change it, whether or not the relay runs.

mod change;
mod list;
mod show;
mod stats;

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::{Subcommand, ValueEnum};

use super::{
    output,
    state_dir::{Failure, StateDirArg},
};
use crate::{
    config::parse_duration,
    spool::{Change, QueueView, Selection, State},
};

/// Look at the queue and change it.
#[derive(clap::Args)]
#[command(
    long_about = "Look at the queue and change it, whether or not the relay runs. What waits there is a recipient of a message: the \
                  filters select recipients, and only these change.",
    after_help = "Examples: mailweir queue list --domain example.com --older-than 1h\n          \
                            mailweir queue hold --sender spammer@example.org\n          \
                            mailweir queue show 0QFJ4X8M2TZ7K"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Stats(stats::Args),
    /// Keep recipients back until they are released.
    #[command(after_help = "Example: mailweir queue hold --sender spammer@example.org")]
    Hold(change::Args),
    /// Deliver what is held. Old mail may be returned at its next failure: `requeue` forgets its age.
    #[command(after_help = "Example: mailweir queue release 0QFJ4X8M2TZ7K")]
    Release(change::Args),
    /// Begin anew with what waits or is held, as if it had just come: no attempts, no age.
    #[command(after_help = "Example: mailweir queue requeue --state held --domain example.com")]
    Requeue(change::Args),
    /// Forget recipients, without a report to the sender.
    #[command(after_help = "Example: mailweir queue delete --recipient @typo.example.com")]
    Delete(change::Args),
    /// Try what waits now, whatever its next time is.
    #[command(
        after_help = "Example: mailweir queue flush --domain example.com\nWithout a filter, all that waits is tried."
    )]
    Flush(change::Args),
}

pub(super) fn run(args: &Args) -> ExitCode {
    output::start_log();
    let done = match &args.command {
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Stats(args) => stats::run(args),
        Command::Hold(args) => change::run(args, Change::Hold),
        Command::Release(args) => change::run(args, Change::Release),
        Command::Requeue(args) => change::run(args, Change::Requeue),
        Command::Delete(args) => change::run(args, Change::Delete),
        Command::Flush(args) => change::run(args, Change::Flush),
    };
    done.unwrap_or_else(|error| output::fail(&*error))
}

fn view(state_dir: &StateDirArg) -> Result<QueueView, Failure> {
    Ok(QueueView::open(&state_dir.path()?)?)
}

/// Which recipients.
#[derive(clap::Args)]
struct Filters {
    /// Queue ids.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Of messages from this address, from @this.domain, or from the null sender, <>.
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// With this address, or in @this.domain.
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<String>,
    /// In this domain: the same as --recipient @DOMAIN.
    #[arg(long, conflicts_with = "recipient")]
    domain: Option<String>,
    /// Of messages that came longer ago than this, such as 90s, 30m, 2h or 5d.
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Of messages that came since.
    #[arg(long, value_name = "AGE", value_parser = parse_duration)]
    younger_than: Option<Duration>,
    /// Whose last reply, or reason to be held, has this text in it.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// In this state.
    #[arg(long)]
    state: Option<StateArg>,
}

#[derive(Clone, Copy, ValueEnum)]
enum StateArg {
    Waiting,
    Leased,
    Held,
}

impl Filters {
    fn selection(&self) -> Selection {
        let ago = |age: Option<Duration>| age.and_then(|age| SystemTime::now().checked_sub(age));
        let domain = self.domain.as_ref().map(|domain| format!("@{}", domain.trim_start_matches('@')));
        Selection {
            ids: self.ids.clone(),
            sender: self.sender.clone(),
            recipient: self.recipient.clone().or(domain),
            before: ago(self.older_than),
            after: ago(self.younger_than),
            reason: self.reason.clone(),
            state: self.state.map(|state| match state {
                StateArg::Waiting => State::Waiting,
                StateArg::Leased => State::Leased,
                StateArg::Held => State::Held,
            }),
        }
    }
}

/// `2d 3h`, `5m 20s`: two units are enough for people.
fn age(since: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(since).unwrap_or_default().as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m {}s", seconds % 60),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// `1 message`, `2 messages`.
fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
