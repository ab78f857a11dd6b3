"""What hosts really run as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from torchsync.cli.fleetview import Style
from torchsync.cli.livewords import MOST_RUNS, host_rows, live_summary, no_bad_run, run_rows
from torchsync.cli.terminal import Cell, Tone
from torchsync.core.fleetlive import LiveFleet


def live_lines(live: LiveFleet, style: Style, *, is_narrowed: bool) -> Iterator[str]:
    """The sum of it, the hosts, and the tasks that fail or are late; of a narrowed fleet all tasks."""
    yield style.paint(f"What really runs, by {live.prometheus}", Tone.HEAD)
    yield f"{live_summary(live)}."
    yield from (style.paint(f"notice: {warning}", Tone.HELD) for warning in live.warnings)
    yield ""
    yield from _hosts(live, style)
    yield from _runs(live, style, is_narrowed=is_narrowed)


def _hosts(live: LiveFleet, style: Style) -> list[str]:
    rows: list[list[Cell]] = [
        [style.extent.hosts(row.hosts), (row.state, _tone(is_bad=row.state != "up")), row.commit, row.since, row.synced, row.besides]
        for row in host_rows(live, style.extent)
    ]
    return style.table(("HOSTS", "STATE", "COMMIT", "SINCE", "SYNCED", "BESIDES"), rows)


def _runs(live: LiveFleet, style: Style, *, is_narrowed: bool) -> Iterator[str]:
    runs = run_rows(live, all_of_them=is_narrowed or style.extent.full)
    shown = runs if style.extent.full else runs[:MOST_RUNS]
    rows: list[list[Cell]] = [
        [run.task, run.host, run.since, run.last_run, run.last_success, (run.state, _tone(is_bad=run.is_bad))] for run in shown
    ]
    if rows:
        yield ""
        yield from style.table(("TASK", "HOST", "THERE SINCE", "LAST RUN", "LAST SUCCESS", "STATE"), rows)
    elif not is_narrowed:
        yield ""
        yield no_bad_run(live)
    if len(shown) < len(runs):
        yield f"and {len(runs) - len(shown):,} more; --full shows them"


def _tone(*, is_bad: bool) -> Tone:
    return Tone.BAD if is_bad else Tone.PLAIN
