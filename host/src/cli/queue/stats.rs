//! `mailweir queue stats`.

use std::{
    cmp::Reverse,
    collections::HashMap,
    io::{self, Write},
    process::ExitCode,
    time::SystemTime,
};

use serde_json::{Value, json};

use super::{Failure, Filters, StateDirArg, age, counted, view};
use crate::{
    mail::rfc3339,
    spool::{Share, Stats},
};

/// Count by state, domain and reason.
#[derive(clap::Args)]
#[command(after_help = "Examples: mailweir queue stats\n          mailweir queue stats --older-than 1d --json")]
pub(super) struct Args {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    state_dir: StateDirArg,
    /// So many domains and reasons, those with the most recipients first.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20)]
    limit: usize,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

/// How much there is, and where it hangs.
pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let stats = view(&args.state_dir)?.stats(&args.filters.selection())?;
    let (domains, reasons) = (largest(&stats.domains, args.limit), largest(&stats.reasons, args.limit));
    let mut out = io::stdout().lock();
    if args.json {
        let list = |shares: &[(&str, Share)], what: &str| -> Vec<Value> {
            let one = |(name, share): &(&str, Share)| {
                let mut one = as_json(share);
                one[what] = (*name).into();
                one
            };
            shares.iter().map(one).collect()
        };
        let mut all = as_json(&stats.all);
        all["messages"] = stats.messages.into();
        all["octets"] = stats.octets.into();
        all["domains"] = list(&domains, "domain").into();
        all["reasons"] = list(&reasons, "reason").into();
        writeln!(out, "{all:#}")?;
        return Ok(ExitCode::SUCCESS);
    }
    write_text(&mut out, &stats, &domains, &reasons)?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(
    out: &mut impl Write,
    stats: &Stats,
    domains: &[(&str, Share)],
    reasons: &[(&str, Share)],
) -> io::Result<()> {
    let (messages, recipients) = (counted(stats.messages, "message"), counted(stats.all.total(), "recipient"));
    writeln!(out, "{messages}, {recipients}, {} octets", stats.octets)?;
    if stats.messages == 0 {
        return Ok(());
    }
    let now = SystemTime::now();
    let mut row = |name: &str, share: &Share| {
        let oldest = share.oldest.map_or_else(String::new, |oldest| age(oldest, now));
        writeln!(out, "{:>8} {:>8} {:>8} {oldest:>8}  {name}", share.waiting, share.leased, share.held)
    };
    row("all", &stats.all)?;
    for (name, share) in domains.iter().chain(reasons) {
        row(if name.is_empty() { "(no domain)" } else { name }, share)?;
    }
    Ok(())
}

/// Those with the most recipients, in a fixed order.
fn largest(shares: &HashMap<String, Share>, limit: usize) -> Vec<(&str, Share)> {
    let mut all: Vec<_> = shares.iter().map(|(name, share)| (name.as_str(), *share)).collect();
    all.sort_unstable_by_key(|(name, share)| (Reverse(share.total()), *name));
    all.truncate(limit);
    all
}

fn as_json(share: &Share) -> Value {
    json!({
        "waiting": share.waiting,
        "leased": share.leased,
        "held": share.held,
        "oldest": share.oldest.map(rfc3339),
    })
}
