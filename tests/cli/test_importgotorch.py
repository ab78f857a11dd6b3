from __future__ import annotations

from pathlib import Path

import pytest

from torchsync.cli.check import read_path
from torchsync.cli.main import main

AFTER = "2026-09-26T00:00:00Z"
TASKS = """\
[
  {
    "Command": "/usr/bin/php /data/poll.php --fast",
    "TaskType": "daemon",
    "Times": "*/3 * * * * *",
    "Max": 3,
    "Ips": ["192.168.1.9", "172.16.18.16"]
  },
  {
    "Command": "/data/clean.sh -a",
    "TaskType": "common",
    "Times": "0 2-4 3 * 1-5 *",
    "Max": 1,
    "Ips": ["172.16.18.88"],
  },
  {"Command": "sh -c 'date >> /tmp/y'", "TaskType": "cron", "Times": "*/10 * * * * *", "LogFile": "/x"},
  {"Command": "curl http://x/?a=1&b=2", "TaskType": "cron", "Times": "0 30 2 * * *"},
  {"Command": "/bin/b", "Times": "0 30 2 13 5 *"},
  {"Command": /bin/c, "Times": "* * * * * *"},
  {"Command": "/bin/d", "Times": "0 61 2 * * *"}
]
"""
CONF = "tasks = /data/gotorch/task.json\nlog_dir = /var/log/gotorch/\nbash = /bin/bash\nmail_to = ops@example.org\n"


@pytest.fixture
def machines(tmp_path, monkeypatch) -> Path:
    """Copies of the files of two machines, in `machines` of the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("web-1", "web-2"):
        for path, text in {"etc/gotorch.conf": CONF, "data/gotorch/task.json": TASKS, "etc/timezone": "Europe/Berlin\n"}.items():
            (Path("machines", name) / path).parent.mkdir(parents=True, exist_ok=True)
            (Path("machines", name) / path).write_text(text)
    return tmp_path


def run(*words: str) -> int:
    return main(["import", "gotorch", *words, "--after", AFTER])


def test_the_task_lists_of_two_machines_become_one_file_and_a_report(machines, capsys, golden) -> None:
    assert run("machines") == 65
    written = capsys.readouterr()
    golden("import-gotorch.yaml", written.out)
    golden("import-gotorch.txt", written.err)


def test_what_is_written_is_a_valid_repository_with_the_names_of_the_inventory(machines, capsys) -> None:
    Path("fleet.yaml").write_text("hosts: {web-1: {addresses: [192.168.1.9]}, db-1: {addresses: [172.16.18.88]}}\n")
    assert run("machines", "--gotorch-inventory", "fleet.yaml", "--gotorch-user", "www-data", "--into", "repo") == 65
    checked = read_path("repo")
    assert checked.problems == ()
    assert {task.name: task.hosts for task in checked.tasks} == {
        "clean": ("db-1",),
        "curl": ("web-1", "web-2"),
        "date": ("web-1", "web-2"),
        "poll": ("web-1", "172.16.18.16"),
    }
    assert {task.user for task in checked.tasks} == {"www-data"}


def test_an_inventory_that_is_not_there_is_told(machines, capsys) -> None:
    assert run("machines", "--gotorch-inventory", "gone.yaml") == 66
    assert "gone.yaml: cannot be read" in capsys.readouterr().err


def test_a_single_list_and_garbage(machines, capsys) -> None:
    Path("task.json").write_text('[{"Command": "/bin/a", "Times": "*/5 * * * * *"}]')
    assert run("web-9=task.json", "--timezone", "UTC") == 0
    assert "hosts: [web-9]" in capsys.readouterr().out
    Path("bad.json").write_bytes(b"\x00\xff[")
    assert run("bad.json") == 65
    assert "bad.json:1:1: TS170 found" in capsys.readouterr().err
