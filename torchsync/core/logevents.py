"""Everything the agent logs: a closed list of events, each with its level, its meaning and the fields it may have. Pure.

A line says one of these names, a sentence, and fields. Dashboards and alerts on logs may rely on the names, those of the fields included.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
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


@dataclass(frozen=True, slots=True)
class LogField:
    """A field of log lines. `journal` is its name in the journal."""

    name: str
    meaning: str
    journal: str


def _field(name: str, meaning: str, journal: str = "") -> LogField:
    return LogField(name, meaning, f"TORCHSYNC_{journal or name.upper()}")


FIELDS = {
    field.name: field
    for field in (
        _field("about", "The kind of the message inside the agent that could not be handled."),
        _field("actor", "Who asked on the control socket."),
        _field("added", "Tasks that the commit brought to this host."),
        _field("attempt", "Which attempt of the run, from 1."),
        _field("changed", "Tasks of this host that the commit changed."),
        _field("code", "The TS number, for `torchsync explain`."),
        _field("copy", "Which copy of a daemon, from 1."),
        _field("count", "How many instants, notices or lines it is about."),
        _field("duration_ms", "How long it took, in milliseconds."),
        _field("executor", "`process` or `systemd`."),
        _field("exit_status", "0 to 255, 128 + n for signal n."),
        _field("instant", "The moment of the schedule that the run is for."),
        _field("jump", "The number of the jump of the clock."),
        _field("line", "The line in the file."),
        _field("outcome", "How the run or attempt ended."),
        _field("path", "The file of the repository, or what was asked for on the control socket."),
        _field("reason", "Why a fire was skipped or a run is ended, as one word; what operators wrote when they held something."),
        _field("removed", "Tasks of this host that the commit removed."),
        _field("revision", "The commit.", "COMMIT"),
        _field("run", "The run, as `torchsync logs` takes it.", "RUN_ID"),
        _field("runs", "How many runs are in flight."),
        _field("scope", "What is held: `sync`, `all`, `task`, `drain`, `pin` or `rollback`."),
        _field("seconds", "By how much the clock went; negative is back."),
        _field("target", "The run or task that was to be stopped."),
        _field("task", "The task."),
        _field("traceback", "Where in the code, for a report of the bug."),
        _field("trigger", "Why the run was started, as TORCHSYNC_TRIGGER has it."),
    )
}
"""All there are, by name."""


class LogEvent(Enum):
    """One member an event: its level, its meaning, and the names of the fields that its line may have. Its name in the log is the member's in lower
    case.
    """

    AGENT_STARTED = (Level.INFO, "The agent is up: state locked, recovery done, loop running.", "revision runs")
    AGENT_STOPPING = (Level.INFO, "The agent was told to end. Runs go on and are adopted by the next agent.", "runs")
    CONFIG_RELOADED = (Level.INFO, "A new agent.yaml is in force.")
    CONFIG_REFUSED = (Level.ERROR, "The new agent.yaml is wrong; the old one stays in force.")
    CONFIG_NEEDS_RESTART = (Level.WARNING, "The new agent.yaml changes what only a restart can change.")
    SYNC_APPLIED = (Level.INFO, "A sync put a new generation in force.", "revision duration_ms added changed removed")
    SYNC_UNCHANGED = (Level.DEBUG, "A sync found the revision that is in force.", "revision duration_ms")
    SYNC_REJECTED = (
        Level.WARNING,
        "A commit breaks a rule, the same on every host. The last good tasks stay in force.",
        "revision code duration_ms",
    )
    SYNC_REFUSED = (Level.WARNING, "This host refuses a commit. The last good tasks stay in force.", "revision code duration_ms")
    SYNC_UNAVAILABLE = (Level.WARNING, "The remote could not be asked; it is tried again.", "revision code duration_ms")
    SYNC_PAUSED = (Level.INFO, "Syncs are paused by an operator.")
    SYNC_FAILED = (Level.ERROR, "A sync ended without an answer that makes sense; it is tried again.", "revision code duration_ms")
    SYNC_REPEATED = (
        Level.DEBUG,
        "A sync came to the same as the one before, which was no success: what that is stands in the log when it begins, and once an hour.",
        "revision count",
    )
    SYNC_RECOVERED = (Level.INFO, "Syncs succeed again, and nothing new is in force.", "revision count")
    COMMIT_PROBLEM = (Level.WARNING, "One thing that is wrong with a commit that was rejected or refused.", "revision code path line task")
    RUN_STARTED = (Level.INFO, "A run began.", "task run revision trigger attempt copy instant")
    RUN_ENDED = (
        Level.INFO,
        "A run is over with success, or was ended on purpose; `outcome` says how.",
        "task run revision trigger attempt outcome exit_status duration_ms",
    )
    RUN_FAILED = (
        Level.WARNING,
        "A run is over without success, or is lost; `outcome` says how.",
        "task run revision trigger attempt outcome exit_status duration_ms",
    )
    RUN_RETRIED = (
        Level.WARNING,
        "An attempt of a run is over without success; the run waits for the next one.",
        "task run revision trigger attempt outcome exit_status duration_ms",
    )
    RUN_OUTPUT = (
        Level.INFO,
        "The end of what an attempt of a run wrote, once that is over: in the journal only, as `torchsync/TASK`; a warning when the attempt failed.",
        "task run revision trigger attempt outcome exit_status",
    )
    RUN_ADOPTED = (Level.INFO, "A run of an earlier agent process was taken up.", "task run revision trigger attempt")
    RUN_STOPPING = (
        Level.INFO,
        "A run is being ended: by its timeout, a later fire, a change, a removal or an operator.",
        "task run revision trigger attempt reason",
    )
    FIRE_SKIPPED = (Level.INFO, "Instants of a task did not become runs; `reason` says why.", "task reason count")
    FIRE_QUEUED = (
        Level.INFO,
        "Fires of a task wait until there is room for them; `trigger` says whether they make up for missed ones.",
        "task trigger count",
    )
    NOTICE_SENT = (Level.DEBUG, "A receiver of `notify` was told of something.", "task run")
    NOTICE_DELAYED = (Level.WARNING, "A receiver of `notify` could not be told of something; it is tried again.", "task")
    NOTICES_LOST = (Level.ERROR, "A receiver of `notify` will not be told of something, or was not; the line says why.", "task run count")
    CONTROL_REQUEST = (Level.INFO, "An operator asked for something on the control socket.", "actor task run target")
    CONTROL_DENIED = (Level.WARNING, "Somebody who may not use the control socket tried to.", "actor path")
    HOLD_PLACED = (Level.INFO, "Operators hold something back: a pause, a drain, a pin or a rollback.", "scope task actor reason")
    HOLD_LIFTED = (
        Level.INFO,
        "Something is not held back any more: an operator lifted it, or a newer commit ended a rollback.",
        "scope task actor reason",
    )
    HOLD_EXPIRED = (Level.INFO, "Something is not held back any more: its time is over.", "scope task actor reason")
    HTTP_LISTENING = (Level.INFO, "An HTTP surface answers.")
    HTTP_UNAVAILABLE = (Level.WARNING, "An HTTP surface cannot listen; it is tried again.", "code")
    HTTP_FAILED = (Level.ERROR, "A request could not be answered.")
    HTTP_SECURED = (Level.INFO, "The certificate, or the passwords, of the TCP addresses are in force: the first, or others than before.")
    HTTP_NOT_SECURED = (
        Level.ERROR,
        "The certificate or the passwords of the TCP addresses cannot be used; the line says what holds meanwhile.",
        "code",
    )
    HTTP_REFUSED = (
        Level.WARNING,
        "Somebody came without the TLS or the password it takes. Of many in a minute a few are told, and how many.",
    )
    CERTIFICATE_EXPIRES = (Level.WARNING, "The certificate of the TCP addresses has run out or soon will.", "code")
    HOOK_ACCEPTED = (Level.INFO, "A webhook proved to know the secret; the line says what came of it.", "count")
    HOOK_REFUSED = (Level.WARNING, "A webhook was refused. Of many in a minute a few are told, and how many there were.", "count")
    HOOKS_DISABLED = (Level.ERROR, "Webhooks are refused because their secret cannot be used.", "code")
    HOOKS_ENABLED = (Level.INFO, "The secret of webhooks can be used again.")
    TEXTFILE_UNWRITABLE = (Level.WARNING, "The file of metrics.textfile cannot be written; it is tried again.", "code")
    TEXTFILE_WRITABLE = (Level.INFO, "The file of metrics.textfile can be written again.")
    WATCH_POLLS = (Level.INFO, "Changes of a file or repository are looked for now and then, since the kernel does not tell them here.")
    STATE_DEGRADED = (Level.ERROR, "The state cannot be written. Runs go on.", "code")
    STATE_RECOVERED = (Level.INFO, "The state can be written again.")
    STATE_SET_ASIDE = (Level.WARNING, "A state file could not be read. It is kept under another name and rebuilt.", "code")
    LEDGER_LOST = (
        Level.WARNING,
        "Tasks are in force, and the ledger knows of none: it was removed or unreadable. They count from now on; runs in flight are not known.",
        "count code",
    )
    EXECUTOR_CHOSEN = (Level.INFO, "What starts the runs of this agent process, and why that.", "executor")
    EXECUTOR_LIMITED = (Level.INFO, "Something that this host or its file system cannot do for runs.")
    HOST_FACTS_CHANGED = (Level.INFO, "Other addresses, labels or another zone of the host count from now on; it is synced for them.")
    HOST_NOTICE = (Level.WARNING, "What hosts.yaml says of the host does not go together with what the host says of itself.")
    CLOCK_STEPPED = (Level.WARNING, "The wall clock stepped.", "seconds")
    CLOCK_JUMPED = (Level.WARNING, "The wall clock may be ahead; what it causes is annulled if it returns.", "jump")
    CLOCK_RETURNED = (Level.WARNING, "The wall clock has returned from a jump; what that caused is annulled.", "jump")
    CLOCK_IMPOSSIBLE = (Level.WARNING, "The wall clock shows a time that cannot be. Fires are held, for ten minutes at most.", "code")
    CLOCK_BELIEVED = (Level.INFO, "Fires are not held for the wall clock any more.")
    CLOCK_BEHIND = (
        Level.WARNING,
        "The wall clock went back, and no jump did: `count` tasks do not fire before it shows again what they are decided up to.",
        "code count",
    )
    ZONES_CHANGED = (Level.INFO, "The time zone data of the host changed; the next instants were found again.")
    OUTPUT_NOT_SENT = (Level.WARNING, "What some attempts of runs wrote did not get into the journal; `count` says how many.", "count code")
    LOG_LINES_LOST = (Level.ERROR, "Lines of the log were lost, since nobody took them; `count` says how many.", "count code")
    INTERNAL_ERROR = (Level.ERROR, "torchsync met a case it does not know: a bug.", "code about traceback")

    def __init__(self, level: Level, meaning: str, fields: str = "") -> None:
        self.level = level
        self.meaning = meaning
        self.fields = tuple(fields.split())

    @property
    def label(self) -> str:
        return self.name.lower()

    @property
    def message_id(self) -> str:
        """What marks the event in the journal, the same in every version: a UUID of version 8, made of its name (RFC 9562)."""
        digits = sha256(f"torchsync log event {self.label}".encode()).hexdigest()
        return f"{digits[:12]}8{digits[13:16]}8{digits[17:32]}"


class Log(Protocol):
    """Where the agent says what happens. Never fails, never waits, and may be called from any thread. `fields` are of those that the event has."""

    def __call__(self, event: LogEvent, message: str, /, **fields: object) -> None: ...
