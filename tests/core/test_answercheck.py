"""What is believed of an answer. The lies that are told by a process are in tests/adapters/test_remote_lies.py; here are the bounds themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.builders import REVISION, TREE, daemon, facts, task
from torchsync.core.answercheck import MOST_PARTS, check_answer, check_size, check_task, check_texts
from torchsync.core.durations import LONGEST
from torchsync.core.jsontext import canonical
from torchsync.core.model import CronTiming, DaemonTiming, Millis, Position, ProgramCommand, Task
from torchsync.core.syncdoc import RemoteSpec, SyncAnswer, SyncRequest, Verdict

ROOT = Path(__file__).parents[2]
FIELDS: dict[str, Any] = json.loads((ROOT / "torchsync/schemas/task.schema.json").read_text())["$defs"]["fields"]["properties"]
LONG = CronTiming(schedule="@startup", zone="local", jitter=LONGEST, starting_deadline=LONGEST, timeout=LONGEST)
SLOW = DaemonTiming(delay=LONGEST, backoff=100.0, max_delay=LONGEST, reset_after=LONGEST)


@pytest.mark.parametrize(
    "one",
    [
        task(),
        task(timing=LONG, max_running=FIELDS["max_running"]["maximum"], stop_grace=LONGEST, output_max=1 << 40),
        task(timing=CronTiming(schedule="0 30 2 * * *", zone="America/Argentina/Buenos_Aires", timeout=Millis(0)), max_running=0),
        task(success_exit_codes=tuple(range(256)), command=ProgramCommand(("scripts/x", "", "\x01 \u2028 é 😀"))),
        task(env={"_A9": "", "b": "\n"}, labels={"a/b.c": "ü"}, source=Position("tasks/x.yaml", 10**6, 10**6)),
        daemon(timing=SLOW, max_running=1),
    ],
)
def test_what_a_task_file_can_say_is_believed(one: Task) -> None:
    check_task(one)


def test_fires_may_wait_in_the_numbers_of_the_schema() -> None:
    check_task(task(timing=replace(LONG, queue_limit=FIELDS["queue_limit"]["maximum"], misfire_limit=FIELDS["misfire_limit"]["maximum"])))


@pytest.mark.parametrize("name", [name for name in FIELDS["stop_signal"]["enum"] if name])
def test_every_signal_of_the_schema_is_one(name: str) -> None:
    check_task(task(stop_signal=name.removeprefix("SIG")))


@pytest.mark.parametrize(
    "one",
    [
        task(max_running=-1),
        task(max_running=FIELDS["max_running"]["maximum"] + 1),
        daemon(max_running=0),
        task(timing=replace(LONG, jitter=Millis(LONGEST + 1))),
        task(timing=replace(LONG, timeout=Millis(-1))),
        task(timing=replace(LONG, starting_deadline=Millis(0))),
        task(timing=replace(LONG, queue_limit=0)),
        task(timing=replace(LONG, queue_limit=FIELDS["queue_limit"]["maximum"] + 1)),
        task(timing=replace(LONG, misfire_limit=FIELDS["misfire_limit"]["maximum"] + 1)),
        task(timing=replace(LONG, zone="Mars/Base")),
        task(timing=replace(LONG, schedule="@reboot")),
        daemon(timing=replace(SLOW, backoff=0.5)),
        daemon(timing=replace(SLOW, delay=Millis(0))),
        task(stop_grace=Millis(-1)),
        task(output_max=-1),
        task(success_exit_codes=(256,)),
        task(stop_signal="SIGTERM"),
    ],
)
def test_what_no_task_file_can_say_is_not(one: Task) -> None:
    with pytest.raises(ValueError, match=r"task|zone|schedule"):
        check_task(one)


@pytest.mark.parametrize("text", ["", "é", "😀", r"\u0000", "\\", r"\ud800", "\x1f"])
def test_every_text_that_a_file_can_hold_is_one(text: str) -> None:
    for document in ({"a": [text]}, {text: 1}):
        for encoded in (canonical(document).encode(), json.dumps(document, ensure_ascii=False).encode()):
            check_texts(encoded, json.loads(encoded))


@pytest.mark.parametrize("text", ["\0", "a\0", "\ud800", "\udfff\ud800"])
def test_half_a_character_and_nul_are_found_wherever_they_are(text: str) -> None:
    for document in ({"a": [{"b": text}]}, {text: 1}):
        encoded = canonical(document).encode()
        with pytest.raises(ValueError, match="a text that is none"):
            check_texts(encoded, json.loads(encoded))


def test_the_parts_of_an_answer_are_counted_before_it_is_read() -> None:
    check_size(b"[" + b"0," * (MOST_PARTS - 1) + b"0]")
    with pytest.raises(ValueError, match="parts"):
        check_size(b"[" + b"0," * MOST_PARTS + b"0]")


@pytest.mark.parametrize(("places", "is_believed"), [(1, True), (10_000, True), (0, False), (-1, False), (10_001, False)])
def test_a_pool_has_a_size_that_a_file_can_give_it(places: int, is_believed: bool) -> None:
    request = SyncRequest(remote=RemoteSpec(url="/x"), ref_name="", revision=REVISION, floor="", facts=facts(), state="/x")
    answer = SyncAnswer(verdict=Verdict.ACCEPTED, revision=REVISION, tree=TREE, pools={"db": places})
    if is_believed:
        check_answer(request, answer)
        return
    with pytest.raises(ValueError, match="pool"):
        check_answer(request, answer)
