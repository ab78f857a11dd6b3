"""Everything the agent logs: a closed list of events, each with its level and meaning. Pure.

A line says one of these names, a sentence, and fields. Dashboards and alerts on logs may rely on the names.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Level(Enum):
    """The value is the priority of syslog(3)."""

    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7

    @property
    def label(self) -> str:
        return self.name.lower()


class LogEvent(Enum):
    """One member an event: its level and its meaning. Its name in the log is the member's in lower case."""

    AGENT_STARTED = (Level.INFO, "The agent is up: state locked, recovery done, loop running.")
    AGENT_STOPPING = (Level.INFO, "The agent was told to end. Runs go on and are adopted by the next agent.")
    CONFIG_RELOADED = (Level.INFO, "A new agent.yaml is in force.")
    CONFIG_REFUSED = (Level.ERROR, "The new agent.yaml is wrong; the old one stays in force.")
    CONFIG_NEEDS_RESTART = (Level.WARNING, "The new agent.yaml changes what only a restart can change.")
    SYNC_APPLIED = (Level.INFO, "A sync put a new generation in force.")
    SYNC_UNCHANGED = (Level.DEBUG, "A sync found the revision that is in force.")
    SYNC_REJECTED = (Level.WARNING, "A commit breaks a rule, the same on every host. The last good tasks stay in force.")
    SYNC_REFUSED = (Level.WARNING, "This host refuses a commit. The last good tasks stay in force.")
    SYNC_UNAVAILABLE = (Level.WARNING, "The remote could not be asked; it is tried again.")
    SYNC_PAUSED = (Level.INFO, "Syncs are paused by an operator.")
    SYNC_FAILED = (Level.ERROR, "A sync ended without an answer that makes sense; it is tried again.")
    COMMIT_PROBLEM = (Level.WARNING, "One thing that is wrong with a commit that was rejected or refused.")
    RUN_STARTED = (Level.INFO, "A run began.")
    RUN_ENDED = (Level.INFO, "A run is over with success, or was ended on purpose; `outcome` says how.")
    RUN_FAILED = (Level.WARNING, "A run is over without success, or is lost; `outcome` says how.")
    RUN_RETRIED = (Level.WARNING, "An attempt of a run is over without success; the run waits for the next one.")
    RUN_ADOPTED = (Level.INFO, "A run of an earlier agent process was taken up.")
    RUN_STOPPING = (Level.INFO, "A run is being ended: by its timeout, a later fire, a change, a removal or an operator.")
    FIRE_SKIPPED = (Level.INFO, "Instants of a task did not become runs; `reason` says why.")
    FIRE_QUEUED = (Level.INFO, "Fires of a task wait until there is room for them; `trigger` says whether they make up for missed ones.")
    NOTICE_SENT = (Level.DEBUG, "A receiver of `notify` was told of something.")
    NOTICE_DELAYED = (Level.WARNING, "A receiver of `notify` could not be told of something; it is tried again.")
    NOTICES_LOST = (Level.ERROR, "A receiver of `notify` will not be told of something, or was not; the line says why.")
    CONTROL_REQUEST = (Level.INFO, "An operator asked for something on the control socket.")
    CONTROL_DENIED = (Level.WARNING, "Somebody who may not use the control socket tried to.")
    HOLD_PLACED = (Level.INFO, "Operators hold something back: a pause, a drain, a pin or a rollback.")
    HOLD_LIFTED = (Level.INFO, "Something is not held back any more: an operator lifted it, or a newer commit ended a rollback.")
    HOLD_EXPIRED = (Level.INFO, "Something is not held back any more: its time is over.")
    HTTP_LISTENING = (Level.INFO, "An HTTP surface answers.")
    HTTP_UNAVAILABLE = (Level.WARNING, "An HTTP surface cannot listen; it is tried again.")
    HTTP_FAILED = (Level.ERROR, "A request could not be answered.")
    HTTP_SECURED = (Level.INFO, "The certificate, or the passwords, of the TCP addresses are in force: the first, or others than before.")
    HTTP_NOT_SECURED = (
        Level.ERROR,
        "The certificate or the passwords of the TCP addresses cannot be used; the line says what holds meanwhile.",
    )
    HTTP_REFUSED = (
        Level.WARNING,
        "Somebody came without the TLS or the password it takes. Of many in a minute a few are told, and how many.",
    )
    CERTIFICATE_EXPIRES = (Level.WARNING, "The certificate of the TCP addresses has run out or soon will.")
    HOOK_ACCEPTED = (Level.INFO, "A webhook proved to know the secret; the line says what came of it.")
    HOOK_REFUSED = (Level.WARNING, "A webhook was refused. Of many in a minute a few are told, and how many there were.")
    HOOKS_DISABLED = (Level.ERROR, "Webhooks are refused because their secret cannot be used.")
    HOOKS_ENABLED = (Level.INFO, "The secret of webhooks can be used again.")
    WATCH_POLLS = (Level.INFO, "Changes of a file or repository are looked for now and then, since the kernel does not tell them here.")
    STATE_DEGRADED = (Level.ERROR, "The state cannot be written. Runs go on.")
    STATE_RECOVERED = (Level.INFO, "The state can be written again.")
    STATE_SET_ASIDE = (Level.WARNING, "A state file could not be read. It is kept under another name and rebuilt.")
    EXECUTOR_CHOSEN = (Level.INFO, "What starts the runs of this agent process, and why that.")
    EXECUTOR_LIMITED = (Level.INFO, "Something that this host or its file system cannot do for runs.")
    HOST_FACTS_CHANGED = (Level.INFO, "Other addresses, labels or another zone of the host count from now on; it is synced for them.")
    HOST_NOTICE = (Level.WARNING, "What hosts.yaml says of the host does not go together with what the host says of itself.")
    CLOCK_STEPPED = (Level.WARNING, "The wall clock stepped.")
    CLOCK_JUMPED = (Level.WARNING, "The wall clock may be ahead; what it causes is annulled if it returns.")
    CLOCK_RETURNED = (Level.WARNING, "The wall clock has returned from a jump; what that caused is annulled.")
    CLOCK_IMPOSSIBLE = (Level.WARNING, "The wall clock shows a time that cannot be. Fires are held, for ten minutes at most.")
    CLOCK_BELIEVED = (Level.INFO, "Fires are not held for the wall clock any more.")
    ZONES_CHANGED = (Level.INFO, "The time zone data of the host changed; the next instants were found again.")
    INTERNAL_ERROR = (Level.ERROR, "torchsync met a case it does not know: a bug.")

    def __init__(self, level: Level, meaning: str) -> None:
        self.level = level
        self.meaning = meaning

    @property
    def label(self) -> str:
        return self.name.lower()


class Log(Protocol):
    """Where the agent says what happens. Never fails, and may be called from any thread."""

    def __call__(self, event: LogEvent, message: str, /, **fields: object) -> None: ...
