"""What a machine has to be."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from torchsync.core import hostcheck
from torchsync.core.checkup import Finding, Level
from torchsync.core.hostcheck import ClockFacts, Disk

GOOD_DISK = Disk(
    folder="/var/lib/torchsync",
    setting="paths.state",
    exists=True,
    mount="/",
    kind="ext4",
    options=frozenset({"rw"}),
    free=5 << 30,
    inodes=1_000_000,
)
GOOD_CLOCK = ClockFacts(is_synchronised=True, daemons=(), in_container=False, rtc_is_local=False)


def levels(findings: Iterable[Finding]) -> list[Level]:
    found = list(findings)
    assert all(finding.remedy for finding in found if finding.level in (Level.WARNING, Level.PROBLEM)), found
    return [finding.level for finding in found]


@pytest.mark.parametrize(
    ("release", "level"),
    [("5.4.0-generic", Level.OK), ("6.1.0-18-amd64", Level.OK), ("5.3.18", Level.PROBLEM), ("4.19.0", Level.PROBLEM), ("", Level.PROBLEM)],
)
def test_the_kernel_is_5_4_or_later(release: str, level: Level) -> None:
    assert levels(hostcheck.kernel_findings(release)) == [level]


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ("git version 2.39.5\n", Level.OK),
        ("git version 3.0.0 (Apple Git-1)", Level.OK),
        ("git version 2.30.2", Level.PROBLEM),
        ("what?", Level.PROBLEM),
        (None, Level.PROBLEM),
    ],
)
def test_git_is_2_39_or_later(answer: str | None, level: Level) -> None:
    assert levels(hostcheck.git_findings(answer)) == [level]


def test_python_is_3_11_or_later() -> None:
    assert levels(hostcheck.python_findings((3, 11, 2))) == [Level.OK]
    assert levels(hostcheck.python_findings((3, 10, 9))) == [Level.PROBLEM]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [Level.OK]),
        ({"exists": False}, [Level.OK]),
        ({"inodes": None}, [Level.OK]),
        ({"options": frozenset({"ro"})}, [Level.PROBLEM]),
        ({"options": frozenset({"rw", "noexec"})}, [Level.PROBLEM]),
        ({"free": 1 << 20}, [Level.PROBLEM]),
        ({"free": 200 << 20}, [Level.WARNING]),
        ({"inodes": 12}, [Level.WARNING]),
        ({"kind": "nfs4"}, [Level.PROBLEM]),
        (
            {"kind": "nfs4", "options": frozenset({"ro", "noexec"}), "inodes": 0},
            [Level.PROBLEM, Level.WARNING, Level.PROBLEM, Level.PROBLEM],
        ),
    ],
)
def test_a_disk_has_room_and_lets_the_agent_keep_its_state(changes: dict[str, object], expected: list[Level]) -> None:
    disk = replace(GOOD_DISK, **changes)  # type: ignore[arg-type]
    assert levels(hostcheck.disk_findings(disk, runs_programs=True, keeps_ledger=True)) == expected


def test_nothing_is_run_from_the_run_directory_and_no_ledger_kept_there() -> None:
    disk = replace(GOOD_DISK, options=frozenset({"rw", "noexec"}), kind="nfs")
    assert levels(hostcheck.disk_findings(disk, runs_programs=False, keeps_ledger=False)) == [Level.OK]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [Level.OK]),
        ({"is_synchronised": False}, [Level.WARNING]),
        ({"is_synchronised": False, "daemons": ("chronyd",)}, [Level.WARNING]),
        ({"is_synchronised": False, "in_container": True}, [Level.NOTE]),
        ({"rtc_is_local": True}, [Level.OK, Level.WARNING]),
        ({"rtc_is_local": None}, [Level.OK]),
        ({"too_early": True}, [Level.PROBLEM, Level.OK]),
    ],
)
def test_the_clock_is_kept_right(changes: dict[str, object], expected: list[Level]) -> None:
    assert levels(hostcheck.clock_findings(replace(GOOD_CLOCK, **changes))) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drift", "level"), [(0.4, Level.OK), (-4.0, Level.OK), (6.0, Level.WARNING), (-90.0, Level.WARNING), (None, Level.NOTE)]
)
def test_the_clock_of_the_remote_is_near(drift: float | None, level: Level) -> None:
    assert levels(hostcheck.drift_findings("git.example.org", drift)) == [level]


@pytest.mark.parametrize(("host", "level"), [("2025b", Level.OK), ("2025c", Level.OK), ("2024a", Level.WARNING), ("", Level.NOTE)])
def test_zone_data_of_the_host_is_not_older_than_that_of_the_package(host: str, level: Level) -> None:
    assert levels(hostcheck.zone_findings(host, "2025b")) == [level]


@pytest.mark.parametrize(("version", "release"), [("2025.2", "2025b"), ("2026.1", "2026a"), ("2025.2.post1", "2025b"), ("2025", "2025")])
def test_the_version_of_the_package_says_its_release(version: str, release: str) -> None:
    assert hostcheck.package_release(version) == release


def test_control_groups_have_what_limits_need() -> None:
    assert levels(hostcheck.controller_findings(None, ())) == [Level.WARNING]
    assert levels(hostcheck.controller_findings("/sys/fs/cgroup", ("cpu", "pids"))) == [Level.NOTE]
    assert levels(hostcheck.controller_findings("/sys/fs/cgroup", ("cpu", "io", "memory", "pids", "rdma"))) == [Level.OK]


@pytest.mark.parametrize(("limit", "level"), [(65536, Level.OK), (100, Level.WARNING), (None, Level.NOTE)])
def test_enough_files_can_be_watched(limit: int | None, level: Level) -> None:
    assert levels(hostcheck.watch_findings(limit)) == [level]
