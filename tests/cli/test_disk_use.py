"""What syncs leave on the disk is bounded, however many there were."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from random import Random

from tests.cli.test_syncprocess import answer_of, asked, in_process, repo, start, state  # noqa: F401 fixtures
from tests.gitrepo import GOOD, Repo
from torchsync.adapters.mirrorfiles import look_at
from torchsync.adapters.tree import Trees, remove_all
from torchsync.core.syncdoc import Verdict

COMMITS = int(os.environ.get("TORCHSYNC_TEST_COMMITS", "60"))
"""The tree of each has 1 MiB of scripts. 500 take two minutes, and stay below the same bounds."""
MIB = 1 << 20


def size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def test_commits_that_each_change_a_script_of_a_megabyte_stay_bounded(repo: Repo, state: Path) -> None:  # noqa: F811
    """Text that hardly compresses, of which each commit changes a part of 16 KiB: in a mirror it takes that part only, once it is packed."""
    draw = Random(1)
    blocks = [draw.randbytes(8 << 10).hex() for _ in range(64)]
    trees = Trees(state / "worktrees")
    largest, packed = 0, 0
    for number in range(COMMITS):
        blocks[draw.randrange(64)] = draw.randbytes(8 << 10).hex()
        repo.commit(GOOD | {"scripts/large.sh": "#!/bin/sh\n: " + "\n: ".join(blocks)})
        answer = answer_of(start(asked(repo, state))) if number % 20 == 0 else in_process(asked(repo, state))
        assert answer.verdict is Verdict.ACCEPTED
        assert answer.recoveries == {}
        remove_all(trees.retire([answer.tree]))
        found = look_at(state / "repo.git")
        packed = max(packed, *found.packs)
        largest = max(largest, size(state / "repo.git"))
        assert size(state / "worktrees") < 1.1 * MIB
    clone = state.parent / "clone.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", "--no-local", repo.folder, clone], check=True)
    assert largest < 2 * packed + 18 * MIB
    assert largest < 2 * size(clone) + 18 * MIB
    assert len(list((state / "worktrees").iterdir())) == 2
