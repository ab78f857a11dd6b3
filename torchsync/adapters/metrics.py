"""The metrics of the agent for Prometheus, as text.

There are no metric objects to keep in step with the agent: every scrape reads one immutable snapshot through the rows of
`core/metrictable.py`. So the series of a removed task end at once, and counters are what the agent has persisted.

Families and samples are those of the client library; their text is written here. A format groups lines by metric, and each task has lines in
most of the groups, so a host with 10,000 tasks has some 300,000 of them, nearly all as they were at the scrape before. They are kept in blocks
of tasks, and a block is written again when the status of one of its tasks has changed: a scrape holds the interpreter for milliseconds, and
the loop can go on. A test holds that the client library says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from zlib import crc32

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Sample

from torchsync.core.exposition import Format
from torchsync.core.metrictable import PREFIX, Kind, Metric, PerTask, Scope, rows
from torchsync.core.model import TaskName
from torchsync.core.snapshot import Histogram, Snapshot, TaskStatus
from torchsync.core.taskmetric import Sample as Found
from torchsync.core.taskmetric import Value

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_END = b"# EOF\n"


def families(snapshot: Snapshot, wanted: Iterable[Metric]) -> Iterator[Family]:
    """What the rows say of the snapshot, as the client library has it."""
    for row in wanted:
        family = _family(row)
        family.samples = list(_samples(row, row.read(snapshot)))
        yield family


Columns = tuple[bytes, ...]
"""The lines of some tasks, by row."""
_BLOCKS = 1_024


@dataclass(frozen=True, slots=True)
class _Block:
    """Some tasks by name, their statuses, and the lines that say these."""

    names: tuple[TaskName, ...]
    statuses: tuple[TaskStatus, ...] = ()
    columns: Columns = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    """All lines of tasks as of the last scrape, in a mode."""

    mode: PerTask
    names: frozenset[TaskName] = frozenset()
    blocks: tuple[_Block, ...] = ()


class Exposition:
    """The text of what `read` returns. `per_task` may be set at any time, and `render` be called from several threads at once."""

    def __init__(self, read: Callable[[], Snapshot], per_task: PerTask = PerTask.FULL) -> None:
        self.per_task = per_task
        self._read = read
        self._kept = _Kept(per_task)

    def render(self, form: Format = Format.TEXT) -> bytes:
        """The newest snapshot in a format: UTF-8."""
        snapshot, mode = self._read(), self.per_task
        parts: list[bytes] = []
        for family in families(snapshot, _rows(mode, Scope.AGENT)):
            parts += [_head(family, form), _text(family.samples)]
        self._kept = kept = _renewed(self._kept, mode, snapshot.tasks)
        for place, row in enumerate(_rows(mode, Scope.TASK)):
            parts += [_head(_family(row), form), *[block.columns[place] for block in kept.blocks]]
        return b"".join([*parts, _END] if form is Format.OPENMETRICS else parts)


def _rows(mode: PerTask, scope: Scope) -> list[Metric]:
    return [row for row in rows(mode) if row.scope is scope]


def _renewed(kept: _Kept, mode: PerTask, tasks: Mapping[TaskName, TaskStatus]) -> _Kept:
    """The lines of these tasks. Where little has changed few objects are made: many would call for the garbage collector, which stops the loop."""
    before = kept.blocks if kept.mode is mode else ()
    names = kept.names
    if names != tasks.keys() or not before:
        names, before = frozenset(tasks), _blocks_of(tasks, before)
    of_tasks = _rows(mode, Scope.TASK)
    return _Kept(mode, names, tuple([_told(block, tuple(map(tasks.__getitem__, block.names)), of_tasks) for block in before]))


def _blocks_of(names: Iterable[TaskName], before: Iterable[_Block]) -> tuple[_Block, ...]:
    """The names in blocks, which stay what they are where none of their own came or went."""
    found: dict[int, list[TaskName]] = {}
    for name in names:
        found.setdefault(crc32(name.encode()) % _BLOCKS, []).append(name)
    known = {block.names: block for block in before}
    fresh = (tuple(found[place]) for place in sorted(found))
    return tuple(known.get(names) or _Block(names) for names in fresh)


def _told(block: _Block, statuses: tuple[TaskStatus, ...], of_tasks: Sequence[Metric]) -> _Block:
    """The block with the lines of these statuses. Tuples compare by identity first, so that an unchanged status costs next to nothing."""
    if block.statuses == statuses:
        return block
    columns = (_text(_samples(row, [found for status in statuses for found in row.of_task(status)])) for row in of_tasks if row.of_task)
    return _Block(block.names, statuses, tuple(columns))


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
