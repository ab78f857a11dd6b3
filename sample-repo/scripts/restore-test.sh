#!/bin/sh
# Restores the newest dump in DUMP_DIR into the database restore_test, which is new each time, and drops it.
set -eu
: "${DUMP_DIR:?is not set}"
# shellcheck disable=SC2012 # the names are those of database-dump.sh
newest=$(ls -t "$DUMP_DIR"/*.dump 2>/dev/null | head -n 1)
if [ -z "$newest" ]; then
  echo "there is no dump in $DUMP_DIR" >&2
  exit 1
fi
dropdb --if-exists restore_test
trap 'dropdb --if-exists restore_test' EXIT
createdb restore_test
pg_restore --exit-on-error --no-owner --dbname=restore_test "$newest"
tables=$(psql --no-align --tuples-only --dbname=restore_test --command "select count(*) from pg_tables where schemaname = 'public'")
if [ "$tables" -eq 0 ]; then
  echo "${newest##*/} was restored and holds no table" >&2
  exit 1
fi
echo "${newest##*/} was restored: $tables tables"
