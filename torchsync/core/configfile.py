"""agent.yaml: from bytes to a plain document with every default filled in, or to everything that is wrong with it. Pure.

The document is what travels from the process that may read YAML to the agent that does not: lengths of time are whole milliseconds, shares
are fractions, paths absolute. `agent/config.py` types it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torchsync.core.address import is_address
from torchsync.core.durations import LONGEST, format_duration, parse_duration, parse_size
from torchsync.core.jsontext import Json
from torchsync.core.model import Millis
from torchsync.core.remotesettings import setting_faults
from torchsync.core.remoteurl import check_url
from torchsync.core.schema import Schema, bad_routes
from torchsync.core.syncdoc import RemoteSpec
from torchsync.core.websettings import WebSettings, web_misfits
from torchsync.core.yamlfault import Fault
from torchsync.core.yamltext import Document, Route, load
from torchsync.errors import Problem

_MAX_SOCKET_PATH = 107
"""unix(7): sun_path holds 108 bytes, one of which ends it."""
_SOCKET = "control.sock"

_DURATIONS: Mapping[str, tuple[str, Millis]] = {
    "interval": ("30s", Millis(100)),
    "timeout": ("60s", Millis(1_000)),
    "clone_timeout": ("15m", Millis(1_000)),
}
"""Of `repository`: the default and the least."""

_ACCESS = {
    "username": "x",
    "token_file": "/x",
    "ca_file": "/x",
    "ssh_key": "/x",
    "known_hosts": "/x",
    "proxy": "http://x:1",
    "proxy_username": "x",
    "proxy_password_file": "/x",
    "credential_command": ["/x"],
}
"""Of `repository`: what says how its address is reached, each with what stands for a value that is wrong by the schema: what is told once
about a setting is not told again by the others as if it were missing."""

_WEB_FILES = ("tls_cert", "tls_key", "client_ca", "basic_auth_file", "webhook_secret_file")
"""Of `http`: what names a file."""

_TRUST = ("allowed_signers", "gpg_keyring", "revoked_keys", "root")
"""Of `repository.verify`: what says whom this host trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who the agent runs as, and where such a user keeps things by the XDG Base Directory specification.

    `state_home` is `$XDG_STATE_HOME`, else `~/.local/state`; `runtime_dir` is `$XDG_RUNTIME_DIR`, or empty. `most_files` and `least_nice` are what it
    can give a run: open files, 0 for any number, and the lowest nice value.
    """

    user: str
    is_root: bool
    state_home: str = ""
    runtime_dir: str = ""
    most_files: int = 0
    least_nice: int = -20


class ConfigFileReader:
    """Reads agent.yaml by the schema `agent.schema.json`."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = Schema(schema)

    def read(self, path: str, content: bytes, account: Account) -> tuple[dict[str, Json] | None, tuple[Problem, ...]]:
        """The document with its defaults, or None and what is wrong: TS301 for YAML, TS302 and TS113 for the schema, TS303 for the rest."""
        loaded = load(content)
        problems = [_problem(path, "TS301", fault) for fault in loaded.faults]
        document: dict[str, Json] | None = None
        if loaded.document is not None:
            violations = self._schema.check(loaded.document)
            problems += [_problem(path, "TS302", violation.fault) for violation in violations]
            settings = _Settings(path, loaded.document, bad_routes(loaded.document, violations))
            document = _document(settings, account)
            problems += settings.problems
        ordered = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column, problem.code, problem.message)))
        return (None if ordered else document), ordered


def _problem(path: str, code: str, fault: Fault) -> Problem:
    kept = "TS113" if fault.code == "TS113" else code
    return Problem(code=kept, message=fault.message, path=path, line=fault.line, column=fault.column, hint=fault.hint)


class _Settings:
    """The settings of a document that can be looked at; collects what is wrong with them in `problems`."""

    def __init__(self, path: str, document: Document, bad: frozenset[Route]) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._document = document
        self._bad = bad

    def get(self, *route: str, default: Any = None) -> Any:
        """The value at this route; the default when it is not there, null, or wrong in any part."""
        value: Any = self._document.value
        if any(self._bad & {route[:length] for length in range(len(route) + 1)}) or self.is_told(*route):
            return default
        for step in route:
            value = value.get(step) if isinstance(value, dict) else None
        return default if value is None else value

    def is_told(self, *route: str) -> bool:
        """Whether something was found wrong at this route, or below it, already."""
        return any(bad[: len(route)] == route for bad in self._bad)

    def complain(self, route: Route, message: str, hint: str = "", code: str = "TS303") -> None:
        line, column = self._document.place_of(route)
        self.problems.append(Problem(code=code, message=message, path=self._path, line=line, column=column, hint=hint))


def _document(settings: _Settings, account: Account) -> dict[str, Json]:
    get = settings.get
    return {
        "account": {
            "user": account.user,
            "is_root": account.is_root,
            "most_files": account.most_files,
            "least_nice": account.least_nice,
        },
        "repository": _repository(settings),
        "host": {
            "name": get("host", "name", default="").lower(),
            "labels": get("host", "labels", default={}),
            "addresses": _addresses(settings),
        },
        "paths": _paths(settings, account),
        "http": _http(settings),
        "executor": get("executor", default="auto"),
        "policy": _policy(settings, account),
        "pools": dict(get("pools", default={})),
        "retention": _retention(settings),
        "metrics": {"per_task": get("metrics", "per_task", default="full"), "textfile": get("metrics", "textfile", default="")},
        "log": {"format": get("log", "format", default="auto"), "level": get("log", "level", default="info")},
    }


def _repository(settings: _Settings) -> Json:
    insecure = settings.get("repository", "insecure", default=False)
    url = settings.get("repository", "url", default="")
    if url and (fault := check_url(url, insecure=insecure)):
        settings.complain(("repository", "url"), fault.message, fault.hint, fault.code)
    access = {name: settings.get("repository", name, default=type(stand_in)()) for name, stand_in in _ACCESS.items()}
    _complain_of_misfits(settings, RemoteSpec(url=url, insecure=insecure, **access))
    return {
        "url": url,
        "ref": _ref(settings),
        "path": _path(settings),
        **{name: _duration(settings, name, *bounds) for name, bounds in _DURATIONS.items()},
        "jitter": int(settings.get("repository", "jitter", default="10%").removesuffix("%")) / 100,
        **access,
        "insecure": insecure,
        "rewind": settings.get("repository", "rewind", default="refuse"),
        "watch": settings.get("repository", "watch", default="auto"),
        "verify": _verify(settings),
    }


def _complain_of_misfits(settings: _Settings, remote: RemoteSpec) -> None:
    told = {name: stand_in for name, stand_in in _ACCESS.items() if settings.is_told("repository", name)}
    for misfit in setting_faults(replace(remote, **told)):  # type: ignore[arg-type]  # the names and types of its fields
        if misfit.setting not in told:
            settings.complain(("repository", misfit.setting), misfit.message, misfit.hint)


def _verify(settings: _Settings) -> Json:
    given = settings.get("repository", "verify", default={})  # as a whole: next to a wrong part the others cannot be judged
    verify = {"mode": given.get("mode") or "none", **{name: given.get(name) or "" for name in _TRUST}}
    verify["root"] = verify["root"].lower()
    for name, message, hint in _verify_faults(verify):
        settings.complain(("repository", "verify", name), message, hint)
    return {**verify}


def _verify_faults(verify: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    if verify["mode"] == "none":
        for name in _TRUST:
            if verify[name]:
                yield (
                    name,
                    f"`repository.verify.{name}` does nothing while nothing is verified",
                    "write `mode: head` or `mode: all` beside it",
                )
        return
    if not (verify["allowed_signers"] or verify["gpg_keyring"]):
        message = f"`repository.verify.mode` is {verify['mode']}, and no keys are named to verify by"
        yield "mode", message, "set `allowed_signers` for SSH signatures, `gpg_keyring` for GPG, or both"
    elif verify["revoked_keys"] and not verify["allowed_signers"]:
        message = "`repository.verify.revoked_keys` is about the keys of `allowed_signers`, which is not set"
        yield "revoked_keys", message, "import the revocation into the keyring, or take the key out of it"


def _duration(settings: _Settings, name: str, default: str, least: Millis) -> Millis:
    text = settings.get("repository", name, default=default)
    length = parse_duration(text) or Millis(0)
    if not least <= length <= LONGEST:
        message = f"`repository.{name}` must be from {format_duration(least)} to {format_duration(LONGEST)}, found {text}"
        settings.complain(("repository", name), message)
    return length


def _ref(settings: _Settings) -> str:
    """git-check-ref-format(1), as far as the schema does not say it already."""
    ref = str(settings.get("repository", "ref", default="HEAD"))
    parts = ref.split("/")
    if ".." in ref or "@{" in ref or ref == "@" or any(not part or part.startswith(".") or part.endswith((".", ".lock")) for part in parts):
        settings.complain(("repository", "ref"), f"`{ref}` cannot be the name of a ref", "write a branch, a tag, `refs/...` or a commit id")
    return ref


def _path(settings: _Settings) -> str:
    path = str(settings.get("repository", "path", default="."))
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        settings.complain(
            ("repository", "path"), f"`repository.path` must stay inside the repository, found {path}", "write `.` or `ops/cron`"
        )
    return "/".join(parts) or "."


def _addresses(settings: _Settings) -> list[Json]:
    addresses: list[Json] = list(settings.get("host", "addresses", default=[]))
    for index, address in enumerate(addresses):
        if not is_address(str(address)):
            settings.complain(("host", "addresses", index), f"`{address}` is no IP address", "write it as in `10.2.0.7` or `2001:db8::7`")
    return addresses


def _paths(settings: _Settings, account: Account) -> Json:
    state = settings.get("paths", "state") or ("/var/lib/torchsync" if account.is_root else f"{account.state_home}/torchsync")
    below = f"{account.runtime_dir}/torchsync" if account.runtime_dir else f"{state.rstrip('/')}/run"
    run = settings.get("paths", "run") or ("/run/torchsync" if account.is_root else below)
    length = len(f"{run}/{_SOCKET}".encode())
    if length > _MAX_SOCKET_PATH:
        message = f"the control socket {run}/{_SOCKET} has a path of {length} bytes, at most {_MAX_SOCKET_PATH} are possible"
        settings.complain(("paths", "run"), message, "set `paths.run` to a shorter path")
    return {"state": state, "run": run}


def _http(settings: _Settings) -> Json:
    listen = str(settings.get("http", "listen", default="127.0.0.1:9747"))
    hooks_listen = str(settings.get("http", "hooks_listen", default=""))
    secret_file = settings.get("http", "webhook_secret_file", default="")
    _check_address(settings, "listen", listen)
    if hooks_listen:
        _check_address(settings, "hooks_listen", hooks_listen)
        if hooks_listen == listen and not listen.endswith(":0"):
            message = f"`http.hooks_listen` and `http.listen` are both {listen}"
            settings.complain(("http", "hooks_listen"), message, "drop `http.hooks_listen`: webhooks then come to `http.listen`")
        if not secret_file:
            message = "`http.hooks_listen` takes webhooks, and there is no secret that they could prove to know"
            settings.complain(("http", "hooks_listen"), message, "name the file of the secret in `http.webhook_secret_file`")
    _complain_of_web_misfits(settings, listen, hooks_listen)
    return {
        "listen": listen,
        "hooks_listen": hooks_listen,
        **{name: settings.get("http", name, default="") for name in _WEB_FILES},
        "allow_plain": settings.get("http", "allow_plain", default=False),
    }


def _complain_of_web_misfits(settings: _Settings, listen: str, hooks_listen: str) -> None:
    """A file whose setting is wrong by the schema was meant to be there."""
    told = {name: "/x" for name in _WEB_FILES if settings.is_told("http", name)}
    files = {name: told.get(name) or settings.get("http", name, default="") for name in _WEB_FILES if name != "basic_auth_file"}
    allow_plain = settings.is_told("http", "allow_plain") or settings.get("http", "allow_plain", default=False)
    for misfit in web_misfits(WebSettings(listen=listen, hooks_listen=hooks_listen, allow_plain=allow_plain, **files)):
        settings.complain(("http", misfit.setting), misfit.message, misfit.hint)


def _check_address(settings: _Settings, name: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if int(port) > 65_535:
        settings.complain(("http", name), f"there is no port {port}", "write a number up to 65535")
    if host.startswith("[") and not is_address(host[1:-1]):
        settings.complain(("http", name), f"`{host[1:-1]}` is no IPv6 address")


def _policy(settings: _Settings, account: Account) -> Json:
    users = settings.get("policy", "users", default={})
    default_user = settings.get("policy", "default_user", default="torchsync-run" if account.is_root else account.user)
    allow_root = settings.get("policy", "allow_root", default=False)
    for route, message, hint in _policy_faults(users, default_user, allow_root, account):
        settings.complain(("policy", route), message, hint)
    max_tasks = int(settings.get("policy", "max_tasks", default=2000))
    return {
        "users": users,
        "default_user": default_user,
        "allow_root": allow_root,
        "max_tasks": max_tasks,
        "secrets": _secrets(settings),
        "notify_hosts": settings.get("policy", "notify_hosts", default=[]),
    }


def _secrets(settings: _Settings) -> Json:
    named: dict[str, dict[str, Json]] = settings.get("policy", "secrets", default={})
    return {
        name: {"file": secret["file"], "users": secret.get("users") or [], "notify": secret.get("notify") or False}
        for name, secret in named.items()
    }


def _policy_faults(users: Mapping[str, Json], default_user: str, allow_root: bool, account: Account) -> Iterator[tuple[str, str, str]]:
    if account.is_root:
        if default_user == "root" and not allow_root:
            yield "default_user", "`policy.default_user` is root, which `policy.allow_root` does not allow", "name another user"
        return
    if users:
        yield (
            "users",
            f"an agent without root runs every task as its own user ({account.user}): it cannot grant others",
            "drop `policy.users`, or use sudo where root's agent is meant",
        )
    if default_user != account.user:
        message = f"an agent without root runs every task as its own user ({account.user}), not as {default_user}"
        yield "default_user", message, "drop `policy.default_user`, or run the agent as root"


def _retention(settings: _Settings) -> Json:
    """Days, and bytes."""
    text = settings.get("retention", "total_output", default="2GiB")
    size, least, most = parse_size(text) or 0, parse_size("16MiB") or 0, parse_size("1024TiB") or 0
    if not least <= size <= most:
        settings.complain(("retention", "total_output"), f"`retention.total_output` must be from 16MiB to 1024TiB, found {text}")
    return {
        "ledger_days": settings.get("retention", "ledger_days", default=90),
        "runs_days": settings.get("retention", "runs_days", default=30),
        "total_output": size,
    }
