from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from pathlib import Path

import pytest

from torchsync.adapters.zonefiles import HostZoneFiles


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath((str(tmp_path),))
    yield tmp_path
    zoneinfo.reset_tzpath(before)


def test_a_zone_has_the_stamp_of_the_file_that_is_read_for_it(database: Path) -> None:
    of_package = HostZoneFiles().stamps(["UTC", "No/Such"])
    assert "tzdata" in of_package["UTC"]
    assert of_package["No/Such"] == ""
    (database / "UTC").write_bytes(b"one")
    assert str(database) in HostZoneFiles().stamps(["UTC"])["UTC"]


def test_a_stamp_stays_until_the_file_is_replaced(database: Path) -> None:
    zones, file = HostZoneFiles(), database / "UTC"
    file.write_bytes(b"one")
    before = zones.stamps(["UTC"])
    assert zones.stamps(["UTC"]) == before
    fresh = database / "fresh"
    fresh.write_bytes(b"two")
    fresh.rename(file)
    assert zones.stamps(["UTC"]) != before


def test_a_name_that_no_file_can_have_has_no_stamp(database: Path) -> None:
    assert HostZoneFiles().stamps(["a\0b"]) == {"a\0b": ""}
