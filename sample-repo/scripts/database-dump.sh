#!/bin/sh
# One dump for each database, complete before it takes its name; a dump stays until the same day of the next week.
set -eu
: "${DUMP_DIR:?is not set}"
umask 077
mkdir -p "$DUMP_DIR"
databases=$(psql --no-align --tuples-only --command 'select datname from pg_database where not datistemplate')
day=$(date +%a)
for database in $databases; do
  target=$DUMP_DIR/$database-$day.dump
  pg_dump --format=custom --file="$target.part" "$database"
  mv "$target.part" "$target"
  echo "dumped $database"
done
