//! A run of random cases: how many, from which seed, what they showed.

use std::{
    collections::BTreeMap,
    env,
    time::{SystemTime, UNIX_EPOCH},
};

/// Undocumented differences that are told in short beside the first one.
const MOST_SHOWN: usize = 20;

/// What a run has shown.
#[derive(Debug, Default)]
pub(crate) struct Report {
    counts: BTreeMap<String, usize>,
    /// Undocumented differences: in short, and what else is needed to see each again.
    broken: Vec<(String, String)>,
}

impl Report {
    /// One more of these: of a documented difference, of a case that hit a rule.
    pub(crate) fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    /// An undocumented difference.
    pub(crate) fn differ(&mut self, short: String, details: String) {
        self.broken.push((short, details));
    }
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}=`{text}` is no number")))
}

/// Run `N` (or `usual`) cases, so many with one configuration, from `SEED` on (or the time of day; without `N` always the same); fails
/// where anything differed that is not documented.
pub(crate) fn run(cases: &str, usual: u64, batch_size: usize, mut batch: impl FnMut(u64, usize, &mut Report)) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = number("SEED").unwrap_or(if number("N").is_some() { now.as_secs() } else { 1 });
    let wanted = usize::try_from(number("N").unwrap_or(usual)).expect("64 bits");
    println!("{cases}: SEED={seed}");
    let mut report = Report::default();
    for (number, start) in (0_u64..).zip((0..wanted).step_by(batch_size)) {
        batch(seed + number, batch_size.min(wanted - start), &mut report);
    }
    let counts: String = report.counts.iter().map(|(what, count)| format!("{count:>7}  {what}\n")).collect();
    // At once: other runs go on beside this one.
    print!("{wanted} {cases}:\n{counts}");
    let Some((first, details)) = report.broken.first() else { return };
    for (short, _) in report.broken.iter().skip(1).take(MOST_SHOWN) {
        eprintln!("{short}\n");
    }
    panic!("{} undocumented differences, of which the first:\n{first}\n\n{details}", report.broken.len());
}
