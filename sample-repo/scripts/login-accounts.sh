#!/bin/sh
# One line: the accounts whose shell lets them log in.
set -eu
accounts=$(getent passwd)
printf '%s\n' "$accounts" | awk -F: '
  $7 !~ /\/(nologin|false|sync)$/ { names = names " " $1; count++ }
  END { print count + 0 " accounts can log in:" names }
'
