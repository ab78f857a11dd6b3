"""The addresses of git remotes: which ones this version follows. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:::|://)")
_SCP_LIKE = re.compile(r"[^/:]+:[^:]")
_TOKEN = re.compile(r"(gh[pousr]_|github_pat_|glpat-|x-token)")
_FORMS = "write `https://HOST/PATH`, `file:///PATH` or an absolute path"


@dataclass(frozen=True, slots=True)
class UrlFault:
    """What is wrong with an address: a code of the table, a sentence, and what to write instead. Never quotes a password."""

    code: str
    message: str
    hint: str = ""


def check_url(url: str, *, insecure: bool) -> UrlFault | None:
    """None when this version can follow the address. `insecure` permits what anyone on the way can read and change.

    A text without a scheme is a path, or the `HOST:PATH` of ssh, as git-fetch(1) has it under GIT URLS.
    """
    if url.startswith("/"):
        return None
    found = _SCHEME.match(url)
    if found is None:
        return _later("ssh") if _SCP_LIKE.match(url) else UrlFault("TS303", "`repository.url` is no address of a git repository", _FORMS)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return UrlFault("TS303", "`repository.url` has a host or port that cannot be", _FORMS)
    return _secret(parts) or _check_scheme(found[1].lower(), parts, insecure)


def _secret(parts: SplitResult) -> UrlFault | None:
    if parts.password is not None or _TOKEN.match(parts.username or ""):
        hint = "take it out, put it into a file that only the agent can read, and name that in `repository.token_file`"
        return UrlFault("TS303", "`repository.url` holds a password or token, where every user of the host could read it", hint)
    return None


def _check_scheme(scheme: str, parts: SplitResult, insecure: bool) -> UrlFault | None:
    match scheme:
        case "https" | "http" if not parts.hostname:
            return UrlFault("TS303", "`repository.url` names no host", _FORMS)
        case "http" if not insecure:
            hint = "write `https://`, or set `repository.insecure: true` when the network is trusted"
            return UrlFault("TS303", "with http anyone on the way can read and change what this host runs", hint)
        case "https" | "http":
            return None
        case "file":
            is_local = parts.hostname in (None, "localhost") and parts.path.startswith("/")
            return None if is_local else UrlFault("TS303", "a `file` address names an absolute path of this host", "write `file:///PATH`")
        case "ssh" | "git":
            return _later(scheme)
        case _:
            return UrlFault("TS303", f"`{scheme}` is not a way to reach a git repository here", _FORMS)


def _later(scheme: str) -> UrlFault:
    return UrlFault("TS113", f"a repository over {scheme} is not in this version", _FORMS)
