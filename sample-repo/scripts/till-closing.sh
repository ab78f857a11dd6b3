#!/bin/sh
# Adds up TILL_DIR/DATE.csv (`time;cents`, one sale a line) into TILL_DIR/closed/DATE.total. DATE is today, or the first argument.
set -eu
: "${TILL_DIR:?is not set}"
day=${1:-$(date +%F)}
if [ ! -f "$TILL_DIR/$day.csv" ]; then
  echo "nothing was sold on $day"
  exit 0
fi
total=$(awk -F';' '{ sum += $2; count++ } END { printf "%d sales, %d cents", count, sum }' "$TILL_DIR/$day.csv")
mkdir -p "$TILL_DIR/closed"
printf '%s\n' "$total" >"$TILL_DIR/closed/$day.total.part"
mv "$TILL_DIR/closed/$day.total.part" "$TILL_DIR/closed/$day.total"
echo "closed $day: $total"
