"""`torchsync doctor` beside the shipped unit: what systemd says of it is what the check expects, and each change of it is noticed."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e.host import never
from tests.systemd.service import Service

BROKEN = """\
[Unit]
StartLimitIntervalSec=10

[Service]
KillMode=control-group
Delegate=no
Restart=on-failure
TasksMax=100
OOMPolicy=stop
RuntimeDirectoryPreserve=no
"""


def findings(service: Service, check: str) -> list[dict[str, Any]]:
    done = service.box.run("torchsync", "doctor", "--json")
    report = json.loads(done.stdout)
    assert not [one for checked in report["checks"] for one in checked["findings"] if one["level"] == "unknown"], done.stdout
    return next(checked["findings"] for checked in report["checks"] if f"{checked['group']} {checked['name']}" == check)


def test_the_unit_as_it_is_shipped_is_as_it_should_be_and_without_its_settings_it_is_not(service: Service) -> None:
    service.start_with({"idle": never("true")})
    found = {one["message"]: one["level"] for one in findings(service, "systemd unit")}
    assert {"torchsync.service is active (running)", "/etc/systemd/system/torchsync.service is that of this version"} <= set(found)
    assert not {message for message, level in found.items() if level == "problem"}
    assert findings(service, "systemd executor") == [{"level": "ok", "message": "runs are units of systemd", "remedy": None, "code": None}]
    service.drop_in(BROKEN)
    with service.unit_of_another_version("[Service]\nType=notify\nExecStart=/usr/bin/torchsync agent\n"):
        found_broken = findings(service, "systemd unit")
    assert [one["code"] for one in found_broken if "is not that of this version" in one["message"]] == ["TS383"]
    broken = [one["message"] for one in found_broken if one["level"] == "problem"]
    assert sorted(message.partition("=")[0] for message in broken) == sorted(
        ["KillMode", "Delegate", "Restart", "TasksMax", "OOMPolicy", "RuntimeDirectoryPreserve", "StartLimitIntervalSec"]
    )
