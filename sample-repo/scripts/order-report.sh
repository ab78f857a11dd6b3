#!/bin/sh
# How many orders were worked off in the last hour, and in all.
set -eu
spool=${SPOOL_DIR:-${HOME:-}/orders}
if [ ! -d "$spool/done" ]; then
  echo "$spool/done is not there: no orders on this host"
  exit 0
fi
printf 'orders of the last hour: %s\n' "$(find "$spool/done" -type f -mmin -60 | wc -l | tr -d ' ')"
printf 'orders in all: %s\n' "$(find "$spool/done" -type f | wc -l | tr -d ' ')"
