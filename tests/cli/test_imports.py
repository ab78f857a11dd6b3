from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from torchsync.adapters.schemas import read_schema
from torchsync.cli.check import read_path
from torchsync.cli.main import main

AFTER = "2026-11-26T12:00:00Z"
DEPLOY = """\
MAILTO=ops@example.org

# Ship the logs of the shop
30 2 * * * cd /srv/app && ./bin/ship-logs.sh --all
0,30 2 * * * /usr/local/bin/night
#0 4 * * * /usr/local/bin/cleanup
0 9 1 * 1 mail -s "It's 9" joe%Joe,%%where are your kids?
@reboot /srv/app/bin/warm
"""
SYSTEM = "SHELL=/bin/sh\n25 6 * * * root test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }\n"


@pytest.fixture
def machines(tmp_path, monkeypatch) -> Path:
    """Copies of the files of three machines, in `machines` of the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, zone in {"web-1": "Europe/Berlin", "web-2": "Europe/Berlin", "db-1": "America/New_York"}.items():
        root = Path("machines", name)
        for path, text in {"etc/timezone": f"{zone}\n", "etc/crontab": SYSTEM, "etc/cron.daily/rotate": "#!/bin/sh\n"}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        (root / "etc/cron.daily/rotate").chmod(0o755)
        if name.startswith("web"):
            (root / "var/spool/cron/crontabs").mkdir(parents=True)
            (root / "var/spool/cron/crontabs/deploy").write_text(DEPLOY)
    Path("machines/db-1/etc/cron.d").mkdir()
    Path("machines/db-1/etc/cron.d/dump").write_text("0 3 * * * postgres /usr/local/bin/dump.sh\n5/10 * * * * root never\n")
    return tmp_path


def run(*words: str) -> int:
    return main(["import", "crontab", *words, "--after", AFTER])


def test_the_crontabs_of_three_machines_become_one_file_and_a_report(machines, capsys, golden) -> None:
    assert run("machines") == 65
    written = capsys.readouterr()
    golden("import.yaml", written.out)
    golden("import.txt", written.err)


def test_the_report_as_json_keeps_to_its_schema(machines, capsys, golden) -> None:
    assert run("machines", "--json") == 65
    report = json.loads(capsys.readouterr().err)
    Draft202012Validator.check_schema(read_schema("import"))
    Draft202012Validator(read_schema("import")).validate(report)
    night = next(task for task in report["tasks"] if task["name"] == "night")
    assert night["comparisons"][0]["differing"] == 2
    assert (report["jobs"], report["hosts"], len(report["tasks"])) == (12, ["db-1", "web-1", "web-2"], 6)
    assert [(problem["code"], problem["line"]) for problem in report["problems"]] == [("TS170", 2)]


def test_what_is_written_into_a_folder_is_a_valid_repository_with_an_inventory(machines, capsys) -> None:
    assert run("machines", "--into", "repo", "--report", "report.txt") == 65
    written = capsys.readouterr()
    assert written.out == ""
    assert "TS170" in written.err
    assert "night" in Path("report.txt").read_text()
    checked = read_path("repo")
    assert checked.problems == ()
    assert checked.found is not None
    assert {name: entry.zone for name, entry in checked.found.inventory.hosts.items()} == {
        "db-1": "America/New_York",
        "web-1": "Europe/Berlin",
        "web-2": "Europe/Berlin",
    }
    assert {task.name: task.hosts for task in checked.tasks}["rotate"] == ("db-1", "web-1", "web-2")


def test_nothing_that_is_there_is_overwritten(machines, capsys) -> None:
    run("machines", "--into", "repo")
    before = {path: path.read_bytes() for path in Path("repo").rglob("*.yaml")}
    assert run("machines/web-1", "--into", "repo") == 2
    assert "TS175" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in Path("repo").rglob("*.yaml")}


def test_hosts_are_added_by_hand_to_an_inventory_that_is_there(machines, capsys) -> None:
    Path("repo").mkdir()
    Path("repo/hosts.yaml").write_text("hosts: {web-1: {}}\n")
    assert run("machines/web-1", "machines/db-1", "--into", "repo") == 65
    assert Path("repo/hosts.yaml").read_text() == "hosts: {web-1: {}}\n"
    assert "repo/hosts.yaml is there already" in capsys.readouterr().err


def test_a_crontab_alone_is_read_from_standard_input(machines, capsys, monkeypatch) -> None:
    with Path("machines/web-1/var/spool/cron/crontabs/deploy").open() as tab:
        monkeypatch.setattr("sys.stdin", tab)
        assert run("-", "--host", "Web-9", "--user", "deploy", "--timezone", "Europe/Paris") == 0
    written = capsys.readouterr()
    assert "timezone: Europe/Paris" in written.out
    assert written.out.count("hosts: [web-9]") == 4


def test_without_a_host_and_a_zone_the_report_says_what_that_means(machines, capsys) -> None:
    Path("tab").write_text("0 3 * * * x\n")
    assert run("tab") == 0
    told = capsys.readouterr()
    assert "these tasks are for every host" in told.err
    assert "the zone of the host is not known" in told.err
    assert "timezone: local" in told.out
    assert "hosts:" not in told.out


@pytest.mark.parametrize(("words", "status"), [(("tab",), 0), (("tab", "--strict"), 65), (("plain", "--strict"), 0)])
def test_strict_fails_when_an_instant_differs(machines, words, status) -> None:
    Path("tab").write_text("0,30 2 * * * x\n")
    Path("plain").write_text("0 3 * * * x\n")
    assert run(f"web-1={words[0]}", *words[1:], "--timezone", "Europe/Berlin") == status


def test_a_job_that_makes_no_valid_task_is_told_and_the_rest_is_written(machines, capsys) -> None:
    lines = [
        "0 3 30 2 * never",
        "0 4 * * * fine",
        "0 5 * * * a\x07b",
        "0 6 * * * c\u202e",
        "HOME=/\ufffe",
        "0 7 * * * d",
        "HOME=/",
        "0 8 * * * last",
    ]
    Path("tab").write_text("\n".join([*lines, ""]))
    assert run("h=tab") == 65
    written = capsys.readouterr()
    Path("tasks.yaml").write_text(written.out)
    assert [draft.task.name for draft in read_path("tasks.yaml").drafts] == ["fine", "last"]
    told = [line.partition(" ")[0] for line in written.err.splitlines() if "TS174" in line]
    assert told == ["tab:1:", "tab:3:", "tab:4:", "tab:6:"]
    assert "TS121" in written.err
    assert "U+202E" in written.err


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("gone", "machines/web-1"), 66, "gone: TS353"),
        (("empty",), 66, "TS173"),
        (("empty", "machines/web-1"), 65, "empty: TS173"),
        (("blank",), 66, "TS173 no job in blank"),
        (("binary",), 65, "binary: TS172"),
        (("machines", "--report", "empty"), 2, "TS357 empty: Is a directory"),
        (("machines", "--into", "blank"), 2, "TS357 blank"),
        (("machines", "--timezone", "Mars"), 2, "TS357 --timezone Mars"),
        (("machines", "--after", "soon"), 2, "TS357 --after"),
    ],
)
def test_what_cannot_be_imported_is_said_and_the_rest_is_imported(machines, capsys, words, status, said) -> None:
    Path("empty").mkdir()
    Path("blank").write_text("# nothing\n")
    Path("binary").write_bytes(b"\x7fELF\0")
    assert main(["import", "crontab", "--after", AFTER, *words]) == status
    written = capsys.readouterr()
    assert said in written.err
    assert status == 2 or ("ship-logs" in written.out) == ("machines/web-1" in words)


def test_too_many_tasks_for_one_file_go_into_a_folder(machines, capsys) -> None:
    Path("tab").write_text("".join(f"0 3 * * * /bin/job-{number}\n" for number in range(200)))
    assert run("h=tab") == 2
    assert "--into DIR" in capsys.readouterr().err
    assert run("h=tab", "--into", "repo") == 0
    assert sorted(path.name for path in Path("repo/tasks").iterdir()) == ["crontab-2.yaml", "crontab.yaml"]
    assert len(read_path("repo").tasks) == 200


PIECES = [
    "*", "*/5", "1-5", "0", "30", "@daily", "@reboot", "root", "%", "\\%", "\n", "\n", " ", " ", " ", "\t", "#", "=", '"', "'", "PATH=",
    "MAILTO=x", "HOME=/x", "SHELL=/bin/bash", "run-parts /etc/cron.daily", "b/c.sh", "é", "\x07", "\x1b[31m", "\u202e", "\ufffe", "~",
    "0~59", "-", "22-2", "fri-sun", "{", "}", "`", "\\", "CRON_TZ=Europe/Berlin", "RANDOM_DELAY=5", "&&", "cd /x", "<<EOF", "it's",
    "0 3 * * * ", "*/5 * * * * ", "1 5 job ", "x" * 300, "\r\n", "\0",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=50).map("".join),
    st.sampled_from(["user", "system", "anacron"]),
    st.sampled_from(["debian", "cronie"]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_file_the_task_file_is_valid_and_the_report_is_plain_text(tmp_path, capsys, text, kind, dialect) -> None:
    (tmp_path / "tab").write_text(text, newline="")
    assert run(f"h={tmp_path}/tab", "--kind", kind, "--dialect", dialect, "--disabled") in (0, 65, 66)
    written = capsys.readouterr()
    assert "\x1b" not in written.out + written.err
    assert "TS901" not in written.err
    if written.out:
        (tmp_path / "tasks.yaml").write_text(written.out)
        assert read_path(str(tmp_path / "tasks.yaml")).problems == ()
