"""The rules of conftest.py, tried on a small suite of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run_suite(folder: Path, body: str, *options: str, ci: str = "true", allowed: str = "") -> subprocess.CompletedProcess[str]:
    shutil.copy(HERE / "conftest.py", folder)
    (folder / "allowed_skips.txt").write_text(allowed)
    (folder / "test_sample.py").write_text("import pytest\n" + body)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *options, str(folder)]
    about_this_run = {name for name in os.environ if name.startswith("PYTEST_")}
    environment = {name: value for name, value in os.environ.items() if name not in about_this_run}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment | {"CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


SKIPS = "def test_a(): pytest.skip('no promtool here')\ndef test_b(): pass\n"


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_a_skip_that_is_not_allowed_fails_ci_and_is_named(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = run_suite(tmp_path, SKIPS, *options)
    assert done.returncode == 1
    assert "no promtool here: 1 skipped" in done.stdout


def test_an_allowed_skip_passes(tmp_path: Path) -> None:
    assert run_suite(tmp_path, SKIPS, allowed="no prom* # because\n").returncode == 0


def test_a_skip_outside_ci_passes(tmp_path: Path) -> None:
    assert run_suite(tmp_path, SKIPS, ci="").returncode == 0


def test_a_module_that_skips_as_a_whole_fails_ci(tmp_path: Path) -> None:
    done = run_suite(tmp_path, "pytest.skip('no systemd', allow_module_level=True)\ndef test_a(): pass\n")
    assert done.returncode != 0
    assert "no systemd: 1 skipped" in done.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    assert run_suite(tmp_path, "@pytest.mark.xfail(strict=True)\ndef test_a(): assert 0\n").returncode == 0


def test_a_seed_repeats_its_order(tmp_path: Path) -> None:
    body = "".join(f"def test_{n:02}(): pass\n" for n in range(30))

    def order(seed: int) -> list[str]:
        lines = run_suite(tmp_path, body, "-v", f"--order-seed={seed}").stdout.splitlines()
        return [line.split()[0].partition("::")[2] for line in lines if "::" in line and "PASSED [" in line.replace("  ", "")]

    as_written, seven = order(0), order(7)
    assert as_written == [f"test_{n:02}" for n in range(30)]
    assert seven == order(7) != as_written


def test_a_golden_file_is_compared_and_rewritten_on_request(tmp_path: Path) -> None:
    body = "def test_a(golden): golden('a.txt', {!r})\n"
    assert run_suite(tmp_path, body.format("one")).returncode == 1
    assert run_suite(tmp_path, body.format("one"), "--golden").returncode == 0
    assert run_suite(tmp_path, body.format("one")).returncode == 0
    assert run_suite(tmp_path, body.format("two")).returncode == 1
