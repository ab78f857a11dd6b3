"""Cases that are too large to be kept as files, each made by a line of code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.corpus.cases import Tree, tree_of_files

HEAD = "version: 1\ntasks:\n"
GOOD = b"version: 1\ntasks:\n  a: {schedule: '@daily', command: x}\n"


def task(text: str | bytes, name: str = "x.yaml") -> Tree:
    return tree_of_files({f"tasks/{name}": text.encode() if isinstance(text, str) else text})


def hosts(text: str) -> Tree:
    return tree_of_files({"tasks/a.yaml": GOOD, "hosts.yaml": text.encode()})


def settings(text: str) -> Tree:
    return tree_of_files({"tasks/a.yaml": GOOD, "torchsync.yaml": text.encode()})


def one_task(fields: str) -> Tree:
    return task(f"{HEAD}  a: {{schedule: '@daily', command: x, {fields}}}\n")


def many(number: int, text: str) -> str:
    """`text` that often; `#` in it is the number of the copy."""
    return "".join(text.replace("#", str(index)) for index in range(number))


def full(text: str, size: int = 65_536) -> str:
    """`text` over and over, up to the largest file that is read."""
    return (text * (size // len(text) + 1))[:size]


HOSTILE: Mapping[str, Callable[[], Tree]] = {
    # size
    "a-byte-too-large": lambda: task(full("# 64 KiB and a byte\n", 65_537)),
    "hosts-too-large": lambda: hosts(full("# 1 MiB and a byte\n", 2**20 + 1)),
    "settings-too-large": lambda: settings(full("# 64 KiB and a byte\n", 65_537)),
    "too-many-task-files": lambda: tree_of_files({f"tasks/{number}.yaml": GOOD for number in range(20_001)}),
    "commit-too-large": lambda: tree_of_files({"tasks/a.yaml": GOOD, "data.bin": bytes(64 * 2**20)}),
    "too-many-nodes": lambda: task("version: 1\ntasks:\n  a:\n    command:\n" + "      - x\n" * 5_001),
    "too-many-nodes-in-hosts": lambda: hosts("hosts: {" + many(50_001, "a#: ,") + "}"),
    "one-huge-line": lambda: one_task(f"description: {'x' * 60_000}"),
    "one-huge-key": lambda: task(f"{HEAD}  ? {'x' * 60_000}\n  : {{command: y, schedule: '@daily'}}\n"),
    "one-long-unknown-field": lambda: one_task(f"{'x' * 1_000}: 1"),
    "one-huge-anchor": lambda: one_task(f"owner: &{'a' * 60_000} x"),
    "one-huge-tag": lambda: one_task(f"owner: {'!' * 60_000}"),
    "one-huge-quote": lambda: task(f'{HEAD}  a: {{command: "{"x " * 30_000}'),
    "one-huge-comment": lambda: task("#" * 65_536),
    "blank-lines": lambda: task("\n" * 65_536),
    "blanks": lambda: task(" " * 65_536),
    "a-mistake-after-blank-lines": lambda: task("\n" * 65_000 + "schedule: @daily\n"),
    "json-in-one-huge-line": lambda: task('{"version": 1, "tasks": {' + many(1_200, '"a#": {"command": 1}, ') + '"z": 1}}', "x.json"),
    # depth
    "nested-21-deep": lambda: task("[" * 21 + "]" * 21),
    "brackets": lambda: task("[" * 65_536),
    "braces": lambda: task("{" * 65_536),
    "dashes": lambda: task("- " * 32_768),
    "questions": lambda: task("? " * 32_768),
    "deep-blocks": lambda: task(HEAD + "".join(f"{' ' * depth}a:\n" for depth in range(2, 300))),
    "deep-nesting-in-json": lambda: task('{"version": 1, "tasks": ' + '{"a": ' * 100 + "1" + "}" * 101, "x.json"),
    "brackets-in-hosts": lambda: hosts("[" * 2**20),
    # bombs
    "billion-laughs": lambda: task("a0: &a0 [lol]\n" + many(30, "b#: &a [*a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0, *a0]\n")),
    "merge-key-bomb": lambda: one_task("env: {" + many(600, "<<: [*b, *b], ") + "}"),
    "a-hundred-thousand-digits": lambda: one_task(f"max_running: {'9' * 60_000}"),
    "a-fraction-of-many-digits": lambda: one_task(f"max_running: 0.{'3' * 60_000}"),
    "an-exponent-of-many-digits": lambda: one_task(f"max_running: 1e{'9' * 60_000}"),
    "many-keys": lambda: task(many(9_000, "k#: 1\n")),
    "a-key-five-thousand-times": lambda: task("{" + "a, " * 5_000 + "}"),
    "a-key-five-thousand-times-in-hosts": lambda: hosts("hosts:\n" + "  a: {}\n" * 5_000),
    "exclamation-marks": lambda: task("! " * 32_768),
    "tags": lambda: task("[" + "!x a, " * 4_000 + "]"),
    "colons": lambda: task("1:" * 32_768),
    "quotes": lambda: task("'" * 65_535),
    "sixties": lambda: one_task(f"max_running: {'59:' * 20_000}1"),
    "documents": lambda: task("---\n" * 16_000),
    "nul-bytes": lambda: task(b"version: 1\n" + bytes(60_000)),
    "a-control-character-in-each-line": lambda: task("a: \x1b\n" * 5_000),
    # very many mistakes
    "many-unknown-fields": lambda: task(f"{HEAD}  a:\n" + many(2_400, "    shedule#: 1\n")),
    "many-bad-task-names": lambda: task(HEAD + many(2_400, "  A#: 1\n")),
    "many-bad-variables": lambda: one_task("env: {" + many(2_000, "#: 1, ") + "}"),
    "many-bad-selectors": lambda: one_task("hosts: [" + many(900, "DB-#, ") + "]"),
    "many-bad-schedules": lambda: task(HEAD + many(800, "  a#: {schedule: '# * * * *', command: x}\n")),
    "many-bad-zones": lambda: task(HEAD + many(400, "  a#: {schedule: '@daily', command: x, timezone: Europe/Berlin#}\n")),
    "many-bad-numbers": lambda: one_task("success_exit_codes: [" + many(4_000, "#, ") + "]"),
    "many-bad-hosts": lambda: hosts("hosts:\n" + many(40_000, "  DB-#: {}\n")),
    "many-bad-pools": lambda: settings("pools:\n" + many(2_400, "  P#: x\n")),
    "groups-that-all-name-each-other": lambda: hosts(
        "groups:\n" + many(300, "  g#: [" + "".join(f"'@g{n}', " for n in range(300)) + "]\n")
    ),
    "a-long-chain-of-groups": lambda: hosts("groups:\n" + "".join(f"  g{n}: ['@g{n + 1}']\n" for n in range(998)) + "  g998: ['*']\n"),
    "a-thousand-broken-files": lambda: tree_of_files({f"tasks/{number}.yaml": b"schedule: @daily\n" for number in range(1_000)}),
}
