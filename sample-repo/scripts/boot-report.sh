#!/bin/sh
# One line after a boot: which kernel, and for how long it has been up.
set -eu
read -r uptime _ </proc/uptime
printf '%s: kernel %s, up for %s s\n' "${TORCHSYNC_HOST:-$(uname -n)}" "$(uname -r)" "${uptime%.*}"
