"""The verdict on a commit: which files count, which paths are allowed, what tasks refer to, and what a fingerprint is of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torchsync.adapters.schemas import repository_formats
from torchsync.codetable.row import Reason
from torchsync.core.model import CronTiming, Position, Task
from torchsync.core.taskset import MAX_PROBLEMS, Rejection, TaskSet, TreeEntry, common_files, fingerprint, judge, link_files, task_files
from torchsync.errors import Problem

READER = repository_formats()
FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"


def entry(path: str, mode: str = FILE, object_id: str = "a" * 40, size: int = 10) -> TreeEntry:
    return TreeEntry(path=path, mode=mode, object_id=object_id, size=size)


def file_of(*names: str, fields: str = "command: 'true'") -> bytes:
    return ("version: 1\ntasks:\n" + "".join(f"  {name}: {{schedule: '@daily', {fields}}}\n" for name in names)).encode()


def verdict_on(files: dict[str, bytes], *others: TreeEntry, links: dict[str, bytes] | None = None) -> TaskSet | Rejection:
    links = links or {}
    entries = [
        *(entry(path, size=len(content)) for path, content in files.items()),
        *(entry(path, LINK, size=len(target)) for path, target in links.items()),
        *others,
    ]
    return judge(entries, {**files, **links}, READER)


def problems_of(files: dict[str, bytes], *others: TreeEntry, links: dict[str, bytes] | None = None) -> tuple[Problem, ...]:
    verdict = verdict_on(files, *others, links=links)
    assert isinstance(verdict, Rejection)
    return verdict.problems


def tasks_of(files: dict[str, bytes], *others: TreeEntry, links: dict[str, bytes] | None = None) -> dict[str, Task]:
    verdict = verdict_on(files, *others, links=links)
    assert isinstance(verdict, TaskSet), "\n".join(map(str, verdict.problems))
    return {task.name: task for task in verdict.tasks}


def with_command(command: str, **fields: str) -> dict[str, bytes]:
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    return {"tasks/a.yaml": file_of("a", fields=f"command: {command}{more}")}


GOOD = {"tasks/a.yaml": file_of("a")}


def test_a_commit_gives_its_tasks_by_name() -> None:
    verdict = verdict_on(
        {"tasks/b/x.yml": file_of("c", "a"), "tasks/a.json": b'{"version":1,"tasks":{"b":{"type":"daemon","command":"x"}}}'}
    )
    assert isinstance(verdict, TaskSet)
    assert ([task.name for task in verdict.tasks], verdict.files) == (["a", "b", "c"], 2)
    assert verdict.tasks[0].source == Position("tasks/b/x.yml", 4, 3)


def test_only_task_files_are_wanted() -> None:
    entries = [
        *map(entry, ("tasks/b.yaml", "tasks/a.yml", "tasks/deep/er/c.json", "tasks/-d.yaml")),
        *map(entry, ("tasks/README.md", "tasks/.hidden.yaml", "tasks/.dir/x.yaml", "tasks/x.YAML", "tasks.yaml", "other/tasks/x.yaml")),
        entry("tasks/large.yaml", size=65_537),
        entry("tasks/link.yaml", LINK),
        entry("tasks/sub.yaml", SUBMODULE),
    ]
    assert task_files(entries) == ("tasks/-d.yaml", "tasks/a.yml", "tasks/b.yaml", "tasks/deep/er/c.json")
    assert link_files(entries) == ("tasks/link.yaml",)


def test_what_is_no_task_file_under_tasks_is_passed_over() -> None:
    assert set(tasks_of(GOOD, entry("tasks/README.md"), entry("tasks/.x.yaml"), entry("scripts/x"))) == {"a"}


def test_a_commit_without_task_files_is_said_to_be_one() -> None:
    (problem,) = problems_of({}, entry("README.md"), entry("tasks/README.md"))
    assert problem.code == "TS150"


# torchsync.yaml and hosts.yaml


def test_the_defaults_of_the_repository_come_below_those_of_a_file_and_those_below_the_tasks_own() -> None:
    files = {
        "torchsync.yaml": b"defaults: {owner: all, user: all, timezone: Asia/Tokyo, env: {A: all, B: all, C: all}}\n",
        "tasks/a.yaml": b"version: 1\ndefaults: {owner: file, timezone: null, env: {B: file, C: null}}\ntasks:\n"
        b"  a: {schedule: '@daily', command: x, owner: own, env: {D: own}}\n  b: {schedule: '@daily', command: x}\n",
    }
    tasks = tasks_of(files)
    assert (tasks["a"].owner, tasks["a"].user, tasks["a"].env) == ("own", "all", {"A": "all", "B": "file", "D": "own"})
    assert (tasks["b"].owner, tasks["b"].timing) == ("file", CronTiming(schedule="@daily", zone="UTC"))


def test_a_default_of_the_repository_is_part_of_the_fingerprint() -> None:
    assert tasks_of({**GOOD, "torchsync.yaml": b"defaults: {timeout: 1h}\n"})["a"].fingerprint != tasks_of(GOOD)["a"].fingerprint
    assert tasks_of({**GOOD, "torchsync.yaml": b"pools: {db: 1}\n"})["a"].fingerprint == tasks_of(GOOD)["a"].fingerprint


def test_a_wrong_default_of_the_repository_is_told_once_and_where_it_stands() -> None:
    files = {
        "torchsync.yaml": b"defaults:\n  timeout: 0s\n  schedule: '61 * * * *'\n",
        "tasks/a.yaml": file_of("a", "b"),
        "tasks/c.yaml": file_of("c"),
    }
    found = problems_of(files)
    assert [(problem.code, problem.path, problem.line, problem.column, problem.task) for problem in found] == [
        ("TS111", "torchsync.yaml", 2, 12, ""),
        ("TS120", "torchsync.yaml", 3, 14, ""),
    ]


def test_a_default_of_the_repository_that_a_task_cannot_have_is_told_at_the_task() -> None:
    files = {"torchsync.yaml": b"defaults: {max_running: 0}\n", "tasks/a.yaml": b"version: 1\ntasks:\n  a: {type: daemon, command: x}\n"}
    (problem,) = problems_of(files)
    assert (problem.code, problem.path, problem.line, problem.task) == ("TS114", "tasks/a.yaml", 3, "a")
    assert "by the defaults in torchsync.yaml" in problem.message


def test_defaults_that_cannot_be_read_make_no_task_wrong() -> None:
    files = {"torchsync.yaml": b"defaults: 5\n", "tasks/a.yaml": b"version: 1\ntasks: {a: {command: x}}\n"}
    assert [problem.path for problem in problems_of(files)] == ["torchsync.yaml"]


def test_an_agent_that_is_too_old_says_so_and_nothing_else() -> None:
    files = {"torchsync.yaml": b"requires: '>=99.1'\nnonsense: 1\n", "tasks/a.yaml": b"future: [\n", "hosts.yaml": b"x: y\n"}
    (problem,) = problems_of(files, entry("x/.git"))
    assert (problem.code, problem.path, problem.line, problem.column) == ("TS151", "torchsync.yaml", 1, 11)
    assert "99.1" in problem.message


def test_a_task_that_fires_more_often_than_the_repository_wants_is_refused() -> None:
    files = {
        "torchsync.yaml": b"guards: {min_interval: 1m}\n",
        "tasks/a.yaml": b"version: 1\ntasks:\n  a: {schedule: '*/30 * * * * *', command: x}\n",
    }
    (problem,) = problems_of(files)
    assert (problem.code, problem.reason, problem.line, problem.column) == ("TS123", Reason.GUARD, 3, 17)
    assert tasks_of({**files, "torchsync.yaml": b"guards: {min_interval: 30s}\n"})


def test_what_the_two_files_say_comes_with_the_tasks() -> None:
    verdict = verdict_on({**GOOD, "torchsync.yaml": b"pools: {db: 2}\n", "hosts.yaml": b"hosts: {web-1: {}}\ngroups: {web: ['web-*']}\n"})
    assert isinstance(verdict, TaskSet)
    assert verdict.settings.pools == {"db": 2}
    assert (list(verdict.inventory.hosts), verdict.inventory.groups) == (["web-1"], {"web": ("web-*",)})


def test_a_group_that_a_task_names_is_in_the_inventory() -> None:
    files = {"tasks/a.yaml": b"version: 1\ntasks:\n  a:\n    schedule: '@daily'\n    command: x\n    hosts: [db-1, '!@us', '@eu']\n"}
    (problem,) = problems_of({**files, "hosts.yaml": b"groups: {eu: ['*-eu'], ap: ['*-ap']}\n"})
    assert (problem.code, problem.path, problem.line, problem.column, problem.task) == ("TS133", "tasks/a.yaml", 6, 19, "a")
    assert "no group `us`" in problem.message
    assert "`@ap`, `@eu`" in problem.hint
    assert tasks_of({**files, "hosts.yaml": b"groups: {eu: ['*-eu'], us: ['*-us']}\n"})
    assert len(problems_of(files)) == 2


@pytest.mark.parametrize("name", ["torchsync.yaml", "hosts.yaml"])
def test_a_link_in_the_place_of_either_file_is_refused(name: str) -> None:
    (problem,) = problems_of(GOOD, links={name: b"tasks/a.yaml"})
    assert (problem.code, problem.path) == ("TS140", name)


@pytest.mark.parametrize(("name", "most"), [("torchsync.yaml", 65_536), ("hosts.yaml", 1 << 20)])
def test_either_file_is_refused_by_its_size_alone(name: str, most: int) -> None:
    (problem,) = problems_of(GOOD, entry(name, size=most + 1))
    assert (problem.code, problem.path) == ("TS141", name)
    assert common_files([entry(name, size=most)]) == (name,)
    assert common_files([entry(name, size=most + 1)]) == ()


# Paths


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("a\nb", id="line end"),
        pytest.param("a\x1b[2Jb", id="escape"),
        pytest.param("x/\x7f", id="delete"),
        pytest.param("a\udcffb", id="not UTF-8"),
        pytest.param("x\u202ey", id="turned around"),
        pytest.param("x/.git/config", id=".git"),
        pytest.param("x/.GiT", id=".GiT"),
        pytest.param("x/../y", id="parent"),
        pytest.param("./y", id="dot"),
        pytest.param("x//y", id="empty part"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("x" * 256, id="long name"),
        pytest.param("/".join(["x" * 200] * 21), id="long path"),
    ],
)
def test_a_name_that_is_not_safe_to_write_out_is_refused_and_quoted_safely(path: str) -> None:
    (problem,) = problems_of(GOOD, entry(path))
    assert problem.code == "TS140"
    assert problem.path.isprintable()
    problem.path.encode()


def test_an_unsafe_name_of_a_task_file_is_refused_too() -> None:
    (problem,) = problems_of({"tasks/a\n.yaml": file_of("a")})
    assert (problem.code, problem.path) == ("TS140", "tasks/a\\x0a.yaml")


@pytest.mark.parametrize("path", ["a-rf", "with space", "ünïcode", "a'b\"c", "back\\slash", ".gitignore", "x.git"])
def test_an_odd_name_is_kept(path: str) -> None:
    assert tasks_of(GOOD, entry(path))


def test_a_submodule_is_refused_anywhere() -> None:
    (problem,) = problems_of(GOOD, entry("vendor/x", SUBMODULE, size=0))
    assert (problem.code, problem.path) == ("TS140", "vendor/x")


def test_a_path_cannot_be_a_file_and_a_folder() -> None:
    (problem,) = problems_of(GOOD, entry("x"), entry("x/y"))
    assert (problem.code, problem.path) == ("TS140", "x")


@pytest.mark.parametrize("path", ["tasks/x.yaml", "tasks/x", "tasks/.x", "tasks/deep/x.md"])
def test_a_link_under_tasks_is_refused(path: str) -> None:
    (problem,) = problems_of(GOOD, links={path: b"a.yaml"})
    assert (problem.code, problem.path) == ("TS140", path)


def test_tasks_itself_cannot_be_a_link() -> None:
    assert [problem.code for problem in problems_of({}, entry("other/a.yaml"), links={"tasks": b"other"})] == ["TS150", "TS140"]


@pytest.mark.parametrize(
    ("links", "bad"),
    [
        pytest.param({"l": b"scripts/x"}, set(), id="to a file"),
        pytest.param({"a/l": b"../scripts"}, set(), id="to a folder"),
        pytest.param({"l": b"nowhere"}, set(), id="to nothing"),
        pytest.param({"a/l": b".."}, set(), id="to the root"),
        pytest.param({"l": b"/etc/shadow"}, {"l"}, id="absolute"),
        pytest.param({"l": b".."}, {"l"}, id="above the root"),
        pytest.param({"a/b/l": b"../../../x"}, {"a/b/l"}, id="far above the root"),
        pytest.param({"l": b"l"}, {"l"}, id="to itself"),
        pytest.param({"l": b"m", "m": b"l"}, {"l", "m"}, id="in a circle"),
        pytest.param({"a/b/up": b"../..", "a/b/l": b"up/../x"}, {"a/b/l"}, id="out through a link: inside only when read as text"),
        pytest.param({"up": b"a/b", "l": b"up/../x"}, set(), id="parent of where a link leads"),
        pytest.param({"l": b"m/x", "m": b"/"}, {"l", "m"}, id="through a link that leaves"),
        pytest.param({"l": b"a/./b//../b"}, set(), id="with empty parts"),
        pytest.param({"l": b"x" * 5000}, {"l"}, id="too long"),
        pytest.param({"l": b""}, {"l"}, id="empty"),
        pytest.param({"l": b"\xff\xfe"}, set(), id="bytes that are not UTF-8"),
    ],
)
def test_a_link_stays_inside_the_tree(links: dict[str, bytes], bad: set[str]) -> None:
    verdict = verdict_on(GOOD, entry("scripts/x"), entry("a/b/c"), links=links)
    found = {problem.path for problem in verdict.problems} if isinstance(verdict, Rejection) else set()
    assert found == bad


def test_a_task_name_is_taken_once_and_both_places_are_named() -> None:
    (problem,) = problems_of({"tasks/a.yaml": file_of("x"), "tasks/b.yaml": file_of("y", "x")})
    assert (problem.code, problem.path, problem.line, problem.column, problem.task) == ("TS130", "tasks/b.yaml", 4, 3, "x")
    assert "tasks/a.yaml:3:3" in problem.message


@pytest.mark.parametrize(
    ("command", "is_found"),
    [
        pytest.param("./scripts/x --all", True, id="text"),
        pytest.param("[./scripts/x, --all]", True, id="list"),
        pytest.param("[scripts/x]", True, id="list without dot"),
        pytest.param("./scripts/y", False, id="text, missing"),
        pytest.param("[./scripts/y]", False, id="list, missing"),
        pytest.param("[scripts/y]", False, id="list without dot, missing"),
        pytest.param("./scripts", False, id="a folder"),
        pytest.param("../x", False, id="out of the tree"),
        pytest.param("[scripts/../../x]", False, id="out of the tree by a detour"),
        pytest.param("./linked/x", True, id="through a link"),
        pytest.param("|-\n      ./scripts/x &&\n      echo\n", True, id="block"),
        pytest.param("'./scripts/y;'", False, id="up to a semicolon"),
        pytest.param("scripts/y", True, id="text without dot: left to the shell"),
        pytest.param("./scripts/$NAME", True, id="expansion: left to the shell"),
        pytest.param("'\"./scripts/y\"'", True, id="quotes: left to the shell"),
        pytest.param("A=./b ./scripts/y", True, id="assignment: left to the shell"),
        pytest.param("echo ./scripts/y", True, id="an argument"),
        pytest.param("/usr/bin/env", True, id="absolute"),
        pytest.param("[env]", True, id="from PATH"),
    ],
)
def test_the_program_a_command_names_first_is_in_the_commit(command: str, is_found: bool) -> None:
    text = f"version: 1\ntasks:\n  a:\n    schedule: '@daily'\n    command: {command}\n"
    verdict = verdict_on({"tasks/a.yaml": text.encode()}, entry("scripts/x", PROGRAM), links={"linked": b"scripts"})
    assert isinstance(verdict, TaskSet) is is_found
    if isinstance(verdict, Rejection):
        (problem,) = verdict.problems
        assert (problem.code, problem.task, problem.line, problem.column) == ("TS132", "a", 5, 14)


@pytest.mark.parametrize(
    ("folder", "command", "code"),
    [
        pytest.param("scripts", "./x", None, id="program in the working directory"),
        pytest.param("scripts", "./scripts/x", "TS132", id="program elsewhere"),
        pytest.param("nowhere", "'true'", "TS132", id="no such folder"),
        pytest.param("scripts/x", "'true'", "TS132", id="a file"),
        pytest.param("../..", "'true'", "TS132", id="out of the tree"),
        pytest.param("/srv", "./x", None, id="elsewhere on the host"),
        pytest.param("~/work", "./x", None, id="in the home of the user"),
        pytest.param("./scripts/", "./x", None, id="written otherwise"),
    ],
)
def test_a_working_directory_is_in_the_commit(folder: str, command: str, code: str | None) -> None:
    verdict = verdict_on(with_command(command, working_dir=folder), entry("scripts/x", PROGRAM))
    assert (verdict.problems[0].code if isinstance(verdict, Rejection) else None) == code


def test_all_problems_of_all_files_come_in_order() -> None:
    files = {"tasks/b.yaml": b"version: 1\ntasks: {b: {}}\n", "tasks/a.yaml": b"version: 1\nx: 1\ntasks: {a: {schedule: x, command: y}}\n"}
    found = problems_of(files, entry("sub", SUBMODULE, size=0))
    places = [(problem.path, problem.line, problem.column) for problem in found]
    assert places == sorted(places)
    assert {problem.code for problem in found} == {"TS110", "TS112", "TS120", "TS140"}


def test_the_order_of_entries_changes_nothing() -> None:
    files = {f"tasks/{name}.yaml": file_of("x") for name in "abc"}
    entries = [entry(path) for path in files]
    assert judge(entries, files, READER) == judge(entries[::-1], files, READER)


def test_the_number_of_problems_kept_is_limited_and_all_are_counted() -> None:
    fields = ", ".join(f"x{number}: 1" for number in range(100))
    files = {f"tasks/{number:02}.yaml": file_of(f"t{number}", fields=f"command: x, {fields}") for number in range(50)}
    verdict = verdict_on(files)
    assert isinstance(verdict, Rejection)
    assert (len(verdict.problems), verdict.found) == (MAX_PROBLEMS, 5_000)
    assert {problem.path for problem in verdict.problems} == {f"tasks/{number:02}.yaml" for number in range(10)}


def test_a_large_task_file_is_refused_by_its_size_alone() -> None:
    (problem,) = problems_of(GOOD, entry("tasks/b.yaml", size=65_537))
    assert (problem.code, problem.path) == ("TS141", "tasks/b.yaml")


def test_too_many_task_files_are_not_read() -> None:
    entries = [entry(f"tasks/{number}.yaml") for number in range(20_001)]
    verdict = judge(entries, {}, READER)
    assert isinstance(verdict, Rejection)
    assert [problem.code for problem in verdict.problems] == ["TS141"]
    assert task_files(entries) == ()


def test_a_commit_that_is_too_large_is_not_read() -> None:
    entries = [entry("tasks/a.yaml"), entry("film.mp4", size=64 * 1024 * 1024)]
    verdict = judge(entries, {}, READER)
    assert isinstance(verdict, Rejection)
    assert [problem.code for problem in verdict.problems] == ["TS141"]


def prints(files: dict[str, bytes], *others: TreeEntry, links: dict[str, bytes] | None = None) -> str:
    return tasks_of(files, *others, links=links)["a"].fingerprint


SCRIPT = entry("x.sh", PROGRAM)
BASE = with_command("./x.sh")


@pytest.mark.parametrize(
    ("files", "script"),
    [
        pytest.param(with_command("./x.sh -v"), SCRIPT, id="command"),
        pytest.param(with_command("./x.sh", timeout="1h"), SCRIPT, id="timeout"),
        pytest.param(with_command("./x.sh", description="x"), SCRIPT, id="description"),
        pytest.param(with_command("./x.sh", owner="x"), SCRIPT, id="owner"),
        pytest.param(with_command("./x.sh", runbook="https://x"), SCRIPT, id="runbook"),
        pytest.param(with_command("./x.sh", labels="{a: b}"), SCRIPT, id="labels"),
        pytest.param(with_command("./x.sh", alert="{severity: info}"), SCRIPT, id="severity"),
        pytest.param(with_command("[./x.sh]"), SCRIPT, id="list instead of text"),
        pytest.param(BASE, replace(SCRIPT, object_id="b" * 40), id="content of the program"),
        pytest.param(BASE, replace(SCRIPT, mode=FILE), id="mode of the program"),
    ],
)
def test_a_fingerprint_changes_with_what_a_task_is(files: dict[str, bytes], script: TreeEntry) -> None:
    assert prints(files, script) != prints(BASE, SCRIPT)


@pytest.mark.parametrize(
    ("files", "others"),
    [
        pytest.param({"tasks/a.yaml": b"# moved\n\n" + BASE["tasks/a.yaml"]}, (), id="place in the file"),
        pytest.param({"tasks/z/b.yml": BASE["tasks/a.yaml"]}, (), id="file"),
        pytest.param(
            with_command("./x.sh", starting_deadline="1m", max_running="1", stop_signal="SIGTERM"), (), id="a default written out"
        ),
        pytest.param({"tasks/a.yaml": BASE["tasks/a.yaml"] + b"  b: {type: daemon, command: x}\n"}, (), id="another task"),
        pytest.param(BASE, (entry("y.sh", PROGRAM),), id="another program"),
    ],
)
def test_a_fingerprint_does_not_change_with_anything_else(files: dict[str, bytes], others: tuple[TreeEntry, ...]) -> None:
    assert prints(files, SCRIPT, *others) == prints(BASE, SCRIPT)


def test_two_ways_to_write_the_same_are_the_same_task() -> None:
    assert prints(with_command("./x.sh", timeout="90m"), SCRIPT) == prints(with_command("./x.sh", timeout="1h30m"), SCRIPT)


def test_a_program_reached_through_a_link_is_an_input() -> None:
    files, links = with_command("./bin/x"), {"bin": b"scripts"}
    one = prints(files, entry("scripts/x", PROGRAM), links=links)
    assert one != prints(files, entry("scripts/x", PROGRAM, "b" * 40), links=links)


def test_fingerprints_are_the_same_for_ever() -> None:
    """An upgrade must not change every fingerprint: daemons would be started again everywhere."""
    assert prints(BASE, SCRIPT) == "65e4396ff62a27979605219674fe7d65b86c15be923b853e7f6f0758c949a3de"


def with_inputs(*patterns: str) -> dict[str, bytes]:
    return with_command("./x.sh", inputs="[" + ", ".join(f"'{pattern}'" for pattern in patterns) + "]")


def test_copies_of_a_daemon_are_the_same_whatever_their_number() -> None:
    """Nothing but the number may differ: neither another field nor the content of what the daemon depends on."""

    def copy_print(fields: str, script: TreeEntry = SCRIPT) -> str:
        text = f"version: 1\ntasks: {{a: {{type: daemon, command: ./x.sh, {fields}}}}}\n".encode()
        return tasks_of({"tasks/a.yaml": text}, script)["a"].copy_print

    assert copy_print("max_running: 3") == copy_print("") != ""
    assert (
        len(
            {
                copy_print(""),
                copy_print("owner: me"),
                copy_print("max_running: 2, stop_grace: 1s"),
                copy_print("", replace(SCRIPT, object_id="b" * 40)),
            }
        )
        == 4
    )
    assert tasks_of(GOOD)["a"].copy_print == ""


@pytest.mark.parametrize(
    ("patterns", "changed", "counts"),
    [
        pytest.param(["lib/**"], "lib/deep/b.py", True, id="below a folder"),
        pytest.param(["lib/*"], "lib/deep/b.py", False, id="a star stays within its folder"),
        pytest.param(["./lib/a.py"], "lib/a.py", True, id="a path with a dot"),
        pytest.param(["**/*.py"], "lib/a.py", True, id="anywhere"),
        pytest.param(["lib/a.py"], "lib/deep/b.py", False, id="another file"),
        pytest.param(["lib/a.py"], "x.sh", False, id="the program counts only by default"),
        pytest.param(["lib/a.py", "*.sh"], "x.sh", True, id="the program named too"),
        pytest.param(["current"], "lib/a.py", True, id="where a link leads"),
    ],
)
def test_a_fingerprint_changes_with_the_inputs_that_the_task_names(patterns: list[str], changed: str, counts: bool) -> None:
    others, links = [entry("lib/a.py"), entry("lib/deep/b.py"), SCRIPT], {"current": b"lib/a.py"}
    after = [replace(one, object_id="c" * 40) if one.path == changed else one for one in others]
    one, other = (prints(with_inputs(*patterns), *entries, links=links) for entries in (others, after))
    assert (one != other) is counts


@pytest.mark.parametrize(
    ("pattern", "remedy"), [("lib/*.pl", "correct the pattern"), ("lib", "write `lib/**`"), ("lib/", "write `lib/**`"), ("../x", "add the")]
)
def test_an_input_that_is_no_file_of_the_commit_is_told(pattern: str, remedy: str) -> None:
    (problem,) = problems_of(with_inputs("x.sh", pattern), entry("lib/a.py"), SCRIPT)
    assert (problem.code, problem.task, problem.line) == ("TS132", "a", 3)
    assert f"`{pattern}`" in problem.message
    assert remedy in problem.hint


def test_inputs_count_in_any_order() -> None:
    task = tasks_of(GOOD)["a"]
    inputs = [("a", FILE, "1"), ("b", FILE, "2")]
    assert fingerprint(task, inputs) == fingerprint(task, inputs[::-1]) != fingerprint(task, inputs[:1])


def test_the_program_of_a_notice_must_be_in_the_commit_when_it_is_a_path_there() -> None:
    present = with_command("'true'", notify="[{exec: [./mail.sh]}, {exec: [mail]}, {exec: [/usr/bin/mail]}]")
    assert tasks_of(present, entry("mail.sh", PROGRAM))
    (problem,) = problems_of(present)
    assert (problem.code, problem.task, problem.line, problem.message) == ("TS132", "a", 3, "the program `./mail.sh` is not in the commit")
