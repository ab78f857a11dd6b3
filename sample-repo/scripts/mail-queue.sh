#!/bin/sh
# Fails when more than --limit messages wait in the queue of Postfix.
set -eu
limit=200
while [ $# -gt 0 ]; do
  case $1 in
    --limit) limit=${2:?}; shift 2 ;;
    *) echo "usage: mail-queue.sh [--limit NUMBER]" >&2; exit 2 ;;
  esac
done

queue=$(postqueue -j) # one line for each message
waiting=$(printf '%s' "$queue" | awk 'END { print NR }')
if [ "$waiting" -gt "$limit" ]; then
  echo "$waiting messages wait, more than $limit"
  exit 1
fi
echo "$waiting messages wait"
