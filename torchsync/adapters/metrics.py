"""The metrics of the agent for Prometheus: a collector over the snapshot, and its text.

There are no metric objects to keep in step with the agent: every scrape reads one immutable snapshot through the rows of
`core/metrictable.py`. So the series of a removed task end at once, and counters are what the agent has persisted.

The text is written here, not by the client library, since that takes 160 ms of the interpreter for 1,000 tasks. A test holds that both say
the same. Only the plain text format is offered: every Prometheus reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from torchsync.core.metrictable import PREFIX, Kind, Metric, PerTask, Value, rows
from torchsync.core.snapshot import Histogram, Snapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class SnapshotCollector(Collector):
    """Every row of the table, read from the newest snapshot."""

    def __init__(self, read: Callable[[], Snapshot], per_task: PerTask = PerTask.FULL) -> None:
        self._read = read
        self._rows = rows(per_task)

    def describe(self) -> Iterator[Family]:
        """The families without samples: the registry learns their names from them."""
        for row in self._rows:
            yield _family(row)

    def collect(self) -> Iterator[Family]:
        snapshot = self._read()
        for row in self._rows:
            family = _family(row)
            family.samples = list(_samples(row, snapshot))
            yield family


def new_registry(read: Callable[[], Snapshot], per_task: PerTask = PerTask.FULL) -> CollectorRegistry:
    """A registry that holds the metrics of the agent and nothing else."""
    registry = CollectorRegistry()
    registry.register(SnapshotCollector(read, per_task))
    return registry


def render(registry: CollectorRegistry) -> bytes:
    """What `registry` holds in the Prometheus text format 0.0.4."""
    parts: list[str] = []
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        parts.append(f"# HELP {name} {_help(family.documentation)}\n# TYPE {name} {family.type}\n")
        parts += [_line(sample) for sample in family.samples]
    return "".join(parts).encode()


def _family(row: Metric) -> Family:
    return Family(PREFIX + row.name.removesuffix("_total"), row.help, row.kind.value)


def _samples(row: Metric, snapshot: Snapshot) -> Iterable[Sample]:
    name = PREFIX + row.name
    match row.labels:
        case _ if row.kind is Kind.HISTOGRAM:
            found = ((dict(zip(row.labels, values, strict=True)), value) for values, value in row.read(snapshot))
            return [part for labels, value in found for part in _histogram(name, labels, value)]
        case (only,):  # The two forms that tasks have by the thousand are spelt out.
            return [Sample(name, {only: value}, _plain(number)) for (value,), number in row.read(snapshot)]
        case (one, two):
            return [Sample(name, {one: first, two: second}, _plain(number)) for (first, second), number in row.read(snapshot)]
        case _:
            return [Sample(name, dict(zip(row.labels, values, strict=True)), _plain(number)) for values, number in row.read(snapshot)]


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


def _line(sample: Sample) -> str:
    if not sample.labels:
        return f"{sample.name} {sample.value}\n"
    labels = ",".join([f'{label}="{_escaped(value)}"' for label, value in sample.labels.items()])
    return f"{sample.name}{{{labels}}} {sample.value}\n"


@lru_cache(maxsize=16_384)
def _escaped(value: str) -> str:
    return value.translate(_ESCAPES)


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
