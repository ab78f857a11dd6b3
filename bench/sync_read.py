"""What the phases of a sync cost on a repository of N task files: `python -m bench.sync_read [N]` (10,000).

A script of its own: there is no floor to compare with, the figures are for the docs and for finding what is slow.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from torchsync.adapters.clock import SystemClock
from torchsync.adapters.git import GitRunner
from torchsync.adapters.gitcommand import GitHome
from torchsync.adapters.gitobjects import CommitContent, Repository
from torchsync.adapters.mirror import Mirror, mirror_lock
from torchsync.adapters.remote import RemoteGit
from torchsync.adapters.schemas import read_schema
from torchsync.adapters.tree import Contents, Trees
from torchsync.adapters.wakeups import SelectorWakeups
from torchsync.cli.syncprocess import valid_tasks
from torchsync.core.definition import definition
from torchsync.core.jsontext import canonical, parse_json
from torchsync.core.model import HostFacts, Millis, Revision, TaskName, TreeId
from torchsync.core.schema import Schema
from torchsync.core.syncdoc import RemoteSpec, SyncAnswer, SyncRequest, Verdict, stamp
from torchsync.core.taskdoc import answer_document, answer_from_document
from torchsync.core.taskfile import TaskFileReader
from torchsync.core.taskset import TreeEntry
from torchsync.core.verdictcache import Rules, VerdictCache, stored_verdicts
from torchsync.core.yamltext import load
from torchsync.ports import Resolved, SyncAnswered

TASK = """\
version: 1
tasks:
  task-{0}:
    description: Dump and ship database {0}
    schedule: "{1} 2 * * *"
    command: ./scripts/backup.sh --database {0}
    hosts: ["db-*", "!db-test-*", "role=db"]
    timeout: 2h
    max_running: 1
"""


@contextmanager
def timed(what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"{what:60} {time.perf_counter() - start:8.3f} s", flush=True)


def git(folder: Path, *words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"}
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    return subprocess.run(
        ["git", *identity, *words], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def make_repository(folder: Path, count: int) -> Path:
    (folder / "scripts").mkdir(parents=True)
    (folder / "scripts/backup.sh").write_text("#!/bin/sh\n")
    for number in range(count):
        path = folder / f"tasks/{number // 100:03}/task-{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TASK.format(number, number % 60))
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", "all tasks")
    return folder


def main(arguments: Sequence[str]) -> int:
    count = int(arguments[0]) if arguments else 10_000
    with tempfile.TemporaryDirectory(prefix="sync-read-") as name:
        root = Path(name)
        repository = make_repository(root / "tasks", count)
        phases(repository, root / "state")
        processes(repository, root / "agent", count)
    return 0


def phases(repository: Path, state: Path) -> None:
    """In this process: no start, no imports, no document."""
    state.mkdir()
    home = GitHome(folder=str(state), search_path=os.environ["PATH"])
    remote = RemoteSpec(url=f"file://{repository}/.git")
    revision = Revision(git(repository, "rev-parse", "HEAD"))
    with mirror_lock(state, 5) as lock:
        runner = GitRunner((lock,))
        mirror = Mirror(state, remote, runner, home)
        with timed("first fetch, all objects checked"):
            opened = mirror.obtain("refs/heads/main", revision)
        (repository / "tasks/000/task-0.yaml").write_text(TASK.format(0, 59))
        git(repository, "commit", "--quiet", "--all", "-m", "one change")
        revision = Revision(git(repository, "rev-parse", "HEAD"))
        with timed("fetch of one changed file"):
            opened = mirror.obtain("refs/heads/main", revision)
        with timed("read: listing, every task file, hashed"):
            content = opened.read(revision, ".")
        with timed("validate: YAML, schema, rules"):
            found = valid_tasks(content)
        steps_of_a_file(content)
        measure_cache(content)
        with timed("is it an ancestor"):
            opened.is_ancestor(f"{revision}~1", revision)
        write_trees(opened, content, state)
        measure_answer(found.tasks, revision, content.tree)


def steps_of_a_file(content: CommitContent) -> None:
    """What one task file costs, step by step, in microseconds."""
    files = [(path, text) for path, text in content.contents.items() if path.startswith("tasks/")][:2_000]
    schema, reader = Schema(read_schema("task")), TaskFileReader(read_schema("task"))
    start = time.perf_counter()
    loaded = [load(text) for _, text in files]
    after_load = time.perf_counter()
    for one in loaded:
        assert one.document is not None
        assert not schema.check(one.document)
    after_check = time.perf_counter()
    drafts = [draft for path, text in files for draft in reader.read(path, text)[0]]
    after_all = time.perf_counter()
    for draft in drafts:
        definition(draft.task)
    after_definition = time.perf_counter()
    load_us, check_us, all_us, definition_us = (
        seconds / len(files) * 1e6
        for seconds in (after_load - start, after_check - after_load, after_all - after_check, after_definition - after_all)
    )
    rules_us = all_us - load_us - check_us - definition_us
    print(f"    a file in us: YAML {load_us:.0f}, schema {check_us:.0f}, rules {rules_us:.0f}, definition {definition_us:.0f}")


def measure_cache(content: CommitContent) -> None:
    rules = Rules(schema="", versions={})
    filling = VerdictCache(rules)
    valid_tasks(content, filling)
    with timed("verdicts: made into text"):
        stored = filling.content()
    with timed(f"verdicts: read from text ({len(stored) >> 10} KiB) and checked"):
        cache = stored_verdicts(stored, rules)
    with timed("validate: with every verdict at hand"):
        found = valid_tasks(content, cache)
    with timed("verdicts: every task made whole"):
        assert len(found.tasks) == found.files


def write_trees(opened: Repository, content: CommitContent, state: Path) -> None:
    held = list(opened.blobs(content.entries))
    trees = Trees(state / "worktrees")
    with timed("tree: read again, written, made durable by syncfs"):
        trees.store(content.tree, lambda: opened.blobs(content.entries))
    with timed("tree: found whole"):
        assert trees.is_whole(content.tree)
    with timed("tree: plain files, nothing made durable"):
        plain_files(state / "plain", held, lambda _: None)
    with timed("tree: plain files, fsync for each"):
        plain_files(state / "durable", held, os.fsync)


def plain_files(root: Path, contents: Contents | list[tuple[TreeEntry, bytes]], finish: Callable[[int], None]) -> None:
    for entry, content in contents:
        path = root / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            finish(file.fileno())


def measure_answer(tasks: Sequence[object], revision: Revision, tree: TreeId) -> None:
    for number in (200, 2_000, len(tasks)):
        answer = SyncAnswer(verdict=Verdict.ACCEPTED, revision=revision, tree=tree, tasks=tuple(tasks[:number]))  # type: ignore[arg-type]
        text = canonical(answer_document(answer))
        with timed(f"agent: the answer with {number} tasks ({len(text) >> 10} KiB) read"):
            document = parse_json(text)
        with timed(f"agent: the answer with {number} tasks checked"):
            assert answer_document(answer_from_document(document)) == document


def processes(repository: Path, state: Path, count: int) -> None:
    """As the agent has it: a process for each step; first nothing is known, then one file changes, then all of them."""
    state.mkdir()
    wakeups = SelectorWakeups()
    source = RemoteGit(state, wakeups, SystemClock())
    remote = RemoteSpec(url=f"file://{repository}/.git")
    known: dict[TaskName, str] = {}
    for what, minute, changed in (("first", 7, 1), ("one change", 8, 1), ("all changed", 9, count), ("nothing known", 10, 1)):
        for number in range(changed):
            (repository / f"tasks/{number // 100:03}/task-{number}.yaml").write_text(TASK.format(number, minute))
        git(repository, "commit", "--quiet", "--all", "-m", what)
        with timed(f"{what}: resolve"):
            source.resolve(remote)
            (event,) = wakeups.wait(Millis(60_000))
        assert isinstance(event, Resolved)
        request = SyncRequest(
            remote=remote,
            ref_name=event.ref_name,
            revision=Revision(event.revision),
            floor="",
            facts=HostFacts(name="db-1"),
            state=str(state),
            known={} if what == "nothing known" else known,
        )
        with timed(f"{what}: sync process, from start to the checked answer"):
            source.sync(request)
            (event,) = wakeups.wait(Millis(600_000))
        assert isinstance(event, SyncAnswered), event
        assert event.answer.verdict is Verdict.ACCEPTED, event.answer.problems
        known |= {task.name: stamp(task) for task in event.answer.tasks}
        print("    " + ", ".join(f"{phase.value} {seconds:.3f}" for phase, seconds in event.answer.durations.items()))
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
        print(f"    verdicts.json {(state / 'verdicts.json').stat().st_size >> 10} KiB; largest child so far {largest} MiB")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
