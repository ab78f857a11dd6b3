"""Prometheus and Alertmanager on loopback with what `grafana/` ships for them, and a receiver that keeps what was sent to whom.

Of the shipped documents only addresses are replaced (targets, Alertmanager's, the receivers'), and they go N times as fast (`tests/haste.py`).
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.e2e.host import environment, free_port, wait_for
from tests.haste import GRAFANA, RULES, Document, hastened, hastened_defaults, shipped
from tests.receiver import HookServer, Posted

PROGRAMS = ("prometheus", "prometheus-alertmanager")

_RECEIVERS = "http://127.0.0.1:9094"
"""Where the shipped example sends everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What somebody was sent."""

    channel: str
    """The receiver's address, as `team-db/pager`."""
    alert: str
    status: str
    """firing or resolved: firing as long as one of them is"""
    about: Mapping[tuple[str, str], str]
    """Whom it names (address of the agent, task or nothing), and whether that is firing or resolved."""


class Monitoring:
    """Both servers while it is entered. `targets` are the addresses of agents."""

    def __init__(self, folder: Path, targets: list[str], *, speed: int) -> None:
        self._folder = folder
        self._targets = targets
        self._speed = speed
        self._own = f"127.0.0.1:{free_port()}"
        self._manager = f"127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._receiver = stack.enter_context(closing(HookServer()))
            stack.callback(_start(self._folder, "prometheus-alertmanager", self._flags_of_alertmanager()))
            stack.callback(_start(self._folder, "prometheus", self._flags_of_prometheus()))
            wait_for("Prometheus and Alertmanager to answer", self._answers)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def notices(self) -> list[Notice]:
        """Oldest first."""
        return [_notice(post) for post in list(self._receiver.posts)]

    def query(self, expression: str) -> list[Document]:
        with urllib.request.urlopen(f"http://{self._own}/api/v1/query?query={quote(expression)}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def alerts(self) -> list[Document]:
        """What Alertmanager has just now, inhibited or not."""
        with urllib.request.urlopen(f"http://{self._manager}/api/v2/alerts", timeout=10) as answer:
            return json.load(answer)

    def _answers(self) -> bool:
        try:
            return self.query("up") is not None and self.alerts() == []
        except OSError:
            return False

    def _flags_of_prometheus(self) -> dict[str, str]:
        document = shipped(GRAFANA / "prometheus.example.yaml")
        document["rule_files"] = [self._write("rules.yaml", shipped(RULES))]
        document["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [self._manager]}]}]}
        (job,) = document["scrape_configs"]
        del job["file_sd_configs"]
        job["static_configs"] = [{"targets": self._targets}]
        file = self._write("prometheus.yaml", document)
        flags = {"config.file": file, "storage.tsdb.path": "series", "web.listen-address": self._own}
        return flags | hastened_defaults(self._speed)

    def _flags_of_alertmanager(self) -> dict[str, str]:
        document = shipped(GRAFANA / "alertmanager.example.yaml")
        for receiver in document["receivers"]:
            for hook in receiver.get("webhook_configs", []):
                assert hook["url"].startswith(_RECEIVERS)
                hook["url"] = self._receiver.url("ok") + hook["url"].removeprefix(_RECEIVERS)
        file = self._write("alertmanager.yaml", document)
        return {"config.file": file, "storage.path": "manager", "web.listen-address": self._manager, "cluster.listen-address": ""}

    def _write(self, name: str, document: Document) -> str:
        (self._folder / name).write_text(json.dumps(hastened(document, self._speed), indent=1))
        return name


def _start(folder: Path, program: str, flags: dict[str, str]) -> Callable[[], None]:
    """What ends it again."""
    with (folder / f"{program}.log").open("wb") as log:
        words = [program, *(f"--{flag}={value}" for flag, value in flags.items())]
        server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment(), cwd=folder)

    def end() -> None:
        server.kill()
        server.wait()

    return end


def _notice(post: Posted) -> Notice:
    document: Any = post.json
    return Notice(
        channel=post.target.removeprefix("/ok/"),
        alert=document["groupLabels"]["alertname"],
        status=document["status"],
        about={(alert["labels"].get("instance", ""), alert["labels"].get("task", "")): alert["status"] for alert in document["alerts"]},
    )
