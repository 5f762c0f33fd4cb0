#!/bin/sh
# Builds the filter twice, from two copies of this commit in two folders, and says whether both are the
# same, byte for byte. Exit code 1 where they are not.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
# Both builds are told the commit: the copies are no repositories.
WATERSHED_COMMIT=$(git rev-parse --short=12 HEAD)
export WATERSHED_COMMIT
for copy in first the-second-one; do
    mkdir -p "$work/$copy/source"
    git archive HEAD | tar -x -C "$work/$copy/source"
    "$work/$copy/source/setup/dist.sh" filter "$work/$copy/out"
    sha256sum <"$work/$copy/out/plugin.wasm" | cut -d' ' -f1 >"$work/$copy/sum"
    echo "reproducible: $copy: $(cat "$work/$copy/sum")"
done
cmp "$work/first/out/plugin.wasm" "$work/the-second-one/out/plugin.wasm"
echo "reproducible: two builds give the same filter"
