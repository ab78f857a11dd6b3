"""Broken input of every kind, and where it is kept.

    files/NAME           a task file, judged as the only one of a repository; the bytes are as they are
    repositories/NAME    a whole repository in one text, see `tree_of`
    agent/NAME           an agent.yaml
    hostile.py           what is too large, or of too many pieces, to be kept: made by a line of code each

What is said about a case stands beside it: NAME.txt, for those of hostile.py in `hostile/`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from torchsync.adapters.schemas import read_schema, repository_formats
from torchsync.cli.report import print_problems
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.core.taskset import Rejection, TreeEntry, common_files, judge, link_files, task_files
from torchsync.core.treepaths import LINK, SUBMODULE
from torchsync.errors import Problem

HERE = Path(__file__).parent
_FILE, _PROGRAM = "100644", "100755"
_HEAD = re.compile(r"== (?:(?P<kind>program|submodule|link) )?(?P<path>.+?)(?: -> (?P<target>.*))?")
_SHOWN = 20
"""More problems of one case are only counted in its text."""
_ACCOUNT = Account(user="root", is_root=True)


@dataclass(frozen=True, slots=True)
class Tree:
    """What a commit holds: its entries, and the contents of its files and links by path."""

    entries: tuple[TreeEntry, ...]
    contents: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Told:
    """The problems that are kept, how many were found, and the text of every file they may stand in."""

    problems: tuple[Problem, ...]
    found: int
    sources: Mapping[str, bytes] = field(repr=False)

    @property
    def text(self) -> str:
        """As `validate` prints it; of very many problems the first, and how many more there are."""
        out = io.StringIO()
        print_problems(self.problems[:_SHOWN], out, self.sources)
        more = self.found - min(len(self.problems), _SHOWN)
        return out.getvalue() + (f"({more:,} more problems)\n" if more else "")


@dataclass(frozen=True, slots=True)
class Case:
    """`make` makes the input anew, `judge` reads it."""

    name: str
    golden: Path
    make: Callable[[], Tree]
    judge: Callable[[Tree], Told]

    def told(self) -> Told:
        return self.judge(self.make())


def verdict_on(tree: Tree) -> Told:
    """The commit verdict; no problems when the commit is valid."""
    wanted = (*task_files(tree.entries), *common_files(tree.entries), *link_files(tree.entries))
    verdict = judge(tree.entries, {path: tree.contents[path] for path in wanted}, repository_formats())
    problems, found = (verdict.problems, verdict.found) if isinstance(verdict, Rejection) else ((), 0)
    return Told(problems, found, tree.contents)


def of_agent(tree: Tree) -> Told:
    """What is wrong with the one file of the tree, an agent.yaml, for an agent that runs as root."""
    ((path, content),) = tree.contents.items()
    _, problems = ConfigFileReader(read_schema("agent")).read(path, content, _ACCOUNT)
    return Told(problems, len(problems), tree.contents)


def tree_of_files(files: Mapping[str, bytes]) -> Tree:
    """Plain files alone."""
    return Tree(tuple(_entry(path, _FILE, len(content)) for path, content in sorted(files.items())), files)


def tree_of(text: bytes) -> Tree:
    r"""A repository in one text: a line `== PATH`, and the lines of the file below it; `== program PATH` for one that may be executed,
    `== link PATH -> TARGET` and `== submodule PATH` for what has no lines. In paths and targets `\xNN` is a byte.
    """
    entries: list[TreeEntry] = []
    contents: dict[str, bytes] = {}
    for part in re.split(rb"^(?=== )", text, flags=re.MULTILINE):
        head, _, content = part.partition(b"\n")
        found = _HEAD.fullmatch(head.decode())
        if found is None:
            continue  # a comment above the first file
        path = _unescaped(found["path"])
        if found["kind"] == "link":
            content = _unescaped(found["target"]).encode("utf-8", "surrogateescape")
        mode = {"link": LINK, "submodule": SUBMODULE, "program": _PROGRAM, None: _FILE}[found["kind"]]
        entries.append(_entry(path, mode, len(content)))
        contents[path] = content
    return Tree(tuple(sorted(entries, key=lambda entry: entry.path)), contents)


def cases() -> Iterator[Case]:
    """Every case, by kind and name."""
    from tests.corpus.hostile import HOSTILE

    for path in _kept("files"):
        yield Case(f"files/{path.name}", _golden(path), partial(_only_file, path, f"tasks/{path.name}"), verdict_on)
    for path in _kept("repositories"):
        yield Case(f"repositories/{path.name}", _golden(path), partial(_repository, path), verdict_on)
    for path in _kept("agent"):
        yield Case(f"agent/{path.name}", _golden(path), partial(_only_file, path, "agent.yaml"), of_agent)
    for name, make in HOSTILE.items():
        yield Case(f"hostile/{name}", HERE / "hostile" / f"{name}.txt", make, verdict_on)


def _only_file(path: Path, name: str) -> Tree:
    return tree_of_files({name: path.read_bytes()})


def _repository(path: Path) -> Tree:
    return tree_of(path.read_bytes())


def _kept(folder: str) -> list[Path]:
    return sorted(path for path in (HERE / folder).iterdir() if path.suffix != ".txt")


def _golden(path: Path) -> Path:
    return path.with_name(f"{path.name}.txt")


def _entry(path: str, mode: str, size: int) -> TreeEntry:
    return TreeEntry(path=path, mode=mode, object_id="", size=0 if mode == SUBMODULE else size)


def _unescaped(text: str) -> str:
    """`\\xNN` as the byte; bytes that are no UTF-8 together become surrogates, as git's paths have them."""
    parts = re.split(r"\\x([0-9a-f]{2})", text)
    raw = b"".join(bytes.fromhex(part) if number % 2 else part.encode() for number, part in enumerate(parts))
    return raw.decode("utf-8", "surrogateescape")
