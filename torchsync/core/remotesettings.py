"""The settings of a remote that do not fit together: what has no effect on its address, and what its address needs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from torchsync.core.remoteurl import SSH_PORT, Scheme, UrlFault, check_url, scheme_of, ssh_server
from torchsync.core.syncdoc import RemoteSpec

_WEB = frozenset({Scheme.HTTPS, Scheme.HTTP})
_SERVES = {
    "username": _WEB,
    "token_file": _WEB,
    "credential_command": _WEB,
    "ca_file": frozenset({Scheme.HTTPS}),
    "proxy": _WEB,
    "proxy_username": _WEB,
    "proxy_password_file": _WEB,
    "ssh_key": frozenset({Scheme.SSH}),
    "known_hosts": frozenset({Scheme.SSH}),
}
"""Which kind of address each setting has an effect on."""

_PROXY_LOGIN = ("proxy_username", "proxy_password_file")
_SSH_FILES = ("ssh_key", "known_hosts")
_ODD_FOR_SSH = ('"', "\\", "${")
"""What ssh_config(5) reads as something else in the name of a file; `%` can be written twice, these cannot be written in every version."""


@dataclass(frozen=True, slots=True)
class SettingFault:
    """A setting of `repository` that cannot work, a sentence about it, and what to do."""

    setting: str
    message: str
    hint: str


def setting_faults(remote: RemoteSpec) -> Iterator[SettingFault]:
    """What is wrong with the settings beside the address, all of it. An address that cannot be followed hides the rest."""
    if check_url(remote.url, insecure=remote.insecure) is not None:
        return
    scheme = scheme_of(remote.url)
    given = [name for name in _SERVES if getattr(remote, name)]
    yield from (_useless(name, scheme) for name in given if scheme not in _SERVES[name])
    if scheme is Scheme.SSH:
        yield from _ssh_faults(remote)
    elif scheme in _WEB:
        yield from _web_faults(remote)


def proxy_fault(proxy: str) -> UrlFault | None:
    """What is wrong with the address of a proxy, or None. Never quotes a password."""
    try:
        parts = urlsplit(proxy)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and bool(parts.port)
    except ValueError:
        return UrlFault("TS303", "`repository.proxy` has a host or port that cannot be", "write `http://HOST:PORT`")
    if "@" in parts.netloc:
        hint = (
            "take it out: the user belongs into `repository.proxy_username`, the password into the file of `repository.proxy_password_file`"
        )
        return UrlFault("TS303", "`repository.proxy` holds a user or password, where every user of the host could read it", hint)
    if not is_address or parts.path.strip("/") or parts.query or parts.fragment:
        return UrlFault("TS303", "`repository.proxy` is no address of a proxy", "write `http://HOST:PORT`")
    return None


def _useless(name: str, scheme: Scheme) -> SettingFault:
    serves = " and ".join(sorted(kind.value for kind in _SERVES[name]))
    hint = "drop it"
    if scheme is Scheme.SSH and name == "username":
        hint = "drop it, and write the user into the address, as in `ssh://git@HOST/PATH`"
    return SettingFault(name, f"`repository.{name}` is for {serves}, and has no effect on an address with {scheme.value}", hint)


def _ssh_faults(remote: RemoteSpec) -> Iterator[SettingFault]:
    server = ssh_server(remote.url)
    if not remote.ssh_key:
        hint = "name the file of a private key without a passphrase: `ssh-keygen -t ed25519 -N '' -f FILE` makes one"
        yield SettingFault("url", "an address with ssh needs `repository.ssh_key`: the agent uses no other key", hint)
    if not remote.known_hosts:
        port = "" if server.port == SSH_PORT else f"-p {server.port} "
        hint = (
            f"`ssh-keyscan {port}{server.host} > FILE` gets its keys; compare what `ssh-keygen -lf FILE` shows with the fingerprints its "
            "operator publishes, and name FILE"
        )
        yield SettingFault("url", "an address with ssh needs `repository.known_hosts`: only there the key of the server is looked up", hint)
    for name in _SSH_FILES:
        if any(odd in getattr(remote, name) for odd in _ODD_FOR_SSH):
            yield SettingFault(
                name, f"`repository.{name}` has a quote, a backslash or `${{`, which ssh does not take as it stands", "rename it"
            )


def _web_faults(remote: RemoteSpec) -> Iterator[SettingFault]:
    has_secret = bool(remote.token_file or remote.credential_command)
    if remote.token_file and remote.credential_command:
        yield SettingFault("credential_command", "`repository.token_file` and `repository.credential_command` say two things", "drop one")
    if remote.username and not has_secret:
        hint = "add `repository.token_file` with the password or token, or drop `username`"
        yield SettingFault("username", "`repository.username` alone proves nothing to a server", hint)
    if remote.credential_command and not remote.credential_command[0].startswith("/"):
        message = f"`repository.credential_command` begins with {remote.credential_command[0]}, which is no absolute path"
        yield SettingFault("credential_command", message, "write the whole path of the program")
    yield from _proxy_faults(remote)


def _proxy_faults(remote: RemoteSpec) -> Iterator[SettingFault]:
    if remote.proxy and (fault := proxy_fault(remote.proxy)):
        yield SettingFault("proxy", fault.message, fault.hint)
    given = [name for name in _PROXY_LOGIN if getattr(remote, name)]
    if len(given) == 1:
        (missing,) = set(_PROXY_LOGIN) - {*given}
        yield SettingFault(given[0], f"`repository.{given[0]}` alone proves nothing to a proxy", f"add `repository.{missing}`, or drop it")
    if given and not remote.proxy:
        yield SettingFault(given[0], f"`repository.{given[0]}` is for a proxy, and none is named", "name it in `repository.proxy`")
