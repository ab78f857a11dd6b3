"""Shell scripts are POSIX, whichever /bin/sh a host has; and the first thing a newcomer meets names all that is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("scripts", "sample-repo/scripts", "tests/systemd", "torchsync")
SCRIPTS = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.sh"))

# What shellcheck takes for mistakes and is meant. It must not stand in shim.sh itself, which every run reads.
MEANT = {
    "shim.sh": ["SC2034", "SC2086", "SC2238"],  # a field of /proc/uptime nobody needs; words that shall be split; a file called exit
    "limits.sh": ["SC2086", "SC3045"],  # words that shall be split; ulimit -n, which dash, bash and busybox have
}

each_script = pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))


@each_script
@pytest.mark.parametrize("shell", [("dash",), ("busybox", "sh"), ("bash", "--posix")], ids=lambda shell: shell[0])
def test_every_shell_can_read_a_script(script: Path, shell: tuple[str, ...]) -> None:
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    done = subprocess.run([*shell, "-n", str(script)], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@each_script
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    command = ["shellcheck", "--shell=sh", *(f"--exclude={code}" for code in MEANT.get(script.name, [])), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == ""


@pytest.mark.parametrize(
    "script", [path for path in SCRIPTS if "torchsync" not in path.relative_to(ROOT).parts], ids=lambda path: path.name
)
def test_scripts_that_people_call_may_be_executed(script: Path) -> None:
    assert os.access(script, os.X_OK)


def preflight(folder: Path, programs: tuple[str, ...], python: str) -> subprocess.CompletedProcess[str]:
    """What preflight.sh says on a machine whose PATH holds these programs only."""
    for program in ("sed", "id", *programs):
        found = shutil.which(program)
        assert found is not None
        (folder / program).symlink_to(found)
    command = ["/bin/sh", str(ROOT / "scripts/preflight.sh"), python]
    return subprocess.run(command, env={"PATH": str(folder)}, capture_output=True, text=True, timeout=120, check=False)


def test_preflight_is_silent_when_nothing_is_missing(tmp_path: Path) -> None:
    done = preflight(tmp_path, ("git", "setpriv"), sys.executable)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_preflight_names_everything_at_once_and_the_one_line_that_brings_it(tmp_path: Path) -> None:
    done = preflight(tmp_path, (), str(tmp_path / "python3"))
    assert done.returncode == 1
    assert [line.split()[1].rstrip(",") for line in done.stderr.splitlines() if line.startswith("missing")] == [
        "python3",
        "the",
        "git",
        "setpriv",
    ]
    assert "apt-get install -y python3 python3-venv git util-linux\n" in done.stderr


def test_preflight_knows_a_python_without_venv(tmp_path: Path) -> None:
    """As on Debian without the package python3-venv: the module venv is there, ensurepip is not."""
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/sh\ncase "$2" in *ensurepip*) exit 1 ;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    done = preflight(tmp_path, ("git", "setpriv"), str(python))
    assert done.returncode == 1
    assert "-venv\n" in done.stderr


@pytest.mark.parametrize(("version", "fits"), [("2.38.5", False), ("2.39.0", True), ("2.47.3", True), ("3.0.1", True)])
def test_preflight_judges_the_version_of_git(tmp_path: Path, version: str, fits: bool) -> None:
    (tmp_path / "bin").mkdir()
    git = tmp_path / "bin/git"
    git.write_text(f"#!/bin/sh\necho git version {version}\n")
    git.chmod(0o755)
    done = preflight(tmp_path / "bin", ("setpriv",), sys.executable)
    assert (done.returncode == 0) is fits
    assert (f"git is {version}" in done.stderr) is not fits
