#!/bin/sh
# Docker for `make compose-test`, where it is missing: the engine and docker-compose from Debian's
# packages, started as root with a folder of its own, target/docker. Prints, for `eval`, where the engine
# is; what goes wrong is on standard error, and the exit code then is 1.
#   setup/docker.sh start    takes an engine that runs, or starts one
#   setup/docker.sh stop     ends the one that `start` started, and leaves any other alone
set -eu
cd "$(dirname "$0")/.."
folder=$(pwd)/target/docker
pid_file=$folder/docker.pid
socket=unix://$folder/docker.sock

fail() {
    echo "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
has_compose() { docker compose version >/dev/null 2>&1 || have docker-compose; }

install() {
    [ "$(id -u)" = 0 ] && have apt-get || fail "there is no Docker with compose, and only root can install them with apt-get"
    echo "setup: installing Docker" >&2
    packages="docker.io docker-compose debootstrap iptables ca-certificates"
    # policy-rc.d keeps the package from starting an engine of the whole machine.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && made= || made=yes
    [ -z "$made" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"; }
    # shellcheck disable=SC2086
    get() { DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends $packages >&2; }
    get || { apt-get update --quiet >&2 && get; } || failed=yes
    [ -z "$made" ] || rm -f "$policy"
    [ -z "${failed:-}" ] || fail "apt-get could not install Docker"
}

start() {
    if docker info >/dev/null 2>&1 && has_compose; then
        return
    fi
    have dockerd && has_compose && have debootstrap || install
    if ! DOCKER_HOST=$socket docker info >/dev/null 2>&1; then
        [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and only root can start one"
        mkdir -p "$folder"
        # Neither the terminal's signals nor the caller's end reach it: `stop` ends it.
        setsid dockerd --data-root "$folder/data" --exec-root "$folder/exec" --host "$socket" \
            --pidfile "$pid_file" >"$folder/log" 2>&1 </dev/null &
        engine=$!
        until DOCKER_HOST=$socket docker info >/dev/null 2>&1; do
            kill -0 "$engine" 2>/dev/null || fail "dockerd does not start: $(tail -1 "$folder/log")"
            sleep 0.2
        done
    fi
    echo "export DOCKER_HOST=$socket"
}

stop() {
    [ -s "$pid_file" ] || return 0
    engine=$(cat "$pid_file")
    kill "$engine" 2>/dev/null || return 0
    while kill -0 "$engine" 2>/dev/null; do sleep 0.2; done
}

case "${1:-}" in
start | stop) "$1" ;;
*) fail "usage: setup/docker.sh start|stop" ;;
esac
