"""Checks of the running agent, of what an earlier one left, and of who may reach it."""

from __future__ import annotations

import grp
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from torchsync.adapters.http import bind_tcp
from torchsync.adapters.machine import command_line
from torchsync.adapters.procfs import boot_id, start_ticks
from torchsync.adapters.rundir import Claim, RunFiles
from torchsync.adapters.statefile import is_held
from torchsync.cli.site import Answers, Site
from torchsync.cli.surfaces import ADMIN_GROUP
from torchsync.core import agentcheck
from torchsync.core.checkup import Finding, fine, note, problem, warning
from torchsync.core.websettings import is_loopback
from torchsync.errors import Problem, Refused

_MOST_LISTED = 5


def answers(site: Site) -> Iterator[Finding]:
    """An agent answers on the control socket, and is the version that is installed."""
    if site.answers:
        yield from agentcheck.version_findings(site.answers.status, version("torchsync"))
    elif isinstance(site.silence, Refused):
        yield note(site.silence.message, "sudo torchsync doctor", site.silence.code)
    elif site.config and is_held(site.state):
        yield problem("an agent holds the state and does not answer on its socket", "systemctl restart torchsync (runs go on)", "TS350")
    elif site.silence:
        yield problem(site.silence.message, "systemctl enable --now torchsync, or run `torchsync agent`", site.silence.code)


def _status(site: Site) -> Answers:
    assert site.answers is not None
    return site.answers


def config_in_force(site: Site) -> Iterator[Finding]:
    """The agent goes by the agent.yaml that is there, and nothing of it waits for a restart."""
    said = _status(site)
    yield from agentcheck.config_findings(said.status)
    if site.config:
        yield from agentcheck.pending_findings(said.status, host=site.config.host.name, executor=site.config.executor.value)
        yield from agentcheck.other_config_findings(_words_of_agent(site.state), str(site.path))


def _words_of_agent(state: Path) -> tuple[str, ...]:
    """What the agent was started with, as far as we may know."""
    try:
        return command_line(int((state / "lock").read_bytes()))
    except (OSError, ValueError):
        return ()


def health(site: Site) -> Iterator[Finding]:
    """/healthz and /readyz say yes, the state can be written, and the agent has nothing to complain about."""
    said = _status(site)
    yield from agentcheck.health_findings(said.status, said.alive, said.ready)


def syncs(site: Site) -> Iterator[Finding]:
    """The newest commit is accepted, and the remote was heard of lately."""
    yield from agentcheck.sync_findings(_status(site).status)


def holds(site: Site) -> Iterator[Finding]:
    """What operators hold back."""
    yield from agentcheck.hold_findings(_status(site).status)


def losses(site: Site) -> Iterator[Finding]:
    """No run was lost, no task is late."""
    yield from agentcheck.loss_findings(_status(site).tasks)


def state_folder(site: Site) -> Iterator[Finding]:
    """The state directory is the agent's, or can be made."""
    state = site.state
    if not state.exists():
        above = next(folder for folder in state.parents if folder.exists())
        if os.access(above, os.W_OK | os.X_OK, effective_ids=True):
            yield fine(f"{state} is not there yet: the agent makes it")
        else:
            yield problem(
                f"{state} is not there, and this user cannot make it in {above}", f"mkdir -p {state} as the agent's user", "TS331"
            )
        return
    if not state.is_dir():
        yield problem(f"{state} is no folder", "move it away, or set paths.state", "TS331")
    elif not os.access(state, os.W_OK | os.X_OK, effective_ids=True):
        yield problem(f"{state} cannot be written by the agent's user", f"see `ls -ld {state}` and `mount`", "TS333")
    else:
        yield fine(f"{state} belongs to the agent's user")


def leftovers(site: Site) -> Iterator[Finding]:
    """What an earlier agent left: runs that go on without one, locks of git, state that was set aside."""
    state = site.state
    if not site.answers and not is_held(state):
        alive = [folder.name for folder in _folders(state / "runs") if _goes_on(RunFiles(folder))]
        if alive:
            yield note(f"{len(alive)} runs go on without an agent, and the next one takes them up: {', '.join(alive[:_MOST_LISTED])}")
    aside = [path.name for path in _folders(state) if ".damaged-" in path.name]
    if aside:
        yield warning(
            f"state was damaged and set aside: {', '.join(aside[:_MOST_LISTED])}",
            f"look at the disk, then remove them from {state}",
            "TS334",
        )
    if not site.answers:
        locks = [str(path.relative_to(state)) for path in (state / "repo.git").glob("**/*.lock")] if (state / "repo.git").is_dir() else []
        if locks:
            yield note(f"locks that a git left: {', '.join(locks[:_MOST_LISTED])}; the next sync removes them")
    if not aside:
        yield fine("nothing that somebody would have to look at")


def _folders(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _goes_on(files: RunFiles) -> bool:
    claim = files.claim()
    is_claimed = isinstance(claim, Claim) and files.exit() is None and claim.boot == boot_id()
    return is_claimed and isinstance(claim, Claim) and start_ticks(claim.pid) == claim.ticks


def ports(site: Site) -> Iterator[Finding]:
    """http.listen and http.hooks_listen are free, or the agent's; what others can reach is encrypted."""
    http = site.settings.http
    for setting, address in (("http.listen", http.listen), ("http.hooks_listen", http.hooks_listen)):
        if address:
            yield from _port(site, setting, address)
            if not http.tls_cert and http.allow_plain and not is_loopback(address):
                remedy = f"set http.tls_cert and http.tls_key, or {setting} to 127.0.0.1 behind a server with TLS"
                yield warning(f"{setting} is {address} without TLS (allow_plain): who is on the network reads along", remedy)


def _port(site: Site, setting: str, address: str) -> Iterator[Finding]:
    bound = bind_tcp(address, setting)
    if not isinstance(bound, Problem):
        bound.close()
    port = address.rpartition(":")[2]
    if site.answers is None:
        if isinstance(bound, Problem) and isinstance(site.silence, Refused):
            yield note(f"{address} is taken ({setting}), as it should be where an agent runs")
        elif isinstance(bound, Problem):
            yield problem(f"{bound.message}, and no agent answers", f"ss -ltnp 'sport = :{port}' shows who has it", "TS340")
        else:
            yield fine(f"{address} is free ({setting})")
    elif not isinstance(bound, Problem):
        yield _unheard(setting, address, waits=_was_taken(site.answers))
    elif _was_taken(site.answers):
        yield problem(f"{bound.message}: the agent does not get it", f"ss -ltnp 'sport = :{port}' shows who has it", "TS340")
    else:
        yield fine(f"the agent listens on {address} ({setting})")


def _was_taken(answers: Answers) -> bool:
    """The agent says that it did not get an address."""
    return any(notice["code"] == "TS340" for notice in answers.status["notices"])


def _unheard(setting: str, address: str, *, waits: bool) -> Finding:
    """Of an address that is free while an agent runs."""
    if waits:
        return note(f"{address} was taken and is free now ({setting}): the agent tries again by itself")
    return warning(
        f"the agent does not listen on {address}: {setting} has changed since it started", "systemctl restart torchsync (runs go on)"
    )


def operators(site: Site) -> Iterator[Finding]:
    """The group torchsync-admin exists, so that operators need no root."""
    if site.agent_uid != 0:
        yield fine("the agent is no root's: its socket is for its user and root")
        return
    try:
        members = grp.getgrnam(ADMIN_GROUP).gr_mem
    except KeyError:
        yield note(f"there is no group {ADMIN_GROUP}: only root may ask the agent", f"groupadd --system {ADMIN_GROUP}")
        return
    yield fine(f"{ADMIN_GROUP} has {', '.join(members) or 'no members'}: they and root may ask the agent")
