"""The cache of verdicts on task files: with it and without it the verdict is the same, and what is odd about it is not believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha1

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchsync.adapters.schemas import repository_formats
from torchsync.core.definition import defined_task, definition, outline
from torchsync.core.model import Fingerprint, Position, Task
from torchsync.core.taskset import Rejection, TaskSet, TreeEntry, judge, link_files, task_files
from torchsync.core.verdictcache import MAX_FILE_BYTES, Rules, VerdictCache, stored_verdicts

READER = repository_formats()
RULES = Rules(schema="5" * 64, versions={"torchsync": "1.0", "croniter": "7.0.0", "tzdata": "2026.6"})
FILE, PROGRAM, LINK = "100644", "100755", "120000"


def file_of(name: str, fields: str = "") -> bytes:
    return f"version: 1\ntasks:\n  {name}: {{schedule: '@daily', command: ./scripts/x{fields}}}\n".encode()


EVERYTHING = b"""\
version: 1
defaults: {env: {A: "\xc3\xa4\\"\\n"}, working_dir: ./scripts/, owner: team}
tasks:
  full:
    {schedule: '1 2 * * *', timezone: Europe/Berlin, command: [./x, 'a b'], hosts: ['db-*', '!x'], timeout: 2h, user: deploy,
     labels: {a: b}, runbook: 'https://example.org', enabled: false, max_running: 3, success_exit_codes: [0, 3], stop_signal: INT,
     stop_grace: 1s, output: {max_size: 1MiB}, alert: {severity: critical}, description: x, starting_deadline: 5m}
  daemon: {type: daemon, command: 'exec ./x', restart: {delay: 2s, backoff: 1.5}}
"""
CONTENTS = (
    file_of("a"),
    b"# moved\n" + file_of("a"),
    file_of("b"),
    file_of("c", ", working_dir: nowhere"),
    file_of("d").replace(b"./scripts/x", b"./gone"),
    file_of("e", ", comand: x"),
    file_of("f").replace(b"@daily", b"61 * * * *"),
    b"][",
    EVERYTHING,
)
PATHS = ("tasks/a.yaml", "tasks/b.yml", "tasks/deep/c.yaml", "tasks/n\nl.yaml", "tasks/n\\x0al.yaml", "tasks/notes.txt")

Files = Mapping[str, bytes]


def entries_of(files: Files, programs: Files, links: Files) -> list[TreeEntry]:
    modes = [*((FILE, *item) for item in files.items()), *((PROGRAM, *item) for item in programs.items())]
    modes += [(LINK, *item) for item in links.items()]
    return [TreeEntry(path=path, mode=mode, object_id=sha1(content).hexdigest(), size=len(content)) for mode, path, content in modes]


def judged(entries: list[TreeEntry], files: Files, cache: VerdictCache | None = None) -> TaskSet | Rejection:
    """With a cache the content of what it knows cannot be had."""
    known = set(cache.known(entries) if cache else ()) & set(task_files(entries))
    return judge(entries, {path: content for path, content in files.items() if path not in known}, READER, cache)


def told(verdict: TaskSet | Rejection) -> object:
    return (verdict.tasks, verdict.files) if isinstance(verdict, TaskSet) else verdict


def restarted(cache: VerdictCache) -> VerdictCache:
    return stored_verdicts(cache.content(), RULES)


def filled(files: Files) -> VerdictCache:
    cache = VerdictCache(RULES)
    judged(entries_of(files, {}, {}), files, cache)
    return cache


GOOD = {"tasks/a.yaml": b"version: 1\ntasks:\n  a: {schedule: '@daily', command: 'true', labels: {k: v}}\n"}

SETTINGS = [{}, {"torchsync.yaml": b"defaults: {owner: x, hosts: ['@eu']}\n"}, {"torchsync.yaml": b"defaults: {timeout: 0s}\n"}]
HOSTS = [{}, {"hosts.yaml": b"groups: {eu: ['*']}\n"}]

commits = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(PATHS), st.sampled_from(CONTENTS), max_size=5),
        st.sampled_from([{}, {"scripts/x": b"one"}, {"scripts/x": b"two"}, {"scripts/x": b"two", "gone": b"back"}]),
        st.sampled_from([{}, {"link": b"scripts"}, {"link": b"/etc"}]),
        st.tuples(st.sampled_from(SETTINGS), st.sampled_from(HOSTS)),
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(commits)
def test_the_verdict_is_the_same_with_and_without_the_cache(history: list[tuple[Files, Files, Files, tuple[Files, Files]]]) -> None:
    cache = VerdictCache(RULES)
    for tasks, programs, links, (rules, hosts) in history:
        files = {**tasks, **rules, **hosts}
        entries = entries_of(files, programs, links)
        contents = {**files, **links}
        assert told(judged(entries, contents, cache)) == told(judged(entries, contents))
        cache = restarted(cache)


def test_a_task_made_from_its_definition_is_the_task() -> None:
    drafts, problems = READER.tasks.read("tasks/a.yaml", EVERYTHING)
    assert problems == ()
    assert len(drafts) == 2
    for draft in drafts:
        task = replace(draft.task, fingerprint=Fingerprint("f" * 64))
        assert defined_task(draft.definition, task.source, task.fingerprint) == task
        known = outline(draft.definition, task.source)
        assert [getattr(known, name) for name in known.__slots__] == [getattr(task, name) for name in known.__slots__]


def test_a_definition_does_not_say_where_the_task_stands() -> None:
    (here,), _ = READER.tasks.read("tasks/a.yaml", CONTENTS[0])
    (there,), _ = READER.tasks.read("tasks/b.yaml", CONTENTS[1])
    assert here.definition == there.definition == definition(here.task)


def test_only_the_changed_file_is_read() -> None:
    files = {"tasks/a.yaml": CONTENTS[0], "tasks/b.yml": CONTENTS[2]}
    cache = restarted(filled(files))
    changed = files | {"tasks/b.yml": b"#\n" + CONTENTS[2]}
    entries = entries_of(changed, {}, {})
    assert {entry.path for entry in entries} - cache.known(entries) == {"tasks/b.yml"}


def test_every_file_is_read_again_under_another_torchsync_yaml_and_none_under_another_hosts_yaml() -> None:
    cache = restarted(filled(GOOD))
    assert cache.known(entries_of(GOOD | {"hosts.yaml": b"hosts: {a: {}}\n"}, {}, {})) == {"tasks/a.yaml"}
    settings = GOOD | {"torchsync.yaml": b"defaults: {owner: x}\n"}
    assert not cache.known(entries_of(settings, {}, {}))
    kept = restarted(filled(settings))
    assert kept.known(entries_of(settings, {}, {})) == {"tasks/a.yaml"}
    assert not kept.known(entries_of(GOOD, {}, {}))


def test_a_moved_file_is_read_again_since_its_tasks_stand_elsewhere() -> None:
    cache = restarted(filled(GOOD))
    moved = {"tasks/b.yaml": GOOD["tasks/a.yaml"]}
    assert not cache.known(entries_of(moved, {}, {}))


def test_a_file_with_problems_is_read_each_time_and_the_others_are_not() -> None:
    files = GOOD | {"tasks/bad.yaml": b"]["}
    cache = restarted(filled(files))
    assert cache.known(entries_of(files, {}, {})) == {"tasks/a.yaml"}


def test_what_the_newest_commit_does_not_have_is_dropped() -> None:
    more = GOOD | {"tasks/b.yaml": CONTENTS[2]}
    cache = restarted(filled(more))
    judged(entries_of(GOOD, {}, {}), GOOD, cache)
    assert cache.is_outdated()
    assert restarted(cache).known(entries_of(more, {}, {})) == {"tasks/a.yaml"}


def test_nothing_is_to_be_stored_when_nothing_changed() -> None:
    assert filled(GOOD).is_outdated()
    cache = restarted(filled(GOOD))
    judged(entries_of(GOOD, {}, {}), GOOD, cache)
    assert not cache.is_outdated()


def test_a_commit_that_is_turned_down_unread_leaves_the_cache_as_it_is() -> None:
    cache = restarted(filled(GOOD))
    large = [*entries_of(GOOD, {}, {}), TreeEntry(path="x", mode=FILE, object_id="0" * 40, size=1 << 30)]
    assert isinstance(judged(large, GOOD, cache), Rejection)
    assert link_files(large) == ()
    assert not cache.is_outdated()


def test_a_cache_that_would_be_too_large_keeps_what_came_first() -> None:
    files = GOOD | {f"tasks/{name}.yaml": GOOD["tasks/a.yaml"].replace(b"a:", b"%s:" % name.encode(), 1) for name in "bcd"}
    cache = VerdictCache(RULES, room=150)
    judged(entries_of(files, {}, {}), files, cache)
    assert len(restarted(cache).known(entries_of(files, {}, {}))) == 1


# What is odd.


def changed(path: str, value: object) -> bytes:
    """The stored cache with the value at `path` (keys and indices, separated by dots) replaced."""
    document = json.loads(filled(GOOD).content())
    *way, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
    place = document
    for step in way:
        place = place[step]
    place[last] = value
    return json.dumps(document).encode()


STORED = filled(GOOD).content()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="absent"),
        pytest.param(b"", id="empty"),
        pytest.param(STORED[:-20], id="cut short"),
        pytest.param(b"\0" * len(STORED), id="zeros"),
        pytest.param(b"\xff" + STORED, id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"{}", id="another document"),
        pytest.param(STORED + b" " * MAX_FILE_BYTES, id="too large"),
        pytest.param(changed("kind", "generation"), id="another kind"),
        pytest.param(changed("schema_version", 3), id="a newer form"),
        pytest.param(changed("schema_version", 1), id="an older form"),
        pytest.param(changed("body", []), id="body"),
        pytest.param(changed("body.settings", None), id="settings"),
        pytest.param(changed("body.settings", "5" * 40), id="another torchsync.yaml"),
        pytest.param(changed("body.rules", None), id="rules"),
        pytest.param(changed("body.rules.schema", "6" * 64), id="another schema"),
        pytest.param(changed("body.rules.versions.croniter", "7.0.1"), id="another version"),
        pytest.param(changed("body.rules.versions.more", "1"), id="one more version"),
        pytest.param(changed("body.files", {}), id="files"),
        pytest.param(changed("body.files.0", "x"), id="file"),
        pytest.param(changed("body.files.0.path", 1), id="path"),
        pytest.param(changed("body.files.0.blob", None), id="blob"),
        pytest.param(changed("body.files.0.tasks", 0), id="tasks"),
        pytest.param(changed("body.files.0.tasks.0.at", [1]), id="too few places"),
        pytest.param(changed("body.files.0.tasks.0.at", [1, "2"]), id="places of another type"),
        pytest.param(changed("body.files.0.tasks.0.places", [1, 2]), id="places of no file"),
        pytest.param(changed("body.files.0.tasks.0.places", {"": {"command": [1]}}), id="half a place"),
        pytest.param(changed("body.files.0.tasks.0.definition", {}), id="definition of another type"),
        pytest.param(changed("body.files.0.tasks.0.definition", "["), id="definition that is not JSON"),
        pytest.param(changed("body.files.0.tasks.0.definition", "[]"), id="definition that is a list"),
        pytest.param(changed("body.files.0.tasks.0.definition", "{}"), id="definition of nothing"),
        pytest.param(changed("body.files.0.tasks.0.definition", '{"name":"A","command":{"kind":"shell","text":"x"}}'), id="name"),
        pytest.param(changed("body.files.0.tasks.0.definition", '{"name":"a","command":"x"}'), id="command"),
    ],
)
def test_a_cache_that_is_odd_in_any_way_is_empty(data: bytes | None) -> None:
    cache = stored_verdicts(data, RULES)
    entries = entries_of(GOOD, {}, {})
    assert not cache.known(entries)
    assert told(judged(entries, GOOD, cache)) == told(judged(entries, GOOD))


def test_a_definition_that_is_none_shows_when_the_task_is_made_whole() -> None:
    text = filled(GOOD).content().replace(rb"\"labels\":{\"k\":\"v\"}", rb"\"labels\":{\"k\":0}")
    verdict = judged(entries_of(GOOD, {}, {}), GOOD, stored_verdicts(text, RULES))
    assert isinstance(verdict, TaskSet)
    with pytest.raises(ValueError, match="labels"):
        verdict.found[0].task()
    assert verdict.found[0].fingerprint != tasks_without(GOOD)[0].fingerprint, "so it cannot pass for the task in force"


def tasks_without(files: Files) -> tuple[Task, ...]:
    verdict = judged(entries_of(files, {}, {}), files)
    assert isinstance(verdict, TaskSet)
    return verdict.tasks


def test_where_a_task_stands_is_taken_from_the_path_of_its_file() -> None:
    verdict = judged(entries_of(GOOD, {}, {}), GOOD, restarted(filled(GOOD)))
    assert isinstance(verdict, TaskSet)
    assert verdict.found[0].source == Position("tasks/a.yaml", 3, 3)


def test_what_this_process_found_under_another_torchsync_yaml_is_not_taken_either() -> None:
    program = {"scripts/x": b""}
    with_defaults = {"tasks/a.yaml": file_of("a"), "torchsync.yaml": b"version: 1\ndefaults: {owner: all}\n"}
    plain = {"tasks/a.yaml": file_of("a")}
    cache = VerdictCache(RULES)
    owners = []
    for files in (with_defaults, plain):
        verdict = judged(entries_of(files, program, {}), files, cache)
        assert isinstance(verdict, TaskSet)
        owners.append(verdict.tasks[0].owner)
    assert owners == ["all", ""]
    assert (cache.has_news(), VerdictCache(RULES).has_news()) == (True, False)
