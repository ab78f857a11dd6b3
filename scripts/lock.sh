#!/bin/sh
# Rewrites requirements.lock and requirements-dev.lock from pyproject.toml: exact versions, with the hashes of every file an index offers for
# them, valid for all Pythons and machines pyproject.toml names. Versions stay where they are unless `--upgrade` is given.
# Usage: scripts/lock.sh VENV [--upgrade | --upgrade-package NAME]
set -eu
venv=$1
shift
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9
compile() {
  "$venv/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --custom-compile-command 'make lock' pyproject.toml "$@"
}
compile "$@" --output-file requirements.lock
compile "$@" --group dev --constraint requirements.lock --output-file requirements-dev.lock
