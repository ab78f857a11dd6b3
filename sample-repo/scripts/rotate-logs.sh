#!/bin/sh
# Compresses yesterday's *.log files in LOG_DIR and deletes compressed ones older than KEEP_DAYS. Safe to run again.
set -eu
: "${LOG_DIR:?is not set}" "${KEEP_DAYS:=14}"
if [ ! -d "$LOG_DIR" ]; then
  echo "$LOG_DIR is not there: nothing to rotate"
  exit 0
fi
find "$LOG_DIR" -type f -name '*.log' -mtime +0 -exec gzip -f {} \;
find "$LOG_DIR" -type f -name '*.log.gz' -mtime "+$KEEP_DAYS" -exec rm -f {} \;
echo "$LOG_DIR: $(find "$LOG_DIR" -type f -name '*.log.gz' | wc -l | tr -d ' ') compressed logs kept"
