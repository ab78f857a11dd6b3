"""The addresses of git remotes: which ones are followed, and what they say. Pure.

A text without a scheme is a path, or the `USER@HOST:PATH` of ssh, as git-fetch(1) has it under GIT URLS.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import SplitResult, unquote, urlsplit

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:::|://)")
_SCP_LIKE = re.compile(r"(?:([^@/:\s]+)@)?([^@/:\s\[\]]+|\[[0-9A-Fa-f:.]+\]):(?!:)(.+)")
_SCP_PASSWORD = re.compile(r"[^/@:]*:[^/@]*@[^/@:]+:")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?")
_USERINFO = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s@'\"]*@")
_TOKEN = re.compile(r"(gh[pousr]_|github_pat_|glpat-|x-token)")
_FORMS = "write `https://HOST/PATH`, `ssh://USER@HOST/PATH`, `USER@HOST:PATH`, `file:///PATH` or an absolute path"
SSH_PORT = 22


class Scheme(Enum):
    """How a remote is reached: a closed set, named as git's `GIT_ALLOW_PROTOCOL` names them."""

    HTTPS = "https"
    HTTP = "http"
    SSH = "ssh"
    GIT = "git"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class UrlFault:
    """What is wrong with an address: a code of the table, a sentence, and what to write instead. Never quotes a password."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SshServer:
    """Where ssh goes: a name or address without brackets, in lower case as ssh looks it up, and a port."""

    host: str
    port: int = SSH_PORT

    def __str__(self) -> str:
        """As known_hosts names it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"


def redact(text: str) -> str:
    """The text without the user and password of any URL in it."""
    return _USERINFO.sub(r"\1", text)


def check_url(url: str, *, insecure: bool) -> UrlFault | None:
    """None when the address can be followed. `insecure` permits what anyone on the way can read and change."""
    if url.startswith("/"):
        return None
    found = _SCHEME.match(url)
    if found is None:
        return _check_scp_like(url)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return _fault("`repository.url` has a host or port that cannot be")
    return _secret(parts) or _check_scheme(found[1].lower(), parts, insecure)


def scheme_of(url: str) -> Scheme:
    """How an address that `check_url` lets pass is reached."""
    if url.startswith("/"):
        return Scheme.FILE
    found = _SCHEME.match(url)
    return Scheme(found[1].lower()) if found else Scheme.SSH


def local_folder(url: str) -> str:
    """The folder of this machine that an address that `check_url` lets pass names; empty when it leads elsewhere."""
    if url.startswith("/"):
        return url
    return unquote(urlsplit(url).path) if scheme_of(url) is Scheme.FILE else ""


def ssh_server(url: str) -> SshServer:
    """Where an address that is reached over ssh leads."""
    if _SCHEME.match(url):
        parts = urlsplit(url)
        return SshServer(unquote(parts.hostname or "").lower(), parts.port or SSH_PORT)
    found = _SCP_LIKE.fullmatch(url)
    return SshServer(found[2].strip("[]").lower() if found else "")


def _fault(message: str, hint: str = _FORMS) -> UrlFault:
    return UrlFault("TS303", message, hint)


def _secret(parts: SplitResult) -> UrlFault | None:
    if parts.password is None and not _TOKEN.match(parts.username or ""):
        return None
    return _secret_fault("ssh" if parts.scheme.lower() == "ssh" else "https")


def _secret_fault(scheme: str) -> UrlFault:
    hint = "take it out, put it into a file that only the agent can read, and name that in `repository.token_file`"
    if scheme == "ssh":
        hint = "take it out; over ssh the agent shows the key that `repository.ssh_key` names"
    return _fault("`repository.url` holds a password or token, where every user of the host could read it", hint)


def _check_scp_like(url: str) -> UrlFault | None:
    if _SCP_PASSWORD.match(url):
        return _secret_fault("ssh")
    found = _SCP_LIKE.fullmatch(url)
    if found is None:
        return _fault("`repository.url` is no address of a git repository")
    user, host, _ = found.groups()
    if host.lower() in {scheme.value for scheme in Scheme}:
        return _fault("`repository.url` is no address of a git repository", f"write two slashes: `{host.lower()}://...`")
    return _check_ssh(user or "", host.strip("[]"))


def _check_ssh(user: str, host: str) -> UrlFault | None:
    """To git and ssh a leading dash would make an option of it; git refuses that too."""
    if not _HOST.fullmatch(host):
        return _fault("`repository.url` names no host" if not host else "`repository.url` names a host that cannot be")
    return _fault("`repository.url` names a user that cannot be") if user.startswith("-") else None


def _check_scheme(scheme: str, parts: SplitResult, insecure: bool) -> UrlFault | None:
    match scheme:
        case "https" | "http" | "git":
            return _check_server(scheme, parts, insecure)
        case "file":
            is_local = parts.hostname in (None, "localhost") and parts.path.startswith("/")
            return None if is_local else _fault("a `file` address names an absolute path of this host", "write `file:///PATH`")
        case "ssh" if not parts.path.strip("/"):
            return _fault("`repository.url` names a host, but no repository on it", "write `ssh://USER@HOST/PATH`")
        case "ssh":
            return _check_ssh(unquote(parts.username or ""), unquote(parts.hostname or ""))
        case _:
            return _fault(f"`{scheme}` is not a way to reach a git repository here")


def _check_server(scheme: str, parts: SplitResult, insecure: bool) -> UrlFault | None:
    if not parts.hostname:
        return _fault("`repository.url` names no host")
    if scheme == "https" or insecure:
        return None
    instead = "https" if scheme == "http" else "ssh"
    hint = f"write `{instead}://`, or set `repository.insecure: true` when the network is trusted"
    return _fault(f"with {scheme} anyone on the way can read and change what this host runs", hint)
