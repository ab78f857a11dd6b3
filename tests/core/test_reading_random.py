"""Reading whatever comes: valid files with mutations, and structures that nobody would write."""

from __future__ import annotations

import io
import json
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.corpus.cases import Told, Tree, tree_of_files, verdict_on
from tests.depth import LONG
from torchsync.cli.report import print_problems
from torchsync.errors import CODES

USUAL = settings(max_examples=100 * LONG, deadline=None, suppress_health_check=[HealthCheck.too_slow])

TASKS = b"""\
# yaml-language-server: $schema=../schemas/task.schema.json
version: 1
defaults:
  timezone: Europe/Berlin
  owner: team-db
  hosts: ["@eu", "!@test"]
tasks:
  nightly-backup:
    description: "Dump \\u0026 ship every database: \xc3\xa4\xc3\xb6\xc3\xbc"
    schedule: "0 30 2 * * *"
    command: ./scripts/backup.sh --all
    inputs: [scripts/**, conf/*.ini]
    hosts: ["db-*", "!db-test-*", "10.2.0.0/16", "role=db&site=eu", "@eu"]
    timeout: 2h
    jitter: 10m
    env: {LEVEL: "9", TARGET: 'it''s here'}
    alert: {severity: critical}
    success_exit_codes: [0, 3]
  proxy:
    type: daemon
    command:
      - ./backup.sh
      - --listen
    restart: {delay: 5s, backoff: 1.5}
    working_dir: scripts
    max_running: 2
  poll:
    schedule: >-
      H/15 8-18
      * * mon-fri
    command: |
      set -e
      poll
"""
HOSTS = b"""\
hosts:
  db-1:
    addresses: [10.2.0.7, "2001:db8::7"]
    labels: {role: db, site: eu}
    timezone: Europe/Berlin
  web-1.example.org: {}
groups:
  eu: ["site=eu", "@west", "10.3.0.0/16"]
  west: ["paris-*"]
  test: ["*-test-*"]
"""
SETTINGS = b"""\
version: 1
requires: ">=0.1"
defaults: {timezone: Europe/Berlin, stop_grace: 30s}
guards: {max_removed_percent: 30, min_tasks: 5, min_interval: 10s}
pools: {db: 2}
"""
OTHERS = {"scripts/backup.sh": b"#!/bin/sh\n", "conf/a.ini": b"x\n"}
FILES = {"tasks/a.yaml": TASKS, "hosts.yaml": HOSTS, "torchsync.yaml": SETTINGS}
PIECES = (
    b"\t", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"*", b"&a ", b"*a", b"!x ", b"<<: ", b"- ", b": ", b"? ", b"{", b"}",
    b"[", b"]", b'"', b"'", b"|\n", b"#", b"%", b"@", b"\n---\n", b"010", b".inf", b"1e999", b"9" * 30, b"\\ud800", b"\xef\xbc\x95", b"~", b"null",
)  # fmt: skip


def mutated(content: bytes, random: Random) -> bytes:
    """`content` with a few bytes flipped, pieces put in, and lines dropped, doubled or swapped."""
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(content) + 1)
        lines = content.split(b"\n")
        first, second = random.randrange(len(lines)), random.randrange(len(lines))
        match random.randrange(6):
            case 0:
                content = content[:place] + bytes([random.randrange(256)]) + content[place + 1 :]
            case 1:
                content = content[:place] + random.choice(PIECES) + content[place:]
            case 2:
                content = content[:place] + content[place + random.randint(1, 20) :]
            case 3:
                content = b"\n".join([*lines[:first], lines[second], *lines[first:]])
            case 4:
                lines[first], lines[second] = lines[second], lines[first]
                content = b"\n".join(lines)
            case _:
                lines[first] = b" " * random.randint(0, 8) + lines[first].lstrip()
                content = b"\n".join(lines)
    return content


def check(tree: Tree) -> Told:
    """Nothing is raised; every problem has a code of the table, a place in its file, and is told in lines that a terminal can take."""
    told = verdict_on(tree)
    for problem in told.problems:
        assert problem.code in CODES
        assert problem.message.isprintable(), problem
        assert problem.hint.isprintable(), problem
        assert problem.task.isprintable(), problem
        if problem.line:
            lines = told.sources[problem.path].decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
            assert 1 <= problem.line <= len(lines), problem
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, (problem, lines[problem.line - 1])
    out = io.StringIO()
    print_problems(told.problems, out, told.sources)
    assert all(line.isprintable() for line in out.getvalue().split("\n"))
    assert verdict_on(tree) == told
    return told


def test_the_files_that_are_mutated_are_valid() -> None:
    assert check(tree_of_files({**FILES, **OTHERS})).problems == ()


@USUAL
@given(path=st.sampled_from(sorted(FILES)), random=st.randoms(use_true_random=False))
def test_a_mutated_file_is_judged_and_told(path: str, random: Random) -> None:
    check(tree_of_files({**FILES, **OTHERS, path: mutated(FILES[path], random)}))


WORDS = st.sampled_from(
    "version tasks defaults hosts groups guards pools requires a b schedule command type daemon cron env labels alert restart delay severity "
    "timeout jitter timezone inputs working_dir shell user owner enabled max_running addresses min_interval output max_size @a x".split()
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 300)
    | st.floats(allow_nan=False)
    | WORDS
    | st.text(max_size=8)
    | st.sampled_from(
        ["@daily", "* * * * *", "H/5 * * * *", "1h", "5m", "10MiB", "UTC", "local", "10.0.0.1", "role=db", "./x", "../x", "/x", ">=1", "1s"]
    )
)
NESTED = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=5), max_leaves=25
)
FIELDS = st.dictionaries(WORDS, NESTED, max_size=6)
DOCUMENTS = NESTED | st.fixed_dictionaries(
    {"version": st.just(1), "tasks": st.dictionaries(WORDS, FIELDS, max_size=4)}, optional={"defaults": FIELDS}
)


@USUAL
@given(
    documents=st.fixed_dictionaries({}, optional=dict.fromkeys(("tasks/a.yaml", "tasks/b.json", "hosts.yaml", "torchsync.yaml"), DOCUMENTS))
)
def test_any_structure_is_judged_and_told(documents: dict[str, object]) -> None:
    check(
        tree_of_files({path: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") for path, value in documents.items()})
    )


@USUAL
@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    path=st.sampled_from(sorted(FILES)),
)
def test_any_bytes_are_judged_and_told(content: bytes, path: str) -> None:
    check(tree_of_files({**FILES, **OTHERS, path: content}))
