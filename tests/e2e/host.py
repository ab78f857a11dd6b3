"""A whole host for end-to-end tests: a bare repository, a clone to commit in, an agent process, and the commands to talk to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.ports import free_port
from torchsync.cli.client import ControlClient
from torchsync.errors import Unavailable

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
EVERY_SECOND = "* * * * * *"

Document = dict[str, Any]


def environment() -> dict[str, str]:
    """Of everything that is started: nothing of git's settings or the shell's on the machine the tests run on."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {
        **kept,
        "HOME": "/nonexistent",
        "PYTHONPATH": str(ROOT),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


def git(*words: str, cwd: Path) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *identity, *words], cwd=cwd, env=environment(), check=True, capture_output=True, text=True).stdout.strip()


def wait_for(what: str, is_so: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s for {what}")
        time.sleep(0.05)


def is_alive(pid: str) -> bool:
    """Neither gone nor a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def status_of(client: ControlClient) -> Document:
    """What `torchsync status --json` prints. A test asks again and again: a process each time would cost more than all that is tested."""
    return {**client.get("/api/v1/status"), "task_list": client.get("/api/v1/tasks")["tasks"]}


def entries_of(client: ControlClient, task: str = "") -> list[Document]:
    """Those that `torchsync history --json --limit 1000` prints, newest first."""
    entries: list[Document] = client.get("/api/v1/history", {"limit": "1000", **({"task": task} if task else {})})["entries"]
    return entries


class Host:
    """Everything under `folder`, which should have a short path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = folder / "tasks.git"
        self.clone = folder / "clone"
        self.state = folder / "state"
        self.run_folder = folder / "run"
        self.config = folder / "agent.yaml"
        self.port = free_port()
        self.agent: subprocess.Popen[bytes] | None = None
        self.log = folder / "agent.log"
        self.client = ControlClient(self.run_folder / "control.sock")
        git("init", "-q", "--bare", str(self.remote), cwd=folder)
        git("clone", "-q", str(self.remote), str(self.clone), cwd=folder)
        git("checkout", "-q", "-B", "main", cwd=self.clone)
        self.configure()

    # The repository.

    def commit(self, files: Mapping[str, str | None], subject: str = "change") -> str:
        """The revision that holds these files (None: without it), pushed."""
        for name, content in files.items():
            path = self.clone / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            if content.startswith("#!"):
                path.chmod(0o755)
        git("add", "-A", cwd=self.clone)
        git("commit", "-q", "--allow-empty", "-m", subject, cwd=self.clone)
        git("push", "-q", "origin", "main", cwd=self.clone)
        return git("rev-parse", "HEAD", cwd=self.clone)

    def tasks(self, subject: str = "change", **tasks: Document) -> str:
        """The revision whose tasks are these, `_` in names standing for `-`."""
        named = {name.replace("_", "-"): definition for name, definition in tasks.items()}
        return self.commit({"tasks/all.json": json.dumps({"version": 1, "tasks": named})}, subject)

    # The agent.

    def configure(self, **changes: Document) -> None:
        policy: Document = {"default_user": "root", "allow_root": True} if os.geteuid() == 0 else {}
        document: Document = {
            "version": 1,
            "repository": {"url": f"file://{self.remote}", "ref": "main", "interval": "500ms"},
            "host": {"name": "h1", "labels": {"role": "test"}},
            "paths": {"state": str(self.state), "run": str(self.run_folder)},
            "http": {"listen": f"127.0.0.1:{self.port}"},
            "executor": "process",
            "policy": policy,
            "log": {"format": "json", "level": "debug"},
        }
        for section, values in changes.items():
            document[section] = {**document.get(section, {}), **values} if isinstance(values, dict) else values
        fresh = self.config.with_suffix(".new")
        fresh.write_text(json.dumps(document))
        fresh.rename(self.config)

    def start(self, *, until_up: bool = True) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            words = [sys.executable, "-m", "torchsync", "agent", "--config", str(self.config)]
            self.agent = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), cwd="/")
        if until_up:
            wait_for("the agent to answer", self.is_up)
        return self.agent

    def is_up(self) -> bool:
        assert self.agent is not None
        assert self.agent.poll() is None, f"the agent ended with {self.agent.returncode}: {self.log.read_text()[-3000:]}"
        try:
            self.client.get("/api/v1/status")
        except Unavailable:
            return False
        return True

    def kill(self) -> None:
        assert self.agent is not None
        self.agent.send_signal(signal.SIGKILL)
        self.agent.wait()

    def terminate(self) -> int:
        assert self.agent is not None
        self.agent.terminate()
        return self.agent.wait(60)

    def children(self) -> list[str]:
        """The processes that the loop of the agent started, and that have not ended."""
        assert self.agent is not None
        return Path(f"/proc/{self.agent.pid}/task/{self.agent.pid}/children").read_text().split()

    def close(self) -> None:
        """No agent and no run is left."""
        if self.agent is not None and self.agent.poll() is None:
            self.kill()
        for claim in (self.state / "runs").glob("*/claim"):
            pid = claim.read_text().split(" ")[0]
            if not (claim.parent / "exit").exists() and pid.isdigit():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(int(pid), signal.SIGKILL)

    # Questions.

    def torchsync(self, *words: str) -> subprocess.CompletedProcess[str]:
        where = ["--socket", str(self.run_folder / "control.sock")]
        return subprocess.run(
            [sys.executable, "-m", "torchsync", *words, *where], capture_output=True, text=True, env=environment(), check=False, timeout=120
        )

    def status(self) -> Document:
        return status_of(self.client)

    def revision(self) -> str | None:
        generation = self.status()["generation"]
        return generation["revision"] if generation else None

    def entries(self, task: str = "") -> list[Document]:
        return entries_of(self.client, task)

    def runs(self, task: str) -> list[Document]:
        """Oldest first."""
        return sorted((entry["run"] for entry in self.entries(task) if entry["run"]), key=lambda run: run["id"])

    def outcomes(self, task: str) -> list[str]:
        return [run["outcome"] for run in self.runs(task) if run["outcome"]]

    def get(self, path: str) -> tuple[int, str]:
        """Status and text. An agent that has just answered on its socket may take a moment until it listens here."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def metric(self, name: str) -> float:
        values = self.metrics(name)
        assert values, f"no {name} in /metrics"
        return values[0]

    def metrics(self, name: str) -> list[float]:
        """The value, if it is there by now."""
        return [float(line.rsplit(" ", 1)[1]) for line in self.get("/metrics")[1].splitlines() if line.startswith(f"{name} ")]

    def wait_for_metric(self, name: str, value: float) -> None:
        wait_for(f"{name} to be {value}", lambda: self.metrics(name) == [value])

    def events(self) -> list[Document]:
        """What the agents logged, as far as it is JSON, and written to its end: a long line comes in pieces."""
        lines = self.log.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def wait_for_revision(self, revision: str) -> None:
        wait_for(f"{revision[:12]} to be in force", lambda: self.revision() == revision)


def cron(command: str, schedule: str = EVERY_SECOND, **more: Any) -> Document:
    return {"schedule": schedule, "command": command, **more}


def never(command: str, **more: Any) -> Document:
    """A task that runs by hand only."""
    return cron(command, "0 0 29 2 *", **more)
