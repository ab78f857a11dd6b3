#!/bin/sh
# Deletes the folder of one year in INVOICE_DIR, and nothing else.
set -eu
: "${INVOICE_DIR:?is not set}"
year=${1:-}
case $year in
  [0-9][0-9][0-9][0-9]) ;;
  *) echo "usage: delete-invoices.sh YEAR" >&2; exit 2 ;;
esac
if [ ! -d "$INVOICE_DIR/$year" ]; then
  echo "the invoices of $year are not there any more"
  exit 0
fi
count=$(find "$INVOICE_DIR/$year" -type f | wc -l | tr -d ' ')
rm -r -- "${INVOICE_DIR:?}/$year"
echo "deleted the $count invoices of $year"
