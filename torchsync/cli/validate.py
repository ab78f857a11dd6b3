"""`torchsync validate`: the commit verdict on a folder or a single file, and what its authors should know."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from torchsync.adapters.folder import read_files
from torchsync.adapters.schemas import read_schema
from torchsync.cli.annotations import closing_notice, workflow_commands
from torchsync.cli.check import Checked, read_path, uncollected
from torchsync.cli.checkoutroot import checkout_root
from torchsync.cli.progress import Progress
from torchsync.cli.report import print_problems, problems_document
from torchsync.cli.sarif import Findings, sarif_document
from torchsync.cli.verdictfile import VerdictFile
from torchsync.codes import CODES
from torchsync.core import hostsfile, repositoryfile
from torchsync.core.advice import NEWER_THAN_REQUIRED, Subject, advice, ignored_tasks, misnamed
from torchsync.core.definition import instants_of, timing_of
from torchsync.core.inventory import Inventory
from torchsync.core.model import Instant
from torchsync.core.references import unexecutable
from torchsync.core.schema import has_newer_fields, newer_fields
from torchsync.core.taskfile import TaskDraft
from torchsync.core.taskset import MAX_PROBLEMS, link_files
from torchsync.core.treepaths import Tree
from torchsync.core.verdictcache import Draft
from torchsync.core.yamltext import load
from torchsync.errors import CommitInvalid, NotFound, Problem

FORMATS = ("text", "json", "github", "sarif")
MOST_OF_A_KIND = 10
"""Warnings of one code that are shown as text; all are counted."""


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path", nargs="?", default=".", metavar="PATH", help="a task repository, or one of its files (default: the current folder)"
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="how problems are told (default: text)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    parser.add_argument("--no-cache", action="store_true", help="judge every file anew, and keep nothing")


def execute(args: Namespace) -> int:
    """0 when all of it is valid; 65 otherwise."""
    with uncollected():
        return validate(args.path, args.format, use_cache=not args.no_cache)


@dataclass(frozen=True, slots=True)
class _Where:
    """Where the answer goes."""

    out: TextIO
    err: TextIO


def validate(
    path: str, form: str, *, out: TextIO | None = None, err: TextIO | None = None, now: Instant | None = None, use_cache: bool = False
) -> int:
    """The verdict on `path` is told in the form of that name, one of `FORMATS`. 0: valid; 65: not. Raises NotFound when the path is not there."""
    where = _Where(out or sys.stdout, err or sys.stderr)
    checked = _read(path, where.err, use_cache=use_cache)
    moment = Instant(time.time_ns() // 1_000_000) if now is None else now
    warnings = () if checked.problems else tuple(_warnings(checked, moment))
    match form:
        case "json":
            print(json.dumps(_document(checked, warnings), indent=2), file=where.out)
        case "github":
            _annotate(checked, warnings, where.out)
        case "sarif":
            print(json.dumps(sarif_document(_findings(checked, warnings)), indent=2), file=where.out)
        case _:
            _print(checked, warnings, where)
    return CommitInvalid.exit_status if checked.problems else 0


def _read(path: str, err: TextIO, *, use_cache: bool) -> Checked:
    progress = Progress("checked", err)
    try:
        return read_path(path, VerdictFile(Path(path)) if use_cache else None, progress)
    finally:
        progress.clear()


def _print(checked: Checked, warnings: Sequence[Problem], where: _Where) -> None:
    if checked.problems:
        print_problems(checked.problems, where.err, checked.sources)
        print(_closing(checked, warnings), file=where.err)
        return
    shown = _first_of_each_kind(warnings)
    print_problems(shown, where.err, _sources(shown), are_warnings=True)
    for code, number in Counter(warning.code for warning in warnings).items():
        if number > MOST_OF_A_KIND:
            words = f"{code} warning: {CODES[code].title}: {number - MOST_OF_A_KIND} more; --format json tells them all"
            print(words, file=where.err)
    print(_closing(checked, warnings), file=where.out)


def _closing(checked: Checked, warnings: Sequence[Problem]) -> str:
    """How it ended, in a line."""
    if checked.problems:
        files = len({problem.path for problem in checked.problems})
        return f"{_number(checked.number, 'problem')} in {_number(files, 'file')}: not valid"
    more = f", {_number(len(warnings), 'warning')}" if warnings else ""
    return f"{_number(len(checked.drafts), 'task')} in {_number(checked.files, 'file')}: valid{more}"


def _first_of_each_kind(warnings: Sequence[Problem]) -> list[Problem]:
    seen: Counter[str] = Counter()
    shown = []
    for warning in warnings:
        seen[warning.code] += 1
        if seen[warning.code] <= MOST_OF_A_KIND:
            shown.append(warning)
    return shown


def _annotate(checked: Checked, warnings: Sequence[Problem], out: TextIO) -> None:
    for line in workflow_commands(checked.problems, warnings[:MAX_PROBLEMS], checkout_root(str(checked.root))):
        print(line, file=out)
    print(closing_notice(_closing(checked, warnings), checked.number, len(warnings)), file=out)


def _findings(checked: Checked, warnings: Sequence[Problem]) -> Findings:
    kept = warnings[:MAX_PROBLEMS]
    return Findings(
        problems=checked.problems,
        warnings=kept,
        sources=checked.sources if checked.problems else _sources(kept),
        root=checkout_root(str(checked.root)),
        exit_status=CommitInvalid.exit_status if checked.problems else 0,
        left_out=checked.number - len(checked.problems) + len(warnings) - len(kept),
    )


def _document(checked: Checked, warnings: Sequence[Problem]) -> dict[str, object]:
    return {
        "valid": not checked.problems,
        "files": checked.files,
        "tasks": len(checked.drafts) if not checked.problems else None,
        "found": checked.number,
        "problems": problems_document(checked.problems),
        "warnings": problems_document(warnings[:MAX_PROBLEMS]),
    }


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# Warnings


def _warnings(checked: Checked, now: Instant) -> Iterator[Problem]:
    """By path, line and column; the paths lead there from the current folder."""
    inventory = checked.found.inventory if checked.found else Inventory()
    subjects = [_subject(draft) for draft in checked.drafts]
    passed_over = (*misnamed(checked.paths), *ignored_tasks(checked.ignored))
    found = [*advice(subjects, inventory, now), *passed_over, *_newer_than_required(checked), *_unexecutable(checked)]
    if checked.found:
        found = [replace(problem, path=str(checked.root / problem.path)) for problem in found]
    yield from sorted(found, key=lambda problem: (problem.path, problem.line, problem.column, problem.code))


def _subject(draft: Draft) -> Subject:
    task = draft.task
    timing = instants_of(draft.task) if isinstance(draft, TaskDraft) else timing_of(draft.definition)
    return Subject(name=task.name, source=task.source, hosts=task.hosts, timing=timing, places=draft.places)


def _unexecutable(checked: Checked) -> Iterator[Problem]:
    """Nothing for a single file, of which the tree is not known."""
    if checked.found:
        tree = Tree(checked.entries, read_files(checked.root, link_files(checked.entries)))
        for draft in checked.drafts:
            yield from unexecutable(draft, tree)


def _newer_than_required(checked: Checked) -> Iterator[Problem]:
    """Fields that agents of the version which the repository requires do not know."""
    requires = checked.found.settings.requires if checked.found else ""
    kinds = {
        "task": {draft.task.source.path for draft in checked.drafts},
        "torchsync": {repositoryfile.PATH} & set(checked.paths),
        "hosts": {hostsfile.PATH} & set(checked.paths),
    }
    for name, paths in kinds.items():
        schema = read_schema(name)
        if requires and has_newer_fields(schema, requires):
            for path, content in read_files(checked.root, paths).items():
                yield from _newer_fields(path, content, schema, requires)


def _newer_fields(path: str, content: bytes, schema: Mapping[str, Any], requires: str) -> Iterator[Problem]:
    document = load(content, hostsfile.LIMITS).document
    if document is None:
        return
    for route, since in newer_fields(document, schema, requires):
        line, column = document.key_place_of(route)
        message = f"`{route[-1]}` came with {since}, and the repository requires {requires} only"
        hint = f'write `requires: ">={since}"` in torchsync.yaml'
        yield Problem(code=NEWER_THAN_REQUIRED, message=message, path=path, line=line, column=column, hint=hint)


def _sources(warnings: Sequence[Problem]) -> Mapping[str, bytes]:
    """The texts of the files that the warnings are about, where they can be read."""
    texts: dict[str, bytes] = {}
    for path in {warning.path for warning in warnings if warning.line}:
        try:
            texts[path] = read_files(Path(), (path,))[path]
        except NotFound:
            continue
    return texts
