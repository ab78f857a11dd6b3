"""The unit and its companions, judged by systemd's own tools."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parent.parent / "systemd"
UNIT = SYSTEMD / "torchsync.service"
DROP_IN = SYSTEMD / "torchsync.service.d" / "process-executor.conf"
PROGRAM = "/usr/bin/torchsync"


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def verify(folder: Path, text: str, drop_in: str = "") -> subprocess.CompletedProcess[str]:
    """systemd's verdict on a unit whose program is there. It wants a full path, and for unknown keys it only warns: judge the output too."""
    program = folder / "torchsync"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = folder / "torchsync.service"
    unit.write_text(text.replace(PROGRAM, str(program)))
    if drop_in:
        (folder / "torchsync.service.d").mkdir()
        (folder / "torchsync.service.d" / "drop-in.conf").write_text(drop_in)
    return run(tool("systemd-analyze"), "verify", "--man=no", unit.resolve())


def test_systemd_accepts_the_unit_without_a_word(tmp_path: Path) -> None:
    done = verify(tmp_path, UNIT.read_text())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_accepts_the_drop_in_without_a_word(tmp_path: Path) -> None:
    done = verify(tmp_path, UNIT.read_text(), DROP_IN.read_text())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_misspelt_key_would_be_noticed(tmp_path: Path) -> None:
    done = verify(tmp_path, UNIT.read_text().replace("KillMode=", "KilMode="))
    assert "KilMode" in done.stdout + done.stderr


def settings(path: Path = UNIT) -> dict[str, str]:
    pairs = [line.split("=", 1) for line in path.read_text().splitlines() if re.match(r"\w+=", line)]
    assert len(pairs) == len(dict(pairs)), "a key is set twice"
    return dict(pairs)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("KillMode", "process", id="a restart spares the runs"),
        pytest.param("OOMPolicy", "continue", id="one task out of memory spares the others"),
        pytest.param("TasksMax", "infinity", id="tasks do not share a limit of processes"),
        pytest.param("Delegate", "yes", id="each run has its cgroup"),
        pytest.param("RuntimeDirectoryPreserve", "yes", id="records under run survive a restart"),
        pytest.param("Restart", "always", id="the agent comes back"),
        pytest.param("StartLimitIntervalSec", "0", id="however often it fails"),
        pytest.param("Type", "notify", id="started means ready"),
        pytest.param("ExecReload", f"{PROGRAM} reload --wait", id="a reload tells how it ended"),
        pytest.param("StateDirectoryMode", "0711", id="tasks pass through the state directory"),
    ],
)
def test_the_unit_holds_what_the_promises_rest_on(key: str, value: str) -> None:
    assert settings()[key] == value


def test_the_unit_has_a_watchdog() -> None:
    assert settings()["WatchdogSec"].endswith("s")


SANDBOX = re.compile("Protect|Private|Restrict|SystemCall|LockPersonality|NoNewPrivileges|CapabilityBoundingSet|MemoryDeny")


def test_the_drop_in_lifts_all_of_the_sandbox_and_nothing_else() -> None:
    """What the unit says is inherited by the tasks of the process executor."""
    lifted = settings(DROP_IN)
    assert set(lifted) == {key for key in settings() if SANDBOX.match(key)}
    assert set(lifted.values()) <= {"no", "", "~"}


@pytest.mark.parametrize("prefix", "Limit Nice OOMScore MemoryMax CPUQuota UMask User Group".split())
def test_the_unit_says_nothing_that_the_drop_in_would_have_to_lift_too(prefix: str) -> None:
    assert not [key for key in settings() if key.startswith(prefix)]


def exposure(folder: Path) -> float:
    """Of the unit in the folder, from 0 to 10, by systemd's own reckoning."""
    done = run(tool("systemd-analyze"), "security", "--offline=true", (folder / "torchsync.service").resolve())
    found = re.search(r"Overall exposure level for torchsync.service: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def test_the_unit_is_sandboxed_until_the_drop_in_is_there(tmp_path: Path) -> None:
    verify(tmp_path, UNIT.read_text())
    assert exposure(tmp_path) <= 3.6
    verify(tmp_path, UNIT.read_text(), DROP_IN.read_text())
    assert exposure(tmp_path) >= 9


def test_sysusers_makes_the_user_and_the_group(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    done = run(tool("systemd-sysusers"), f"--root={tmp_path}", "--dry-run", SYSTEMD / "sysusers.d" / "torchsync.conf")
    assert done.returncode == 0
    made = set(re.findall(r"Creating (group|user) '([a-z-]+)'", done.stdout + done.stderr))
    assert made == {("group", "torchsync-admin"), ("group", "torchsync-run"), ("user", "torchsync-run")}


def test_tmpfiles_makes_the_folders(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: systemd-tmpfiles gives the folders to their owners")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ntorchsync-run:x:1234:1234::/:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\ntorchsync-run:x:1234:\n")
    done = run(tool("systemd-tmpfiles"), f"--root={tmp_path}", "--create", SYSTEMD / "tmpfiles.d" / "torchsync.conf")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    home, config = (tmp_path / "var/lib/torchsync-run").stat(), (tmp_path / "etc/torchsync").stat()
    assert (home.st_uid, home.st_gid, home.st_mode & 0o777) == (1234, 1234, 0o700)
    assert (config.st_uid, config.st_mode & 0o777) == (0, 0o755)
