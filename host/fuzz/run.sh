#!/bin/sh
# Fuzzes the SMTP core: each target with N inputs (1,000,000 if not set) that grow out of the seeds. What is found is in host/fuzz/artifacts.
# cargo-fuzz (`cargo install cargo-fuzz`) wants flags that stable compilers refuse; RUSTC_BOOTSTRAP makes the pinned one take them.
set -eu
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1
corpus=../../target/fuzz-corpus
python3 seeds.py "$corpus"
for target in ${TARGETS:-command data proxy session}; do
    cargo fuzz run --fuzz-dir . --sanitizer none --target-dir ../../target/fuzz "$target" "$corpus/$target" -- \
        -runs="${N:-1000000}" -dict=smtp.dict -max_len=4096 -timeout=5 -print_final_stats=1
done
