#!/bin/sh
# Whether `mailweir bench` and criterion say the same about the filters of examples/demo.toml: their medians may differ by 15 %.
# The two take turns, so that a machine with other work slows both; the best of each counts. Builds with optimisation (minutes).
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"
rounds=${ROUNDS:-3}
target=${CARGO_TARGET_DIR:-$here/target}
cargo build --release --quiet -p mailweir
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp examples/demo.toml "$work/mailweir.toml"
ln -s "$target/plugins/filters" "$work/filters"
for round in $(seq "$rounds"); do
    cargo bench --quiet -p mailweir --bench demo -- --noplot >/dev/null
    for filter in "$target"/criterion/demo/*/new; do
        filter=$(basename "$(dirname "$filter")")
        [ "$filter" = report ] || cp "$target/criterion/demo/$filter/new/estimates.json" "$work/criterion.$filter.$round.json"
    done
    "$target/release/mailweir" bench host/benches/demo/letter.eml --config "$work/mailweir.toml" \
        --from joe@host7.lab.example.com --to user1@example.com --json >"$work/bench.$round.json"
done
python3 - "$work" "$rounds" <<'PYTHON'
import json, sys
from pathlib import Path

work, rounds = Path(sys.argv[1]), range(1, int(sys.argv[2]) + 1)
benches = [json.loads((work / f"bench.{round}.json").read_text()) for round in rounds]
names = sorted({path.name.split(".")[1] for path in work.glob("criterion.*.json")})
assert names, "criterion has measured nothing"
far = 0
print(f"{'filter':<16} {'criterion µs':>13} {'bench µs':>10} {'ratio':>7}")
for name in names:
    of = lambda round: json.loads((work / f"criterion.{name}.{round}.json").read_text())["median"]["point_estimate"] / 1000
    criterion = min(of(round) for round in rounds)
    stages = [next(stage for stage in bench["filters"] if stage["stage"] == name) for bench in benches]
    bench = min(stage["time"]["p50"] for stage in stages)
    ratio = bench / criterion
    far += not 1 / 1.15 <= ratio <= 1.15
    print(f"{name:<16} {criterion:>13.2f} {bench:>10.2f} {ratio:>7.3f}")
sys.exit("they differ by more than 15 %" if far else 0)
PYTHON
