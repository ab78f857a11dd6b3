"""What a run is started with: its environment, and the text of the shell script that becomes its command. Pure.

The script is read by a POSIX shell that already has the user of the run. It checks that, enters the working directory, exports the environment
of the task, with what `env_file` adds to it (`envfile.py`), and replaces itself by the command. Its standard input is the script; on descriptor 4
it says `begun` just before the exec, or why it did not come to that; descriptors 3 and 4 close with the exec. A shell that ends without the exec
says why in its EXIT trap: so a step only has to name what would have failed. dash and busybox undo the redirections of an exec that fails; bash
does that for a group and with `execfail`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote

from torchsync.core import envfile
from torchsync.core.instants import rfc3339_short
from torchsync.core.model import ProgramCommand, Run, ShellCommand, Task

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LANG = "C.UTF-8"
_BENEATH = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG")
"""What the file of `env_file` may set otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of this host, as passwd(5) has it. `gid` is the primary group of its runs, `groups` are all of their groups, that one among them."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: tuple[int, ...] = ()


def run_environment(run: Run, account: Account, host: str) -> dict[str, str]:
    """The complete environment of a run: the fixed part, then the task's own, then what torchsync says about the run."""
    said = {
        "TORCHSYNC_TASK": run.task.name,
        "TORCHSYNC_RUN_ID": run.id,
        "TORCHSYNC_COMMIT": run.revision,
        "TORCHSYNC_ATTEMPT": str(run.attempt),
        "TORCHSYNC_HOST": host,
        "TORCHSYNC_TRIGGER": run.trigger.value,
    }
    if run.instant is not None:
        said["TORCHSYNC_SCHEDULED_AT"] = rfc3339_short(run.instant)
    if run.due is not None:
        said["TORCHSYNC_DUE_AT"] = rfc3339_short(run.due)
    if run.task.is_daemon:
        said["TORCHSYNC_COPY"] = str(run.copy)
    return account_environment(account) | dict(run.task.env) | said


def account_environment(account: Account) -> dict[str, str]:
    """What every program that is started for the user finds in its environment."""
    return {"PATH": PATH, "HOME": account.home, "USER": account.name, "LOGNAME": account.name, "SHELL": account.shell, "LANG": LANG}


def start_script(
    task: Task, account: Account, *, tree: str, environment: Mapping[str, str], is_switched: bool, credentials: str = ""
) -> str:
    """The script for a run of `task` in `tree`. With `is_switched` it first makes sure that it has the ids of `account` and no others.

    `credentials` is the folder with the secrets of the run, empty when it has none.
    """
    given = {"USER": account.name, "DIRECTORY": working_directory(task, account, tree)}
    complete = {**environment, **({"CREDENTIALS_DIRECTORY": credentials} if credentials else {})}
    beneath = {name: value for name, value in complete.items() if name in _BENEATH and name not in task.env}
    env_file = _at_home(task.env_file, account)
    return "".join(
        (
            *(f"TORCHSYNC_{name}={quote(value)}\n" for name, value in given.items()),
            _PREPARE,
            _check_of_ids(account) if is_switched else "",
            f"set -- {' '.join(quote(word) for word in _argv(task, tree))}\n",
            _enter(task.umask),
            envfile.opening(env_file, account.uid) if env_file else "",
            _EMPTY,
            *_exports(beneath),
            envfile.READING if env_file else "",
            *_exports({name: value for name, value in complete.items() if name not in beneath}),
            _BECOME,
        )
    )


def working_directory(task: Task, account: Account, tree: str) -> str:
    """Where the command starts: `~` is the user's home, a relative path is inside the tree, nothing is the tree."""
    return posixpath.join(tree, _at_home(task.working_dir, account)) if task.working_dir else tree


def _at_home(path: str, account: Account) -> str:
    """The path with the user's home for a `~` at its start."""
    head, _, rest = path.partition("/")
    if head != "~":
        return path
    return posixpath.join(account.home, rest) if rest else account.home


def _check_of_ids(account: Account) -> str:
    """Real, effective, saved and file system ids, then the groups in ascending order, as proc(5) has them."""
    ids = [account.uid] * 4 + [account.gid] * 4 + sorted(set(account.groups))
    return f"TORCHSYNC_IDS={quote(' '.join(map(str, ids)))}\n{_CHECK}"


def _enter(umask: str) -> str:
    return f"umask {quote(umask)}\n{_ENTER}"


def _exports(environment: Mapping[str, str]) -> Iterator[str]:
    return (f"export {name}={quote(value)} || exit\n" for name, value in environment.items())


def _argv(task: Task, tree: str) -> tuple[str, ...]:
    """The words to execute. A program of the repository is named relative to the tree, also when it starts in another directory."""
    match task.command:
        case ShellCommand(text=text, shell=shell):
            return (shell, "-c", text)
        case ProgramCommand(argv=argv):
            is_moved = task.working_dir and "/" in argv[0]
            return (posixpath.join(tree, argv[0]), *argv[1:]) if is_moved else argv


# The names in these texts start with TORCHSYNC_, which no task may use, so that exporting the environment overwrites none of them. Built-ins
# only from the first export on, and nothing after it depends on PATH or IFS.
_PREPARE = """\
TORCHSYNC_BASH=${BASH_VERSION-}
[ -z "$TORCHSYNC_BASH" ] || shopt -s execfail
trap 'printf "%s\\n" "$TORCHSYNC_WHY" >&4' EXIT
"""

_CHECK = """\
while read -r TORCHSYNC_KEY TORCHSYNC_FOUND; do
  case $TORCHSYNC_KEY in Uid: | Gid: | Groups:) set -- "$@" $TORCHSYNC_FOUND ;; esac
done </proc/self/status
TORCHSYNC_WHY="the ids of user $TORCHSYNC_USER were not taken on: expected $TORCHSYNC_IDS, found $*"
[ "$TORCHSYNC_IDS" = "$*" ] || exit
"""

_ENTER = """\
TORCHSYNC_WHY="the working directory $TORCHSYNC_DIRECTORY is not there, or user $TORCHSYNC_USER may not enter it"
cd -- "$TORCHSYNC_DIRECTORY" 2>/dev/null || exit
"""

_EMPTY = """\
TORCHSYNC_WHY="the environment of the task cannot be set; what /bin/sh says about it is in the output"
unset PATH LANG PWD OLDPWD SHLVL TORCHSYNC_RUN_ID
"""

_BECOME = """\
torchsync_refused() {
  case $1:$2 in
    127:*/*) [ -e "$2" ] && set -- 'the interpreter that the first line names is not there' "$2" || set -- 'no such program' "$2" ;;
    127:*) set -- "no such program in PATH=$PATH" "$2" ;;
    126:*)
      if [ -d "$2" ]; then set -- 'a directory is no program' "$2"
      elif [ -x "$2" ]; then
        set -- 'this program cannot be executed: too many arguments, too large an environment, open for writing, or not for this machine' "$2"
      else set -- "user $TORCHSYNC_USER may not execute this program" "$2"
      fi ;;
    *) set -- "the shell that prepares a run ended with status $1 before the exec" "$2" ;;
  esac
  printf '%s: %s\\n' "$1" "$2"
}
trap 'torchsync_refused "$?" "$1" >&4' EXIT
echo begun >&4 || exit
if [ -z "$TORCHSYNC_BASH" ]; then
  exec "$@" </dev/null 3>&- 4>&-
else
  { exec "$@"; } </dev/null 3>&- 4>&-
fi
"""
