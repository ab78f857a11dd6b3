from __future__ import annotations

import json
from dataclasses import replace

import pytest

from torchsync.core.foreign.gotorch import GotorchWishes, read_hosts
from torchsync.core.foreign.job import ForeignJob, Reading, SourceFile, SourceHost
from torchsync.core.inventory import HostEntry, Inventory
from torchsync.core.jsontext import Json

EVERY = "*/10 * * * * *"
LIST = SourceFile(path="web-1/etc/gotorch/task.json", inner="etc/gotorch/task.json", content=b"[]")


def reading(*entries: dict[str, Json], wishes: GotorchWishes | None = None, conf: str = "") -> Reading:
    files = [replace(LIST, content=json.dumps(list(entries)).encode())]
    files += [SourceFile(path="web-1/etc/gotorch.conf", inner="etc/gotorch.conf", content=conf.encode())] if conf else []
    return read_hosts([SourceHost(name="web-1", files=tuple(files))], wishes or GotorchWishes())


def job(wishes: GotorchWishes | None = None, **entry: Json) -> ForeignJob:
    found = reading({"Command": "/bin/a", "TaskType": "cron", "Times": EVERY, "Max": 1} | entry, wishes=wishes)
    assert found.problems == ()
    return found.jobs[0]


def told(found: ForeignJob) -> list[str]:
    return [f"{remark.kind.value}: {remark.message}" for remark in found.remarks]


def test_an_entry_becomes_a_task_in_the_same_words() -> None:
    assert job().fields == {"command": ["/bin/a"], "user": "root", "working_dir": "/", "schedule": EVERY, "max_running": 1}
    assert told(job()) == []


def test_a_daemon_has_copies_and_no_times() -> None:
    found = job(TaskType="daemon", Max=3, Times="nonsense")
    assert (found.fields["type"], found.fields["max_running"], found.clock) == ("daemon", 3, None)
    assert "schedule" not in found.fields
    endless = job(TaskType="daemon", Max=0)
    assert endless.fields["max_running"] == 1
    assert told(endless)[0].startswith("changed: Max is 0: Gotorch starts ten more copies a second")


@pytest.mark.parametrize(
    ("command", "task", "remark"),
    [
        ("/bin/a -x *.log", ["/bin/a", "-x", "*.log"], ""),
        ("curl http://x/?a=1&b=2", ["curl", "http://x/?a=1&b=2"], ""),
        ("/bin/a  b", ["/bin/a", "b"], "changed: Command has several blanks in a row"),
        ("sh -c 'echo x'", "sh -c 'echo x'", "changed: Command has quotes, variables or operators of a shell"),
        ("/bin/a > /tmp/x", "/bin/a > /tmp/x", "changed: Command has quotes, variables or operators of a shell"),
        ("/bin/a >/dev/null 2>&1", "/bin/a >/dev/null 2>&1", "changed: Command has quotes"),
        ("cd /srv && ./a", "cd /srv && ./a", "changed: Command has quotes"),
        ("cd /srv; ./a", "cd /srv; ./a", "changed: Command has quotes"),
        ("/bin/a $HOME", "/bin/a $HOME", "changed: Command has quotes"),
    ],
)
def test_a_command_goes_to_a_shell_only_when_it_was_written_for_one(command: str, task: Json, remark: str) -> None:
    found = job(Command=command)
    assert found.fields["command"] == task
    assert [one.startswith(remark) for one in told(found)] == ([True] if remark else [])


def test_the_shell_is_the_one_that_gotorch_conf_names() -> None:
    found = reading({"Command": "a | b", "Times": EVERY}, {"Command": "a", "Times": EVERY}, conf="bash = /bin/bash # the shell\n")
    assert [one.fields.get("shell") for one in found.jobs] == ["/bin/bash", None]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/local/php5/bin/php /data/poll.php --fast", "poll"),
        ("python3.11 -u /srv/x.py", "x"),
        ("/opt/bin/clean.sh -a", "clean"),
        ("mysqldump --all", "mysqldump"),
        ("bash -c 'x'", "'x'"),
        ("php", "php"),
    ],
)
def test_a_task_is_named_for_its_script(command: str, name: str) -> None:
    assert job(Command=command).name == name


def test_what_never_ran_as_built_is_said() -> None:
    (remark,) = told(job(Times="0 30 2 * * *"))
    assert remark.startswith("changed: as built, Gotorch never started this: second `0`, minute `30`, hour `2` never match there")
    assert told(job(Times="*/5 */2 * * * *")) == []


def test_addresses_become_names_where_the_inventory_has_them() -> None:
    inventory = Inventory(hosts={"web-7": HostEntry(addresses=("192.168.1.9", "fd00::1"))})
    found = job(GotorchWishes(inventory=inventory), Ips=["192.168.1.9", "10.0.0.1", "fd00:0::1"])
    assert found.fields["hosts"] == ["web-7", "10.0.0.1"]
    assert told(found) == [
        "kept: Ips became names by the inventory: 192.168.1.9 is web-7, fd00:0::1 is web-7",
        "changed: Ips is by address: a host runs the task when 10.0.0.1 is one of its own",
    ]


def test_keys_in_any_case_are_known_and_others_are_told() -> None:
    found = reading({"command": "/bin/a", "TIMES": EVERY, "max": 2, "LogFile": "/x", "Colour": 1}).jobs[0]
    assert (found.fields["max_running"], found.fields["schedule"]) == (2, EVERY)
    assert [(remark.message, remark.hint) for remark in found.remarks] == [
        ("Gotorch does not know `LogFile` and passes it over", "what may be meant: `torchsync logs`: the output of each run is kept"),
        ("Gotorch does not know `Colour` and passes it over", ""),
    ]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({"Command": ""}, "Command is empty"),
        ({"Command": 7}, "Command: found `7`, expected a text in quotes"),
        ({"Times": "* * *"}, "`* * *` has 3 fields, expected six: second minute hour day week month"),
        ({"Times": "0 30 2 13 5 *"}, "`0 30 2 13 5 *` wants a day of the month and a day of the week at once, which a schedule cannot"),
        ({"Max": "a"}, "Max: found `a`, expected a whole number up to 1000"),
        ({"Ips": "10.0.0.1"}, "Ips: found `10.0.0.1`, expected a list of addresses"),
        ({"Ips": ["web-1"]}, "Ips: `web-1` is not an address, so no host of Gotorch ever ran it"),
    ],
)
def test_an_entry_that_means_nothing_is_told_and_the_others_are_read(entry: dict[str, Json], problem: str) -> None:
    found = reading({"Command": "/bin/a", "Times": EVERY} | entry, {"Command": "/bin/b", "Times": EVERY})
    assert [(one.code, one.message, one.line) for one in found.problems] == [("TS171", problem, 1)]
    assert all(one.hint for one in found.problems)
    assert [one.name for one in found.jobs] == ["b"]


def test_entries_with_one_command_are_told_apart() -> None:
    found = reading({"Command": "/bin/a", "Times": EVERY}, {"Command": "/bin/a", "Times": "*/5 * * * * *"})
    assert [one.fields["schedule"] for one in found.jobs] == [EVERY, "*/5 * * * * *"]
    assert all("Gotorch keeps one of several entries with the same Command, the last" in told(one)[0] for one in found.jobs)


def test_a_kind_that_gotorch_does_not_know_is_asked_about() -> None:
    assert told(job(TaskType="deamon")) == ["changed: TaskType `deamon` is none that Gotorch knows, so it is taken for a task with times"]


def test_settings_of_gotorch_conf_are_told_and_a_list_that_is_not_there() -> None:
    conf = "tasks = /data/task.json\nmail_to = ops@example.org\nlog_dir = /var/log/gotorch\n"
    files = (SourceFile(path="c/etc/gotorch.conf", inner="etc/gotorch.conf", content=conf.encode()),)
    found = read_hosts([SourceHost(name="web-1", files=files)], GotorchWishes())
    (problem,) = found.problems
    assert str(problem).startswith("c/etc/gotorch.conf: TS171 the task list /data/task.json that it names is not among the files (copy it")
    assert [remark.message.split(":")[0] for _, remark in found.remarks] == [
        "mail_to = ops@example.org was read by Gotorch and never used",
        "log_dir = /var/log/gotorch",
    ]


def test_a_list_that_cannot_be_read_is_told() -> None:
    broken = replace(LIST, content=b"", fault="cannot be read: Permission denied")
    assert [str(one) for one in read_hosts([SourceHost(files=(broken,))], GotorchWishes()).problems] == [
        "web-1/etc/gotorch/task.json: TS172 cannot be read: Permission denied (see that it is a text that you may read)"
    ]


def test_the_list_that_gotorch_conf_names_is_read_and_no_other() -> None:
    files = [replace(LIST, path=f"c/{path}", inner=path, content=b'[{"Command": "/bin/%s", "Times": "* * * * * *"}]' % name) for path, name in (
        ("etc/gotorch/task.json", b"a"),
        ("etc/gotorch/old.json", b"b"),
    )]  # fmt: skip
    conf = SourceFile(path="c/etc/gotorch.conf", inner="etc/gotorch.conf", content=b"tasks = /etc/gotorch/task.json\n")
    assert [one.name for one in read_hosts([SourceHost(files=(*files, conf))], GotorchWishes()).jobs] == ["a"]
    assert [one.name for one in read_hosts([SourceHost(files=tuple(files))], GotorchWishes()).jobs] == ["a", "b"]
