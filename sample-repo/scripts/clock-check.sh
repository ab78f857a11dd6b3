#!/bin/sh
# Fails when the clock of the host is not synchronised.
set -eu
if ! command -v timedatectl >/dev/null; then
  echo "timedatectl is not installed: nobody knows whether the clock is right" >&2
  exit 1
fi
synchronised=$(timedatectl show --property=NTPSynchronized --value)
if [ "$synchronised" != yes ]; then
  echo "the clock is not synchronised"
  exit 1
fi
echo "the clock is synchronised"
