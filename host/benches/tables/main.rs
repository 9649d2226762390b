//! What a lookup costs in each type of table, and what memory an open one takes. `ROWS=10000000 cargo bench -p mailweir --bench tables`
//! asks a table of ten million rows; without it there are one million.

use std::{env, fmt::Write as _, fs, hint::black_box, path::Path, sync::Arc, time::Instant};

use criterion::{Criterion, criterion_group};
use mailweir::tables::{self, Compiled, Kind, Table};

fn rows() -> u64 {
    env::var("ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000)
}

/// Scattered over the table, the same at each run.
fn key(number: u64) -> String {
    let scattered = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("user{scattered:x}@host{}.example.com", number % 1_000)
}

fn write_source(path: &Path) {
    let mut source = String::new();
    for number in 0..rows() {
        writeln!(source, "{}\tperson{number}@example.org", key(number)).expect("writing to a String");
    }
    fs::write(path, source).expect("written");
}

/// Resident memory of this process in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

fn open(kind: &Kind) -> Arc<dyn Table> {
    let (before, begin) = (resident(), Instant::now());
    let table = tables::open(kind, &|_| None).expect("a table").table;
    println!("{kind:?}: opened in {:?}, {} KiB more memory", begin.elapsed(), resident().saturating_sub(before));
    table
}

fn lookups(criterion: &mut Criterion) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let source = folder.path().join("rows");
    write_source(&source);
    for (kind, into) in [("cdb", Compiled::Cdb), ("lmdb", Compiled::Lmdb)] {
        let begin = Instant::now();
        tables::build(&source, into, &mut |_, _| {}).expect("a compiled table");
        println!("{kind}: {} rows compiled in {:?}", rows(), begin.elapsed());
    }
    let mut group = criterion.benchmark_group("lookup");
    for name in ["cdb", "lmdb", "text"] {
        let table = open(&Kind::of_file(name, &source).expect("a type"));
        let mut number = 0;
        group.bench_function(format!("{name}/found"), |bencher| {
            bencher.iter(|| {
                number = (number + 7_919) % rows();
                assert!(black_box(table.lookup(&key(number))).expect("no error").is_some());
            });
        });
        group.bench_function(format!("{name}/not found"), |bencher| {
            bencher.iter(|| {
                number += 1;
                assert!(black_box(table.lookup(&key(number + rows()))).expect("no error").is_none());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lookups);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
}
