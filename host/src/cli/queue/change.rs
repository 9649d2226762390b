//! `mailweir queue hold`, `release`, `requeue`, `delete` and `flush`.

use std::{path::Path, process::ExitCode, sync::Arc};

use super::{Failure, Filters, StateDirArg, counted};
use crate::{
    cli::output,
    control::{self, Answer, Request},
    events::{Event, Observers, Operated},
    records::Records,
    spool::{Change, Changed, ChangedRecipient, QueueView, Selection, SqliteSpool},
};

#[derive(clap::Args)]
#[command(
    long_about = None,
    after_long_help = "The relay makes the change if it runs, otherwise this command does. A recipient that is being delivered is left \
                       alone; the change counts if that fails.\nExit codes: 0 something changed, 1 nothing did, or the queue can't be \
                       changed."
)]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    state_dir: StateDirArg,
    /// All there is.
    #[arg(long)]
    all: bool,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, change: Change) -> Result<ExitCode, Failure> {
    let selection = args.filters.selection();
    // To try everything harms nobody; the rest wants to be said.
    if selection == Selection::default() && !args.all && change != Change::Flush {
        return Err("which ones? Give queue ids or filters, or --all".into());
    }
    let state_dir = args.state_dir.path()?;
    // A queue that is not there must not be made by looking for it.
    drop(QueueView::open(&state_dir)?);
    let request = Request::Queue { change, selection: selection.clone() };
    let changed = match control::ask(&state_dir, &request)? {
        Some(Answer::Changed(changed)) => changed,
        Some(Answer::Failed(why)) => return Err(why.into()),
        Some(_) => return Err("the relay answered something else".into()),
        None => change_here(&state_dir, change, selection)?,
    };
    tell(changed, change, args.json);
    Ok(if changed.changed + changed.under_way > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// No relay runs: the queue is ours as long as it takes.
fn change_here(state_dir: &Path, change: Change, selection: Selection) -> Result<Changed, Failure> {
    let spool = SqliteSpool::open(state_dir)?;
    let runtime = output::runtime().map_err(|_| "there is no runtime")?;
    let records = Records::resume(state_dir);
    let observers = Observers::new(records.iter().map(|(records, _)| Arc::clone(records) as _));
    let operator = rustix::process::getuid().as_raw();
    let tell = |recipient: &ChangedRecipient| {
        observers.tell(&Event::Operated(Operated { change, recipient, operator }));
    };
    Ok(runtime.block_on(spool.change(change, selection, &tell))?)
}

fn tell(changed: Changed, change: Change, json: bool) {
    if json {
        println!("{}", serde_json::json!(changed));
        return;
    }
    let done = change.done();
    println!("{} {done}", counted(changed.changed, "recipient"));
    if changed.under_way > 0 {
        println!("{} being delivered: {done} if that fails", changed.under_way);
    }
    let rest = changed.selected - changed.changed - changed.under_way;
    if rest > 0 {
        println!("{rest} of those selected needed no change, or are being delivered");
    }
}
