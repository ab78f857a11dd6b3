#!/bin/sh
# One line: who, when, from which commit.
set -eu
printf 'alive: %s at %s, commit %.12s\n' "${TORCHSYNC_HOST:-$(uname -n)}" "${TORCHSYNC_SCHEDULED_AT:-now}" "${TORCHSYNC_COMMIT:-none}"
