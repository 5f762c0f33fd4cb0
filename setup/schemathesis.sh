#!/bin/sh
# Schemathesis for the test that needs it, from PyPI into .schemathesis/, where it is missing. Never
# fails: without it, that test prints that it was skipped.
set -eu
cd "$(dirname "$0")/.."
folder=.schemathesis
stamp="$folder/installed"
if cmp -s setup/schemathesis.txt "$stamp"; then
    exit 0
fi
skip() {
    echo "setup: $*: the test that needs Schemathesis is skipped"
    exit 0
}
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    skip "there is no Python 3.11 or newer"
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
echo "setup: installing Schemathesis into $folder"
# --target is not an install into the system, so that externally managed Pythons allow it.
PIP_ROOT_USER_ACTION=ignore $pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --require-hashes --requirement setup/schemathesis.txt --target "$folder/packages" ||
    skip "pip could not install Schemathesis"
cp setup/schemathesis.txt "$stamp"
rm -rf "$folder/pip"
