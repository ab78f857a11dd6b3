"""The page on signing does what it says: its commands, in order, as they stand there, and then a host that has its agent.yaml."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from tests.e2e.host import ROOT, Host, environment, git
from tests.signing import needs_gpg, needs_ssh_keygen

PAGE = (ROOT / "docs/how-to/signing.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def commands(host: Host) -> str:
    """Every command of the page. What belongs to root there is a folder of the test here."""
    script = "\n".join(text for language, text in BLOCKS if language == "bash" and "torchsync agent" not in text)
    return script.replace("/etc/torchsync", str(host.folder / "etc"))


@needs_ssh_keygen
@needs_gpg
def test_the_commands_of_the_page_work_and_a_host_accepts_what_they_sign(host: Host) -> None:
    home = host.folder / "h"
    for folder in (home / ".ssh", host.folder / "etc"):
        folder.mkdir(parents=True, mode=0o700)
    host.commit({"tasks/a.yaml": 'version: 1\ntasks:\n  a: {schedule: "@daily", command: "true"}\n'})
    root = git("rev-parse", "HEAD", cwd=host.clone)
    git("config", "user.name", "Alice", cwd=host.clone)
    git("config", "user.email", "alice@example.org", cwd=host.clone)
    own = {**environment(), "HOME": str(home), "GIT_CONFIG_GLOBAL": str(home / "gitconfig")}
    try:
        done = subprocess.run(["bash", "-euc", commands(host)], cwd=host.clone, env=own, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=own, check=False)
    assert done.returncode == 0, done.stderr
    assert "\nG alice@example.org SHA256:" in f"\n{done.stdout}"
    git("push", "-q", "origin", "main", cwd=host.clone)
    etc = host.folder / "etc"
    for number, (status, told) in enumerate(verdicts(host, etc, root)):
        assert status == (77 if number else 0), told
    assert "which is revoked" in told


def verdicts(host: Host, etc: Path, root: str) -> list[tuple[int, str]]:
    """Of a host as the page has it at its end, before and after the key is said to be revoked."""
    found = []
    for more in ({}, {"revoked_keys": str(etc / "revoked_keys")}):
        verify = {
            "mode": "all",
            "root": root,
            "allowed_signers": str(etc / "allowed_signers"),
            "gpg_keyring": str(etc / "keyring.gpg"),
            **more,
        }
        host.configure(repository={"verify": verify})
        for words in (["--check"], ["--once"]):
            command = [sys.executable, "-m", "torchsync", "agent", *words, "--config", str(host.config)]
            done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
            assert words == ["--once"] or done.returncode == 0, done.stderr
        found.append((done.returncode, done.stderr))
    return found


def test_every_setting_is_shown_on_the_page() -> None:
    shown = [yaml.safe_load(text)["repository"]["verify"] for language, text in BLOCKS if language == "yaml"]
    assert {name for verify in shown for name in verify} == {"mode", "allowed_signers", "gpg_keyring", "root"}
    assert "verify.revoked_keys" in PAGE
