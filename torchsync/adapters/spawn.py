"""The start of a shim: posix_spawn(3), which costs the same however large the agent is. Part of the process executor."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from torchsync.core.model import Limits
from torchsync.core.startscript import LANG, PATH, Account

_IO_CLASSES = {"best-effort": "2", "idle": "3"}
"""As ionice(1) and ioprio_set(2) number them."""
_CATCHABLE = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


class CannotStart(Exception):
    """A run is known not to begin; the text is the reason, a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shim:
    """One to be started. `folder` is the directory of the run, `fifo` closes when the command was executed, `output` is an open descriptor,
    `switch_to` the user of the command if its ids are not those of the agent.
    """

    run: str
    folder: str
    boot: str
    fifo: Path
    cgroup: str
    script: str
    output: int
    switch_to: Account | None
    limits: Limits = Limits()


class Launcher:
    """Starts shims. Their text is read once, so that an upgrade of the package changes no run of this agent process."""

    def __init__(self, shell: tuple[str, ...]) -> None:
        self._shell = shell
        self._text, self._limits = (resources.files("torchsync.adapters").joinpath(name).read_text() for name in ("shim.sh", "limits.sh"))
        self._setpriv = shutil.which("setpriv", path=PATH)
        _close_on_exec()

    def account(self, name: str, group: str = "") -> Account:
        """The user, with `group` or its own as the primary one, as which a run can be started. Raises CannotStart."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError as error:
            raise CannotStart(_why_unknown(name)) from error
        own = entry.pw_gid if os.geteuid() == 0 else os.getegid()
        gid = _gid(name, group, entry.pw_gid) if group else own
        account = Account(
            name=name,
            uid=entry.pw_uid,
            gid=gid,
            home=entry.pw_dir,
            shell=entry.pw_shell,
            groups=tuple(sorted(set(os.getgrouplist(name, gid)))),
        )
        self._check_switching(account)
        return account

    def is_other(self, account: Account) -> bool:
        """A run has to be given the ids of the account. Without root there are no others than the agent's own."""
        if os.geteuid() != 0:
            return account.uid != os.geteuid()
        own = (os.getuid(), os.geteuid(), os.getgid(), os.getegid(), tuple(sorted(set(os.getgroups()) | {os.getegid()})))
        return own != (account.uid, account.uid, account.gid, account.gid, account.groups)

    def becoming(self, account: Account) -> tuple[str, ...]:
        """The words that start a shell as the user, which reads what to do from its standard input."""
        return (*self._switch_to(account if account.uid != os.geteuid() else None), *self._shell, "-s")

    def launch(self, shim: Shim) -> int:
        """The shim is running; its pid. Raises OSError when it cannot be started.

        In a session of its own; default signal dispositions and an empty mask; no descriptor but the script as 0 and the output as 1.
        """
        source = _memory_file(shim.script.encode("utf-8", "surrogateescape"))
        try:
            return os.posix_spawn(
                self._shell[0],
                self.words(shim),
                self.environment(shim),
                file_actions=(
                    (os.POSIX_SPAWN_DUP2, source, 0),
                    (os.POSIX_SPAWN_DUP2, shim.output, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ),
                setsid=True,
                setsigmask=(),
                setsigdef=_CATCHABLE,
            )
        finally:
            os.close(source)

    def words(self, shim: Shim) -> tuple[str, ...]:
        """The argv of the shim. Its standard input is the script and its standard output that of the run."""
        become = (*self._limited(shim.limits), *self._switch_to(shim.switch_to), *self._shell, "-s")
        return (*self._shell, "-c", self._text, "torchsync-run", shim.folder, shim.boot, str(shim.fifo), shim.cgroup, *become)

    def clean_words(self, shim: Shim) -> tuple[str, ...]:
        """The argv of env(1) that becomes the shim, with its environment and nothing else."""
        return ("env", "-i", *(f"{name}={value}" for name, value in self.environment(shim).items()), *self.words(shim))

    def environment(self, shim: Shim) -> dict[str, str]:
        """All that the shim has."""
        return {"PATH": PATH, "LANG": LANG, "TORCHSYNC_RUN_ID": shim.run}

    def _check_switching(self, account: Account) -> None:
        if os.geteuid() != 0:
            if account.uid != os.geteuid():
                raise CannotStart(f"the agent does not run as root, so nothing can run as user {account.name!r}")
            if account.gid != os.getegid():
                raise CannotStart(f"the agent does not run as root, so nothing can run in a group that is not the agent's: {account.gid}")
        elif self._setpriv is None and self.is_other(account):
            raise CannotStart(f"to run as user {account.name!r} the program setpriv is needed; install the package util-linux")

    def _switch_to(self, account: Account | None) -> tuple[str, ...]:
        """The groups are named one by one, and not left to setpriv's initgroups(3), which goes by the first name that an id has."""
        if account is None or self._setpriv is None:
            return ()
        groups = ",".join(map(str, account.groups))
        return (self._setpriv, f"--reuid={account.uid}", f"--regid={account.gid}", f"--groups={groups}", "--")

    def _limited(self, limits: Limits) -> tuple[str, ...]:
        """Nothing where nothing is asked for: an exec costs, and the programs of it may not be there."""
        if not limits.files and limits.nice is None and not limits.io:
            return ()
        kind, _, level = limits.io.partition(":")
        nice = "" if limits.nice is None else str(limits.nice)
        words = (str(limits.files or ""), nice, _IO_CLASSES.get(kind, ""), level)
        return (*self._shell, "-c", self._limits, "torchsync-limits", *words)


def _gid(name: str, group: str, own: int) -> int:
    """The id of a group that the user is in. Raises CannotStart."""
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise CannotStart(f"this host has no group {group!r}") from error
    if gid not in os.getgrouplist(name, own):
        raise CannotStart(f"the user {name!r} is not in the group {group!r}")
    return gid


def _why_unknown(name: str) -> str:
    """getpwnam(3) as Python has it knows no user either when it has no descriptor to look with."""
    try:
        os.close(os.open("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return f"the user {name!r} cannot be looked up: {error.strerror}"
    return f"this host has no user {name!r}"


def open_fifo(path: Path) -> int:
    """A new FIFO, open for reading without anybody at the other end: it hangs up once somebody was (fifo(7), poll(2))."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def script_of(fifo: Path) -> Path:
    """The file that the shell of a run reads where no descriptor can be handed to it. It holds the environment of the task: its folder is in
    memory and the agent's alone, and it is there until the command has begun.
    """
    return fifo.with_name(f"{fifo.name}.script")


def sweep_scripts(folder: Path) -> None:
    """No script is left. A shell that had not opened its own never begins."""
    for script in folder.glob("*.script"):
        script.unlink(missing_ok=True)


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("start", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _close_on_exec() -> None:
    """Descriptors that the agent got from whoever started it do not reach a run; those it opens itself never do (PEP 446)."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 numbers, not files
        if int(name) > 2:
            try:
                os.set_inheritable(int(name), False)
            except OSError:  # The descriptor of this very listing.
                continue
