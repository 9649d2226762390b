//! What a bench has found, for people.

use super::{
    compare::Compared,
    measure::Measured,
    statistics::{Ratio, Summary},
};

/// The table on the terminal.
pub(super) fn print(measured: &Measured) {
    let Measured { messages, runs, filters, chain, throughput, resident, .. } = measured;
    let width = filters.iter().map(|filter| filter.stage.len()).max().unwrap_or(0).max("all filters".len());
    anstream::println!("{runs} runs of {messages} messages; times in microseconds\n");
    anstream::println!(
        "\x1b[1m{:<9} {:<width$} {:>9} {:>8} {:>8} {:>8} │{:>8} {:>8} {:>8} {:>8} {:>9} {:>6} {:>9}\x1b[0m",
        "list",
        "stage",
        "calls",
        "instance",
        "call",
        "host",
        "min",
        "p50",
        "p90",
        "p99",
        "max",
        "share",
        "memory"
    );
    for filter in filters {
        let Summary { min, p50, p90, p99, max, .. } = filter.time;
        anstream::println!(
            "{:<9} {:<width$} {:>9} {:>8.1} {:>8.1} {:>8.1} │{min:>8.1} {p50:>8.1} {p90:>8.1} {p99:>8.1} {max:>9.1} {:>5.0}% {:>9}",
            filter.list,
            filter.stage,
            filter.calls,
            filter.instantiate,
            filter.call,
            filter.host,
            filter.share * 100.0,
            octets(filter.memory)
        );
        if filter.failures > 0 {
            anstream::println!("\x1b[31m{:<9} {} of its calls failed\x1b[0m", "", filter.failures);
        }
    }
    let Summary { min, p50, p90, p99, max, .. } = chain;
    anstream::println!(
        "{:<9} {:<width$} {runs:>9} {:>8} {:>8} {:>8} │{min:>8.1} {p50:>8.1} {p90:>8.1} {p99:>8.1} {max:>9.1}\n",
        "",
        "all filters",
        "",
        "",
        ""
    );
    for one in throughput {
        let threads = if one.threads == 1 { "thread" } else { "threads" };
        anstream::println!("throughput {:.0} messages/s on {} {threads}", one.messages_per_second, one.threads);
    }
    anstream::println!("memory     {} in use by this process", octets(*resident));
}

/// Two versions of a plugin.
pub(super) fn print_comparison(compared: &Compared) {
    let Compared { stage, a, b, ratio } = compared;
    anstream::println!("stage {stage}; times in microseconds\n");
    for (name, version) in [("A", a), ("B", b)] {
        let Summary { min, p50, p90, p99, .. } = version.time;
        anstream::println!("{name}  p50 {p50:>8.2}  p90 {p90:>8.2}  p99 {p99:>8.2}  min {min:>8.2}   {}", version.file);
    }
    let Some(Ratio { ratio, low, high }) = ratio else { return };
    let said = match (*low > 1.0, *high < 1.0) {
        (true, _) => format!("B is {:.1} % slower", (ratio - 1.0) * 100.0),
        (_, true) => format!("B is {:.1} % faster", (1.0 - ratio) * 100.0),
        _ => "no difference can be told".to_owned(),
    };
    anstream::println!("\n\x1b[1mB / A = {ratio:.3}\x1b[0m (95 % confidence: {low:.3} to {high:.3}): {said}");
}

/// `1.1 MiB`.
pub(super) fn octets(count: u64) -> String {
    let kibibytes = count as f64 / 1024.0;
    if kibibytes < 1024.0 { format!("{kibibytes:.0} KiB") } else { format!("{:.1} MiB", kibibytes / 1024.0) }
}
