//! `trace` for people: one block a stage, the diff in colours where the terminal has them.

use anstream::println;
use anstyle::{AnsiColor, Style};

use super::{Ending, Traced, report::StageRecord};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GONE: Style = AnsiColor::Red.on_default();
const NEW: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Print the whole way of the message.
pub(super) fn print(traced: &Traced) {
    for record in &traced.stages {
        print_stage(record);
    }
    println!("{BOLD}{}{BOLD:#}", traced.ending);
    if traced.ending == Ending::Delivered {
        println!("  sender      <{}>", traced.sender);
        for recipient in &traced.recipients {
            println!("  recipient   <{recipient}>");
        }
        println!("  size        {} octets", traced.size);
    }
}

fn print_stage(record: &StageRecord) {
    let style = match record.verdict.as_str() {
        "next" | "accept" | "skipped" => Style::new(),
        _ => BAD,
    };
    let phase = record.phase.as_ref().map(|phase| format!(" at {phase}")).unwrap_or_default();
    println!(
        "{BOLD}[[{}]] {} {}{BOLD:#}{phase}  {style}{}{style:#}  {DIM}{} µs{DIM:#}",
        record.list, record.number, record.stage, record.verdict, record.microseconds
    );
    if let Some(reason) = &record.reason {
        println!("    {reason}");
    }
    for edit in &record.edits {
        match &edit.reason {
            Some(reason) => println!("    {}  {DIM}{reason}{DIM:#}", edit.edit),
            None => println!("    {}", edit.edit),
        }
    }
    for line in &record.diff {
        let style = if line.sign == '-' { GONE } else { NEW };
        println!("    {style}{} {}{style:#}", line.sign, line.line);
    }
    for note in &record.notes {
        println!("    {DIM}· {note}{DIM:#}");
    }
    for frame in &record.backtrace {
        println!("    {DIM}at {frame}{DIM:#}");
    }
    println!();
}
