"""What the agent and the sync process say to each other, and the result of one sync. Pure values.

The sync process never sees the agent's state beyond a `SyncRequest`; the agent never sees repository content beyond a `SyncAnswer`, which it
checks field by field before it believes it. Both travel as one JSON document; `core/taskdoc.py` turns them into text and back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from torchsync.core.model import Authorship, Fingerprint, Guards, HostFacts, Instant, Position, Revision, Task, TaskName, TreeId
from torchsync.errors import Problem


class Phase(Enum):
    """The phases of a sync: a closed set, the label of `torchsync_sync_duration_seconds`."""

    RESOLVE = "resolve"
    FETCH = "fetch"
    VERIFY = "verify"
    READ = "read"
    VALIDATE = "validate"
    SELECT = "select"
    SWAP = "swap"


class SyncOutcome(Enum):
    """How a sync ended: a closed set, the label of `torchsync_sync_total`."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    PAUSED = "paused"
    FAILED = "failed"


class RecoveryAction(Enum):
    """What was repaired in the state directory: a closed set, the label of `torchsync_repo_recoveries_total`."""

    LOCK = "lock"
    REF = "ref"
    MIRROR = "mirror"
    TREE = "tree"
    OWNER = "owner"
    STATE = "state"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSpec:
    """The remote as the operator configured it. Paths are absolute; nothing in here is secret, secrets are read from the files named."""

    url: str
    ref: str = ""
    """Empty or `HEAD`: the remote's HEAD; else a branch, a tag, a full `refs/...` name or a commit id."""
    path: str = "."
    username: str = ""
    token_file: str = ""
    ca_file: str = ""
    ssh_key: str = ""
    known_hosts: str = ""
    proxy: str = ""
    proxy_username: str = ""
    proxy_password_file: str = ""
    credential_command: tuple[str, ...] = ()
    """Prints `username=` and `password=` lines for https; run by every git process that needs them."""
    insecure: bool = False
    rewind_allowed: bool = False
    timeout_ms: int = 60_000
    clone_timeout_ms: int = 900_000


class VerifyMode(Enum):
    """Which commits must be signed by somebody this host trusts: none, the one that the ref points to, or every one."""

    NONE = "none"
    HEAD = "head"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSpec:
    """Whose commits this host accepts. Paths are absolute or empty; `root` is empty or the id of a commit that is trusted with all before it."""

    mode: VerifyMode = VerifyMode.NONE
    allowed_signers: str = ""
    gpg_keyring: str = ""
    revoked_keys: str = ""
    root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRequest:
    """What the sync process is to do: fetch, judge `revision` and write its tree.

    `state` is the state directory. `facts` are what the host says of itself. `floor` is the newest revision ever accepted here, or empty. `known`
    maps the tasks of the generation in force to their `stamp`: a task that is the same, in the same place, is named in the answer, not sent
    again. `verified` is a revision that passed with all before it by the keys and settings that `verified_by` stands for: by others it must again.
    """

    remote: RemoteSpec
    ref_name: str
    """The full name of the ref that `revision` was resolved from, or empty when `ref` is a commit id."""
    revision: Revision
    floor: str
    facts: HostFacts
    state: str
    in_force: str = ""
    """The revision in force, or empty."""
    known: Mapping[TaskName, str] = field(default_factory=dict)
    pin: str = ""
    """The revision to judge in place of `revision`, by its first digits, when an operator pins one: in its history, or in that of the floor."""
    trust: TrustSpec = TrustSpec()
    verified: str = ""
    verified_by: str = ""


class Placed(Protocol):
    """A task, whole or not, that was found in a commit."""

    @property
    def fingerprint(self) -> Fingerprint: ...

    @property
    def source(self) -> Position: ...


def stamp(task: Placed) -> str:
    """What the task is and where it stands: the policy of a host looks at the path of its file, and messages name its line."""
    place = task.source
    return f"{task.fingerprint} {place.path}:{place.line}:{place.column}"


class Verdict(Enum):
    """What the sync process found. `REFUSED` is for trust (signature, rewind); `UNAVAILABLE` means try again."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncAnswer:
    """What the sync process did.

    With `ACCEPTED` the tree `tree` is complete under `worktrees/`, `facts` are those of the request with the inventory of the revision applied,
    `tasks` holds the tasks for this host that are new or differ from `known`, and `kept` names those that are in `known` with the same stamp.
    `guards` and `pools` are those of the revision, and `removal_allowed` tells that a commit since the one in force carries the trailer.
    `notices` are sentences for the operator of the host. Otherwise `problems` is not empty.
    """

    verdict: Verdict
    revision: Revision
    tree: TreeId = TreeId("")
    facts: HostFacts | None = None
    notices: tuple[str, ...] = ()
    guards: Guards = Guards()
    pools: Mapping[str, int] = field(default_factory=dict)
    removal_allowed: bool = False
    raises_floor: bool = True
    """The revision is the floor from now on; a pinned one that does not descend from the floor never is."""
    tasks: tuple[Task, ...] = ()
    kept: tuple[TaskName, ...] = ()
    not_selected: int = 0
    problems: tuple[Problem, ...] = ()
    durations: Mapping[Phase, float] = field(default_factory=dict)
    """Seconds."""
    recoveries: Mapping[RecoveryAction, int] = field(default_factory=dict)
    git_timeouts: int = 0
    overloaded: bool = False
    """The remote answered that it is asked too much."""
    trust: str = ""
    """The keys and settings that an accepted revision was verified by, as one text; empty when it was not to be verified."""
    authorship: Authorship | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncResult:
    """One sync, told whole: exactly one is made for each, logged in one line and counted once."""

    outcome: SyncOutcome
    sentence: str
    started_at: Instant
    finished_at: Instant
    revision: str = ""
    """What the sync went for: what the remote's ref pointed to, or what is pinned; empty when the remote did not say."""
    problems: tuple[Problem, ...] = ()
    durations: Mapping[Phase, float] = field(default_factory=dict)
    added: int = 0
    changed: int = 0
    removed: int = 0
