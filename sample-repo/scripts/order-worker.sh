#!/bin/sh
# Takes files from the spool folder, oldest first, and moves each to done/ once it is worked off. Ends on TERM between two orders.
set -eu
spool=${SPOOL_DIR:-${HOME:-}/orders}
mkdir -p "$spool/new" "$spool/done" 2>/dev/null || echo "$spool cannot be made: there will be no orders here"

stop=''
trap 'stop=yes' TERM INT
echo "waiting for orders in $spool/new"
while [ -z "$stop" ]; do
  # shellcheck disable=SC2012 # names of orders are made by the shop: letters and digits
  order=$(ls -tr "$spool/new" 2>/dev/null | head -n 1)
  if [ -n "$order" ]; then
    mv "$spool/new/$order" "$spool/done/$order"
    echo "done: $order"
  else
    sleep 1 & # in the background, so that a signal is heard at once
    wait $! || true
  fi
done
echo "stopped between two orders"
