#!/bin/sh
# One line: how many orders were worked off in the last hour, and in all.
set -eu
spool=${SPOOL_DIR:?is not set}
if [ ! -d "$spool/done" ]; then
  echo "$spool/done is not there: no orders on this host"
  exit 0
fi
count() { find "$spool/done" -type f "$@" | wc -l | tr -d ' '; }
echo "orders of the last hour: $(count -mmin -60), in all: $(count)"
