from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchsync.adapters.schemas import repository_formats
from torchsync.core.foreign.job import ForeignJob, Origin, Remark, RemarkKind
from torchsync.core.foreign.merge import ImportedTask, merged
from torchsync.core.foreign.text import hosts_text, scalar, task_files_text
from torchsync.core.model import ShellCommand
from torchsync.core.taskfile import CommonRules
from torchsync.core.yamltext import MAX_BYTES, load


def job(name: str = "x", line: int = 1, **fields) -> ForeignJob:
    origin = Origin(host="a", path="a/crontab", line=line)
    remarks = (Remark(RemarkKind.KEPT, "kept as it is"), Remark(RemarkKind.LOST, "no more\nmail: \u202e"))
    return ForeignJob(origin=origin, name=name, fields={"schedule": "0 3 * * *", "command": "x", **fields}, remarks=remarks)


def tasks(*jobs: ForeignJob) -> tuple[ImportedTask, ...]:
    return merged(jobs, {"a": "Europe/Berlin"})


def value(text: str) -> object:
    document = load(f"key: {text}\n".encode())
    assert not document.faults, (text, document.faults)
    assert document.document is not None
    return document.document.value_at(("key",))


@given(st.one_of(st.text(max_size=30), st.lists(st.text(max_size=10), max_size=3), st.booleans(), st.integers(0, 99)))
@settings(max_examples=300)
def test_a_value_is_read_back_as_it_was(written) -> None:
    try:
        read = value(scalar(written))
    except AssertionError:
        # what a YAML file must not hold, however it is written: control characters, and those that turn the direction of the text
        assert not all(part.isprintable() for part in ([written] if isinstance(written, str) else written))
        return
    assert read == written


@pytest.mark.parametrize(
    "text", ["true", "No", "null", "~", "1", "0x1", "1e3", "-", "a: b", "a #b", "*x", "", " a", "a ", "é", "12:30", "=", "<<", "y"]
)
def test_what_could_be_taken_for_something_else_is_read_back_as_text(text) -> None:
    assert value(scalar(text)) == text


def test_a_text_of_several_lines_stands_below_a_bar() -> None:
    command = "{ mail joe\n} <<'END'\nHi,\n\n  there: #1\nEND\n"
    (text,) = task_files_text(tasks(job(command=command)), ())
    assert "    command: |\n      { mail joe\n" in text
    drafts, problems = repository_formats().tasks.read("tasks/x.yaml", text.encode(), CommonRules())
    assert problems == ()
    assert drafts[0].task.command.text == command  # type: ignore[union-attr]


@pytest.mark.parametrize("command", [" a\nb\n", "\na\nb\n", "a\nb", "a\nb\n\n", "a \nb\n", "a\n\tb\n", "a\n  b\n", "\n", "a\n"])
@pytest.mark.parametrize(("before", "after"), [("x", "y"), ("", "y"), (" ", "y\n"), ("x", "")])
def test_lines_of_every_kind_are_read_back_as_they_were(command, before, after) -> None:
    text = f"{before}{command}{after}"
    (written,) = task_files_text(tasks(job(command=f"{text}z\n", env={"A": text})), ())
    (draft,), problems = repository_formats().tasks.read("tasks/x.yaml", written.encode(), CommonRules())
    assert problems == ()
    assert draft.task.command == ShellCommand(text=f"{text}z\n")
    assert dict(draft.task.env)["A"] == text


def test_a_task_says_where_it_comes_from_and_what_wants_a_look() -> None:
    (text,) = task_files_text(tasks(job()), ["Made by hand.", ""])
    assert "# Made by hand.\n#\nversion: 1\n" in text
    assert "    # from a: a/crontab:1\n" in text
    assert "    # lost: no more?mail: ?\n" in text
    assert "kept as it is" not in text


def test_the_usual_zone_is_a_default_of_the_file() -> None:
    (text,) = task_files_text((*tasks(job("a"), job("b")), *merged([job("c")], {"a": "UTC"})), ())
    assert "defaults:\n  timezone: Europe/Berlin\n" in text
    assert text.count("timezone:") == 2


def test_many_tasks_make_several_files_within_the_limits() -> None:
    many = tasks(*(job(f"job-{number}", line=number, command="x" * (number % 500)) for number in range(1, 400)))
    texts = task_files_text(many, ["Heading"])
    assert 3 <= len(texts) <= 5
    assert all(len(text.encode()) < MAX_BYTES for text in texts)
    read = [repository_formats().tasks.read("tasks/x.yaml", text.encode(), CommonRules()) for text in texts]
    assert [problems for _, problems in read] == [()] * len(texts)
    assert [draft.task.name for drafts, _ in read for draft in drafts] == [task.name for task in many]
    assert task_files_text((), ["Heading"]) == ()


def test_the_hosts_are_an_inventory() -> None:
    text = hosts_text({"web-2": "", "web-1": "Europe/Berlin"}, ["Heading"])
    inventory, problems = repository_formats().inventory.read(text.encode())
    assert problems == ()
    assert inventory is not None
    assert {name: entry.zone for name, entry in inventory.hosts.items()} == {"web-1": "Europe/Berlin", "web-2": ""}


def test_a_host_that_is_named_by_its_address_has_that_address() -> None:
    inventory, problems = repository_formats().inventory.read(hosts_text({"10.2.0.7": "UTC"}, ()).encode())
    assert problems == ()
    assert inventory is not None
    assert inventory.hosts["10.2.0.7"].addresses == ("10.2.0.7",)
