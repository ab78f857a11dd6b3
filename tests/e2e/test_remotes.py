"""An agent whose remote changes, and what of its secrets can be found anywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.host import Document, Host, environment, git, never
from tests.gitrepo import Repo, one_task
from tests.sshserver import SshServer, make_key, public


def agent(host: Host, *words: str) -> subprocess.CompletedProcess[str]:
    """An agent that ends by itself."""
    command = [sys.executable, "-m", "torchsync", "agent", "--config", str(host.config), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, timeout=60)


def once(host: Host, **repository: object) -> tuple[int, str]:
    """Exit status and words of one sync with these settings."""
    host.configure(repository=repository)
    done = agent(host, "--once")
    return done.returncode, done.stdout + done.stderr


def in_force(host: Host) -> Document:
    """The generation that the state directory holds."""
    body: Document = json.loads((host.state / "generation.json").read_text())["body"]
    return body


def files(name: str, folder: str = "") -> Mapping[str, str]:
    return {f"{folder}tasks/{name}.yaml": one_task(name)}


# Another url, ref or path on a state directory that has one: an operator's decision.


def test_another_url_brings_unrelated_history_without_a_word_about_rewinds(host: Host) -> None:
    host.tasks(old=never("true"))
    assert once(host)[0] == 0
    other = Repo(host.folder / "other", files("new"))
    status, text = once(host, url=other.url)
    assert (status, "applied" in text) == (0, True), text
    assert (in_force(host)["revision"], set(in_force(host)["tasks"])) == (other.head, {"new"})
    assert once(host, url=other.url)[0] == 0


def test_the_floor_of_a_url_holds_as_long_as_the_url_does(host: Host) -> None:
    host.tasks(old=never("true"))
    newer = host.tasks(old=never("false"))
    assert once(host)[0] == 0
    git("push", "-q", "-f", "origin", f"{newer}~1:main", cwd=host.clone)
    status, text = once(host, url=f"file://{host.remote}")
    assert (status, "TS207" in text) == (77, True), text
    other = Repo(host.folder / "other", files("new"))
    assert once(host, url=other.url)[0] == 0


def test_another_ref_is_followed_backwards_and_sideways(host: Host) -> None:
    older = host.tasks(old=never("true"))
    git("push", "-q", "origin", f"{older}:refs/heads/stable", f"{older}:refs/tags/v1", cwd=host.clone)
    host.tasks(old=never("true"), new=never("true"))
    assert once(host)[0] == 0
    assert set(in_force(host)["tasks"]) == {"old", "new"}
    for ref in ("stable", "refs/tags/v1", older):
        assert once(host, ref="main")[0] == 0
        status, text = once(host, ref=ref)
        assert status == 0, text
        assert (in_force(host)["revision"], set(in_force(host)["tasks"])) == (older, {"old"})


def test_another_path_has_a_floor_and_a_tree_of_its_own(host: Host) -> None:
    host.commit({**files("here"), **files("there", "ops/cron/")})
    assert once(host)[0] == 0
    before = in_force(host)
    assert once(host, path="ops/cron")[0] == 0
    after = in_force(host)
    assert (before["revision"], set(after["tasks"])) == (after["revision"], {"there"})
    assert before["tree"] != after["tree"]


def test_a_repository_with_sha256_ids_takes_the_place_of_one_with_sha1_and_back(host: Host) -> None:
    first = host.tasks(old=never("true"))
    assert once(host)[0] == 0
    other = Repo(host.folder / "other", files("new"), object_format="sha256")
    status, text = once(host, url=other.url)
    assert status == 0, text
    assert in_force(host)["revision"] == other.head
    assert once(host)[0] == 0
    assert in_force(host)["revision"] == first


def test_a_new_url_that_does_not_work_leaves_the_old_tasks_in_force(host: Host) -> None:
    first = host.tasks(old=never("true"))
    assert once(host)[0] == 0
    status, text = once(host, url=f"file://{host.folder}/nowhere")
    assert (status, "TS201" in text) == (69, True), text
    assert (in_force(host)["revision"], set(in_force(host)["tasks"])) == (first, {"old"})


def test_a_running_agent_follows_another_url_after_a_reload(host: Host) -> None:
    first = host.tasks(old=never("true"))
    host.start()
    host.wait_for_revision(first)
    other = Repo(host.folder / "other", files("new"))
    host.configure(repository={"url": other.url})
    host.torchsync("reload", "--wait")
    host.wait_for_revision(other.head)
    assert host.status()["tasks"]["active"] == 1


def test_a_host_key_that_changed_stops_syncs_with_69_and_leaves_the_tasks_alone(host: Host) -> None:
    with closing(SshServer(host.folder / "sshd")) as sshd:
        access = {"url": sshd.url(host.remote), "ssh_key": str(sshd.client_key), "known_hosts": str(sshd.known_hosts)}
        first = host.tasks(old=never("true"))
        assert once(host, **access)[0] == 0
        host.tasks(new=never("true"))
        sshd.restart_with(make_key(host.folder / "fresh"))
        status, text = once(host, **access)
    assert (status, "TS211" in text) == (69, True), text
    assert in_force(host)["revision"] == first


# agent --check.


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"ssh_key": "nowhere"}, "TS202 the key file {folder}/nowhere is not there", id="no key"),
        pytest.param({"ssh_key": "open"}, "has the mode 0644: others can read it", id="open key"),
        pytest.param({"ssh_key": "locked"}, "needs a passphrase, and nobody is there to be asked", id="locked key"),
        pytest.param({"ssh_key": "good.pub"}, "is a public key", id="public key"),
        pytest.param({"known_hosts": "nowhere"}, "TS203 the file of known hosts {folder}/nowhere is not there", id="no known hosts"),
        pytest.param({"known_hosts": "empty"}, "TS203 {folder}/empty has no key of [git.example.org]:2222", id="unknown server"),
        pytest.param({}, "valid; this host is", id="nothing wrong"),
    ],
)
def test_the_check_tells_what_ssh_would_not_take(host: Host, settings: dict[str, str], says: str) -> None:
    good, locked = make_key(host.folder / "good"), make_key(host.folder / "locked", passphrase="open sesame")
    (host.folder / "good.pub").chmod(0o600)
    (host.folder / "open").write_bytes(good.read_bytes())
    (host.folder / "open").chmod(0o644)
    (host.folder / "empty").write_text("")
    (host.folder / "known").write_text(f"[git.example.org]:2222 {public(locked)}\n")
    paths = {name: str(host.folder / value) for name, value in ({"ssh_key": "good", "known_hosts": "known"} | settings).items()}
    host.configure(repository={"url": "ssh://git@git.example.org:2222/x.git", **paths})
    done = agent(host, "--check")
    assert done.returncode == (78 if settings else 0), done.stderr
    assert says.format(folder=host.folder) in done.stdout + done.stderr
    assert not host.state.exists()


def test_the_check_tells_every_file_that_is_not_there_at_once(host: Host) -> None:
    nowhere = str(host.folder / "nowhere")
    host.configure(repository={"url": "https://git.example.org/x.git", "token_file": nowhere, "ca_file": nowhere})
    done = agent(host, "--check")
    assert done.returncode == 78
    assert "TS202 the token file" in done.stderr
    assert "TS210 the file of certificates" in done.stderr
    host.configure(repository={"url": "https://git.example.org/x.git", "credential_command": [nowhere]})
    assert "TS202 the credential command" in agent(host, "--check").stderr


def test_a_secret_in_an_address_is_not_repeated_by_an_agent_that_does_not_start(host: Host) -> None:
    host.configure(repository={"url": "https://bot:url-canary-1@git.example.org/x", "proxy": "http://bot:proxy-canary-2@proxy:3128"})
    done = agent(host, "--once")
    assert done.returncode == 78
    assert "canary" not in done.stdout + done.stderr
    assert Path(host.config).exists()
