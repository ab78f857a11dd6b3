"""Addresses of remotes: what is followed, what is refused, and where ssh goes."""

from __future__ import annotations

import pytest

from torchsync.core.remoteurl import Scheme, SshServer, check_url, local_folder, scheme_of, ssh_server


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("https://git.example.org/x", Scheme.HTTPS),
        ("HTTPS://git.example.org/x", Scheme.HTTPS),
        ("http://git.example.org/x", Scheme.HTTP),
        ("git://git.example.org/x", Scheme.GIT),
        ("ssh://git@git.example.org/x", Scheme.SSH),
        ("git@git.example.org:ops/x.git", Scheme.SSH),
        ("/srv/x.git", Scheme.FILE),
        ("file:///srv/x.git", Scheme.FILE),
    ],
)
def test_every_way_to_a_remote_is_told_from_its_address(url: str, scheme: Scheme) -> None:
    assert check_url(url, insecure=True) is None
    assert scheme_of(url) is scheme


@pytest.mark.parametrize(
    ("url", "server", "name"),
    [
        ("ssh://git@git.example.org/x", SshServer("git.example.org"), "git.example.org"),
        ("ssh://Git.Example.ORG:22/x", SshServer("git.example.org"), "git.example.org"),
        ("ssh://git@git.example.org:2222/x", SshServer("git.example.org", 2222), "[git.example.org]:2222"),
        ("ssh://git@[2001:db8::7]:2222/x", SshServer("2001:db8::7", 2222), "[2001:db8::7]:2222"),
        ("ssh://10.0.0.1/~git/x", SshServer("10.0.0.1"), "10.0.0.1"),
        ("git@Git.example.org:ops/x.git", SshServer("git.example.org"), "git.example.org"),
        ("git.example.org:x", SshServer("git.example.org"), "git.example.org"),
        ("git@[2001:db8::7]:x", SshServer("2001:db8::7"), "2001:db8::7"),
        ("git@host:2222/x", SshServer("host"), "host"),
    ],
)
def test_where_ssh_goes_is_named_as_known_hosts_names_it(url: str, server: SshServer, name: str) -> None:
    assert check_url(url, insecure=False) is None
    assert (ssh_server(url), str(ssh_server(url))) == (server, name)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param("git:hunter2@git.example.org:x", "password", id="password, short form"),
        pytest.param("ssh://git:hunter2@git.example.org/x", "password", id="password"),
        pytest.param("https:/git.example.org/x", "no address", id="one slash"),
        pytest.param("ssh:git@git.example.org/x", "no address", id="no slash"),
        pytest.param("-oProxyCommand=id@host:x", "a user", id="option as user"),
        pytest.param("-oProxyCommand=id:x", "a host", id="option as host, short form"),
        pytest.param("ssh://-oProxyCommand=id/x", "a host", id="option as host"),
        pytest.param("ssh://%2DoProxyCommand=id/x", "a host", id="option as host, encoded"),
        pytest.param("ssh://%2DoProxyCommand=id@host/x", "a user", id="option as user, encoded"),
        pytest.param("ssh://git@host;id/x", "a host", id="command as host"),
        pytest.param("ssh:///x", "no host", id="no host"),
        pytest.param("ssh://git@git.example.org", "no repository", id="no path"),
        pytest.param("ssh://git@git.example.org/", "no repository", id="no path but a slash"),
        pytest.param("git@[host:2222]:x", "no address", id="port in brackets"),
        pytest.param("git+ssh://git@git.example.org/x", "not a way", id="old name of ssh"),
        pytest.param("git://git.example.org/x", "anyone on the way", id="git"),
        pytest.param("http://git.example.org/x", "anyone on the way", id="http"),
        pytest.param("fd::7", "not a way", id="descriptor"),
    ],
)
def test_what_cannot_be_followed_is_said_and_no_secret_quoted(url: str, says: str) -> None:
    fault = check_url(url, insecure=False)
    assert fault
    assert fault.code == "TS303"
    assert says in fault.message
    assert fault.hint
    assert "hunter2" not in str(fault)


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("/srv/my tasks.git", "/srv/my tasks.git"),
        ("/srv/my%20tasks.git", "/srv/my%20tasks.git"),
        ("file:///srv/my%20tasks.git", "/srv/my tasks.git"),
        ("FILE://localhost/srv/tasks.git", "/srv/tasks.git"),
        ("ssh://git@h/srv/tasks.git", ""),
        ("git@h:/srv/tasks.git", ""),
    ],
)
def test_an_address_of_this_machine_names_a_folder(url: str, folder: str) -> None:
    assert local_folder(url) == folder
