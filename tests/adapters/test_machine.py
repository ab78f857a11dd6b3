"""What the machine says of itself, read from files as the kernel and Debian write them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from torchsync.adapters import machine

MOUNTS = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
22 21 0:20 / {base}/state rw,nosuid,noexec shared:2 - nfs4 server:/x rw,vers=4.2
23 22 0:21 / {base}/state/with\\040space ro shared:3 - tmpfs tmpfs rw
24 21 0:22 / {base}/over rw - ext4 /dev/vdb ro
25 21 0:23 / {base}/state-of-another rw - tmpfs tmpfs rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTS.format(base=tmp_path))
    return file


@pytest.mark.parametrize(
    ("folder", "mount", "facts"),
    [
        ("elsewhere", "/", ("ext4", {"rw", "relatime"})),
        ("state", "state", ("nfs4", {"rw", "nosuid", "noexec"})),
        ("state/deep/below", "state", ("nfs4", {"rw", "nosuid", "noexec"})),
        ("state/with space/x", "state/with space", ("tmpfs", {"ro"})),
        ("over", "over", ("ext4", {"rw", "ro"})),
    ],
)
def test_a_folder_is_on_the_innermost_mount(tmp_path: Path, mounts: Path, folder: str, mount: str, facts: tuple[str, set[str]]) -> None:
    (tmp_path / folder).mkdir(parents=True)
    disk = machine.disk_of(tmp_path / folder, "paths.state", mounts)
    assert disk.mount == (mount if mount == "/" else f"{tmp_path}/{mount}")
    assert (disk.kind, disk.options) == facts
    assert disk.exists
    assert disk.free > 0


def test_a_folder_that_is_not_there_yet_is_judged_by_the_one_above_it(tmp_path: Path, mounts: Path) -> None:
    (tmp_path / "state").mkdir()
    disk = machine.disk_of(tmp_path / "state/not/yet", "paths.state", mounts)
    assert (disk.kind, disk.exists) == ("nfs4", False)


def test_this_machine_has_a_root_a_kernel_and_git() -> None:
    assert machine.disk_of(Path("/"), "x").mount == "/"
    assert machine.kernel_release()
    assert (machine.git_version() or "").startswith("git version ")
    assert machine.missing_programs(["sh", "no-such-program"]) == ["no-such-program"]


def test_a_program_that_fails_or_does_not_end_says_nothing() -> None:
    assert machine.answer_of(("sh", "-c", "echo yes")) == "yes\n"
    assert machine.answer_of(("sh", "-c", "echo no; exit 1")) is None
    assert machine.answer_of(("no-such-program",)) is None
    assert machine.answer_of(("sleep", "60"), patience=0.05) is None


def test_a_process_tells_what_it_was_started_with() -> None:
    with subprocess.Popen(["cat", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"up\n")
        assert process.stdout.readline() == b"up\n"  # Now it is what it was started to be.
        assert machine.command_line(process.pid) == ("cat", "-")
        process.stdin.close()
    assert machine.command_line(2**22 + 1) == ()


def test_time_daemons_are_found_by_name(tmp_path: Path) -> None:
    for pid, name in (("1", "systemd"), ("7", "systemd-timesyn"), ("8", "chronyd"), ("self", "chronyd")):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "comm").write_text(f"{name}\n")
    (tmp_path / "9").mkdir()  # One that ended while we looked.
    assert machine.time_daemons(tmp_path) == ("chronyd", "systemd-timesyncd")


@pytest.mark.parametrize(
    ("text", "is_local"), [("0.0 0 0\n0\nLOCAL\n", True), ("0.0 0 0\n0\nUTC\n", False), ("0.0 0 0\n", None), (None, None)]
)
def test_the_hardware_clock_is_as_adjtime_says(tmp_path: Path, text: str | None, is_local: bool | None) -> None:
    if text is not None:
        (tmp_path / "adjtime").write_text(text)
    assert machine.rtc_is_local(tmp_path / "adjtime") is is_local


@pytest.mark.parametrize(("name", "text"), [("tzdata.zi", "# version 2025b\n# more"), ("+VERSION", "2025b\n")])
def test_zone_data_says_its_release(tmp_path: Path, name: str, text: str) -> None:
    assert machine.zone_release(tmp_path) == ""
    (tmp_path / "usr/share/zoneinfo").mkdir(parents=True)
    (tmp_path / "usr/share/zoneinfo" / name).write_text(text)
    assert machine.zone_release(tmp_path) == "2025b"


def test_a_container_is_known_by_its_mark(tmp_path: Path) -> None:
    assert not machine.is_in_container(tmp_path)
    (tmp_path / ".dockerenv").touch()
    assert machine.is_in_container(tmp_path)


def test_the_limit_of_watches_may_not_be_there(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("8192\n")
    assert machine.watches_limit(tmp_path / "limit") == 8192
    assert machine.watches_limit(tmp_path / "none") is None
