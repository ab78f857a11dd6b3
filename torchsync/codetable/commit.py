"""TS1xx: what is wrong with a commit, and what `validate` warns of."""

from __future__ import annotations

from torchsync.codetable.row import CodeInfo, Reason

COMMIT_CODES = (
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
        "A file has nearly the name of one that torchsync reads, or is a task file that git ignores.",
        "Rename it, or take it out of `.gitignore`.",
    ),
    # TS17x: what `import` finds in the files of another scheduler
    CodeInfo(
        "TS170",
        "line not understood",
        "A line of a file to import is nothing that the other scheduler would run either.",
        "Correct the line there and import it again, or leave it out. Everything else was imported.",
    ),
    CodeInfo(
        "TS171",
        "job not translated",
        "A job to import does something that a task cannot do in the same way.",
        "Write the task by hand, as the message says. Everything else was imported.",
    ),
    CodeInfo(
        "TS172",
        "file to import not readable",
        "A file to import cannot be read, is too large, or holds no text.",
        "Name files that hold what is to be imported, and that you may read.",
    ),
    CodeInfo(
        "TS173",
        "nothing to import",
        "No job was found in what was named.",
        "Name the files themselves, or a folder that was copied from the root of a host, with etc and var in it.",
    ),
    CodeInfo(
        "TS174",
        "job that makes no valid task",
        "The task that a job would become breaks a rule of task files.",
        "Change the job there, or write the task by hand. Everything else was imported.",
    ),
    CodeInfo(
        "TS175",
        "file in the way",
        "A file that `import --into` would write is there already.",
        "Move it away, or name another folder.",
    ),
)
