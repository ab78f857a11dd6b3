"""A screen of `top` as lines: from a view, a size and what the user chose. Pure; rich measures characters and knows styles.

The head, then runs in flight, then tasks, then one line of keys. What a small terminal has no room for goes in this order: columns, the lines of
the head but for the first, runs. Every line is as wide as the screen at most, whatever characters a name is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from torchsync.cli.terminal import Tone
from torchsync.cli.topview import Order, RunRow, Sentence, TaskRow, View, chosen, countdown, is_good_mark
from torchsync.core.instants import brief_duration
from torchsync.core.model import Instant, Millis

STYLES = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.BAD: "red",
    Tone.HELD: "yellow",
    Tone.FAINT: "dim",
    Tone.HEAD: "bold",
}
_GAP = 2
_NARROWEST = 12
"""Of the column of names."""
_SMALL = 16
"""Lines, below which the head is one of them."""
_MOST_ALARMS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user wants to see; `first` is the number of the uppermost task."""

    order: Order = Order.FAILURES
    text: str = ""
    is_typing: bool = False
    first: int = 0


@dataclass(frozen=True, slots=True)
class _Column:
    """`least` is the width of a screen that has room for it."""

    title: str
    width: int
    least: int
    cell: Callable[[TaskRow, Instant], Text]


def _plain(text: str, tone: Tone = Tone.PLAIN) -> Text:
    return Text(text, style=STYLES[tone])


def _next(row: TaskRow, now: Instant) -> Text:
    return _plain(countdown(row, now), Tone.PLAIN if row.state == "active" else Tone.HELD)


def _ago(row: TaskRow, now: Instant) -> Text:
    return _plain(brief_duration(Millis(max(0, now - row.last))) if row.last else "never", Tone.PLAIN if row.last else Tone.FAINT)


def _took(row: TaskRow, _: Instant) -> Text:
    return _plain(brief_duration(row.took) if row.last else "-")


def _running(row: TaskRow, _: Instant) -> Text:
    queued = f"+{row.queued}" if row.queued else ""
    return _plain(f"{row.running}{queued}" if row.running or queued else "")


def _recent(row: TaskRow, _: Instant) -> Text:
    text = Text()
    for mark in row.marks:
        text.append(mark, style=STYLES[Tone.FAINT if is_good_mark(mark) else Tone.BAD])
    return text


_COLUMNS = (
    _Column("NEXT", 8, 0, _next),
    _Column("RESULT", 15, 40, lambda row, _: _plain(row.result, row.tone)),
    _Column("LAST", 8, 56, _ago),
    _Column("TOOK", 7, 66, _took),
    _Column("RUNS", 5, 76, _running),
    _Column("RECENT", 10, 90, _recent),
    _Column("SCHEDULE", 30, 130, lambda row, _: _plain(row.schedule)),
    _Column("OWNER", 16, 160, lambda row, _: _plain(row.owner)),
)


def frame(view: View, size: Size, choices: Choices, now: Instant) -> list[Text]:
    """Exactly `size.height` lines, none wider than `size.width`."""
    top = list(_head(view, size))
    tasks = chosen(view.tasks, choices.order, choices.text)
    room = max(0, size.height - len(top) - 1)
    runs = list(_runs(view.runs, size.width, _room_for_runs(view, size, room), now))
    room -= len(runs)
    first = bounded_first(choices.first, len(tasks), room - 1)
    lines = [*top, *runs, *_tasks(tasks[first : first + max(0, room - 1)], size.width, now)]
    lines = lines[: size.height - 1]
    lines += [Text()] * (size.height - 1 - len(lines))
    return [_cut(line, size.width) for line in (*lines, _foot(choices, tasks, first))][: size.height]


def page_of(view: View, size: Size) -> int:
    """How many tasks fit on the screen."""
    top = len(list(_head(view, size)))
    room = max(0, size.height - top - 1)
    return max(1, room - min(_room_for_runs(view, size, room), len(view.runs) + 1 if view.runs else 0) - 1)


def whole(view: View, width: int, now: Instant) -> list[Text]:
    """All of it, for an output that is no screen."""
    height = len(view.head) + len(view.alarms) + len(view.runs) + len(view.tasks) + 4
    lines = [*_head(view, Size(width=width, height=10 * height)), *_runs(view.runs, width, height, now)]
    lines += _tasks(chosen(view.tasks, Order.FAILURES, ""), width, now)
    return [_cut(line, width) for line in lines]


def bounded_first(first: int, count: int, page: int) -> int:
    """The number of the uppermost task, when there are `count` and `page` fit."""
    return max(0, min(first, count - max(1, page)))


def _head(view: View, size: Size) -> Iterator[Text]:
    shown: Sequence[Sentence] = view.head if size.height >= _SMALL else view.head[:1]
    most = _MOST_ALARMS if size.height >= _SMALL else 1
    alarms = view.alarms[:most]
    trouble = (Sentence(text=view.trouble, tone=Tone.BAD),) if view.trouble else ()
    yield from (_plain(line.text, line.tone) for line in (*shown, *trouble, *alarms))
    if len(view.alarms) > most and size.height >= _SMALL:
        yield _plain(f"and {len(view.alarms) - most} more; see `torchsync status`", Tone.BAD)


def _room_for_runs(view: View, size: Size, room: int) -> int:
    """Lines, the heading included; none where there would be no run to see."""
    wanted = len(view.runs) + 1 if view.runs else 0
    return min(wanted, room // 3 if size.height >= _SMALL else 2 if room >= 6 else 0)


def _runs(runs: Sequence[RunRow], width: int, room: int, now: Instant) -> Iterator[Text]:
    if room < 2 or not runs:
        return
    shown = runs if len(runs) <= room - 1 else runs[: max(1, room - 2)]
    columns = [("FOR", 8), ("ATTEMPT", 7), ("TRIGGER", 8), ("ID", 21)]
    kept = [column for number, column in enumerate(columns) if width >= (0, 56, 66, 90)[number]]
    names = _names_width(width, [wide for _, wide in kept])
    yield _row([_plain("RUNNING", Tone.HEAD), *(_plain(title, Tone.HEAD) for title, _ in kept)], [names, *(wide for _, wide in kept)])
    for run in shown:
        cells = [_for(run, now), _plain(run.attempt), _plain(run.trigger), _plain(run.id, Tone.FAINT)][: len(kept)]
        yield _row([_plain(run.task), *cells], [names, *(wide for _, wide in kept)])
    if len(shown) < len(runs) and room > 2:
        yield _plain(f"and {len(runs) - len(shown)} more", Tone.FAINT)


def _for(run: RunRow, now: Instant) -> Text:
    if run.since is None:
        return _plain("starting", Tone.FAINT)
    if run.waits:
        return _plain(f"in {brief_duration(Millis(max(0, run.since - now)))}", Tone.HELD)
    return _plain(brief_duration(Millis(max(0, now - run.since))))


def _tasks(rows: Sequence[TaskRow], width: int, now: Instant) -> Iterator[Text]:
    columns = [column for column in _COLUMNS if width >= column.least]
    widths = [_names_width(width, [column.width for column in columns]), *(column.width for column in columns)]
    yield _row([_plain("TASK", Tone.HEAD), *(_plain(column.title, Tone.HEAD) for column in columns)], widths)
    for row in rows:
        yield _row(
            [_plain(row.name, row.tone if row.tone is Tone.BAD else Tone.PLAIN), *(column.cell(row, now) for column in columns)], widths
        )


def _names_width(width: int, others: Sequence[int]) -> int:
    return min(64, max(_NARROWEST, width - sum(others) - _GAP * len(others)))


def _row(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    for cell, width in zip(cells, widths, strict=True):
        cell.truncate(width, overflow="ellipsis", pad=True)
    return Text(" " * _GAP).join(cells)


def _cut(line: Text, width: int) -> Text:
    if width <= 0:
        return Text()
    line.rstrip()
    line.truncate(width, overflow="ellipsis")
    return line


def _foot(choices: Choices, tasks: Sequence[TaskRow], first: int) -> Text:
    if choices.is_typing:
        return Text.assemble(("/", "bold"), choices.text, ("_", "bold"), ("  Enter keeps it, Esc drops it", "dim"))
    place = f"{first + 1} of {len(tasks)}" if tasks else "none"
    text = f" with {choices.text!r}" if choices.text else ""
    return _plain(f"{place}{text}, {choices.order.value}; f n t order, / filter, q quit", Tone.FAINT)
