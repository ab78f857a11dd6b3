#!/bin/sh
# Lists file systems on devices that are fuller than --limit percent; fails when there is one.
set -eu
limit=90
while [ $# -gt 0 ]; do
  case $1 in
    --limit) limit=$2; shift 2 ;;
    *) echo "usage: disk-usage.sh [--limit PERCENT]" >&2; exit 2 ;;
  esac
done

full=$(df -P | awk -v limit="$limit" '$1 ~ "^/dev/" && $5 + 0 > limit + 0 { print $6 " is " $5 " full" }')
if [ -n "$full" ]; then
  printf '%s\n' "$full"
  exit 1
fi
echo "every file system is below $limit %"
