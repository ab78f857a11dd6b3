#!/bin/sh
# Fails when a certificate (*.pem, *.crt) in FOLDER ends within --days days, or cannot be read.
set -eu
usage() {
  echo "usage: certificate-expiry.sh [--days N] FOLDER" >&2
  exit 2
}
days=21
if [ "${1:-}" = --days ]; then
  days=${2:?}
  shift 2
fi
[ $# -eq 1 ] || usage
folder=$1

if ! command -v openssl >/dev/null; then
  echo "openssl is not installed: no certificate was looked at" >&2
  exit 1
fi
if [ ! -d "$folder" ]; then
  echo "$folder is not there: this host has no certificates"
  exit 0
fi

failed=0
for file in "$folder"/*.pem "$folder"/*.crt; do
  [ -e "$file" ] || continue
  if ! end=$(openssl x509 -in "$file" -noout -enddate); then
    echo "$file: not a certificate, or not readable"
    failed=1
  elif openssl x509 -in "$file" -noout -checkend $((days * 86400)) >/dev/null; then
    echo "$file: good until ${end#notAfter=}"
  else
    echo "$file: ends ${end#notAfter=}, within $days days"
    failed=1
  fi
done
exit "$failed"
