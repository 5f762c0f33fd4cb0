#!/bin/sh
# PostgreSQL for the tests that need one, from Debian's packages, where it is missing and we may install
# it. Never fails: without it, those tests print that they were skipped. Nothing is left running: each
# test starts a server of its own.
set -eu
have_postgres() {
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
        [ -x "${WATERSHED_POSTGRES_BIN:-}/initdb" ]
}
if have_postgres; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: there is no PostgreSQL, and only root can install one with apt-get: tests that need it are skipped"
    exit 0
fi
echo "setup: installing PostgreSQL for the tests"
# The package would make a server of its own and start it.
settings=/etc/postgresql-common/createcluster.conf
made=
if [ ! -e "$settings" ]; then
    mkdir -p "${settings%/*}"
    echo "create_main_cluster = false" >"$settings"
    made=yes
fi
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
        -o Dpkg::Options::=--force-confold postgresql >/dev/null
}
install 2>/dev/null || { apt-get update --quiet >/dev/null 2>&1 && install; } ||
    echo "setup: apt-get could not install PostgreSQL: tests that need it are skipped"
[ -z "$made" ] || rm -f "$settings"
