//! What a bench has found, as one page that needs nothing else: the table, and a picture of each distribution.

use std::fmt::Write as _;

use super::{
    measure::{FilterCost, Measured},
    report::octets,
    statistics::Summary,
};

const STYLE: &str = "
:root { color-scheme: light dark; --line: #8886; --bar: #3b7dd8; --mark: #d8583b; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
figure { margin: 2rem 0; } figcaption { font-weight: 600; }
svg { width: 100%; height: 10rem; } rect { fill: var(--bar); } line { stroke: var(--mark); } text { font-size: 11px; fill: currentColor; }
.axis { stroke: var(--line); }";

/// Size of a picture in its own units.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 140.0;

/// The page.
pub(super) fn page(measured: &Measured) -> String {
    let Measured { messages, runs, filters, chain, chain_histogram, throughput, resident } = measured;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>mailweir bench</title><style>{STYLE}\n</style></head>\n\
         <body><h1>What each filter costs</h1>\n<p>{runs} runs of {messages} messages; times in microseconds.</p>\n<table>\n\
         <tr><th>list<th>stage<th>calls<th>instance<th>call<th>host<th>min<th>p50<th>p90<th>p99<th>max<th>share<th>memory</tr>\n"
    );
    for filter in filters {
        row(&mut page, filter);
    }
    let Summary { min, p50, p90, p99, max, .. } = chain;
    writeln!(
        page,
        "<tr><td><td>all filters<td>{runs}<td><td><td><td>{min:.1}<td>{p50:.1}<td>{p90:.1}<td>{p99:.1}<td>{max:.1}<td><td></tr>\n</table>"
    )
    .ok();
    for one in throughput {
        let threads = if one.threads == 1 { "thread" } else { "threads" };
        writeln!(page, "<p>{:.0} messages/s on {} {threads}</p>", one.messages_per_second, one.threads).ok();
    }
    writeln!(page, "<p>{} in use by the process</p>", octets(*resident)).ok();
    for filter in filters {
        picture(&mut page, &format!("[[{}]] {}", filter.list, filter.stage), &filter.histogram, &filter.time);
    }
    picture(&mut page, "All filters of a message", chain_histogram, chain);
    page + "</body></html>\n"
}

fn row(page: &mut String, filter: &FilterCost) {
    let FilterCost { list, stage, calls, instantiate, call, host, share, memory, .. } = filter;
    let Summary { min, p50, p90, p99, max, .. } = filter.time;
    writeln!(
        page,
        "<tr><td>{list}<td>{}<td>{calls}<td>{instantiate:.1}<td>{call:.1}<td>{host:.1}<td>{min:.1}<td>{p50:.1}<td>{p90:.1}<td>{p99:.1}\
         <td>{max:.1}<td>{:.0}%<td>{}</tr>",
        escaped(stage),
        share * 100.0,
        octets(*memory)
    )
    .ok();
}

/// A histogram over a logarithmic axis, with the percentiles as lines.
fn picture(page: &mut String, title: &str, histogram: &[(f64, u64)], summary: &Summary) {
    let (Some((first, _)), Some((last, _))) = (histogram.first(), histogram.last()) else { return };
    // A little room on both sides; at least a doubling is shown, so that one group is no wall.
    let (low, high) = (first * 0.9, (last * 1.2).max(first * 2.0));
    let x = |time: f64| (time.max(low) / low).ln() / (high / low).ln() * WIDTH;
    let most = histogram.iter().map(|(_, count)| *count).max().unwrap_or(1) as f64;
    writeln!(
        page,
        "<figure><figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"distribution of times\">",
        escaped(title),
        HEIGHT + 20.0
    )
    .ok();
    for (time, count) in histogram {
        let height = *count as f64 / most * (HEIGHT - 20.0);
        let width = (x(time * 2_f64.powf(1.0 / 16.0)) - x(*time) - 1.0).max(1.0);
        writeln!(
            page,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{time:.1} µs: {count}</title></rect>",
            x(*time),
            HEIGHT - height
        )
        .ok();
    }
    for (name, time) in [("p50", summary.p50), ("p99", summary.p99)] {
        let at = x(time);
        writeln!(page, "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"14\" y2=\"{HEIGHT}\"/><text x=\"{:.1}\" y=\"12\">{name} {time:.1} µs</text>", at + 3.0).ok();
    }
    writeln!(page, "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\"/>").ok();
    for tick in ticks(low, high) {
        writeln!(page, "<text x=\"{:.1}\" y=\"{}\">{tick} µs</text>", x(tick), HEIGHT + 14.0).ok();
    }
    page.push_str("</svg></figure>\n");
}

/// 1, 2 and 5 of each power of ten.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let decades = (-1..8).map(|power| 10_f64.powi(power));
    decades
        .flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * decade))
        .filter(|tick| (low..=high).contains(tick))
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stages_can_not_break_the_page() {
        assert_eq!(escaped("<b>&\""), "&lt;b&gt;&amp;&quot;");
    }

    #[test]
    fn an_axis_has_round_numbers() {
        assert_eq!(ticks(9.0, 120.0), [10.0, 20.0, 50.0, 100.0]);
    }
}
