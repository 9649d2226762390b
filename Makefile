# make demo   the main job on this machine: a message in, rewritten by WASM filters, out
# make test   everything that has to be green before a change is done
# make languages   build the example filters in every language and run their tests (part of make test)
# make bench  what the filters cost, measured (minutes; builds with optimisation)
# make tools  what the above need on a new Debian or Ubuntu machine (they call it themselves)

.PHONY: demo test languages bench soak tools

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

# 100,000 messages through five filters; prints the memory in use on the way.
soak: tools
	cargo build --release
	tests/soak.sh

tools:
	@tests/install-tools.sh
