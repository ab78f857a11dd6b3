"""The file of `env_file`, as the shell that becomes a run reads it. Pure: two pieces of the script of `startscript.py`.

The file is opened by the user of the run and never by the agent, so that a task reads nothing that its user may not read. It is judged by its
open descriptor, 5, so that nobody can exchange it in between. Grammar, of UTF-8 or any other text of at most 64 KiB and 1,024 lines:

    file     = *(line NEWLINE) [line]
    line     = blank | comment | variable
    blank    = *(SPACE | TAB)
    comment  = "#" anything
    variable = NAME "=" value
    NAME     = letter or "_", then letters, digits and "_"; not TORCHSYNC_..., and no name twice
    value    = "'" text "'" | '"' text '"' | text that begins with no quote

A quoted text holds no quote of its own kind. Nothing in a value is expanded, and a backslash is a backslash; spaces around it belong to it. NUL and
carriage return are refused anywhere. What is wrong is told by the number of the line, never by what stands there.
"""

from __future__ import annotations

from shlex import quote

MOST_BYTES = 65_536
MOST_LINES = 1_024


def opening(path: str, uid: int) -> str:
    """Descriptor 5 is the file, a regular one of `uid` or root that is closed to others; else the script ends and says why.

    Runs programs of coreutils, so it comes before the task's environment. The mode is that of inode(7) in hexadecimal digits: 8 for a regular
    file, and nothing for group and others.
    """
    return f"TORCHSYNC_FILE={quote(path)} TORCHSYNC_UID={uid}\n{_OPENING}"


_OPENING = rf"""TORCHSYNC_WHY="the env_file $TORCHSYNC_FILE is not there, or user $TORCHSYNC_USER may not read it"
if [ -L "$TORCHSYNC_FILE" ]; then
  TORCHSYNC_WHY="the env_file $TORCHSYNC_FILE is a symbolic link; name the file itself"
  exit
elif [ -e "$TORCHSYNC_FILE" ] && [ ! -f "$TORCHSYNC_FILE" ]; then
  TORCHSYNC_WHY="the env_file $TORCHSYNC_FILE is no file"
  exit
fi
{{ exec 5<"$TORCHSYNC_FILE"; }} 2>/dev/null || exit
TORCHSYNC_WHY="the env_file $TORCHSYNC_FILE cannot be looked at; the programs stat and tr of coreutils are needed"
TORCHSYNC_FOUND=$(stat -L -c '%u %f %s' /proc/self/fd/5) || exit
TORCHSYNC_SIZE=${{TORCHSYNC_FOUND##* }}
TORCHSYNC_OWNER=${{TORCHSYNC_FOUND%% *}}
TORCHSYNC_WHY="the env_file $TORCHSYNC_FILE belongs neither to user $TORCHSYNC_USER nor to root"
[ "$TORCHSYNC_OWNER" = 0 ] || [ "$TORCHSYNC_OWNER" = "$TORCHSYNC_UID" ] || exit
TORCHSYNC_WHY="the env_file $TORCHSYNC_FILE is open to others than its owner: chmod 600 it"
case $TORCHSYNC_FOUND in
  *' 8'?[048c]0' '*) ;;
  *) exit ;;
esac
TORCHSYNC_WHY="the env_file $TORCHSYNC_FILE has more than {MOST_BYTES} bytes"
[ "$TORCHSYNC_SIZE" -le {MOST_BYTES} ] || exit
TORCHSYNC_FOUND=$(tr -dc '\000\n' </proc/self/fd/5 | tr '\000\n' 'x,') || exit
case $TORCHSYNC_FOUND in
  *x*)
    TORCHSYNC_FOUND=${{TORCHSYNC_FOUND%%x*}}
    TORCHSYNC_WHY="line $((${{#TORCHSYNC_FOUND}} + 1)) of the env_file $TORCHSYNC_FILE holds a NUL byte"
    exit ;;
esac
TORCHSYNC_CR=$(printf '\r')
TORCHSYNC_TAB=$(printf '\t')
"""

READING = rf"""torchsync_line() {{
  TORCHSYNC_WHY="line $TORCHSYNC_NUMBER of the env_file $TORCHSYNC_FILE $1"
}}
TORCHSYNC_NUMBER=0 TORCHSYNC_NAMES=' '
while IFS= read -r TORCHSYNC_LINE || [ -n "$TORCHSYNC_LINE" ]; do
  TORCHSYNC_NUMBER=$((TORCHSYNC_NUMBER + 1))
  torchsync_line 'is one too many: {MOST_LINES} are the most'
  [ "$TORCHSYNC_NUMBER" -le {MOST_LINES} ] || exit
  torchsync_line 'holds a carriage return; write the file with the line ends of Unix'
  case $TORCHSYNC_LINE in *"$TORCHSYNC_CR"*) exit ;; '#'*) continue ;; *[!" $TORCHSYNC_TAB"]*) ;; *) continue ;; esac
  torchsync_line 'is neither NAME=VALUE nor a comment'
  case $TORCHSYNC_LINE in *=*) ;; *) exit ;; esac
  TORCHSYNC_NAME=${{TORCHSYNC_LINE%%=*}} TORCHSYNC_VALUE=${{TORCHSYNC_LINE#*=}}
  torchsync_line 'does not begin with the name of a variable: letters, digits and _, not starting with a digit'
  case $TORCHSYNC_NAME in '' | [0-9]* | *[!A-Za-z0-9_]*) exit ;; esac
  torchsync_line 'names a variable that starts with TORCHSYNC_, which torchsync sets'
  case $TORCHSYNC_NAME in TORCHSYNC_*) exit ;; esac
  torchsync_line 'names a variable for the second time'
  case $TORCHSYNC_NAMES in *" $TORCHSYNC_NAME "*) exit ;; esac
  TORCHSYNC_NAMES="$TORCHSYNC_NAMES$TORCHSYNC_NAME "
  torchsync_line 'opens a quote that does not close at the end of the line, or holds another of its kind'
  case $TORCHSYNC_VALUE in
    \"*\" | \'*\')
      TORCHSYNC_QUOTE=${{TORCHSYNC_VALUE%"${{TORCHSYNC_VALUE#?}}"}}
      TORCHSYNC_VALUE=${{TORCHSYNC_VALUE#?}}
      TORCHSYNC_VALUE=${{TORCHSYNC_VALUE%?}}
      case $TORCHSYNC_VALUE in *"$TORCHSYNC_QUOTE"*) exit ;; esac ;;
    \"* | \'*) exit ;;
  esac
  torchsync_line 'names a variable that the shell keeps for itself, or gives it a value that it cannot have'
  export "$TORCHSYNC_NAME=$TORCHSYNC_VALUE" || exit
done <&5
exec 5<&-
TORCHSYNC_WHY="the environment of the task cannot be set; what /bin/sh says about it is in the output"
"""
"""Exports what the file says over what is set before; descriptor 5 is closed. Built-ins only, and nothing depends on what it exports."""
