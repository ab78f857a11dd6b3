"""Who runs what in Markdown: how long it may be."""

from __future__ import annotations

from tests.builders import NOON, task
from torchsync.cli.fleetmarkdown import MOST_BYTES, fleet_markdown
from torchsync.cli.fleetwords import Extent
from torchsync.core.fleet import Fleet, fleet_of
from torchsync.core.fleetchange import fleet_change
from torchsync.core.fleetdoc import Compared, FleetReport
from torchsync.core.inventory import HostEntry, Inventory

HOSTS = Inventory(hosts={f"web-{number:03}": HostEntry(labels={"role": f"r{number % 20}"}) for number in range(200)})


def whole(shift: int) -> Fleet:
    """Many tasks, each for a twentieth of the hosts; another `shift` moves all of them."""
    numbers = range(700)
    return fleet_of([task(f"some-task-{number}", hosts=(f"role=r{(number + shift) % 20}",)) for number in numbers], HOSTS)


def test_what_does_not_fit_into_a_comment_is_left_out_by_whole_tables_and_that_is_said() -> None:
    base, head = whole(0), whole(1)
    compared = Compared(words="main", revision="a" * 40, change=fleet_change(base, head))
    report = FleetReport(whole=head, shown=head, inventory=HOSTS, words="the folder as it is", now=NOON, compared=compared)
    said, everything = (fleet_markdown(report, Extent(full=full)) for full in (False, True))
    assert len(said.encode()) <= MOST_BYTES < len(everything.encode())
    assert "Left out, since it is too long: what differs of 700 tasks; `--full` prints it." in said
    assert "Left out, since it is too long: the table by task; `--by task --full` prints it." in said
    assert "| Hosts | What | Gain tasks | Lose tasks |" in said
    assert "Left out" not in everything
    assert "| Task | What | Gains hosts | Loses hosts |" in everything
