"""The metrics of the agent for Prometheus, as text.

There are no metric objects to keep in step with the agent: every scrape reads one immutable snapshot through the rows of
`core/metrictable.py`. So the series of a removed task end at once, and counters are what the agent has persisted.

Families and samples are those of the client library; their text is written here. A format groups lines by metric, and each task has a line in
most of the groups, so a host with 10,000 tasks has some 300,000 lines, nearly all of them those of the scrape before: the lines of a task are
kept for as long as its status is the same. A test holds that the client library says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from math import inf

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from torchsync.core.exposition import Format
from torchsync.core.metrictable import PREFIX, Kind, Metric, PerTask, Scope, Value, rows
from torchsync.core.metrictable import Sample as Found
from torchsync.core.model import TaskName
from torchsync.core.snapshot import Histogram, Snapshot, TaskStatus

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_END = b"# EOF\n"


def families(snapshot: Snapshot, wanted: Iterable[Metric]) -> Iterator[Family]:
    """What the rows say of the snapshot, as the client library has it."""
    for row in wanted:
        family = _family(row)
        family.samples = list(_samples(row, row.read(snapshot)))
        yield family


Lines = tuple[bytes, ...]
"""The lines of a task, by row."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """The lines of each task, and the status that they say."""

    mode: PerTask
    tasks: dict[TaskName, tuple[TaskStatus, Lines]] = field(default_factory=dict)


class Exposition:
    """The text of what `read` returns. `per_task` may be set at any time, and `render` be called from several threads at once."""

    def __init__(self, read: Callable[[], Snapshot], per_task: PerTask = PerTask.FULL) -> None:
        self.per_task = per_task
        self._read = read
        self._kept = _Kept(per_task)

    def render(self, form: Format = Format.TEXT) -> bytes:
        """The newest snapshot in a format: UTF-8."""
        snapshot, mode = self._read(), self.per_task
        wanted = rows(mode)
        parts: list[bytes] = []
        for family in families(snapshot, (row for row in wanted if row.scope is Scope.AGENT)):
            parts += [_head(family, form), _text(family.samples)]
        of_tasks = [row for row in wanted if row.scope is Scope.TASK]
        for row, lines in zip(of_tasks, self._lines(snapshot, mode, of_tasks), strict=False):
            parts += [_head(_family(row), form), *lines]
        return b"".join([*parts, _END] if form is Format.OPENMETRICS else parts)

    def _lines(self, snapshot: Snapshot, mode: PerTask, of_tasks: Sequence[Metric]) -> Iterable[Iterable[bytes]]:
        """For each of the rows the lines of all tasks."""
        before = self._kept.tasks if self._kept.mode is mode else {}
        tasks: dict[TaskName, tuple[TaskStatus, Lines]] = {}
        for name, status in snapshot.tasks.items():
            known = before.get(name)
            is_same = known is not None and (known[0] is status or known[0] == status)
            tasks[name] = status, known[1] if known and is_same else _lines_of(status, of_tasks)
        self._kept = _Kept(mode, tasks)
        return zip(*(lines for _, lines in tasks.values()), strict=True) if tasks else repeat(())


def _lines_of(status: TaskStatus, of_tasks: Iterable[Metric]) -> Lines:
    return tuple(_text(_samples(row, row.of_task(status))) for row in of_tasks if row.of_task)


def _head(family: Family, form: Format) -> bytes:
    """In OpenMetrics a family of counters is named without the `_total` of its samples, and quotes are escaped in the help, too."""
    is_open = form is Format.OPENMETRICS
    name = family.name if is_open or family.type != Kind.COUNTER.value else f"{family.name}_total"
    text = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
    text = text.replace('"', r"\"") if is_open else text
    return f"# HELP {name} {text}\n# TYPE {name} {family.type}\n".encode()


def _family(row: Metric) -> Family:
    return Family(PREFIX + row.name.removesuffix("_total"), row.help, row.kind.value)


def _samples(row: Metric, found: Iterable[Found]) -> Iterable[Sample]:
    name = PREFIX + row.name
    if row.kind is Kind.HISTOGRAM:
        labelled = ((dict(zip(row.labels, values, strict=True)), value) for values, value in found)
        return [part for labels, value in labelled for part in _histogram(name, labels, value)]
    return [Sample(name, dict(zip(row.labels, values, strict=True)), _plain(number)) for values, number in found]


def _plain(value: Value) -> float:
    if isinstance(value, Histogram):
        raise TypeError("a histogram in a row of another kind")
    return value


def _histogram(name: str, labels: dict[str, str], value: Value) -> Iterator[Sample]:
    if not isinstance(value, Histogram):
        raise TypeError(f"{name} is a histogram")
    total = 0
    for bound, count in zip((*value.bounds, inf), value.counts, strict=True):
        total += count
        yield Sample(f"{name}_bucket", {**labels, "le": _bound(bound)}, total)
    yield Sample(f"{name}_sum", labels, value.total)
    yield Sample(f"{name}_count", labels, total)


def _bound(bound: float) -> str:
    return "+Inf" if bound == inf else str(float(bound))


def _text(samples: Iterable[Sample]) -> bytes:
    return "".join([_line(sample) for sample in samples]).encode()


def _line(sample: Sample) -> str:
    if not sample.labels:
        return f"{sample.name} {sample.value}\n"
    labels = ",".join([f'{label}="{_escaped(value)}"' for label, value in sample.labels.items()])
    return f"{sample.name}{{{labels}}} {sample.value}\n"


@lru_cache(maxsize=1_024)
def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)
