"""A sync process that has fallen into the wrong hands: it does what it was asked to, and then answers something else.

`liar(folder)` gives a program that `RemoteGit` takes for its interpreter. What it answers is named in `folder/lie`; an empty name is the truth.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Document = dict[str, Any]

PROBLEM = {"code": "TS110", "message": "x", "path": "", "line": 0, "column": 0, "task": "", "hint": ""}


def liar(folder: Path, lie: str = "") -> Path:
    """The program; `tell` changes what it says."""
    program = folder / "liar"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {__file__} {folder} {sys.executable} "$@"\n')
    program.chmod(0o755)
    tell(folder, lie)
    return program


def tell(folder: Path, lie: str) -> None:
    """From now on this is told; one that reads meanwhile finds the old lie or the new one, never an empty file, which is the truth."""
    (folder / "next-lie").write_text(lie)
    (folder / "next-lie").rename(folder / "lie")


# The lies: what each makes of the true answer, and words of the reason for which it is not believed.


def changed(**fields: Any) -> Callable[[Document], bytes]:
    return lambda answer: json.dumps(answer | fields).encode()


def with_task(**fields: Any) -> Callable[[Document], bytes]:
    def lie(answer: Document) -> bytes:
        answer["tasks"][0].update(fields)
        return json.dumps(answer).encode()

    return lie


def with_timing(**fields: Any) -> Callable[[Document], bytes]:
    def lie(answer: Document) -> bytes:
        answer["tasks"][0]["timing"].update(fields)
        return json.dumps(answer).encode()

    return lie


def without(field: str) -> Callable[[Document], bytes]:
    return lambda answer: json.dumps({name: value for name, value in answer.items() if name != field}).encode()


def text_with(old: bytes, new: bytes) -> Callable[[Document], bytes]:
    def lie(answer: Document) -> bytes:
        text = json.dumps(answer).encode()
        assert old in text
        return text.replace(old, new, 1)

    return lie


def deep(answer: Document) -> bytes:
    return b'{"tasks":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def many_parts(answer: Document) -> bytes:
    return b"[" + b"[]," * 10_000_000 + b"0]"


def too_long(answer: Document) -> bytes:
    return b'{"verdict": "' + b"x" * (300 << 20) + b'"}'


def daemon(answer: Document) -> bytes:
    answer["tasks"][0]["timing"] = {"kind": "daemon", "backoff": -1e308, "delay": 1_000, "max_delay": 60_000, "reset_after": 0}
    return json.dumps(answer).encode()


LIES: dict[str, tuple[Callable[[Document], bytes], str]] = {
    "nothing": (lambda answer: b"", "cannot be"),
    "a word": (lambda answer: b"hello\n", "cannot be"),
    "a number": (lambda answer: b"7", "must be an object"),
    "truncated": (lambda answer: json.dumps(answer).encode()[:-30], "cannot be"),
    "two documents": (lambda answer: json.dumps(answer).encode() * 2, "cannot be"),
    "not utf-8": (text_with(b'"tasks"', b'"\xff\xfe"'), "cannot be"),
    "deep": (deep, "nested too deeply"),
    "many parts": (many_parts, "4,000,000 parts"),
    "too long": (too_long, "more than 128 MiB"),
    "not a number": (changed(durations={"fetch": float("nan")}), "not a JSON number"),
    "infinite": (text_with(b'"durations": {', b'"durations": {"resolve": 1e999, '), "finite"),
    "a huge number": (text_with(b'"durations": {', b'"durations": {"resolve": 1' + b"0" * 400 + b", "), "too large"),
    "an endless number": (text_with(b'"not_selected": 0', b'"not_selected": ' + b"9" * 5_000), "cannot be"),
    "negative counts": (changed(recoveries={"lock": -5}), "counts"),
    "negative time": (changed(durations={"fetch": -1}), "time"),
    "unknown field": (changed(surprise=1), "nobody asked for"),
    "missing field": (without("revision"), "lacks"),
    "the same key twice": (text_with(b'"verdict": "accepted"', b'"verdict": "accepted", "verdict": "refused"'), "0 problems"),
    "another revision": (changed(revision="b" * 40), "is about"),
    "another tree": (changed(tree="a" * 40), "is not there"),
    "a tree elsewhere": (changed(tree="../../../../etc"), "form of a TreeId"),
    "no tree": (changed(tree=""), "is not there"),
    "rejected without a reason": (changed(verdict="rejected"), "0 problems"),
    "accepted with a reason": (changed(problems=[PROBLEM]), "with 1 problems"),
    "an unknown code": (changed(verdict="rejected", problems=[{"code": "TS000", "message": "x"}]), "TS000"),
    "keeps what nobody knows": (changed(kept=["ghost"]), "not in force"),
    "another host": (changed(facts={"name": "h2", "addresses": [], "labels": {}, "zone": "UTC"}), "h2"),
    "guards that cannot be": (changed(guards={"max_removed_percent": -1, "min_tasks": 0, "min_interval": 1000}), "guards"),
    "a schedule that is none": (with_timing(schedule="61 * * * *"), "schedule"),
    "a schedule of a megabyte": (with_timing(schedule="1," * 500_000 + "1 * * * *"), "schedule"),
    "a zone that is a path": (with_timing(zone="../../etc/passwd"), "time zone"),
    "a jitter of an age": (with_timing(jitter=10**30), "jitter"),
    "a negative deadline": (with_timing(starting_deadline=-1), "starting_deadline"),
    "a delay that turns around": (daemon, "backoff"),
    "nul in the command": (with_task(command={"kind": "shell", "text": "true\0", "shell": "/bin/sh"}), "a text that is none"),
    "half a character": (with_task(description="\ud800"), "a text that is none"),
    "nul in a variable": (with_task(env={"A": "\0"}), "a text that is none"),
    "a variable that is none": (with_task(env={"A=B": "x"}), "variable"),
    "a program of no words": (with_task(command={"kind": "program", "argv": []}), "no program"),
    "a shell from the tree": (with_task(command={"kind": "shell", "text": "true", "shell": "scripts/sh"}), "the shell"),
    "a signal that is none": (with_task(stop_signal="../KILL"), "stops by"),
    "copies without number": (with_task(max_running=10**9), "max_running"),
    "a name that is a path": (with_task(name="../x"), "form of a TaskName"),
}


# Misdeeds: answers that come wrong, or not at all.


def _die(_: bytes) -> None:
    os.kill(os.getpid(), 9)


def _close_and_stay(_: bytes) -> None:
    os.close(1)
    os.close(2)
    subprocess.run(["sleep", "600"], check=False)


def _ignore_the_end(_: bytes) -> None:
    subprocess.run(["sh", "-c", "trap '' TERM INT HUP; while :; do sleep 600; done"], check=False)


def _leave_a_child_with_the_pipe(truth: bytes) -> None:
    subprocess.Popen(["sleep", "600"], start_new_session=False)
    os.write(1, truth)


def _complain_for_ever(_: bytes) -> None:
    while True:
        os.write(2, b"x" * 65_536)


MISDEEDS: dict[str, Callable[[bytes], None]] = {
    "die": _die,
    "close and stay": _close_and_stay,
    "ignore the end": _ignore_the_end,
    "leave a child": _leave_a_child_with_the_pipe,
    "complain for ever": _complain_for_ever,
}


def main(folder: Path, command: list[str]) -> None:
    request = b""
    while not request.endswith(b"\n"):
        request += os.read(0, 65_536)
    lie = (folder / "lie").read_text()
    truth = _truth(folder / f"truth-{json.loads(request)['revision']}", request, command)
    if lie in MISDEEDS:
        return MISDEEDS[lie](truth)
    answer = LIES[lie][0](json.loads(truth)) if lie else truth
    with os.fdopen(1, "wb") as output:
        output.write(answer)
    return None


def _truth(known: Path, request: bytes, command: list[str]) -> bytes:
    """Of each revision it is found out once."""
    if known.exists():
        return known.read_bytes()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdin.write(request)
    process.stdin.flush()
    truth = process.stdout.read()
    process.stdin.close()
    process.wait()
    fresh = known.with_suffix(".new")
    fresh.write_bytes(truth)
    fresh.rename(known)  # whoever is killed here leaves the whole of it, or none
    return truth


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
