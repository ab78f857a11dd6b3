"""What a new task repository begins with: which template becomes which file. The texts are package data, `torchsync/templates`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping

from torchsync.core.forge import Forge

EDITORS: Mapping[str, str] = {
    ".editorconfig": "editorconfig",
    ".idea/jsonSchemas.xml": "idea-jsonSchemas.xml",
    ".vscode/extensions.json": "vscode-extensions.json",
    ".vscode/settings.json": "vscode-settings.json",
}
GATES: Mapping[Forge, Mapping[str, str]] = {
    Forge.GITHUB: {".github/workflows/torchsync.yml": "github.yml"},
    Forge.GITLAB: {".gitlab-ci.yml": "gitlab.yml"},
    Forge.GITEA: {".gitea/workflows/torchsync.yml": "gitea.yml"},
    Forge.NONE: {},
}
COMMON: Mapping[str, str] = {**EDITORS, ".gitignore": "gitignore", ".pre-commit-config.yaml": "pre-commit-config.yaml"}
_OWN: Mapping[str, str] = {
    "README.md": "README.md",
    "hosts.yaml": "hosts.yaml",
    "tasks/hello.yaml": "hello.yaml",
    "torchsync.yaml": "torchsync.yaml",
}
SCHEMAS = ("task", "torchsync", "hosts")
"""Those of the files of a task repository."""

_COMMENT = "@COMMENT@"
Read = Callable[[str], str]
"""The text of the template of that name."""


def starter_files(forge: Forge, read: Read, version: str) -> dict[str, str]:
    """The files of a new task repository by their path, but for the schemas."""
    return made({**_OWN, **COMMON, **GATES[forge]}, read, version)


def made(templates: Mapping[str, str], read: Read, version: str) -> dict[str, str]:
    """The texts of these files, each from its template, for that version of torchsync."""
    return {path: _filled(read(name), read, version) for path, name in sorted(templates.items())}


def _filled(text: str, read: Read, version: str) -> str:
    """`@VERSION@` is the version, `@SERIES@` its first two numbers, `@COMMENT@` the program that writes the comment, as deep as its line stands."""
    lines = (_deep(read("comment.txt"), line) if line.strip() == _COMMENT else line for line in text.splitlines(keepends=True))
    return "".join(lines).replace("@VERSION@", version).replace("@SERIES@", ".".join(version.split(".")[:2]))


def _deep(text: str, line: str) -> str:
    return textwrap.indent(text, line[: line.index(_COMMENT)])
