#!/bin/sh
# OpenFeature's SDK and OFREP provider for the test that needs them, from PyPI into .openfeature/, where
# they are missing. Never fails: without them, that test prints that it was skipped.
set -eu
cd "$(dirname "$0")/.."
folder=.openfeature
stamp="$folder/installed"
if cmp -s setup/openfeature.txt "$stamp"; then
    exit 0
fi
skip() {
    echo "setup: $*: the test that needs OpenFeature's provider is skipped"
    exit 0
}
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    skip "there is no Python 3.10 or newer"
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
echo "setup: installing OpenFeature's provider into $folder"
# --target is not an install into the system, so that externally managed Pythons allow it. Wheels of pure
# Python only, so that one hash fits every machine.
PIP_ROOT_USER_ACTION=ignore $pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform any --implementation py --abi none \
    --require-hashes --requirement setup/openfeature.txt --target "$folder/packages" ||
    skip "pip could not install OpenFeature's provider"
cp setup/openfeature.txt "$stamp"
rm -rf "$folder/pip"
