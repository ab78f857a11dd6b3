"""The values that travel or are stored, as JSON documents and back. Pure.

The sync process and the agent talk in these documents, and `generation.json` and the ledger hold them. Keys are the field names of
`core/model.py` and `core/syncdoc.py`, lengths of time whole milliseconds, instants milliseconds since the epoch. A document from elsewhere
is read field by field: a `ValueError` with a sentence says what it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torchsync.codes import CODES
from torchsync.core.chronicle import PutGeneration, PutStart
from torchsync.core.clockwatch import ClockState
from torchsync.core.codec import Codec
from torchsync.core.entries import (
    Admit,
    Annul,
    AwaitAttempt,
    Batch,
    BeginAttempt,
    Dequeue,
    DropLate,
    DropNotice,
    DropRecord,
    Enqueue,
    Finish,
    Intend,
    PutClock,
    PutHold,
    PutLate,
    PutNotice,
    PutRecord,
    Rewind,
    Settle,
    Skip,
    TurnBack,
    Withdraw,
)
from torchsync.core.jsontext import Json
from torchsync.core.model import (
    CronTiming,
    DaemonTiming,
    Exited,
    Fingerprint,
    Generation,
    NotBegun,
    ProgramCommand,
    Revision,
    RunId,
    ShellCommand,
    Task,
    TaskName,
    TreeId,
    Vanished,
    Wait,
)
from torchsync.core.notice import Notice
from torchsync.core.notify import NoticeCommand, Ping, Webhook
from torchsync.core.syncdoc import SyncAnswer, SyncRequest
from torchsync.core.taskrecord import Pause
from torchsync.errors import Problem

TASK_NAME = r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?"
_OBJECT_ID = r"[0-9a-f]{40}|[0-9a-f]{64}"

CODEC = Codec(
    tags={
        CronTiming: "cron",
        DaemonTiming: "daemon",
        ShellCommand: "shell",
        ProgramCommand: "program",
        Exited: "exited",
        NotBegun: "not_begun",
        Vanished: "vanished",
        Admit: "admit",
        Skip: "skip",
        Enqueue: "enqueue",
        Dequeue: "dequeue",
        Intend: "intend",
        Finish: "finish",
        AwaitAttempt: "await_attempt",
        BeginAttempt: "begin_attempt",
        Withdraw: "withdraw",
        PutRecord: "put_record",
        DropRecord: "drop_record",
        Annul: "annul",
        Settle: "settle",
        Rewind: "rewind",
        TurnBack: "turn_back",
        PutClock: "put_clock",
        PutHold: "put_hold",
        PutGeneration: "put_generation",
        PutStart: "put_start",
        PutNotice: "put_notice",
        DropNotice: "drop_notice",
        PutLate: "put_late",
        DropLate: "drop_late",
        Webhook: "webhook",
        Ping: "ping",
        NoticeCommand: "exec",
    },
    shapes={
        TaskName: TASK_NAME,
        Revision: _OBJECT_ID,
        TreeId: f"|{_OBJECT_ID}",  # becomes a part of a path: nothing else may
        Fingerprint: r"[0-9a-f]{64}",
        RunId: r"[0-9a-f]{12}-[0-9a-f]{8}",  # becomes a part of a path: nothing else may
    },
)


def task_document(task: Task) -> dict[str, Json]:
    return _object(task)


def task_from_document(document: object) -> Task:
    """The task the document stands for. Raises ValueError with a sentence when it is none."""
    return CODEC.value(Task, document, "the task")


def wait_document(wait: Wait) -> dict[str, Json]:
    return _object(wait)


def wait_from_document(document: object) -> Wait:
    """The wait the document stands for. Raises ValueError with a sentence when it is none."""
    return CODEC.value(Wait, document, "the wait")


def pauses_document(pauses: tuple[Pause, ...]) -> Json:
    return [CODEC.document(pause) for pause in pauses]


def pauses_from_document(document: object) -> tuple[Pause, ...]:
    """The pauses the document stands for. Raises ValueError with a sentence when it is none."""
    return CODEC.value(_Pauses, {"pauses": document}, "the record").pauses


@dataclass(frozen=True, slots=True)
class _Pauses:
    pauses: tuple[Pause, ...]


def batch_document(batch: Batch) -> dict[str, Json]:
    return _object(batch)


def batch_from_document(document: object) -> Batch:
    """The batch the document stands for. Raises ValueError with a sentence when it is none."""
    return CODEC.value(Batch, document, "the batch")


def notice_document(notice: Notice) -> dict[str, Json]:
    return _object(notice)


def notice_from_document(document: object) -> Notice:
    """The notice the document stands for. Raises ValueError with a sentence when it is none."""
    return CODEC.value(Notice, document, "the notice")


def clock_document(state: ClockState) -> dict[str, Json]:
    return _object(state)


def clock_from_document(document: object) -> ClockState:
    """The state the document stands for. Raises ValueError with a sentence when it is none."""
    return CODEC.value(ClockState, document, "the state of the clock")


def generation_document(generation: Generation) -> dict[str, Json]:
    return _object(generation)


def generation_from_document(document: object) -> Generation:
    """The generation the document stands for. Raises ValueError with a sentence when it is none."""
    generation = CODEC.value(Generation, document, "the generation")
    for name, task in generation.tasks.items():
        if task.name != name:
            raise ValueError(f"the generation.tasks.{name} is the task {task.name!r}")
    return generation


def problem_document(problem: Problem) -> dict[str, Json]:
    return _object(problem)


def problem_from_document(document: object) -> Problem:
    """The problem the document stands for. Raises ValueError with a sentence when it is none, or its code is unknown."""
    problem = CODEC.value(Problem, document, "the problem")
    return _known(problem)


def request_document(request: SyncRequest) -> dict[str, Json]:
    return _object(request)


def request_from_document(document: object) -> SyncRequest:
    """The request the document stands for. Raises ValueError with a sentence when it is none."""
    return CODEC.value(SyncRequest, document, "the request")


def answer_document(answer: SyncAnswer) -> dict[str, Json]:
    return _object(answer)


def answer_from_document(document: object) -> SyncAnswer:
    """The answer the document stands for. Raises ValueError with a sentence when it is none, or contradicts itself."""
    answer = CODEC.value(SyncAnswer, document, "the answer")
    for problem in answer.problems:
        _known(problem)
    names = [*(task.name for task in answer.tasks), *answer.kept]
    if len(names) != len(set(names)):
        raise ValueError("the answer names a task twice")
    return answer


def _object(value: object) -> dict[str, Json]:
    return cast("dict[str, Json]", CODEC.document(value))


def _known(problem: Problem) -> Problem:
    if problem.code not in CODES:
        raise ValueError(f"the problem has the unknown code {problem.code!r}")
    return problem
