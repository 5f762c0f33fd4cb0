#!/bin/sh
# Packages of PyPI for a test that needs them, into a folder of their own (.NAME/packages), where they are
# missing. Never fails: without them, that test prints that it was skipped.
#
# usage: setup/packages.sh NAME WHAT MINOR [PIP-OPTION ...]
#     NAME     their requirements are setup/NAME.txt
#     WHAT     what they are, for people
#     MINOR    the oldest Python that has them is 3.MINOR
set -eu
cd "$(dirname "$0")/.."
name=$1 what=$2 minor=$3
shift 3
folder=.$name
stamp="$folder/installed"
if cmp -s "setup/$name.txt" "$stamp"; then
    exit 0
fi
skip() {
    echo "setup: $*: the test that needs $what is skipped"
    exit 0
}
python3 -c "import sys; sys.exit(sys.version_info < (3, $minor))" 2>/dev/null ||
    skip "there is no Python 3.$minor or newer"
rm -rf "$folder"
mkdir -p "$folder"
# The interpreter's own pip, or the one that it bundles for new virtual environments.
if python3 -m pip --version >/dev/null 2>&1; then
    pip="python3 -m pip"
elif python3 -m venv "$folder/pip" >/dev/null 2>&1; then
    pip="$folder/pip/bin/python -m pip"
else
    skip "python3 has neither pip nor venv"
fi
echo "setup: installing $what into $folder"
# --target is not an install into the system, so that externally managed Pythons allow it.
PIP_ROOT_USER_ACTION=ignore $pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --require-hashes --requirement "setup/$name.txt" --target "$folder/packages" "$@" ||
    skip "pip could not install $what"
cp "setup/$name.txt" "$stamp"
rm -rf "$folder/pip"
