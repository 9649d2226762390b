# make demo   the main job on this machine: a message in, rewritten by WASM filters, out
# make test   everything that has to be green before a change is done
# make languages   build the example filters in every language and run their tests (part of make test)
# make bench  what the filters cost, measured (minutes; builds with optimisation)
# make differential N=5000   random configurations, tables, sessions and messages through a real Postfix and through us, compared
# make chaos ROUNDS=50 SEED=1   kills, full disks, hostile next hops, clocks that jump; then everything is counted
# make fuzz N=1000000   that many random inputs for each fuzz target of the SMTP core; wants `cargo install cargo-fuzz`
# make tools  what the above need on a new Debian or Ubuntu machine (they call it themselves)

.PHONY: demo test languages bench differential chaos soak fuzz tools

demo: tools
	cargo build
	examples/demo.sh

test: tools
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo test --workspace

languages: tools
	cargo test -p mailweir --test languages

bench: tools
	cargo bench -p mailweir

# `make test` does a bounded part of it. SEED=… repeats a run.
differential: export N ?= 5000
differential: tools
	cargo test -p mailweir --test differential -- --nocapture

# `make test` does two rounds of it.
chaos: export ROUNDS ?= 50
chaos: tools
	cargo test -p mailweir --test e2e chaos:: -- --nocapture

# 100,000 messages through five filters; prints the memory in use on the way.
soak: tools
	cargo build --release
	tests/soak.sh

fuzz: export N ?= 1000000
fuzz:
	host/fuzz/run.sh

tools:
	@tests/install-tools.sh
