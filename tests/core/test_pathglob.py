from __future__ import annotations

import pytest

from torchsync.core import pathglob
from torchsync.core.pathglob import matches_path


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("tasks/web/**", "tasks/web/a.yaml", True),
        ("tasks/web/**", "tasks/web/deep/er/a.yaml", True),
        ("tasks/web/**", "tasks/webber/a.yaml", False),
        ("tasks/*.yaml", "tasks/a.yaml", True),
        ("tasks/*.yaml", "tasks/web/a.yaml", False),
        ("tasks/**/a.yaml", "tasks/a.yaml", True),
        ("tasks/**/a.yaml", "tasks/x/y/a.yaml", True),
        ("tasks/**/a.yaml", "tasks/x/y/b.yaml", False),
        ("**", "tasks/a.yaml", True),
        ("tasks", "tasks/a.yaml", False),
        ("tasks/a.yaml", "tasks/a.yaml", True),
        ("tasks/A.yaml", "tasks/a.yaml", False),
        ("tasks/[ab].yaml", "tasks/b.yaml", True),
        ("tasks/**.yaml", "tasks/x/b.yaml", False),
    ],
)
def test_a_pattern_fits_whole_paths(pattern, path, expected):
    assert matches_path(pattern, path) is expected


def test_many_double_stars_cost_no_more_than_their_number(monkeypatch):
    patterns, parts = ["**", "a"] * 30, ["a"] * 29 + ["b"] * 200
    compared = []
    fits = pathglob.fnmatchcase
    monkeypatch.setattr(pathglob, "fnmatchcase", lambda part, pattern: compared.append(part) or fits(part, pattern))
    assert not matches_path("/".join(patterns), "/".join(parts))
    assert 0 < len(compared) <= len(patterns) * len(parts)
