#!/bin/sh
# Prints the path of the Envoy that this checkout uses: ENVOY_BIN, then an envoy on PATH, then the
# one that setup.sh installed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
if [ -n "${ENVOY_BIN:-}" ]; then
    echo "$ENVOY_BIN"
elif command -v envoy; then
    :
elif [ -x "$root/.envoy/bin/envoy" ]; then
    echo "$root/.envoy/bin/envoy"
else
    echo "no Envoy: run make setup, or set ENVOY_BIN" >&2
    exit 1
fi
