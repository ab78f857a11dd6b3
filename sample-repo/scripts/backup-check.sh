#!/bin/sh
# Fails when a LIST.list in FOLDER has no archive in BACKUP_DIR that is younger than --hours and can be read to its end.
set -eu
usage() {
  echo "usage: backup-check.sh [--hours N] FOLDER" >&2
  exit 2
}
: "${BACKUP_DIR:?is not set}"
hours=26
if [ "${1:-}" = --hours ]; then
  hours=${2:?}
  shift 2
fi
[ $# -eq 1 ] || usage

failed=0
for list in "$1"/*.list; do
  [ -f "$list" ] || { echo "there is no list in $1" >&2; exit 1; }
  name=$(basename "$list" .list)
  newest=$(find "$BACKUP_DIR" -name "$name-[0-9][0-9][0-9][0-9]-*.tar.gz" -mmin "-$((hours * 60))" | sort | tail -n 1)
  if [ -z "$newest" ]; then
    echo "$name: no archive of the last $hours hours"
    failed=1
  elif gzip -t "$newest"; then
    echo "$name: ${newest##*/} is complete"
  else
    echo "$name: ${newest##*/} is damaged"
    failed=1
  fi
done
exit "$failed"
