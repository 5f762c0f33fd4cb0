#!/bin/sh
# Runs every fuzz target, or the ones named, each for FUZZ_SECONDS. The corpora and whatever fails
# stay in fuzz/corpus and fuzz/artifacts. Needs a nightly toolchain and cargo-fuzz.
set -eu
cd "$(dirname "$0")/.."
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "skipped: there is no nightly toolchain, which libFuzzer needs (rustup toolchain install nightly)"
    exit 0
fi
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz"
    cargo install --locked --quiet cargo-fuzz
fi
[ $# -gt 0 ] || set -- $(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v '^watershed-fuzz$')
for target in "$@"; do
    echo "==> $target, ${FUZZ_SECONDS:=60} s"
    mkdir -p "fuzz/corpus/$target"
    seeds="fuzz/seeds/$target"
    [ -d "$seeds" ] || seeds=
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" $seeds -- \
        -max_total_time="$FUZZ_SECONDS" -rss_limit_mb=4096 -timeout=10 -print_final_stats=1 -close_fd_mask=1
done
