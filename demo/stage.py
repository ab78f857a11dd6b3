"""The stage of the demo: a remote, an agent and its folder, and how they are asked."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SAMPLE = HERE.parent / "sample-repo"
HOST, NEIGHBOUR = "web-1", "db-1"
"""Two hosts of the sample repository: the agent of the demo goes by the first name."""
PATIENCE = 60.0
THREE_MISTAKES = [(5, 16), (10, 5), (14, 18)]
"""Line and column of each mistake in tasks-broken.yaml."""

Document = dict[str, Any]


class NotShown(Exception):
    """Something did not happen as it should."""


class Demo:
    """A remote, a clone of it to commit in, and an agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote = folder / "tasks.git"
        self.clone = folder / "clone"
        self.config = folder / "agent.yaml"
        self.log = folder / "agent.log"
        self.port = free_port()
        self.agent: subprocess.Popen[bytes] | None = None
        self.baseline = ""
        self.long_run = ""
        self.gate = folder / "end"
        """Once it is there, the long run ends."""

    # The remote.

    def make_remote(self) -> None:
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        git("clone", "--quiet", str(self.remote), str(self.clone))
        git("checkout", "--quiet", "-B", "main", cwd=self.clone)
        shutil.copytree(SAMPLE, self.clone, dirs_exist_ok=True)
        self.write_tasks("tasks-before.yaml")

    def write_tasks(self, name: str, to: str = "demo.yaml") -> None:
        (self.clone / "tasks" / to).write_text((HERE / name).read_text().replace("/DEMO/end", str(self.gate)))

    def push(self, subject: str) -> str:
        """The revision that was pushed."""
        git("add", "--all", cwd=self.clone)
        git("commit", "--quiet", "--message", subject, cwd=self.clone)
        git("push", "--quiet", "origin", "main", cwd=self.clone)
        return git("rev-parse", "HEAD", cwd=self.clone)

    # The agent.

    def write_config(self) -> None:
        policy = "policy: {default_user: nobody}\n" if os.geteuid() == 0 else ""
        self.config.write_text(
            "version: 1\n"
            f"repository: {{url: 'file://{self.remote}', ref: main, interval: 1s}}\n"
            f"host: {{name: {HOST}}}\n"
            f"paths: {{state: {self.folder}/state, run: {self.folder}/run}}\n"
            f"http: {{listen: '127.0.0.1:{self.port}'}}\n"
            "executor: process\n"
            f"{policy}"
        )

    def start_agent(self) -> None:
        with self.log.open("ab") as log:
            self.agent = subprocess.Popen(
                [torchsync(), "agent", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait_for("the agent to answer", self.is_up)

    def is_up(self) -> bool:
        if self.agent is None or self.agent.poll() is not None:
            raise NotShown(f"the agent ended with {self.agent.returncode if self.agent else 'nothing'}")
        return (self.folder / "run" / "control.sock").exists() and self.command("status", "--json").returncode == 0

    def kill_agent(self) -> None:
        if self.agent is not None:
            self.agent.send_signal(signal.SIGKILL)
            self.agent.wait()

    def end(self) -> None:
        """Neither the agent nor a run is left; each run leads a process group, whose number its claim begins with."""
        if self.agent is not None and self.agent.poll() is None:
            self.agent.terminate()
            self.agent.wait(PATIENCE)
        for claim in (self.folder / "state" / "runs").glob("*/claim"):
            pid = claim.read_text().split(" ")[0]
            if not (claim.parent / "exit").exists() and pid.isdigit():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(int(pid), signal.SIGKILL)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        socket_path = str(self.folder / "run" / "control.sock")
        return subprocess.run([torchsync(), *words, "--socket", socket_path], capture_output=True, text=True, check=False, timeout=60)

    def ask(self, *words: str) -> Document:
        done = self.command(*words, "--json")
        if done.returncode != 0:
            raise NotShown(f"torchsync {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
        answer: Document = json.loads(done.stdout)
        return answer

    def status(self) -> Document:
        return self.ask("status")

    def tasks(self) -> list[Document]:
        tasks: list[Document] = self.get("/api/v1/tasks")["tasks"]
        return tasks

    def runs(self, task: str) -> list[Document]:
        return [entry["run"] for entry in self.entries(task) if entry["run"]]

    def entries(self, task: str) -> list[Document]:
        entries: list[Document] = self.ask("history", task, "--limit", "1000")["entries"]
        return entries

    def get(self, path: str) -> Document:
        answer: Document = json.loads(self.scrape(path))
        return answer

    def scrape(self, path: str) -> str:
        """What the agent says on TCP, where it listens a moment after it does so on its socket."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
                    text: str = answer.read().decode()
                    return text
            except urllib.error.HTTPError:
                raise
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def metric(self, name: str, is_right: Callable[[float], bool]) -> float:
        """Its value once that is right: most follow what they count by a moment."""
        deadline = time.monotonic() + PATIENCE
        while True:
            value = sample(self.scrape("/metrics"), name)
            if value is not None and is_right(value):
                return value
            check(time.monotonic() < deadline, f"{name} is {value}")
            time.sleep(0.1)

    def output(self, run: str) -> list[str]:
        return self.command("logs", run).stdout.splitlines()

    def revision(self) -> str:
        generation = self.status()["generation"]
        return generation["revision"] if generation else ""

    def wait_for(self, what: str, is_so: Callable[[], bool], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if is_so():
                return
            time.sleep(0.1)
        raise NotShown(f"waited {patience:.0f} s for {what}")

    def show_log(self) -> None:
        if self.log.exists():
            print("the end of the agent's log:", file=sys.stderr)
            print("\n".join(self.log.read_text(errors="replace").splitlines()[-30:]), file=sys.stderr)


# Small words.


def title(text: str) -> None:
    print(f"\n{text}")


def shown(text: str) -> None:
    print(f"  ok  {text}", flush=True)


def check(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise NotShown(otherwise)


def succeeded(runs: list[Document]) -> list[Document]:
    return [run for run in runs if run["outcome"] == "succeeded"]


def open_runs(demo: Demo, task: str) -> list[Document]:
    return [run for run in demo.get("/api/v1/runs")["runs"] if run["task"] == task and run["started_at"]]


def fires(task: str, schedule: str, host: str, after: str) -> list[datetime]:
    """What `torchsync next` says of the task on that host."""
    words = ("--expr", schedule, "--host", host, "--task-name", task, "--after", after, "-n", "2")
    return [datetime.fromisoformat(fire) for fire in answer_of("next", *words)["fires"]]


def answer_of(*words: str, ends_with: int = 0) -> Document:
    """What a command that needs no agent says."""
    done = subprocess.run([torchsync(), *words, "--json"], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != ends_with:
        raise NotShown(f"torchsync {' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
    answer: Document = json.loads(done.stdout)
    return answer


def rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%H:%MZ")


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def sample(text: str, name: str) -> float | None:
    for line in text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rsplit(" ", 1)[1])
    return None


def answers(demo: Demo, path: str) -> bool:
    try:
        demo.scrape(path)
    except urllib.error.HTTPError:
        return False
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def torchsync() -> str:
    """The command beside the interpreter that runs this."""
    return str(Path(sys.executable).parent / "torchsync")


def git(*words: str, cwd: Path | None = None) -> str:
    """What git printed; with an identity and settings of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    identity = ["-c", f"user.name={getpass.getuser()}", "-c", "user.email=demo@example.org"]
    done = subprocess.run(["git", *identity, *words], cwd=cwd, env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()
