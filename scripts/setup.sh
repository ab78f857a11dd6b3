#!/bin/sh
# VENV holds exactly what requirements-dev.lock names, checked against its hashes, and torchsync itself as an editable install.
# Called by the Makefile when the lock or pyproject.toml is newer than the stamp, so a finished set-up needs no network.
# Usage: scripts/setup.sh PYTHON VENV
set -eu
python=$1
venv=$2
scripts/preflight.sh "$python"

pip() {
  "$venv/bin/python" -m pip --disable-pip-version-check "$@"
}

# The packages are installed once for each lock; a change of pyproject.toml alone only renews torchsync's own entry, offline.
wanted=$(cksum <requirements-dev.lock)
if [ "$(cat "$venv/.lock" 2>/dev/null)" != "$wanted" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
  echo "setting up $venv with $python (once; needs PyPI)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
  if ! pip install --quiet --require-hashes --requirement requirements-dev.lock; then
    echo "the packages of requirements-dev.lock could not be installed: is PyPI, or the index of your pip.conf, reachable from here?" >&2
    exit 1
  fi
  printf '%s\n' "$wanted" >"$venv/.lock"
fi
pip install --quiet --no-index --no-build-isolation --no-deps --editable .
