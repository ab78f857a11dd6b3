"""The files of a task repository that torchsync reads, each by its schema. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torchsync.core.hostsfile import HostsFileReader
from torchsync.core.repositoryfile import RepositoryFileReader
from torchsync.core.taskfile import TaskFileReader


class Formats:
    """One reader for each kind of file, by the schemas `torchsync`, `hosts` and `task`, as the given version of torchsync."""

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]], version: str) -> None:
        self.settings = RepositoryFileReader(schemas["torchsync"], version)
        self.inventory = HostsFileReader(schemas["hosts"])
        self.tasks = TaskFileReader(schemas["task"])
