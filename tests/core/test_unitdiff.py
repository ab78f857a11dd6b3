"""An installed unit file and the one that comes with this version."""

from __future__ import annotations

from pathlib import Path

import pytest

from torchsync.core.checkup import Finding, Level
from torchsync.core.unitdiff import UnitText, difference_findings

SHIPPED = UnitText(path="/lib/torchsync.service", content=(Path(__file__).parents[2] / "systemd/torchsync.service").read_bytes())


def found(old: str, new: str) -> Finding:
    """Of the shipped unit with one text in it replaced."""
    text = SHIPPED.content.decode()
    assert old in text
    (finding,) = difference_findings(UnitText(path="/etc/torchsync.service", content=text.replace(old, new).encode()), SHIPPED)
    return finding


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("# The sandbox.", "# Sandbox:"),
        ("ExecStart=/usr/bin/torchsync agent", "ExecStart=/opt/venv/bin/torchsync agent"),
        ("Type=notify\nNotifyAccess=main\n", "NotifyAccess=main\nType = notify\n"),
    ],
)
def test_what_does_not_change_the_unit_is_no_difference(old: str, new: str) -> None:
    assert (found(old, new).level, found(old, new).message) == (Level.OK, "/etc/torchsync.service is that of this version")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("RestrictNamespaces=yes\n", "", "[Service] RestrictNamespaces= is missing"),
        ("ProtectHome=read-only", "ProtectHome=yes", "[Service] ProtectHome= is yes, not read-only"),
        ("[Install]", "Environment=A=b\n[Install]", "[Service] Environment=A=b is not in it"),
        ("/torchsync agent", "/torchsync agent --config /x", "[Service] ExecStart= is torchsync agent --config /x, not torchsync agent"),
        ("SystemCallErrorNumber=EPERM", "SystemCallErrorNumber=", "[Service] SystemCallErrorNumber= is nothing, not EPERM"),
    ],
)
def test_what_changes_it_is_named(old: str, new: str, said: str) -> None:
    finding = found(old, new)
    assert (finding.level, finding.code) == (Level.WARNING, "TS383")
    assert finding.message == f"/etc/torchsync.service is not that of this version: {said}"
    assert "`diff /etc/torchsync.service /lib/torchsync.service`" in finding.remedy


def test_an_older_file_names_the_first_of_many() -> None:
    (finding,) = difference_findings(UnitText(path="/etc/torchsync.service", content=b"[Service]\nType=simple\n"), SHIPPED)
    assert finding.message.count("is missing") < 9
    assert finding.message.endswith("more")
