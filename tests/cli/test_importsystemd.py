from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from torchsync.adapters.systemdanalyze import PROGRAM
from torchsync.cli.check import read_path
from torchsync.cli.main import main

AFTER = "2026-09-26T00:00:00Z"
ETC = "etc/systemd/system"
UNITS = {
    "backup.timer": """\
[Unit]
Description=Nightly backup

[Timer]
OnCalendar=Mon..Fri 02:30
OnCalendar=Sat,Sun 02:30
RandomizedDelaySec=10min
FixedRandomDelay=yes
Persistent=true

[Install]
WantedBy=timers.target
""",
    "backup.service": """\
[Unit]
Description=Back up everything
Documentation=man:backup(1) https://wiki.example.org/backup
OnFailure=mail@%n.service
After=network-online.target

[Service]
Type=oneshot
User=backup
UMask=0027
Environment=LEVEL=9 "MSG=hello world"
EnvironmentFile=-/etc/default/backup
WorkingDirectory=~
ExecStartPre=/bin/mkdir -p /var/backups/%p
ExecStart=/usr/local/bin/backup.sh --level ${LEVEL} $EXTRA \\
  --name "%H nightly"
ExecStart=-/usr/bin/logger done
TimeoutStartSec=2h
Restart=on-failure
RestartSec=30s
Nice=10
IOSchedulingClass=idle
MemoryMax=512M
SuccessExitStatus=1 TEMPFAIL
LoadCredential=db:/etc/db.pw
ProtectSystem=strict
PrivateTmp=yes
""",
    "dump@.timer": "[Timer]\nOnCalendar=*-*-* 04:00 UTC\n[Install]\nWantedBy=timers.target\n",
    "dump@.service": "[Service]\nType=oneshot\nUser=postgres\nExecStart=/usr/bin/pg_dump %i\n",
    "half.timer": "[Timer]\nOnCalendar=*:0/30\nOnCalendar=Fri *-*-13\n",
    "half.service": "[Service]\nExecStart=/bin/true\n",
    "poll.timer": "[Timer]\nOnBootSec=5min\nOnUnitActiveSec=15min\n[Install]\nWantedBy=timers.target\n",
    "poll.service": "[Service]\nExecStart=/usr/bin/curl -fsS http://localhost/poll\n",
    "lonely.timer": "[Timer]\nOnCalendar=daily\n",
    "web.service": "[Service]\nUser=www-data\nExecStart=/srv/web\nRestart=always\nRestartSec=5\n[Install]\nWantedBy=multi-user.target\n",
}


@pytest.fixture
def machines(tmp_path, monkeypatch) -> Path:
    """Copies of the units of two machines, in `machines` of the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, zone in {"web-1": "Europe/Berlin", "web-2": "Europe/Berlin"}.items():
        root = Path("machines", name)
        (root / ETC / "timers.target.wants").mkdir(parents=True)
        (root / ETC / "backup.timer.d").mkdir()
        (root / "etc/timezone").write_text(f"{zone}\n")
        for unit, text in UNITS.items():
            (root / ETC / unit).write_text(text)
        (root / ETC / "backup.timer.d/wake.conf").write_text("[Timer]\nWakeSystem=yes\n")
        for unit, file in {"backup.timer": "backup.timer", "dump@shop.timer": "dump@.timer"}.items():
            (root / ETC / "timers.target.wants" / unit).symlink_to(f"/{ETC}/{file}")
    (Path("machines/web-2") / ETC / "off.timer").symlink_to("/dev/null")
    return tmp_path


def run(*words: str) -> int:
    return main(["import", "systemd", *words, "--after", AFTER])


@pytest.mark.skipif(shutil.which(PROGRAM) is None, reason="systemd-analyze is not installed")
def test_the_timers_of_two_machines_become_one_file_and_a_report(machines, capsys, golden) -> None:
    assert run("machines", "--with-daemons") == 65
    written = capsys.readouterr()
    golden("import-systemd.yaml", written.out)
    golden("import-systemd.txt", written.err)


def test_what_is_written_is_a_valid_repository(machines, capsys) -> None:
    assert run("machines", "--with-daemons", "--into", "repo") == 65
    checked = read_path("repo")
    assert checked.problems == ()
    assert {task.name: task.hosts for task in checked.tasks} == dict.fromkeys(
        ("backup", "dump-shop", "half", "poll", "web"), ("web-1", "web-2")
    )


def test_without_systemd_analyze_the_model_is_asked_and_that_is_said(machines, capsys, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert run("machines/web-1") == 65
    assert "systemd-analyze is not installed here" in capsys.readouterr().err


def test_units_without_anything_in_the_way_end_with_success(machines, capsys) -> None:
    assert run(f"web-3=machines/web-1/{ETC}/half.service", "machines/web-1/etc/systemd/system/backup.timer") == 65
    Path("plain").mkdir()
    for unit in ("backup.timer", "backup.service"):
        (Path("plain") / unit).write_text(UNITS[unit])
    assert run("web-3=plain", "--timezone", "Europe/Berlin") == 0
    assert "hosts: [web-3]" in capsys.readouterr().out
