#!/bin/sh
# Names the packages that have updates. Ends with 100 when there are some, with 0 when there are none.
set -eu
simulated=$(apt-get --quiet --simulate upgrade)
packages=$(printf '%s\n' "$simulated" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
if [ -z "$packages" ]; then
  echo "every package is up to date"
  exit 0
fi
# shellcheck disable=SC2086 # one word each, to count them and to put them on one line
set -- $packages
echo "updates for $# packages: $*"
exit 100
