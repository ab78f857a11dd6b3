"""What is said of hosts as Prometheus knows them."""

from __future__ import annotations

from tests.builders import HOUR, NOON
from torchsync.cli.fleetwords import Extent
from torchsync.cli.livewords import host_rows, live_summary, no_bad_run
from torchsync.core.fleetlive import HostState, LiveFleet, LiveHost
from torchsync.core.model import Instant

UP = LiveHost(name="db-1", state=HostState.UP, running="feedfacefeed")
GONE = LiveHost(name="old-1", is_known=False, last_seen=Instant(NOON - HOUR))


def fleet(*hosts: LiveHost) -> LiveFleet:
    return LiveFleet(prometheus="http://prometheus", asked_at=NOON, hosts=hosts)


def test_of_silent_hosts_it_is_not_said_that_no_task_fails_there() -> None:
    assert no_bad_run(fleet(UP, GONE)) == "No task fails, and none is late."
    for state in (HostState.DOWN, HostState.ABSENT):
        assert no_bad_run(fleet(UP, LiveHost(name="db-2", state=state))).endswith("of the others nothing is known.")


def test_a_host_that_is_up_and_does_not_schedule_is_told() -> None:
    stalled = LiveHost(name="db-2", state=HostState.UP, running="feedfacefeed", is_stalled=True)
    rows = {row.hosts: row for row in host_rows(fleet(UP, stalled), Extent())}
    assert rows["db-2",].besides == "its scheduler does not turn, or its clock is behind"
    assert (rows["db-2",].is_bad, rows["db-1",].is_bad) == (True, False)
    assert "1 with a scheduler that does not turn" in live_summary(fleet(UP, stalled))
