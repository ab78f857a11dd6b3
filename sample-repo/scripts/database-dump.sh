#!/bin/sh
# One dump for each database, complete before it takes its name; dumps of the same day are replaced.
set -eu
: "${DUMP_DIR:?is not set}"
umask 077
mkdir -p "$DUMP_DIR"
for database in $(psql --no-align --tuples-only --command 'select datname from pg_database where not datistemplate'); do
  target=$DUMP_DIR/$database-$(date +%a).dump
  pg_dump --format=custom --file="$target.part" "$database"
  mv "$target.part" "$target"
  echo "dumped $database"
done
