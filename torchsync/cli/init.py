"""`torchsync init`: a new task repository that is valid, is checked by its forge, and runs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from torchsync.adapters.newfiles import create, in_the_way
from torchsync.adapters.schemas import read_schema_text
from torchsync.adapters.templates import read_template
from torchsync.core.forge import Forge, Guess, guess_forge
from torchsync.core.starter import SCHEMAS, starter_files
from torchsync.errors import Problem, TorchsyncError, UsageError

_TIMEOUT = 60.0
_SUBJECT = "Begin the repository of scheduled tasks"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", metavar="DIR", help="the folder to make it in; it may hold other files, such as a LICENSE")
    parser.add_argument(
        "--forge",
        choices=[forge.value for forge in Forge],
        help="whose checks of pull requests to write (default: that of the git remote; gitea is for Forgejo too)",
    )
    parser.add_argument("--git", action="store_true", help="make the folder a git repository, with a first commit of these files")


def execute(args: Namespace) -> int:
    """0: the repository is there. Nothing was written when an error is raised."""
    folder = Path(args.path)
    root = _work_tree(folder)
    guess = Guess(Forge(args.forge), "--forge says so") if args.forge else guess_forge(_remotes(folder))
    files = _files(guess.forge)
    _check(folder, files, is_in_git=root is not None, with_git=args.git)
    try:
        new = create(folder, files, partial(_begin_history, list(files)) if args.git else lambda _: None)
    except OSError as error:
        raise TorchsyncError("TS361", f"{folder}: {error.strerror}; nothing was made") from error
    _tell(folder, new, guess)
    if root is not None and root != folder.resolve() and guess.forge is not Forge.NONE:
        print(f"note: forges read such files at the root of a repository only: move them to {root}, and set TASKS in them to this folder")
    return 0


def _files(forge: Forge) -> dict[str, str]:
    schemas = {f"schemas/{name}.schema.json": read_schema_text(name) for name in SCHEMAS}
    return dict(sorted({**starter_files(forge, read_template, version("torchsync")), **schemas}.items()))


def _check(folder: Path, files: Mapping[str, str], *, is_in_git: bool, with_git: bool) -> None:
    """Raises UsageError with everything that is in the way."""
    problems = [
        Problem(
            code="TS360",
            message=f"{what}, and init overwrites nothing",
            path=str(folder / path),
            hint="move it away, or name another folder",
        )
        for path, what in in_the_way(folder, files)
    ]
    if with_git and is_in_git:
        message = "the folder is in a git repository already, so that --git has nothing to begin"
        problems.append(Problem(code="TS362", message=message, path=str(folder), hint="leave --git out, and commit the files yourself"))
    if problems:
        raise UsageError(problems[0].code, f"{folder}: not begun", problems)


def _tell(folder: Path, files: Sequence[str], guess: Guess) -> None:
    number = "1 new file" if len(files) == 1 else f"{len(files)} new files"
    print(f"{folder} has {number}:" if files else f"{folder} has all of the files already")
    for name in files:
        print(f"  {name}")
    checks = "no checks of pull requests" if guess.forge is Forge.NONE else f"checks of pull requests for {guess.forge.value}"
    advice = "" if guess.reason.startswith("--") else " (--forge says otherwise)"
    print(f"{checks}: {guess.reason}{advice}")
    print("next:")
    if folder != Path():
        print(f"  cd {shlex.quote(str(folder))}")
    print("  torchsync validate")
    print("  torchsync plan --host web-1")


# git


def _work_tree(folder: Path) -> Path | None:
    """The root of the git work tree that the folder is or would be in."""
    place = folder.resolve()
    return next((one for one in (place, *place.parents) if (one / ".git").exists()), None)


def _remotes(folder: Path) -> list[str]:
    """The addresses of the git remotes around the folder, `origin` first; none where git is not installed."""
    if shutil.which("git") is None:
        return []
    place = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
    done = _git(place, "config", "--get-regexp", r"^remote\..*\.url$")
    pairs = [line.partition(" ") for line in done.stdout.splitlines()]
    return [url for name, _, url in sorted(pairs, key=lambda pair: pair[0] != "remote.origin.url")]


def _begin_history(files: Sequence[str], folder: Path) -> None:
    """The folder is a git repository with one commit of these files, and no other that may lie there. Raises TorchsyncError, and leaves no
    `.git` then.
    """
    if shutil.which("git") is None:
        raise TorchsyncError("TS320", "git is not installed, and --git needs it; nothing was made")
    steps = (("init", "--quiet", "--initial-branch=main"), ("add", "--force", "--", *files), ("commit", "--quiet", f"--message={_SUBJECT}"))
    for words in steps:
        done = _git(folder, *words)
        if done.returncode:
            shutil.rmtree(folder / ".git", ignore_errors=True)
            said = next((line for line in done.stderr.splitlines()[::-1] if line.strip()), f"status {done.returncode}")
            raise TorchsyncError("TS363", f"git {words[0]}: {said.strip()}; nothing was made")


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """As the user runs it, with the user's own configuration, but for variables that name another repository (git(1))."""
    environment = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")}
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT, check=False, stdin=subprocess.DEVNULL)
