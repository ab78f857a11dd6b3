#!/bin/sh
# Says everything that is missing for `make demo` and `make test`, at once, with the one line that brings it. Silent when nothing is.
# Usage: scripts/preflight.sh PYTHON
set -u
python=${1:-/usr/bin/python3}
packages=''
others=''

need() { # what was looked for, the Debian package that has it
  printf 'missing: %s\n' "$1" >&2
  case " $packages " in
    *" $2 "*) ;;
    *) packages="$packages $2" ;;
  esac
}

refuse() { # a fault that no package mends
  printf 'not usable: %s\n' "$1" >&2
  others=yes
}

python_version() {
  "$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

check_python() {
  command -v "$python" >/dev/null 2>&1 || { need "python3 ($python)" python3; need 'the venv module of python3' python3-venv; return; }
  "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || {
    refuse "$python is Python $(python_version); torchsync needs 3.11, 3.12 or 3.13: name one with \`make PYTHON=/path/to/python3 ...\`"
    return
  }
  "$python" -c 'import ensurepip, venv' 2>/dev/null && return
  case $python in
    /usr/bin/python3 | python3) need 'the venv module of python3' python3-venv ;;
    *) need "the venv module of $python" "python$(python_version)-venv" ;;
  esac
}

check_git() {
  command -v git >/dev/null 2>&1 || { need git git; return; }
  version=$(git version | sed 's/^git version //')
  major=${version%%.*}
  rest=${version#*.}
  minor=${rest%%.*}
  [ "$major" -gt 2 ] || { [ "$major" -eq 2 ] && [ "$minor" -ge 39 ]; } || refuse "git is $version; torchsync needs 2.39 or later"
}

check_python
check_git
command -v setpriv >/dev/null 2>&1 || need 'setpriv, which starts tasks as other users' util-linux

if [ -n "$packages" ]; then
  sudo=''
  [ "$(id -u)" -eq 0 ] || sudo='sudo '
  printf '\nOn Debian and Ubuntu this brings it:\n\n    %sapt-get update && %sapt-get install -y%s\n\n' "$sudo" "$sudo" "$packages" >&2
fi
[ -z "$packages$others" ]
