"""Settings of a remote that do not fit together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from torchsync.core.remotesettings import setting_faults
from torchsync.core.syncdoc import RemoteSpec

HTTPS = RemoteSpec(url="https://git.example.org/x", token_file="/t")
SSH = RemoteSpec(url="git@git.example.org:x", ssh_key="/k", known_hosts="/h")


def faults(remote: RemoteSpec, **changes: object) -> list[tuple[str, str]]:
    return [(fault.setting, fault.message) for fault in setting_faults(replace(remote, **changes))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "remote",
    [
        HTTPS,
        SSH,
        replace(SSH, known_hosts="/with space/50%/it's"),
        replace(HTTPS, username="bot", ca_file="/ca", proxy="http://proxy.example.org:3128"),
        replace(HTTPS, token_file="", credential_command=("/c", "a b"), username="bot", proxy="https://[::1]:3128/"),
        RemoteSpec(url="http://git.example.org/x", insecure=True, proxy="http://p:1"),
        replace(HTTPS, proxy="http://p:1", proxy_username="bot", proxy_password_file="/p"),
        RemoteSpec(url="git://git.example.org/x", insecure=True),
        RemoteSpec(url="/srv/x"),
    ],
)
def test_settings_that_fit_are_left_alone(remote: RemoteSpec) -> None:
    assert faults(remote) == []


@pytest.mark.parametrize("name", ["username", "token_file", "ca_file", "proxy"])
@pytest.mark.parametrize("remote", [SSH, RemoteSpec(url="file:///x"), RemoteSpec(url="git://h/x", insecure=True)])
def test_what_is_for_the_web_is_told_elsewhere(remote: RemoteSpec, name: str) -> None:
    (fault,) = faults(remote, **{name: "/http://p:1"})
    assert fault[0] == name
    assert "no effect" in fault[1]


@pytest.mark.parametrize("name", ["ssh_key", "known_hosts"])
@pytest.mark.parametrize("remote", [HTTPS, RemoteSpec(url="/x")])
def test_what_is_for_ssh_is_told_elsewhere(remote: RemoteSpec, name: str) -> None:
    ((setting, message),) = faults(remote, **{name: "/f"})
    assert (setting, "no effect" in message) == (name, True)


def test_the_user_of_ssh_belongs_into_the_address() -> None:
    (fault,) = setting_faults(replace(SSH, username="bot"))
    assert "ssh://git@HOST/PATH" in fault.hint


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = faults(RemoteSpec(url="git@h:x", ca_file="/ca", credential_command=("/c",)))
    assert [setting for setting, _ in found] == ["credential_command", "ca_file", "url", "url"]


@pytest.mark.parametrize("path", ['/a"b', "/a\\b", "/a${HOME}b"])
def test_a_name_that_ssh_would_read_as_another_is_refused(path: str) -> None:
    assert [setting for setting, _ in faults(SSH, ssh_key=path)] == ["ssh_key"]
    assert [setting for setting, _ in faults(SSH, known_hosts=path)] == ["known_hosts"]


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("http://u:hunter2@p:1", "password"),
        ("http://hunter2@p:1", "user"),
        ("http://p", "no address"),
        ("socks5://p:1", "no address"),
        ("p:1", "no address"),
        ("http://p:1/x", "no address"),
        ("http://p:99999", "cannot be"),
        ("http://[::1:1", "cannot be"),
    ],
)
def test_a_proxy_that_cannot_work_is_said_and_no_secret_quoted(proxy: str, says: str) -> None:
    ((setting, message),) = faults(HTTPS, proxy=proxy)
    assert setting == "proxy"
    assert says in message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"proxy": "http://p:1", "proxy_username": "bot"}, ["proxy_username"]),
        ({"proxy": "http://p:1", "proxy_password_file": "/p"}, ["proxy_password_file"]),
        ({"proxy_username": "bot", "proxy_password_file": "/p"}, ["proxy_username"]),
        ({"proxy_username": "bot"}, ["proxy_username", "proxy_username"]),
    ],
)
def test_a_login_for_a_proxy_is_a_user_a_password_and_a_proxy(changes: dict[str, str], told: list[str]) -> None:
    assert [setting for setting, _ in faults(HTTPS, **changes)] == told


def test_two_sources_of_a_secret_are_one_too_many() -> None:
    assert [setting for setting, _ in faults(HTTPS, credential_command=("/c",))] == ["credential_command"]


def test_an_address_that_cannot_be_followed_is_told_elsewhere_and_alone() -> None:
    assert faults(RemoteSpec(url="ftp://h/x", ssh_key="/k")) == []
