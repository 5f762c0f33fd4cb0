#!/bin/sh
# A NATS server for the tests that need one, out of Debian's package, into .nats/, where it is missing. Never
# fails: without it, those tests print that they were skipped. The package is unpacked and not installed, so
# that no service is started; each test starts a server of its own.
set -eu
cd "$(dirname "$0")/.."
if command -v nats-server >/dev/null 2>&1 || [ -x .nats/usr/sbin/nats-server ] || [ -x "${WATERSHED_NATS_BIN:-}" ]; then
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
    echo "setup: there is no nats-server, and without apt-get none can be had: tests that need it are skipped"
    exit 0
fi
echo "setup: unpacking Debian's nats-server into .nats"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
download() { (cd "$folder" && apt-get download nats-server >/dev/null 2>&1); }
if download || { [ "$(id -u)" = 0 ] && apt-get update --quiet >/dev/null 2>&1 && download; }; then
    mkdir -p .nats
    dpkg-deb --extract "$folder"/nats-server_*.deb .nats
else
    echo "setup: apt-get could not download nats-server: tests that need it are skipped"
fi
