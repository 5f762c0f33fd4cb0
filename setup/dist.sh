#!/bin/sh
# Makes what a release consists of, in target/dist: the binary, the filter, their bill of materials and
# the checksums of all. The binary is static (musl) where this machine can build that, else it needs the
# glibc that its name states.
#   setup/dist.sh             everything
#   setup/dist.sh filter DIR  the filter alone, reproducibly, as DIR/plugin.wasm
set -eu
cd "$(dirname "$0")/.."
root=$(pwd)
wasm_target=wasm32-wasip1

# The commit goes into `--version` and into the filter's log. Changes that are in no commit are told.
if [ -z "${WATERSHED_COMMIT:-}" ] && commit=$(git rev-parse --short=12 HEAD 2>/dev/null); then
    [ -z "$(git status --porcelain --untracked-files=no)" ] || commit=$commit-changed
    WATERSHED_COMMIT=$commit
fi
export WATERSHED_COMMIT="${WATERSHED_COMMIT:-}"

say() { printf 'dist: %s\n' "$*"; }

# Paths of this machine are in panic messages: they are named the same everywhere. The target folder, $1,
# comes last, because it may lie in one of the others and the last one counts.
neutral_paths() {
    for path in "$root=/watershed" "${CARGO_HOME:-$HOME/.cargo}=/cargo" "$(rustc --print sysroot)=/rust" "$1=/target"; do
        printf '%s ' "--remap-path-prefix=$path"
    done
}

# What cargo is told of warnings and the like stays outside: only these flags count.
build_filter() {
    RUSTFLAGS=$(neutral_paths "$1") cargo build --locked --quiet -p watershed-filter \
        --target $wasm_target --profile wasm --target-dir "$1"
    install -m 644 "$1/$wasm_target/wasm/watershed_filter.wasm" "$2"
}

# Prints the target that the binary is built for.
binary_target() {
    musl=$(uname -m)-unknown-linux-musl
    libraries=$(rustc --print target-libdir --target "$musl" 2>/dev/null) || libraries=
    if [ ! -d "$libraries" ] && command -v rustup >/dev/null 2>&1; then
        rustup target add "$musl" >/dev/null 2>&1 || true
    fi
    # The embedded SQLite is C.
    if [ -d "$libraries" ] && command -v musl-gcc >/dev/null 2>&1; then
        echo "$musl"
    else
        rustc -vV | sed -n 's/^host: //p'
    fi
}

make_dist() {
    target_dir=${CARGO_TARGET_DIR:-$root/target}
    out=$target_dir/dist
    rm -rf "$out"
    mkdir -p "$out"
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

    say "the filter"
    build_filter "$target_dir/dist-build" "$out/watershed-$version.wasm"

    triple=$(binary_target)
    say "the binary for $triple"
    case "$triple" in
    *musl)
        # For the target alone: build scripts run on this machine.
        export "CC_$(echo "$triple" | tr - _)=musl-gcc"
        name=$triple
        ;;
    *) name=$triple-glibc$(getconf GNU_LIBC_VERSION | sed 's/glibc //') ;;
    esac
    RUSTFLAGS=$(neutral_paths "$target_dir/dist-build") cargo build --locked --quiet -p watershed-control-plane --bin watershed \
        --release --target "$triple" --target-dir "$target_dir/dist-build"
    install -m 755 "$target_dir/dist-build/$triple/release/watershed" "$out/watershed-$version-$name"
    strip "$out/watershed-$version-$name" 2>/dev/null || true

    say "the bill of materials"
    python3 setup/sbom.py --target "$triple" --target $wasm_target >"$out/watershed-$version.cdx.json"
    (cd "$out" && sha256sum watershed-* >SHA256SUMS && cat SHA256SUMS)
    "$out/watershed-$version-$name" --version
}

case "${1:-all}" in
filter)
    mkdir -p "$2"
    build_filter "$2/build" "$2/plugin.wasm"
    ;;
all) make_dist ;;
*) echo "usage: setup/dist.sh [filter DIR]" >&2 && exit 2 ;;
esac
