#!/bin/sh
# usage: setup/stats-peers.sh FOLDER
# A Python virtual environment with the peers that bench-stats measures. Does nothing a second time.
# Network: the Python package registry.
set -eu

folder=$1
pins="gbstats==0.8.0 spotify-confidence==4.1.0 scipy statsmodels"
if [ "$(cat "$folder/installed" 2>/dev/null)" = "$pins" ]; then
    exit 0
fi
if ! command -v python3 >/dev/null 2>&1 || ! python3 -m venv "$folder"; then
    echo "skipped: stats peers: no python3 that makes virtual environments"
    exit 0
fi
# shellcheck disable=SC2086
if ! "$folder/bin/python" -m pip install --quiet --disable-pip-version-check $pins; then
    echo "skipped: stats peers: they could not be installed"
    rm -rf "$folder"
    exit 0
fi
printf '%s' "$pins" >"$folder/installed"
