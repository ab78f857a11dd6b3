"""Real repositories for tests: a work tree to commit in, and objects that no work tree can hold."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Alice",
    "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "Alice",
    "GIT_COMMITTER_EMAIL": "alice@example.org",
}

GOOD_TASK = """\
version: 1
tasks:
  nightly-backup:
    schedule: "30 2 * * *"
    command: ./scripts/backup.sh --all
"""
GOOD = {"tasks/db.yaml": GOOD_TASK, "scripts/backup.sh": "#!/bin/sh\necho backup\n"}


def one_task(name: str, **fields: str) -> str:
    """A task file with one task of that name."""
    lines = "".join(f"    {key}: {value}\n" for key, value in ({"schedule": '"0 4 * * *"', "command": '"true"'} | fields).items())
    return f"version: 1\ntasks:\n  {name}:\n{lines}"


class Repo:
    """A repository with a work tree; `url` is what an agent would be configured with."""

    def __init__(self, folder: Path, files: Mapping[str, str | bytes] | None = None, *, object_format: str = "sha1") -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", f"--object-format={object_format}")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        if files:
            self.commit(files)

    @property
    def url(self) -> str:
        return f"file://{self.folder}/.git"

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str, stdin: bytes = b"") -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, env=ENVIRONMENT, input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, f"git {' '.join(words)}: {done.stderr.decode(errors='replace')}"
        return done.stdout.decode(errors="replace").strip()

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """Writes the files (None removes one), commits everything, and gives the new revision. Scripts are executable."""
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            path.chmod(0o755 if name.startswith("scripts/") else 0o644)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.head

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def commit_tree(self, *lines: bytes, branch: str = "main") -> str:
        """A commit whose tree has exactly these entries (`MODE TYPE ID<tab>NAME`), whatever a work tree would say to them."""
        tree = self.git("mktree", "-z", "--missing", stdin=b"".join(line + b"\0" for line in lines))
        revision = self.git("commit-tree", "-m", "made by hand", tree)
        self.git("update-ref", f"refs/heads/{branch}", revision)
        return revision

    def object(self, kind: str, content: bytes) -> str:
        """An object of that kind with this content, well formed or not."""
        return self.git("hash-object", "-t", kind, "-w", "--stdin", "--literally", stdin=content)

    def raw_tree(self, *entries: tuple[str, str | bytes, str]) -> str:
        """A tree of exactly these (mode, name, id), in this order: neither sorted nor checked."""
        parts = (
            mode.encode() + b" " + (name.encode() if isinstance(name, str) else name) + b"\0" + bytes.fromhex(object_id)
            for mode, name, object_id in entries
        )
        return self.object("tree", b"".join(parts))

    def commit_of(self, tree: str, branch: str = "main") -> str:
        """A commit without parents of that tree is the tip of the branch."""
        text = f"tree {tree}\nauthor A <a@example.org> 1700000000 +0000\ncommitter A <a@example.org> 1700000000 +0000\n\nby hand\n"
        revision = self.object("commit", text.encode())
        self.git("update-ref", f"refs/heads/{branch}", revision)
        return revision


def entry(kind: str, object_id: str, name: str | bytes) -> bytes:
    """A line for `commit_tree`; `kind` is file, script, link, folder or submodule."""
    mode = {"file": "100644 blob", "script": "100755 blob", "link": "120000 blob", "folder": "040000 tree", "submodule": "160000 commit"}[
        kind
    ]
    return f"{mode} {object_id}\t".encode() + (name.encode() if isinstance(name, str) else name)
