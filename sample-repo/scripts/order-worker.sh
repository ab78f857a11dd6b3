#!/bin/sh
# Works off the orders in SPOOL_DIR, oldest first: new/ -> taken/COPY/ -> done/. Several copies may run. Ends on TERM between two orders.
set -eu
spool=${SPOOL_DIR:?is not set}
mine=$spool/taken/${TORCHSYNC_COPY:-1}

work_off() {
  # The shop's own program comes here; it gets "$mine/$1".
  mv "$mine/$1" "$spool/done/$1"
  echo "done: $1"
}

stop=''
trap 'stop=yes' TERM INT
if [ -d "$spool" ]; then
  mkdir -p "$spool/new" "$spool/done" "$mine"
  echo "waiting for orders in $spool/new"
else
  echo "$spool is not there: waiting for it"
fi
for left in "$mine"/*; do # by a copy with this number that was killed
  if [ -e "$left" ]; then work_off "${left##*/}"; fi
done

while [ -z "$stop" ]; do
  # shellcheck disable=SC2012 # names of orders are made by the shop: letters and digits
  order=$(ls -tr "$spool/new" 2>/dev/null | head -n 1)
  # mv fails when another copy was faster.
  if [ -n "$order" ] && mkdir -p "$mine" "$spool/done" && mv "$spool/new/$order" "$mine/$order" 2>/dev/null; then
    work_off "$order"
  else
    sleep 1 & # in the background, so that a signal is heard at once
    wait $! || true
  fi
done
echo "stopped between two orders"
