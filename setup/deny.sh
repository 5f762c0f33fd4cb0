#!/bin/sh
# cargo-deny by deny.toml: licences, bans and sources always, advisories where their database can
# be fetched. Building cargo-deny takes minutes, so that a machine without it is told so and goes on.
set -eu
cd "$(dirname "$0")/.."
if ! cargo deny --version >/dev/null 2>&1; then
    echo "lint: cargo-deny is not installed: licences, bans, sources and advisories were NOT checked (cargo install --locked cargo-deny)"
    exit 0
fi
cargo deny --all-features check --hide-inclusion-graph licenses bans sources
if fetched=$(cargo deny fetch db 2>&1); then
    cargo deny --all-features check --hide-inclusion-graph --disable-fetch advisories
else
    echo "$fetched" >&2
    echo "lint: the advisory database could not be fetched: advisories were NOT checked"
fi
