"""Checks of what the operator wrote: agent.yaml, and the files and users that it names."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from torchsync.adapters.credentials import secret_problems
from torchsync.adapters.gitaccess import access_problems
from torchsync.adapters.gitcommand import DEFAULT_SEARCH_PATH
from torchsync.adapters.hookapi import read_secrets
from torchsync.adapters.hostfacts import Accounts
from torchsync.adapters.machine import answer_of
from torchsync.adapters.trustfiles import TrustFile, exposed_files, trust_files, trust_problems
from torchsync.cli.facts import configured_facts
from torchsync.cli.site import Site
from torchsync.core.checkup import Finding, fine, note, problem, told, warning
from torchsync.core.keyexpiry import expiry_findings, gpg_ends, signer_ends
from torchsync.core.metrictable import PerTask
from torchsync.core.model import Instant
from torchsync.core.noticeaddress import Address, parse_address
from torchsync.core.syncdoc import VerifyMode
from torchsync.errors import Problem

_FIRST = 'write it; two lines are enough: `version: 1` and `repository: {url: "ssh://git@git.example.org/ops/tasks.git"}`'

_ACCESS_FILES = ("token_file", "proxy_password_file", "ssh_key", "known_hosts", "ca_file", "credential_command")


def agent_yaml(site: Site) -> Iterator[Finding]:
    """agent.yaml is there, can be read, and is valid."""
    if site.config is None:
        is_missing = not site.path.exists()
        for found in site.problems:
            yield problem(found.message, _FIRST, found.code) if is_missing else told(found)
        return
    facts = configured_facts(site.config)
    yield fine(f"{site.path} is valid; this host is {facts.name} with {', '.join(facts.addresses) or 'no address'}")
    if not site.has_its_rights:
        yield note(f"this user sees less than the agent's ({_name(site.agent_uid)})", "sudo torchsync doctor")
    elif site.own_uid != site.agent_uid:
        name = _name(site.agent_uid)
        yield note(f"the state belongs to {name}, and this is read as root", f"sudo -u {name} torchsync doctor --config {site.path}")


def agent_yaml_owner(site: Site) -> Iterator[Finding]:
    """Nobody but root and the agent's user can change agent.yaml."""
    found = site.path.stat()
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o022:
        yield problem(f"{site.path} has the mode {mode:04o}: others can say what this host runs", f"chmod go-w {site.path}")
    if found.st_uid not in (0, site.agent_uid):
        yield problem(f"{site.path} belongs to {_name(found.st_uid)}, who can say what this host runs", f"chown root {site.path}")
    if not mode & 0o022 and found.st_uid in (0, site.agent_uid):
        yield fine(f"{site.path} belongs to {_name(found.st_uid)}, mode {mode:04o}")


def metrics(site: Site) -> Iterator[Finding]:
    """Prometheus learns of tasks, so that it can say when one fails or is late."""
    if site.settings.metrics.per_task is PerTask.OFF:
        remedy = "set metrics.per_task to compact, then torchsync reload; or have the tasks tell by `notify`"
        yield note("metrics.per_task is off: Prometheus learns nothing of tasks, and no alert on one of them can fire", remedy)
    else:
        yield fine(f"tasks have metrics ({site.settings.metrics.per_task.value})")


def credentials(site: Site) -> Iterator[Finding]:
    """Keys, tokens, certificates and known hosts are there, fit, and only for whom they are meant."""
    remote = site.settings.remote
    bad = [told(found) for found in access_problems(remote)]
    for what, path in (("token", remote.token_file), ("password", remote.proxy_password_file)) if not bad else ():
        bad += _line_flaws(what, path) if path else ()
    yield from bad
    if not bad:
        shown = [name for name in _ACCESS_FILES if getattr(remote, name)]
        yield fine(f"in order: {', '.join(shown)}" if shown else f"{remote.url} needs none, or none are configured")


def _line_flaws(what: str, path: str) -> Iterator[Finding]:
    with Path(path).open("rb") as file:
        content = file.read(4096)
    if not content.strip():
        yield problem(f"the {what} file {path} is empty", f"write the {what} into {path}", "TS202")
    elif len(content.splitlines()) > 1:
        yield problem(f"the {what} file {path} has several lines, and a {what} is one", "leave one line in it", "TS202")


def signing_keys(site: Site) -> Iterator[Finding]:
    """The keys that commits are checked with are there, not for others to change, and good for another month."""
    trust = site.settings.repository.verify
    if trust.mode is VerifyMode.NONE:
        yield note("commits are accepted without a signature (verify.mode: none)", "docs/how-to/signing.md says how to ask for one")
        return
    files = trust_files(trust)
    bad = [*trust_problems(trust, files, os.environ.get("PATH", DEFAULT_SEARCH_PATH)), *exposed_files(trust)]
    yield from map(told, bad)
    now = Instant(time.time_ns() // 1_000_000)
    for file in files:
        if not file.flaw and file.setting != "revoked_keys":
            yield from expiry_findings(file.path, _ends(file), now)
    if not trust.revoked_keys:
        yield note("verify.revoked_keys names no file: a stolen key can only be taken out of the list, not refused by name")


def _ends(file: TrustFile) -> list[tuple[str, Instant | None]]:
    if file.setting == "allowed_signers":
        return list(signer_ends(file.content.decode("utf-8", "replace")))
    listing = answer_of(("gpg", "--batch", "--no-options", "--show-keys", "--with-colons", file.path))
    return list(gpg_ends(listing or ""))


def policy(site: Site) -> Iterator[Finding]:
    """The users of the policy exist, and what they may is what was meant."""
    config, accounts = site.settings, Accounts()
    wanted = config.policy
    named = dict.fromkeys((*wanted.users, wanted.default_user, *(user for secret in wanted.secrets.values() for user in secret.users)))
    unknown = [name for name in named if accounts.uid(name) is None]
    for name in unknown:
        yield problem(f"the user {name} of the policy does not exist on this host", f"useradd --system --create-home {name}", "TS311")
    for name in named:
        account = accounts.get(name)
        if account and not Path(account.home).is_dir():
            yield note(
                f"{name} has no home: {account.home} is not there, and `~` in working_dir cannot be used",
                f"usermod --home DIRECTORY {name}, where a task needs one",
            )
    if wanted.allow_root:
        yield note(
            "tasks may run as root (policy.allow_root): whoever may merge a task is root here", "set it to false where no task needs it"
        )
    elif "root" in (wanted.default_user, *wanted.users):
        yield problem("the policy names root, and allow_root is false", "name another user, or set policy.allow_root to true", "TS310")
    if not unknown:
        yield fine(f"{len(named)} users of the policy exist; tasks that name none run as {wanted.default_user}")


def secrets(site: Site) -> Iterator[Finding]:
    """The files of policy.secrets are there and hold what can be handed over."""
    named = site.settings.policy.secrets
    bad = list(secret_problems({name: secret.file for name, secret in named.items()}))
    yield from (told(found) for found in bad)
    for name, secret in named.items():
        with_flaw = [] if bad else list(_flaws(name, Path(secret.file), is_address=secret.notify))
        yield from with_flaw
    if not bad:
        yield fine(f"{len(named)} secrets can be handed over" if named else "policy.secrets names none")


def _flaws(name: str, path: Path, *, is_address: bool) -> Iterator[Finding]:
    content = path.read_bytes()
    if not content.strip():
        yield warning(f"the secret {name} is empty ({path})", f"write it into {path}")
    elif content.endswith(b"\n") and not is_address:
        yield note(f"the secret {name} ends with a newline, which its users are handed too ({path})")


def notify_hosts(site: Site) -> Iterator[Finding]:
    """The servers that notices may go to have addresses."""
    found = [parse_address(entry if "://" in entry else f"https://{entry}") for entry in site.settings.policy.notify_hosts]
    for address in found:
        if isinstance(address, Address) and not address.host.startswith("*."):
            try:
                socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
            except OSError as error:
                remedy = f"getent hosts {address.host}; correct policy.notify_hosts or the resolver"
                yield warning(f"notices may go to {address.origin}, which has no address: {error.strerror or error}", remedy, "TS345")
    if not found:
        yield fine("policy.notify_hosts names none: notices go nowhere but to secrets with `notify: true`")
    else:
        yield fine(f"{len(found)} servers for notices")


def webhook_secret(site: Site) -> Iterator[Finding]:
    """The secrets of webhooks are long enough, and only the agent's."""
    path = site.settings.http.webhook_secret_file
    if not path:
        yield fine("no webhooks are asked for")
        return
    found = read_secrets(path)
    if isinstance(found, Problem):
        yield problem(found.message, f"openssl rand -hex 32 > {path}; chmod 600 {path}", found.code)
    elif (mode := stat.S_IMODE(Path(path).stat().st_mode)) & 0o077:
        yield problem(f"{path} has the mode {mode:04o}: others can read the secret", f"chmod 600 {path}", "TS341")
    else:
        yield fine(f"{len(found)} secret(s) of webhooks in {path}: in order")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
