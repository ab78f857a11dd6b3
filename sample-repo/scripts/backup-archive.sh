#!/bin/sh
# One archive a day for each LIST.list in FOLDER: the paths in it, below ROOT_DIR, go to BACKUP_DIR/LIST-DATE.tar.gz, which is complete before it
# takes its name. Keeps the newest KEEP archives of each list.
set -eu
[ $# -eq 1 ] || { echo "usage: backup-archive.sh FOLDER" >&2; exit 2; }
: "${BACKUP_DIR:?is not set}" "${KEEP:=14}" "${ROOT_DIR:=/}"
umask 077

keep_newest() { # the archives of one list, the oldest first
  while [ $# -gt "$KEEP" ]; do
    rm -f -- "$1"
    shift
  done
}

for list in "$1"/*.list; do
  [ -f "$list" ] || { echo "there is no list in $1" >&2; exit 1; }
  name=$(basename "$list" .list)
  target=$BACKUP_DIR/$name-$(date +%F).tar.gz
  grep -v '^#' "$list" | tar -czf "$target.part" -C "$ROOT_DIR" -T -
  mv "$target.part" "$target"
  keep_newest "$BACKUP_DIR/$name"-[0-9][0-9][0-9][0-9]-*.tar.gz
  echo "packed ${target##*/}: $(wc -c <"$target" | tr -d ' ') bytes"
done
