"""`torchsync fleet --live`: which Prometheus is asked, with what credentials, and what it answers."""

from __future__ import annotations

import argparse
import gc
import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torchsync.core.fleetlive import LiveFleet
from torchsync.core.livemetrics import Expected, LiveAnswers, live_fleet
from torchsync.core.livequestions import LAST_TICK, REMEMBERED, TASK_METRICS, Questions
from torchsync.core.model import Instant
from torchsync.core.prometheus import PromAnswer
from torchsync.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from torchsync.adapters.prometheus import Prometheus

ADDRESS = "TORCHSYNC_PROMETHEUS"
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def add_live_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--live", action="store_true", help="also show what the hosts really run, as Prometheus knows it")
    parser.add_argument(
        "--prometheus", metavar="URL", help=f"the Prometheus of --live, such as https://prometheus.example.org (default: ${ADDRESS})"
    )
    credentials = parser.add_mutually_exclusive_group()
    credentials.add_argument("--prometheus-token", metavar="FILE", help="a file that holds the bearer token for it")
    credentials.add_argument("--prometheus-login", metavar="FILE", help="a file that holds NAME:PASSWORD for it")
    parser.add_argument(
        "--host-label", metavar="LABEL", default="instance", help="the label of its series that hosts are told by (default: instance)"
    )


def prometheus_of(args: argparse.Namespace) -> Prometheus | None:
    """The Prometheus to ask; None where the fleet is told without one. Raises UsageError, and NotFound for credentials."""
    if not args.live and not args.prometheus:
        return None
    url = args.prometheus or os.environ.get(ADDRESS, "")
    if not url:
        raise UsageError("TS357", f"--live needs the address of a Prometheus: give --prometheus URL, or set {ADDRESS}")
    if not _LABEL_NAME.fullmatch(args.host_label):
        raise UsageError("TS357", f"--host-label {args.host_label}: expected the name of a label, such as `host`")
    from torchsync.adapters.prometheus import Prometheus, basic, bearer

    authorization = (
        bearer(args.prometheus_token) if args.prometheus_token else basic(args.prometheus_login) if args.prometheus_login else ""
    )
    return Prometheus(url, authorization=authorization)


def ask_prometheus(prometheus: Prometheus, label: str, expected: Expected) -> LiveFleet:
    """What the hosts run that are asked for. Raises Unavailable; also when Prometheus has never heard of an agent."""
    questions = Questions(label, expected.asked.tasks if expected.asked.by_task else ())
    seen = prometheus.ask(questions.last_seen())
    jobs = {sample.labels.get("job", "") for sample in seen.samples}
    if not jobs:
        message = f"{prometheus.address}: it has no series {LAST_TICK} of the last {REMEMBERED}: does it scrape the agents?"
        raise Unavailable("TS366", message)
    with _without_collector():
        return live_fleet(prometheus.address, _answers(prometheus, questions, seen, jobs), expected)


def _answers(prometheus: Prometheus, questions: Questions, seen: PromAnswer, jobs: Collection[str]) -> LiveAnswers:
    agents, up, exported = (prometheus.ask(one) for one in (questions.agents(), questions.up(jobs), questions.exported()))
    tasks = {metric: prometheus.ask(questions.task(metric)) for metric in TASK_METRICS}
    return LiveAnswers(
        at=seen.at or Instant(time.time_ns() // 1_000_000),
        label=questions.label,
        agents=agents.samples,
        last_seen=seen.samples,
        up=up.samples,
        exported=exported.samples,
        tasks={metric: answer.samples for metric, answer in tasks.items()},
        warnings=(*_overheard(prometheus), *_warnings(seen, agents, up, exported, *tasks.values())),
    )


@contextmanager
def _without_collector() -> Iterator[None]:
    """Answers are a million small values without a circle: to look for circles in them again and again took half of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _overheard(prometheus: Prometheus) -> Iterator[str]:
    if prometheus.is_overheard:
        yield "credentials went over http, for everybody on the way to read: give an address with https"


def _warnings(*answers: PromAnswer) -> tuple[str, ...]:
    """Each once, in the order they came."""
    return tuple(dict.fromkeys(f"Prometheus: {text}" for answer in answers for text in answer.warnings))
