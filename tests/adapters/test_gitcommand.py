"""Command lines, environments, and what is read from git's words."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from torchsync.adapters.gitcommand import FoundRef, GitHome, commit_id, fetch, found_ref, local, ls_remote, remote_problem, tree_path
from torchsync.adapters.gitproblem import git_problem, is_overloaded, shown
from torchsync.adapters.gitssh import ssh_command
from torchsync.core.remoteurl import redact
from torchsync.core.syncdoc import RemoteSpec

HOME = GitHome(folder="/var/lib/torchsync", search_path="/usr/bin")
HTTPS = RemoteSpec(url="https://git.example.org:8443/ops/tasks.git", ref="main", token_file="/etc/torchsync/token", ca_file="/etc/ca.pem")
ONE, TWO = "1" * 40, "2" * 40


def settings(argv: tuple[str, ...]) -> dict[str, str]:
    return dict(argv[place + 1].split("=", 1) for place, word in enumerate(argv) if word == "-c")


def test_only_the_scheme_of_the_url_is_allowed() -> None:
    assert ls_remote(HTTPS, HOME).environment["GIT_ALLOW_PROTOCOL"] == "https"
    assert ls_remote(RemoteSpec(url="file:///srv/tasks.git"), HOME).environment["GIT_ALLOW_PROTOCOL"] == "file"
    assert local(HOME, "/m", "rev-parse").environment["GIT_ALLOW_PROTOCOL"] == ""


def test_the_environment_is_complete_and_holds_nothing_from_outside() -> None:
    environment = fetch(HTTPS, HOME, "/var/lib/torchsync/repo.git", "refs/heads/main").environment
    assert environment["HOME"] == "/var/lib/torchsync"
    assert environment["PATH"] == "/usr/bin"
    assert environment["GIT_TERMINAL_PROMPT"] == "0"
    assert environment["GIT_CONFIG_GLOBAL"] == "/dev/null"
    assert {name for name in environment if not name.startswith("GIT_")} == {
        "HOME",
        "LC_ALL",
        "PATH",
        "TORCHSYNC_HELPER",
        "TORCHSYNC_PYTHON",
        "TORCHSYNC_TOKEN_FILE",
        "TORCHSYNC_USERNAME",
    }


def test_the_credential_helper_is_bound_to_the_server() -> None:
    found = settings(ls_remote(HTTPS, HOME).argv)
    assert [name for name in found if name.startswith("credential.")] == [
        "credential.helper",
        "credential.https://git.example.org:8443.helper",
    ]
    assert found["credential.helper"] == ""


@pytest.mark.parametrize(
    ("remote", "username"),
    [
        pytest.param(HTTPS, "git", id="default"),
        pytest.param(RemoteSpec(url="https://bot@git.example.org/t.git", token_file="/t"), "bot", id="from the url"),
        pytest.param(
            RemoteSpec(url="https://bot@git.example.org/t.git", token_file="/t", username="x-token-auth"), "x-token-auth", id="configured"
        ),
    ],
)
def test_the_username(remote: RemoteSpec, username: str) -> None:
    assert ls_remote(remote, HOME).environment["TORCHSYNC_USERNAME"] == username


def test_hardening_and_the_ca_are_on_the_command_line() -> None:
    found = settings(fetch(HTTPS, HOME, "/m", "refs/heads/main").argv)
    assert found["http.sslCAInfo"] == "/etc/ca.pem"
    assert found["transfer.fsckObjects"] == "true"
    assert found["core.hooksPath"] == "/dev/null"


def test_what_comes_from_the_configuration_cannot_be_an_option() -> None:
    words = fetch(HTTPS, HOME, "/m", "refs/heads/main").argv
    assert words[-3:] == ("--end-of-options", HTTPS.url, "+refs/heads/main:refs/torchsync/tip")


@pytest.mark.parametrize(
    ("ref", "listing", "found"),
    [
        pytest.param("", f"ref: refs/heads/dev\tHEAD\n{ONE}\tHEAD\n", FoundRef(ONE, "refs/heads/dev"), id="head"),
        pytest.param("HEAD", f"{ONE}\tHEAD\n", FoundRef(ONE, "HEAD"), id="detached head"),
        pytest.param("", f"ref: refs/heads/a:refs/b\tHEAD\n{ONE}\tHEAD\n", FoundRef(ONE, "HEAD"), id="head with a name that is none"),
        pytest.param("v1", f"{ONE}\trefs/heads/v1\n{TWO}\trefs/tags/v1\n", FoundRef(ONE, "refs/heads/v1"), id="branch before tag"),
        pytest.param("v1", f"{ONE}\trefs/tags/v1\n{TWO}\trefs/tags/v1^{{}}\n", FoundRef(TWO, "refs/tags/v1"), id="annotated tag"),
        pytest.param("refs/pull/1/head", f"{ONE}\trefs/pull/1/head\n", FoundRef(ONE, "refs/pull/1/head"), id="full name"),
        pytest.param("main", f"{ONE}\trefs/x/refs/heads/main\n", None, id="longer name that ends alike"),
        pytest.param("main", "", None, id="nothing"),
        pytest.param("main", "not-an-id\trefs/heads/main\n", None, id="no id"),
    ],
)
def test_what_the_remote_lists(ref: str, listing: str, found: FoundRef | None) -> None:
    assert found_ref(listing, ref) == found


def test_commit_ids_are_told_from_names() -> None:
    assert commit_id("AB" * 20) == "ab" * 20
    assert commit_id("c" * 64) == "c" * 64
    assert commit_id("c" * 39) == commit_id("main") == commit_id("") == ""


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"url": "git@git.example.org:ops/tasks.git"}, "TS303"),
        ({"url": "ssh://git@git.example.org/t.git"}, "TS303"),
        ({"url": "git://git.example.org/t.git"}, "TS303"),
        ({"known_hosts": "/etc/known"}, "TS303"),
        ({"url": "https:///t.git"}, "TS303"),
        ({"url": "https://h:99999/t.git"}, "TS303"),
        ({"url": "https://h/a\nb"}, "TS303"),
        ({"url": "https://h/a b"}, "TS303"),
        ({"url": "file://host/t.git"}, "TS303"),
        ({"url": "https://u:hunter2@h/t.git"}, "TS303"),
        ({"url": "http://h/t.git"}, "TS303"),
        ({"url": "ext::sh -c id"}, "TS303"),
        ({"ref": "a b"}, "TS303"),
        ({"ref": "-x"}, "TS303"),
        ({"ref": "x.lock"}, "TS303"),
        ({"ref": "refs/heads/x:y"}, "TS303"),
        ({"path": "/ops"}, "TS303"),
        ({"path": "a/../b"}, "TS303"),
    ],
)
def test_settings_that_cannot_work_are_said(changes: dict[str, str], code: str) -> None:
    problem = remote_problem(RemoteSpec(**({"url": "https://h/t.git"} | changes)))
    assert problem
    assert (problem.code, problem.path) == (code, f"repository.{next(iter(changes))}")
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("/srv/git tasks/50%.git", "file:///srv/git%20tasks/50%25.git"),
        ("file:///srv/tasks.git", "file:///srv/tasks.git"),
        ("file://localhost/srv/tasks.git", "file:///srv/tasks.git"),
        ("HTTPS://git.example.org/t.git", "https://git.example.org/t.git"),
        ("SSH://git@git.example.org:2222/t.git", "ssh://git@git.example.org:2222/t.git"),
    ],
)
def test_git_gets_an_address_that_it_understands(url: str, address: str) -> None:
    call = fetch(RemoteSpec(url=url), HOME, "/m", "refs/heads/main")
    assert call.argv[-2] == address
    assert call.environment["GIT_ALLOW_PROTOCOL"] == address.partition(":")[0]


@pytest.mark.parametrize(
    "remote",
    [
        HTTPS,
        RemoteSpec(url="file:///srv/tasks.git", ref="feature/x.y", path="./ops//cron/"),
        RemoteSpec(url="http://h/t.git", insecure=True, ref="refs/changes/7/head"),
        RemoteSpec(url="https://[::1]:8443/t.git", ref="v1.2.3"),
        RemoteSpec(url="ssh://git@git.example.org/t.git", ssh_key="/k", known_hosts="/h"),
        RemoteSpec(url="git@git.example.org:ops/tasks.git", ssh_key="/k", known_hosts="/h"),
        RemoteSpec(url="git://git.example.org/t.git", insecure=True),
    ],
)
def test_settings_that_can_work_are_left_alone(remote: RemoteSpec) -> None:
    assert remote_problem(remote) is None


def test_the_path_of_the_tree() -> None:
    assert [tree_path(path) for path in (".", "", "./", "ops", "./ops//cron/")] == ["", "", "", "ops", "ops/cron"]


# ssh, proxies.


def test_the_short_form_of_ssh_reaches_git_as_it_is() -> None:
    call = ls_remote(RemoteSpec(url="git@git.example.org:ops/tasks.git", ref="main", ssh_key="/k", known_hosts="/h"), HOME)
    assert call.environment["GIT_ALLOW_PROTOCOL"] == "ssh"
    assert "git@git.example.org:ops/tasks.git" in call.argv


def test_only_ssh_is_told_how_to_use_ssh() -> None:
    for url in ("https://h/x", "/x", "git://h/x"):
        assert "GIT_SSH_COMMAND" not in ls_remote(RemoteSpec(url=url), HOME).environment


def test_the_files_of_ssh_survive_the_shell_and_its_configuration() -> None:
    words = shlex.split(ssh_command("/keys/it's 50% $HOME", "/known hosts"))
    assert words[:3] == ["ssh", "-F", "none"]
    assert """IdentityFile="/keys/it's 50%% $HOME\"""" in words
    assert 'UserKnownHostsFile="/known hosts"' in words
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "UpdateHostKeys=no"} <= set(words)


def test_a_server_may_be_silent_for_as_long_as_the_operator_waits_for_any_answer() -> None:
    patient = replace(HTTPS, timeout_ms=300_000)
    assert int(settings(fetch(patient, HOME, "/m", "refs/heads/main").argv)["http.lowSpeedTime"]) > 300


def test_a_proxy_is_a_setting_of_git_and_no_variable() -> None:
    call = ls_remote(replace(HTTPS, proxy="http://proxy:3128"), HOME)
    assert settings(call.argv)["http.proxy"] == "http://proxy:3128"
    assert not [name for name in call.environment if "proxy" in name.lower()]


def test_the_password_of_a_proxy_is_asked_for_by_git_under_the_address_of_the_proxy_alone() -> None:
    remote = replace(HTTPS, proxy="http://proxy:3128", proxy_username="DOM\\bot@x", proxy_password_file="/etc/torchsync/proxy")
    call = ls_remote(remote, HOME)
    found = settings(call.argv)
    assert found["http.proxy"] == "http://DOM%5Cbot%40x@proxy:3128"
    assert found["credential.http://proxy:3128.helper"].endswith(" proxy; }; f")
    assert " proxy" not in found["credential.https://git.example.org:8443.helper"]
    assert call.environment["TORCHSYNC_PROXY_PASSWORD_FILE"] == "/etc/torchsync/proxy"
    alone = ls_remote(replace(remote, token_file=""), HOME)
    assert [name for name in settings(alone.argv) if name.startswith("credential.")] == [
        "credential.helper",
        "credential.http://proxy:3128.helper",
    ]


def test_a_credential_command_is_told_apart_by_no_shell() -> None:
    call = ls_remote(RemoteSpec(url="https://h/x", credential_command=("/c", "$(id)", "a b")), HOME)
    assert call.environment["TORCHSYNC_CREDENTIAL_COMMAND"] == "/c\x1f$(id)\x1fa b"
    assert "TORCHSYNC_TOKEN_FILE" not in call.environment
    assert "id" not in settings(call.argv)["credential.https://h.helper"]


# What git says.


@pytest.mark.parametrize(
    ("stderr", "code"),
    [
        ("fatal: unable to access 'https://h/': Could not resolve host: h", "TS201"),
        ("fatal: unable to access 'https://h/': Failed to connect to h port 443: Connection refused", "TS201"),
        ("remote: Repository not found.\nfatal: repository 'https://h/t.git/' not found", "TS201"),
        ("fatal: '/t.git' does not appear to be a git repository\nfatal: Could not read from remote repository.", "TS201"),
        ("error: RPC failed; curl 18 transfer closed\nfatal: early EOF\nfatal: fetch-pack: invalid index-pack output", "TS201"),
        ("", "TS201"),
        ("fatal: Authentication failed for 'https://h/t.git/'", "TS202"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "TS202"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 403", "TS202"),
        ("error: RPC failed; curl 28 Operation too slow. Less than 1000 bytes/sec transferred the last 20 seconds", "TS204"),
        ("fatal: couldn't find remote ref refs/heads/nope", "TS205"),
        ("fatal: remote error: upload-pack: not our ref 1111111111111111111111111111111111111111", "TS205"),
        ("fatal: unable to access 'https://h/': SSL certificate problem: unable to get local issuer certificate", "TS210"),
        ("fatal: unable to access 'https://h/': server certificate verification failed. CAfile: none CRLfile: none", "TS210"),
        ("fatal: unable to access 'https://h/': gnutls_handshake() failed: The TLS connection was non-properly terminated.", "TS210"),
        ("error: object 1234abcd: hasDotgit: contains '.git'\nfatal: fsck error in packed object", "TS140"),
        ("error: object file objects/ab/cd is empty\nfatal: loose object abcd (stored in objects/ab/cd) is corrupt", "TS209"),
        ("fatal: not a git repository: '/var/lib/torchsync/repo.git'", "TS209"),
        ("fatal: write error: No space left on device", "TS333"),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 429", "TS201"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", "TS201"),
        ("fatal: unable to access 'https://h/': CONNECT tunnel failed, response 407", "TS202"),
        ("fatal: unable to access 'https://h/': Received HTTP code 407 from proxy after CONNECT", "TS202"),
        ("fatal: unable to access 'https://h/': CONNECT tunnel failed, response 401", "TS202"),
        ("fatal: unable to access 'https://h/': Received HTTP code 401 from proxy after CONNECT", "TS202"),
        ("fatal: unable to access 'https://h/': Received HTTP code 403 from proxy after CONNECT", "TS201"),
        ("error: Server does not allow request for unadvertised object 1111111111111111111111111111111111111111", "TS205"),
        ("torchsync: the token file /t is empty\nfatal: credential helper '!f' told us to quit", "TS202"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", "TS202"),
        ("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures", "TS202"),
        ("No ED25519 host key is known for [h]:2222 and you have requested strict checking.\nHost key verification failed.", "TS203"),
        ("Host key verification failed.", "TS203"),
        ("The ED25519 host key for h is marked as revoked.\nHost key verification failed.", "TS211"),
        ("The fingerprint for the RSA key sent by the remote host is\nSHA256:GEE.\nHost key verification failed.", "TS211"),
        ("ssh: Could not resolve hostname h: Name or service not known", "TS201"),
        ("ssh: connect to host h port 22: Connection refused", "TS201"),
        ("ssh: connect to host h port 22: Connection timed out", "TS204"),
        ("Connection timed out during banner exchange", "TS204"),
        ("Timeout, server h not responding.", "TS204"),
        ("timeout: can't execute 'git': No such file or directory", "TS320"),
        ("sh: 1: ssh: not found\nfatal: Could not read from remote repository.", "TS320"),
        ("error: index-pack died of signal 25\nfatal: fetch-pack: invalid index-pack output", "TS141"),
        ("fatal: repository 'https://h/certificate.git/' not found", "TS201"),
        ("fatal: '/srv/certificate.git' does not appear to be a git repository", "TS201"),
        ("fatal: unable to access 'https://h/certificate/': Could not resolve host: h", "TS201"),
        ("fatal: couldn't find remote ref refs/heads/certificate", "TS205"),
        ("remote: fatal: write error: No space left on device\nfatal: protocol error: bad pack header", "TS201"),
        ("remote: error: object file ./a is empty\nremote: aborting due to possible repository corruption on the remote side.", "TS201"),
    ],
)
def test_what_git_said_has_a_code(stderr: str, code: str) -> None:
    problem = git_problem(stderr, "https://bot:hunter2@h/t.git")
    assert problem.code == code
    assert problem.message.startswith("https://h/t.git ")
    assert "hunter2" not in problem.message


def test_the_sentence_of_a_server_stays_one_short_printable_line() -> None:
    problem = git_problem("fatal: \x1b[31mred\x1b[0m " + "x" * 1000, "https://h/t.git")
    assert problem.message.isprintable()
    assert len(problem.message) <= 300
    assert shown("a\n\tb\x07") == "a b?"


@pytest.mark.parametrize(
    ("stderr", "is_so"),
    [
        ("fatal: unable to access 'https://h/': The requested URL returned error: 429", True),
        ("error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503\nfatal: expected flush", True),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 500", False),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 4290", False),
        ("fatal: unable to access 'https://h:429/': Connection refused", False),
        ("", False),
    ],
)
def test_a_server_that_wants_to_be_left_alone_is_told_from_others(stderr: str, is_so: bool) -> None:
    assert is_overloaded(stderr) is is_so


def test_users_and_passwords_are_taken_out_of_every_url() -> None:
    text = "fatal: unable to access 'https://bot:hunter2@h/t.git/' or https://token@h/ but not mail@h"
    assert redact(text) == "fatal: unable to access 'https://h/t.git/' or https://h/ but not mail@h"
