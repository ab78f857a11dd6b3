"""The command line and the whole environment of every git process of ours. Pure: nothing is started here, nothing is read.

Theory of operation. Nothing of the surroundings reaches git: its environment is complete as given here, so an inherited `GIT_*`, `SSH_*`,
`LD_*` or proxy variable has no effect; configuration of the system and of users is not read; HOME is our own, so there is no `.netrc`. What is
on the command line beats what the repository configures, and `GIT_ALLOW_PROTOCOL` beats both: only the scheme of the remote's own URL works,
after a redirect too.

The sizes bound what git keeps in memory: of packs that it maps, of deltas that it joins or looks for, and of a single large object, which above
64 MiB, more than a commit may hold, goes through in pieces.

The token of an https remote is in no command line, URL, file of ours or environment. Git asks a credential helper of ours
(`adapters/gitcredential.py`), which reads the token file or runs the operator's command at that moment and answers on a pipe. The helper is
bound to the scheme, host and port of the URL: a server that redirects elsewhere is not followed with the token. Without a configured
`username` it answers `git`, which GitHub, GitLab and Gitea accept beside any token; Bitbucket wants `x-token-auth`. The password of a proxy takes the
same way, bound to the proxy's own address.

Whoever starts a git process ends it at its deadline. Should all of them be killed first, those that speak to a remote are still bounded: they run
under timeout(1), which ends the whole group a little later.

Sources: git-config(1), git(1) "Environment Variables", gitcredentials(7), git-check-ref-format(1).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from torchsync.adapters.gitssh import ssh_command
from torchsync.core.fsck import ignored_defects
from torchsync.core.remotesettings import setting_faults
from torchsync.core.remoteurl import Scheme, check_url, scheme_of
from torchsync.core.syncdoc import RemoteSpec
from torchsync.errors import Problem

TIP = "refs/torchsync/tip"
"""Where the mirror keeps what the remote's ref pointed to when it was last fetched."""

DEFAULT_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_USERNAME = "git"

_LAST_RESORT = 10
"""Seconds after a deadline at which a git process ends that nobody has ended."""

OBJECT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_CREDENTIAL_HELPER = '!f() { test "$1" = get && exec "$TORCHSYNC_PYTHON" -I -S "$TORCHSYNC_HELPER"; }; f'
_PROXY_HELPER = _CREDENTIAL_HELPER.replace("; };", " proxy; };")
_HELPER_PROGRAM = str(Path(__file__).with_name("gitcredential.py"))

_HARDENING = (
    "core.bigFileThreshold=64m",
    "core.deltaBaseCacheLimit=64m",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.symlinks=false",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.attributesFile=/dev/null",
    "core.packedGitLimit=256m",
    "core.packedGitWindowSize=32m",
    "core.askPass=",
    "credential.helper=",
    "fetch.fsckObjects=true",
    "fetch.recurseSubmodules=no",
    "gc.auto=0",
    "http.followRedirects=initial",
    "http.sslVerify=true",
    "maintenance.auto=false",
    "pack.deltaCacheSize=64m",
    "pack.threads=2",
    "pack.windowMemory=128m",
    "protocol.version=2",
    "submodule.recurse=false",
    "transfer.fsckObjects=true",
)

_BAD_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)|\.$|^[/.-]|/$|^@$")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCall:
    """One git process to start: its arguments, the program included, and its whole environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHome:
    """Where git finds programs, and the folder that is its HOME: one of ours, in which nobody leaves it settings. `python` runs our helper."""

    folder: str
    search_path: str = DEFAULT_SEARCH_PATH
    python: str = sys.executable


@dataclass(frozen=True, slots=True)
class FoundRef:
    """The commit a ref points to, and the full name of that ref."""

    revision: str
    name: str


# The calls.


def ls_remote(remote: RemoteSpec, home: GitHome) -> GitCall:
    """Prints what `found_ref` reads."""
    patterns = [pattern for name in _candidates(remote.ref) for pattern in (name, f"{name}^{{}}")]
    words = ["ls-remote", "--symref", "--quiet", *_upload_pack(remote), "--end-of-options", _address(remote.url), *patterns]
    return _remote_call(remote, home, words, remote.timeout_ms)


def fetch(remote: RemoteSpec, home: GitHome, repository: str, source: str) -> GitCall:
    """Brings `source`, a full ref name or a commit id, with its whole history into the bare `repository`, where `TIP` points to it."""
    words = [
        *ignored_defects(),
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        "--force",
    ]
    words += ["--no-show-forced-updates", *_upload_pack(remote), "--end-of-options", _address(remote.url), f"+{source}:{TIP}"]
    return _remote_call(remote, home, words, max(remote.timeout_ms, remote.clone_timeout_ms), repository)


def initialise(home: GitHome, repository: str, object_format: str) -> GitCall:
    """Makes an empty bare repository; `object_format` is sha1 or sha256."""
    words = ["init", "--quiet", "--bare", "--template=", "--initial-branch=main", f"--object-format={object_format}", "--", repository]
    return GitCall(argv=_argv((), words), environment=_environment(home, ""))


def local(home: GitHome, repository: str, *words: str) -> GitCall:
    """A command on a repository of this machine, of whoever owns it; no transport works, so nothing is fetched on the way."""
    return GitCall(argv=_argv((), words), environment={**_environment(home, ""), "GIT_DIR": repository})


def find_repository(home: GitHome, folder: str) -> GitCall:
    """Prints the git directory that `folder` belongs to, then the path of `folder` in its work tree."""
    return in_folder(home, folder, "rev-parse", "--absolute-git-dir", "--show-prefix")


def in_folder(home: GitHome, folder: str, *words: str) -> GitCall:
    """As `local`, in a folder of a work tree. One that looks like a repository itself, by files that were committed there, is not taken for one."""
    settings = ("safe.directory=*", "safe.bareRepository=explicit")
    return GitCall(argv=_argv(settings, ("-C", folder, *words)), environment=_environment(home, ""))


def _remote_call(remote: RemoteSpec, home: GitHome, words: list[str], deadline: int, repository: str = "") -> GitCall:
    scheme = scheme_of(remote.url)
    environment = _environment(home, scheme.value)
    settings: list[str] = []
    match scheme:
        case Scheme.HTTPS | Scheme.HTTP:
            settings = _web_settings(remote)
            environment |= _helper_environment(remote, home)
        case Scheme.SSH:
            environment |= {"GIT_SSH_COMMAND": ssh_command(remote.ssh_key, remote.known_hosts), "GIT_SSH_VARIANT": "ssh"}
        case Scheme.GIT | Scheme.FILE:
            pass
    if repository:
        environment["GIT_DIR"] = repository
    bound = ("timeout", "-s", "KILL", str(deadline // 1000 + _LAST_RESORT))
    return GitCall(argv=(*bound, *_argv(tuple(settings), words)), environment=environment)


def _web_settings(remote: RemoteSpec) -> list[str]:
    silence = remote.timeout_ms // 1000 + _LAST_RESORT  # A server that makes a large pack says nothing for long; a dead one for ever.
    settings = ["http.lowSpeedLimit=1000", f"http.lowSpeedTime={silence}"]
    if remote.ca_file:
        settings += [f"http.sslCAInfo={remote.ca_file}", f"http.proxySSLCAInfo={remote.ca_file}"]
    if remote.proxy:
        settings += _proxy_settings(remote, urlsplit(remote.proxy))
    if remote.token_file or remote.credential_command:
        settings.append(f"credential.{_origin(urlsplit(_address(remote.url)))}.helper={_CREDENTIAL_HELPER}")
    return settings


def _proxy_settings(remote: RemoteSpec, proxy: SplitResult) -> list[str]:
    """Git asks its helper for the password of a proxy when the address holds a user (git-config(1), http.proxy)."""
    if not remote.proxy_password_file:
        return [f"http.proxy={remote.proxy}"]
    with_user = f"{proxy.scheme}://{quote(remote.proxy_username, safe='')}@{proxy.netloc}"
    return [f"http.proxy={with_user}", f"credential.{_origin(proxy)}.helper={_PROXY_HELPER}"]


def _helper_environment(remote: RemoteSpec, home: GitHome) -> dict[str, str]:
    """What our credential helper is to do; empty when there is nothing for it."""
    told: dict[str, str] = {}
    if remote.token_file:
        told["TORCHSYNC_TOKEN_FILE"] = remote.token_file
    elif remote.credential_command:
        told["TORCHSYNC_CREDENTIAL_COMMAND"] = "\x1f".join(remote.credential_command)
    if told:
        told["TORCHSYNC_USERNAME"] = remote.username or unquote(urlsplit(remote.url).username or "") or DEFAULT_USERNAME
    if remote.proxy_password_file:
        told["TORCHSYNC_PROXY_USERNAME"] = remote.proxy_username
        told["TORCHSYNC_PROXY_PASSWORD_FILE"] = remote.proxy_password_file
    return {"TORCHSYNC_HELPER": _HELPER_PROGRAM, "TORCHSYNC_PYTHON": home.python, **told} if told else {}


def _argv(settings: tuple[str, ...], words: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return ("git", *(word for setting in (*_HARDENING, *settings) for word in ("-c", setting)), *words)


def _environment(home: GitHome, allowed_scheme: str) -> dict[str, str]:
    return {
        "PATH": home.search_path,
        "HOME": home.folder,
        "LC_ALL": "C",
        "GIT_ALLOW_PROTOCOL": allowed_scheme,
        "GIT_ASKPASS": "",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _upload_pack(remote: RemoteSpec) -> tuple[str, ...]:
    """A repository of this machine may belong to another user: the operator named it, and serving it runs nothing that it configures."""
    return ("--upload-pack=git -c safe.directory='*' upload-pack",) if _address(remote.url).startswith("file:") else ()


def _address(url: str) -> str:
    """The URL as git understands it: a path of this machine is a `file` URL without a host, the scheme is in lower case."""
    if url.startswith("/"):
        return f"file://{quote(url)}"
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return f"file://{parts.path}" if parts.scheme == "file" else parts.geturl()


def _origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


# What the remote says.


def found_ref(listing: str, ref: str) -> FoundRef | None:
    """Where `ref` points according to the output of `ls_remote`: a branch before a tag, a tag's commit before the tag itself."""
    targets: dict[str, str] = {}
    symbolic: dict[str, str] = {}
    for line in listing.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: "):
            symbolic[name] = value.removeprefix("ref: ")
        elif OBJECT_ID.fullmatch(value):
            targets[name] = value
    for name in _candidates(ref):
        if name in targets:
            behind = symbolic.get(name, name)
            return FoundRef(targets.get(f"{name}^{{}}", targets[name]), name if _BAD_IN_REF.search(behind) else behind)
    return None


def commit_id(ref: str) -> str:
    """The revision that `ref` itself names, in lower case, or an empty text when the remote has to be asked."""
    return ref.lower() if OBJECT_ID.fullmatch(ref.lower()) else ""


def _candidates(ref: str) -> tuple[str, ...]:
    if ref in ("", "HEAD"):
        return ("HEAD",)
    return (ref,) if ref.startswith("refs/") else (f"refs/heads/{ref}", f"refs/tags/{ref}")


# What an operator may configure.


def remote_problem(remote: RemoteSpec) -> Problem | None:
    """What keeps the settings of the remote from working anywhere, or None. No message holds a secret."""
    return _url_problem(remote) or _access_problem(remote) or _ref_problem(remote.ref) or _path_problem(remote.path)


def tree_path(path: str) -> str:
    """`repository.path` as git writes it: empty for the whole tree."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _url_problem(remote: RemoteSpec) -> Problem | None:
    if not remote.url.isprintable() or " " in remote.url:
        return _setting("repository.url", "holds a space or a control character", "write %20 for a space")
    fault = check_url(remote.url, insecure=remote.insecure)
    return Problem(code=fault.code, message=fault.message, path="repository.url", hint=fault.hint) if fault else None


def _access_problem(remote: RemoteSpec) -> Problem | None:
    fault = next(setting_faults(remote), None)
    return Problem(code="TS303", message=fault.message, path=f"repository.{fault.setting}", hint=fault.hint) if fault else None


def _ref_problem(ref: str) -> Problem | None:
    if ref and _BAD_IN_REF.search(ref):
        return _setting(
            "repository.ref", f"is {ref!r}, which git does not allow", "write a branch, a tag, a full refs/... name or a commit id"
        )
    return None


def _path_problem(path: str) -> Problem | None:
    if path.startswith("/") or ".." in path.split("/") or not path.isprintable():
        return _setting("repository.path", f"is {path!r}", "write a path inside the repository, such as ops/cron")
    return None


def _setting(name: str, what: str, remedy: str) -> Problem:
    return Problem(code="TS303", message=f"{name} {what}", path=name, hint=remedy)
