"""The lock files and the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ["requirements.lock", "requirements-dev.lock"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, str]:
    """Package to version."""
    text = (ROOT / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def package_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_with_hashes(name: str) -> None:
    entries = re.split(r"\n(?=[a-z])", (ROOT / name).read_text())[1:]
    assert entries
    assert not [
        entry.splitlines()[0] for entry in entries if not re.match(r"[a-z0-9-]+==[^\s;]+.*\\\n    --hash=sha256:[0-9a-f]{64}", entry)
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place(name: str) -> None:
    """Where packages come from is the business of whoever installs: an index of one's own must work."""
    assert not re.findall(r"https?:|file:|--index|--extra-index|--find-links|@ ", (ROOT / name).read_text())


def test_the_lock_holds_all_that_the_project_needs() -> None:
    assert {package_of(requirement) for requirement in PROJECT["project"]["dependencies"]} <= locked("requirements.lock").keys()
    assert {package_of(requirement) for requirement in PROJECT["dependency-groups"]["dev"]} <= locked("requirements-dev.lock").keys()


def test_tests_run_on_the_versions_that_users_get() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_all_the_program_needs_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    wanted = [path for path in (ROOT / "torchsync").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert names == {str(path.relative_to(ROOT)) for path in wanted}
    assert {
        "torchsync/schemas/task.schema.json",
        "torchsync/schemas/agent.schema.json",
        "torchsync/adapters/shim.sh",
        "torchsync/adapters/limits.sh",
        "torchsync/systemd/torchsync.service",
    } <= names


def test_the_wheel_brings_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    about = {name.partition(".dist-info/")[2]: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert "torchsync = torchsync.cli.main:main" in about["entry_points.txt"]
    assert "Apache License" in about["licenses/LICENSE"]
