"""torchsync installed in a box, as a package would: the shipped files in their places, a repository to sync, an agent.yaml."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.e2e.host import ROOT, entries_of, git, status_of, wait_for
from tests.systemd.box import Box
from torchsync.cli.client import ControlClient

UNIT = "torchsync.service"
UNIT_FILE = "etc/systemd/system/torchsync.service"
"""Below the root of the box, by the commands of the page."""
CONFIG = "/etc/torchsync/agent.yaml"
SOCKET = "/run/torchsync/control.sock"
GROUP = "/sys/fs/cgroup/system.slice/torchsync.service"
SLICE = "/sys/fs/cgroup/torchsync.slice"
PROCESS, SYSTEMD = "process", "systemd"
HELD = "echo begun; while [ ! -e {} ]; do sleep 0.1; done; echo done; exit 3"
"""A command that goes on until the file is there, and then ends like no accident would."""

Document = dict[str, Any]

_PAGE = ROOT / "docs/how-to/install.md"


def install(box: Box) -> None:
    """The program of the environment that these tests run in, and what `systemd/` holds, by the commands of the page."""
    program = Path(sys.prefix, "bin", "torchsync")
    assert program.exists(), f"{program} is not there: install the project in the environment of the tests"
    command = box.root / "usr/bin/torchsync"
    command.unlink(missing_ok=True)
    command.symlink_to(program)
    seen = box.root / "usr/lib/systemd/system" / f"{UNIT}.d/checkout.conf"
    seen.parent.mkdir(exist_ok=True)
    seen.write_text(f"[Service]\nBindReadOnlyPaths={sys.prefix} {ROOT}\n")  # a checkout below /tmp is out of sight with PrivateTmp=
    (commands,) = re.findall(r"^```sh\n(install -D .*?)^```$", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    box.run("sh", "-euc", f"cd {shlex.quote(str(ROOT))}\n{commands}", check=True)


class Service:
    """The installed service and a repository of its own in `folder`, which is the same inside and outside of the box. With the process executor it
    has the drop-in that goes with it.
    """

    def __init__(self, box: Box, folder: Path, executor: str = SYSTEMD) -> None:
        self.box = box
        self.executor = executor
        self.folder = folder
        self.go = folder / "go"
        self._remote = folder / "tasks.git"
        self._clone = folder / "clone"
        git("init", "-q", "--bare", str(self._remote), cwd=folder)
        git("clone", "-q", str(self._remote), str(self._clone), cwd=folder)
        git("checkout", "-q", "-B", "main", cwd=self._clone)
        self._began = box.run("date", "+%s.%N").stdout.strip()
        self.configure()
        if executor == PROCESS:
            self.drop_in((ROOT / "systemd/torchsync.service.d/process-executor.conf").read_text(), "process-executor.conf")

    # What an operator prepares.

    def configure(self, **changes: Document) -> None:
        document: Document = {
            "version": 1,
            "repository": {"url": f"file://{self._remote}", "ref": "main", "interval": "500ms", "watch": "off"},
            "host": {"name": "h1", "labels": {"role": "test"}},
            "executor": self.executor,
            "policy": {"default_user": "torchsync-run"},
        }
        for section, values in changes.items():
            document[section] = {**document.get(section, {}), **values} if isinstance(values, dict) else values
        self.write_config(json.dumps(document))

    def write_config(self, text: str) -> None:
        (self.box.root / CONFIG[1:]).write_text(text)

    def drop_in(self, text: str, name: str = "test.conf") -> None:
        self._drop_ins().mkdir(exist_ok=True)
        (self._drop_ins() / name).write_text(text)
        self.box.run("systemctl", "daemon-reload", check=True)

    def drop_out(self, name: str) -> None:
        (self._drop_ins() / name).unlink(missing_ok=True)
        self.box.run("systemctl", "daemon-reload", check=True)

    @contextlib.contextmanager
    def unit_of_another_version(self, text: str) -> Iterator[None]:
        """This is the installed unit for a while, and not yet read by systemd."""
        file = self.box.root / UNIT_FILE
        before = file.read_text()
        file.write_text(text)
        try:
            yield
        finally:
            file.write_text(before)
            self.box.run("systemctl", "daemon-reload", check=True)

    def _drop_ins(self) -> Path:
        return self.box.root / "etc/systemd/system" / f"{UNIT}.d"

    def tasks(self, tasks: Mapping[str, Document]) -> None:
        """A commit with these tasks is pushed."""
        place = self._clone / "tasks/all.json"
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps({"version": 1, "tasks": tasks}))
        git("add", "-A", cwd=self._clone)
        git("commit", "-q", "-m", "change", cwd=self._clone)
        git("push", "-q", "origin", "main", cwd=self._clone)

    def lose_remote(self) -> None:
        self._remote.rename(self.folder / "away")

    # What an operator does.

    def systemctl(self, verb: str, *words: str) -> None:
        done = self.box.run("systemctl", verb, UNIT, *words)
        assert done.returncode == 0, done.stderr + self.box.run("journalctl", f"--unit={UNIT}", "--lines=30", "--output=cat").stdout

    def torchsync(self, *words: str) -> str:
        return self.box.run("torchsync", *words, check=True).stdout

    def status(self) -> Document:
        return status_of(self._client())

    def _client(self) -> ControlClient:
        """Of the socket in the box, by way of the root of what runs there: the box may have been booted again."""
        return ControlClient(self.box.root / SOCKET[1:])

    def start_with(self, tasks: Mapping[str, Document]) -> None:
        """The service is up and has these tasks."""
        self.tasks(tasks)
        self.systemctl("start")
        self.torchsync("sync", "--wait")

    def start_run(self, task: str) -> Document:
        """The run of the task that has just begun to write."""
        self.torchsync("run", task)
        wait_for(f"the output of {task}", lambda: "begun" in self.torchsync("logs", task))
        return self.runs(task)[-1]

    # What it finds.

    def property(self, name: str) -> str:
        return self.box.run("systemctl", "show", UNIT, f"--property={name}", "--value").stdout.strip()

    def main_pid(self) -> int:
        return int(self.property("MainPID"))

    def is_running(self) -> bool:
        return self.property("ActiveState") == "active" and self.property("SubState") == "running"

    def runs(self, task: str) -> list[Document]:
        """Oldest first."""
        entries = entries_of(self._client(), task)
        return sorted((entry["run"] for entry in entries if entry["run"]), key=lambda run: run["id"])

    def ended(self, task: str) -> Document:
        """The only run of the task, once it is over."""
        wait_for(f"the end of {task}", lambda: all(run["outcome"] for run in self.runs(task)))
        (run,) = self.runs(task)
        return run

    def journal(self) -> list[Document]:
        """What the main processes of the unit logged during this test, be it on the standard error or by the socket."""
        self.sync_journal()
        lines = self.box.run("journalctl", f"--unit={UNIT}", "--output=json", f"--since=@{self._began}", check=True).stdout.splitlines()
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if entry.get("SYSLOG_IDENTIFIER") == "torchsync"]

    def sync_journal(self) -> None:
        """What was sent to journald before is in its files. One that is being started again cannot be asked yet."""
        wait_for("journald to answer", lambda: self.box.run("journalctl", "--sync").returncode == 0)

    def found_in_journal(self, *matches: str) -> list[Document]:
        """The entries that journalctl finds by these matches, of this test."""
        self.sync_journal()
        done = self.box.run("journalctl", "--all", "--output=json", f"--since=@{self._began}", *matches)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def shim(self, run: Document) -> int:
        return int((self.box.root / "var/lib/torchsync/runs" / run["id"] / "claim").read_text().split()[0])

    def pids(self, *groups: str, depth: int = 9) -> set[int]:
        """The processes in these control groups, by default of the agent and all runs, and so many levels below, by the numbers that the box has."""
        found = self.box.run(
            "find", *(groups or (GROUP, SLICE)), "-maxdepth", str(depth + 1), "-name", "cgroup.procs", "-exec", "cat", "{}", "+"
        )
        return set(map(int, found.stdout.split()))

    def has_group(self, run: Document) -> bool:
        return self.box.run("test", "-d", self.group_of(run)).returncode == 0

    def home_of(self, run: Document) -> str:
        """The control group of the shim of a run."""
        return GROUP if self.executor == PROCESS else f"{SLICE}/torchsync-run-{run['id']}.service"

    def group_of(self, run: Document) -> str:
        """The control group of its command."""
        return f"{GROUP}/run-{run['id']}" if self.executor == PROCESS else f"{self.home_of(run)}/run"

    def close(self) -> None:
        """The unit is stopped and as it was shipped; its runs and its state are gone."""
        self.box.run("systemctl", "disable", "--now", UNIT)
        self.box.run("sh", "-c", f"for group in {GROUP} {SLICE}; do echo 1 >$group/cgroup.kill; done")
        wait_for("the control group to be empty", lambda: not self.pids())
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._drop_ins())
            self.box.run("systemctl", "daemon-reload", check=True)
        self.box.run("systemctl", "reset-failed", UNIT)
        self.box.run("rm", "-rf", "/var/lib/torchsync", "/run/torchsync", CONFIG, check=True)
