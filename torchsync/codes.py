"""Every code torchsync can tell, with its cause and what to do: one table, which also makes `docs/reference/errors.md` and answers `explain`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Reason(Enum):
    """Why a commit was rejected or refused: a closed set, the label of `torchsync_rejections_total`."""

    YAML = "yaml"
    SCHEMA = "schema"
    SCHEDULE = "schedule"
    REFERENCE = "reference"
    DUPLICATE = "duplicate"
    PATH = "path"
    SIZE = "size"
    VERSION = "version"
    SIGNATURE = "signature"
    REWIND = "rewind"
    GUARD = "guard"
    POLICY = "policy"
    USER = "user"
    LIMIT = "limit"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class CodeInfo:
    """One row of the code table: what the code means and what to do about it."""

    code: str
    title: str
    cause: str
    remedy: str
    reason: Reason | None = None
    """Set for what can reject or refuse a commit."""


_TABLE = (
    # TS1xx: the commit
    CodeInfo(
        "TS101",
        "not valid YAML",
        "The file cannot be read as YAML 1.2, or holds control characters or characters that nobody sees.",
        "Correct the line the message points at. A value that starts with `*`, `@`, `&`, `!`, `%` or a backquote needs quotes.",
        Reason.YAML,
    ),
    CodeInfo(
        "TS102",
        "YAML feature that is not allowed",
        "Anchors, aliases, merge keys, tags, directives and a second document are refused, since they hide what a task really is.",
        "Write the value out, or move what tasks share to `defaults`.",
        Reason.YAML,
    ),
    CodeInfo("TS103", "key given twice", "A mapping names the same key twice.", "Keep one of the two.", Reason.YAML),
    CodeInfo("TS104", "not UTF-8", "The file holds bytes that are not UTF-8 text.", "Save the file as UTF-8.", Reason.YAML),
    CodeInfo(
        "TS105",
        "ambiguous number",
        "A number with a leading zero means different things to different YAML readers.",
        "Quote it when it is text, or drop the zero.",
        Reason.YAML,
    ),
    CodeInfo(
        "TS110",
        "unknown field",
        "The file has a key that no task file knows.",
        "Use the name the message suggests, or see the task file reference.",
        Reason.SCHEMA,
    ),
    CodeInfo(
        "TS111",
        "wrong value",
        "A field holds a value of the wrong type or outside its range.",
        "Write a value of the form the message gives.",
        Reason.SCHEMA,
    ),
    CodeInfo("TS112", "missing field", "A required field is not there.", "Add it.", Reason.SCHEMA),
    CodeInfo(
        "TS113",
        "not in this version",
        "The field, value or file is part of torchsync's format, but the installed version does not have it yet.",
        "Take it out, or upgrade the agents and the CI job first.",
        Reason.VERSION,
    ),
    CodeInfo(
        "TS114",
        "fields that exclude each other",
        "Two fields of a task cannot stand together, such as a schedule on a daemon.",
        "Drop one of the two.",
        Reason.SCHEMA,
    ),
    CodeInfo(
        "TS120", "schedule not understood", "The schedule is not of the accepted form.", "Write it as the message says.", Reason.SCHEDULE
    ),
    CodeInfo(
        "TS121",
        "schedule that never fires",
        "No date from 1970 to 2199 matches the schedule.",
        "Correct the day or the month; to keep a task without running it use `enabled: false`.",
        Reason.SCHEDULE,
    ),
    CodeInfo(
        "TS122",
        "unknown time zone",
        "The zone is not an IANA name.",
        "Use a name such as `Europe/Berlin`, `UTC` or `local`.",
        Reason.SCHEDULE,
    ),
    CodeInfo(
        "TS123",
        "fires too often",
        "A task has instants closer together than `guards.min_interval` of torchsync.yaml allows.",
        "Let it fire less often, or change the guard.",
        Reason.GUARD,
    ),
    CodeInfo("TS130", "task name used twice", "Two task files define the same task.", "Rename one of them.", Reason.DUPLICATE),
    CodeInfo(
        "TS131",
        "host selector not understood",
        "An entry of `hosts` is none of: name pattern, address or network, label=pattern, @group.",
        "Write it in one of those forms.",
        Reason.REFERENCE,
    ),
    CodeInfo(
        "TS132",
        "names something that is not in the commit",
        "A path of the task points to nothing in the tree of the commit, or outside of it.",
        "Add the file to the commit or correct the path.",
        Reason.REFERENCE,
    ),
    CodeInfo(
        "TS133",
        "group that is not there",
        "A selector names a group that hosts.yaml does not have, or groups contain each other in a circle.",
        "Add the group to hosts.yaml, or correct its name.",
        Reason.REFERENCE,
    ),
    CodeInfo(
        "TS140",
        "path that is not allowed",
        "A symlink under tasks/, a link that leaves the tree, a submodule, or a name that is not safe to write out.",
        "Replace the link by the file; rename the file.",
        Reason.PATH,
    ),
    CodeInfo("TS141", "too large", "A file, or the commit as a whole, is over a limit of size, depth or number.", "Split it.", Reason.SIZE),
    CodeInfo(
        "TS150",
        "repository without tasks",
        "The folder tasks/ is not there or holds no task file.",
        "Add tasks/NAME.yaml, or set repository.path when the tasks are in a subfolder.",
        Reason.REFERENCE,
    ),
    CodeInfo(
        "TS151",
        "agent too old",
        "The repository requires a newer version of torchsync, by `requires` of torchsync.yaml.",
        "Upgrade torchsync here. Until then the last good set stays in force.",
        Reason.VERSION,
    ),
    # TS16x: warnings of `validate`; none of them rejects a commit
    CodeInfo(
        "TS160",
        "uneven step",
        "A step does not divide its field, so that the last gap before the field begins again is another one.",
        "Write a step that divides the field, or the values themselves.",
    ),
    CodeInfo(
        "TS161",
        "day that some months lack",
        "The schedule names only days that not every month has, and is silent in the others.",
        "Write `L` for the last day of the month, or a day up to 28.",
    ),
    CodeInfo(
        "TS162",
        "either day is enough",
        "Day of month and day of week are both given, and by the rule of cron one of the two is enough.",
        "Write `*` for one of the two, or make two tasks of it.",
    ),
    CodeInfo(
        "TS163",
        "night of a clock change",
        "The task has a time that a clock change of the next year skips or repeats.",
        "Choose another hour, or `timezone: UTC`, when what the message says is not meant.",
    ),
    CodeInfo(
        "TS164",
        "crowded minute",
        "Many tasks of one host start in the same minute.",
        "Spread them with `jitter` or `H`.",
    ),
    CodeInfo(
        "TS165",
        "selector without hosts",
        "A selector, or a task as a whole, matches no host of hosts.yaml.",
        "Correct the selector, or add the host to hosts.yaml.",
    ),
    CodeInfo(
        "TS166",
        "newer than required",
        "A file uses a field that came after the version `requires` of torchsync.yaml names: agents of that version would reject the commit.",
        "Raise `requires`.",
    ),
    CodeInfo(
        "TS167",
        "file passed over",
        "A file has nearly the name of one that torchsync reads.",
        "Rename it.",
    ),
    # TS2xx: repository and sync
    CodeInfo("TS201", "remote not reachable", "The git remote did not answer.", "Check repository.url, the network and the server."),
    CodeInfo(
        "TS202",
        "remote refuses the credentials",
        "The remote asked for other credentials, or those that are configured cannot be used: the message says which file or command and why.",
        "Check the token file or the key, its rights and its expiry, or run the credential command by hand.",
    ),
    CodeInfo(
        "TS203",
        "host key not known",
        "The ssh server showed a key, and repository.known_hosts has none for it.",
        "Compare its fingerprint with the one the server's operator publishes, then add it to that file. Nothing adds it by itself.",
    ),
    CodeInfo(
        "TS204", "remote too slow", "A git process did not end within repository.timeout.", "Check the network, or raise the timeout."
    ),
    CodeInfo("TS205", "ref not found", "The remote has no such branch, tag or commit.", "Check repository.ref."),
    CodeInfo(
        "TS206",
        "signature not accepted",
        "By `repository.verify` of this host a commit is not signed, not by a key that counts at its date, or is dated before a commit it follows.",
        "Sign it anew, or add the key to the file of trusted keys; see docs/how-to/signing.md.",
        Reason.SIGNATURE,
    ),
    CodeInfo(
        "TS207",
        "history rewritten",
        "The remote's tip does not descend from the newest commit accepted here.",
        "Push a descendant of that commit; or set repository.rewind to `allow` when the rewrite is meant.",
        Reason.REWIND,
    ),
    CodeInfo("TS208", "guard against removal", "The commit would remove more tasks than the guard allows.", "See guards.", Reason.GUARD),
    CodeInfo(
        "TS209",
        "local copy damaged",
        "The mirror of the repository on this host is damaged.",
        "Nothing: it is rebuilt. Look at the disk when it comes back.",
    ),
    CodeInfo(
        "TS210",
        "TLS failure",
        "The server's certificate is not trusted, expired or for another name.",
        "Correct the certificate, or set repository.ca_file.",
    ),
    CodeInfo(
        "TS211",
        "host key changed",
        "The ssh server showed another key than repository.known_hosts has for it, or one that is marked there as revoked. The server has got a new "
        "key, or somebody stands between.",
        "Ask the server's operator for the new fingerprint. Only when it is the one in the message, replace the key in that file.",
    ),
    CodeInfo(
        "TS215", "commit from the future", "A commit is dated later than this host says it is.", "Correct the clock.", Reason.SIGNATURE
    ),
    CodeInfo(
        "TS216",
        "signatures cannot be checked",
        "A file of `repository.verify` is missing, empty, too large or unreadable, or the program that checks signatures is not installed.",
        "Do what the message says. Until then nothing new is accepted here.",
        Reason.SIGNATURE,
    ),
    CodeInfo(
        "TS219",
        "pin that cannot be followed",
        "An operator pinned a revision that neither the remote's ref nor what was accepted here before leads to.",
        "Pin a commit of the branch, or say `torchsync unpin`. What is in force stays so meanwhile.",
    ),
    CodeInfo("TS220", "sync failed", "The sync process ended without an answer that makes sense.", "See the log; it is tried again."),
    # TS3xx: the host
    CodeInfo(
        "TS301", "agent.yaml is not valid YAML", "The agent's configuration cannot be read.", "Correct the line the message points at."
    ),
    CodeInfo(
        "TS302", "agent.yaml breaks its schema", "The agent's configuration has a wrong, unknown or missing field.", "Correct the field."
    ),
    CodeInfo(
        "TS303", "setting that cannot work", "A setting is of the right form but cannot work on this host.", "Do what the message says."
    ),
    CodeInfo(
        "TS304",
        "no agent configuration",
        "The configuration file is not there or cannot be read.",
        "Write it, or name another with --config.",
    ),
    CodeInfo(
        "TS310",
        "user not granted",
        "A task names a user that this host's policy does not grant to its file.",
        "Grant it in policy.users of agent.yaml, or drop `user`.",
        Reason.POLICY,
    ),
    CodeInfo(
        "TS311", "unknown user", "A task names a user this host does not have.", "Create the user, or select other hosts.", Reason.USER
    ),
    CodeInfo(
        "TS312",
        "limit that cannot be enforced",
        "A task asks for what this host cannot do.",
        "Drop it, or select other hosts.",
        Reason.LIMIT,
    ),
    CodeInfo(
        "TS313",
        "too many tasks",
        "More tasks are selected for this host than policy.max_tasks.",
        "Raise policy.max_tasks, or select fewer.",
        Reason.COUNT,
    ),
    CodeInfo(
        "TS314",
        "host and inventory disagree",
        "agent.yaml overrides a label of hosts.yaml, or hosts.yaml does not have this host. Tasks run all the same.",
        "Correct the one that is wrong.",
    ),
    CodeInfo(
        "TS320", "program missing", "A program torchsync needs is not installed or too old.", "Install it; the message names the package."
    ),
    CodeInfo(
        "TS330", "state held by another agent", "Another agent runs on the same state directory.", "Stop that one, or set paths.state."
    ),
    CodeInfo(
        "TS331",
        "state cannot be created",
        "The state directory cannot be made.",
        "Create it, give it to the agent's user, or set paths.state.",
    ),
    CodeInfo(
        "TS332",
        "state of another owner",
        "The state directory belongs to another user.",
        "Give it to the agent's user, or set paths.state.",
    ),
    CodeInfo(
        "TS333",
        "state cannot be written",
        "The disk is full or read-only. Runs go on; what they do is kept under paths.run until it can be written.",
        "Free space.",
    ),
    CodeInfo("TS334", "state file damaged", "A state file could not be read. It was moved aside and is rebuilt.", "Look at the disk."),
    CodeInfo(
        "TS335",
        "state of another version",
        "The state was written by a newer torchsync, and this one does not know its form.",
        "Upgrade again, or set paths.state to a new folder.",
    ),
    CodeInfo(
        "TS336",
        "wall clock not believed",
        "The clock is not known to be synchronised, and shows a time before this release or far before the newest entry of the ledger.",
        "Set the clock, or start a time daemon (chrony, systemd-timesyncd). After ten minutes fires go on all the same.",
    ),
    CodeInfo(
        "TS340",
        "address in use",
        "Another process listens on http.listen or http.hooks_listen. Tasks run all the same.",
        "Stop that process or change the setting; it is tried again.",
    ),
    CodeInfo(
        "TS341",
        "webhook secret not usable",
        "The file of http.webhook_secret_file is missing, too short or open to others. Webhooks are answered with 503 until it is right.",
        "Write at least 16 bytes into it that only the agent can read, such as from `openssl rand -hex 32`; it is read again by itself.",
    ),
    CodeInfo("TS350", "agent not reachable", "No agent answers on the control socket.", "Start it, or name its socket with --socket."),
    CodeInfo(
        "TS351",
        "not permitted",
        "The control socket is for root, the agent's user and the group torchsync-admin.",
        "Ask for membership, or use sudo.",
    ),
    CodeInfo(
        "TS352", "no such task or run", "The agent knows no task or run of that name.", "See `torchsync status` and `torchsync history`."
    ),
    CodeInfo("TS353", "no such file or folder", "The path given on the command line is not there.", "Correct the path."),
    CodeInfo("TS354", "no such revision", "The repository has no such revision.", "Fetch it, or correct the name."),
    CodeInfo("TS355", "not now", "The agent knows what is meant but cannot do it now.", "Do what the message says, then ask again."),
    CodeInfo(
        "TS356", "request not understood", "The control socket was sent what it does not know.", "Use a client of the agent's version."
    ),
    CodeInfo(
        "TS357", "argument not understood", "A word of the command line is not of the form it must have.", "Write it as the message says."
    ),
    # TS9xx: ourselves
    CodeInfo("TS901", "internal error", "torchsync met a case it does not know. This is a bug.", "Report it with the line from the log."),
)

CODES: dict[str, CodeInfo] = {info.code: info for info in _TABLE}
