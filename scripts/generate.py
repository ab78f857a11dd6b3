"""Writes the files that are made from others: reference pages from tables in the code, and what sample-repo has in common with `torchsync init`.

`python -m scripts.generate` writes them, `--check` only says which are out of date and fails when there is one.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scripts.dashboard_fleet import FLEET
from scripts.dashboard_task import HOST_AND_TASK
from scripts.decisions_page import decisions_page
from scripts.grafana import text_of
from scripts.lifecycle_page import lifecycle_page
from scripts.openapi_document import control_openapi, public_openapi
from scripts.schedules_page import schedules_page
from torchsync.adapters.schemas import read_schema
from torchsync.adapters.templates import read_template
from torchsync.cli.checktable import CHECKS
from torchsync.cli.main import COMMANDS
from torchsync.cli.reference import render_schema_page
from torchsync.codes import CODES
from torchsync.core.forge import Forge
from torchsync.core.fsck import IGNORED
from torchsync.core.logevents import FIELDS, LogEvent
from torchsync.core.metrictable import PREFIX, Metric, PerTask, Scope, most_series, rows
from torchsync.core.starter import COMMON, GATES, SCHEMAS, made

ROOT = Path(__file__).parent.parent
MADE = "<!-- Made from the code by `make docs`; changes here are lost. -->\n"


def errors_page() -> str:
    """`docs/reference/errors.md`: every code with its cause and remedy."""
    parts = [
        "# Error codes\n",
        MADE,
        "Every problem torchsync names has a code. TS1xx: the commit is wrong, the same on every host. TS2xx: the repository and its remote.",
        "TS3xx: this host. TS9xx: a bug in torchsync.\n",
    ]
    for info in CODES.values():
        reason = f"\nCounted as `{info.reason.value}` in `torchsync_rejections_total`." if info.reason else ""
        parts.append(f"## {info.code}: {info.title}\n\n{info.cause}{reason}\n\nWhat to do: {info.remedy}\n")
    return "\n".join(parts)


def metrics_page() -> str:
    """`docs/reference/metrics.md`: every metric with its labels and their values, and how many series there can be."""
    heads = ("metric", "type", "labels", "meaning")
    agent, tasks = ([metric for metric in rows() if metric.scope is scope] for scope in (Scope.AGENT, Scope.TASK))
    compact = ("yes" if metric.compact else "" for metric in tasks)
    of_tasks = ((*_metric_row(metric), mark) for metric, mark in zip(tasks, compact, strict=True))
    return "\n".join(
        [
            *("# Metrics\n", MADE, _BEFORE_METRICS),
            *("## The agent\n", _table(heads, map(_metric_row, agent))),
            *("## Each task (label `task`)\n", _table((*heads, "compact"), of_tasks)),
            *("## How many series\n", _BEFORE_SERIES, _series_table()),
        ]
    )


_BEFORE_METRICS = """\
Series with a closed set of values are there from the first scrape on, with 0. Where a label is open (a task, a commit), its series end with what they
describe. How to have them read: [Let Prometheus read a host](../how-to/metrics.md).
"""
_BEFORE_SERIES = """\
At most, by [`metrics.per_task`](agent.md). A host has no more tasks than `policy.max_tasks`, which is 2000 unless agent.yaml says otherwise.
Alerts on tasks work in compact mode; with `off` there are those on the agent and its syncs.
"""


def _series_table() -> str:
    tasks = (100, 1_000, 2_000)
    lines = []
    for mode in PerTask:
        agent, each = most_series(Scope.AGENT, mode), most_series(Scope.TASK, mode)
        lines.append((f"`{mode.value}`", f"{agent}", f"{each}", *(f"{agent + count * each:,}" for count in tasks)))
    return _table(("per_task", "of the agent", "of each task", *(f"with {count:,} tasks" for count in tasks)), lines)


def _metric_row(metric: Metric) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    values = f": {', '.join(metric.values)}" if metric.values else ""
    return f"`{PREFIX}{metric.name}`", metric.kind.value, labels + values, metric.help


def events_page() -> str:
    """`docs/reference/log-events.md`: everything the agent logs."""
    events = _table(("event", "level", "meaning", "fields"), (_event_row(event) for event in LogEvent))
    fields = _table(("field", "in the journal", "meaning"), ((f"`{one.name}`", f"`{one.journal}`", one.meaning) for one in FIELDS.values()))
    ids = _table(("event", "MESSAGE_ID"), ((f"`{event.label}`", f"`{event.message_id}`") for event in LogEvent))
    return f"# Log events\n\n{MADE}\n{_BEFORE_EVENTS}\n{events}\n{_BEFORE_FIELDS}\n{fields}\n{_BEFORE_IDS}\n{ids}"


def _event_row(event: LogEvent) -> tuple[str, ...]:
    return f"`{event.label}`", event.level.label, event.meaning, " ".join(f"`{name}`" for name in event.fields)


_BEFORE_EVENTS = """\
One line each, always with one of these names, a sentence, and no other fields than these; a field that has no value is left out. [How to read
them](../how-to/logs.md).
"""
_BEFORE_FIELDS = """\
## The fields

JSON lines have `time`, `level`, `event` and `sentence` besides. Entries of the journal have the sentence as `MESSAGE`, the level as `PRIORITY`, the
event as `TORCHSYNC_EVENT`, and `SYSLOG_IDENTIFIER=torchsync`.
"""
_BEFORE_IDS = """\
## The marks in the journal

`journalctl MESSAGE_ID=...` finds an event by a mark that is the same in every version.
"""


def defects_page() -> str:
    """`docs/reference/old-objects.md`: what is let through when git checks what it fetches."""
    table = _table(("git's name", "what is wrong", "why it does no harm"), ((f"`{one.name}`", one.what, one.why) for one in IGNORED))
    return f"# Defects of old objects\n\n{MADE}\n{_BEFORE_DEFECTS}\n{table}\n{_AFTER_DEFECTS}"


_BEFORE_DEFECTS = """\
Git checks every object that it fetches, all of the history included (`transfer.fsckObjects`). A history that began long ago may hold objects that
git would not make today. These defects are let through; there is no setting for it:
"""
_AFTER_DEFECTS = """\
Every other message of `git fsck` refuses the commit with [TS140](errors.md), which names it. What is wrong is then in the history: a commit on top
does not heal it. `git fsck` in a clone shows the object. Rewriting the history (`git filter-repo`) gets rid of it, and so does beginning a new one
with the files of the old; hosts that follow the old one already need [`repository.rewind: allow`](agent.md) for that.
"""


def commands_page() -> str:
    """`docs/reference/cli.md`: every command with its arguments, as argparse is told of them."""
    parts = ["# Commands\n", MADE, "`torchsync COMMAND --help` says the same.\n"]
    for command in COMMANDS:
        arguments = Arguments()
        add_arguments, _ = command.load()
        add_arguments(arguments)  # type: ignore[arg-type]  # the part of a parser that commands use
        parts.append(f"## torchsync {command.name}\n\n{command.summary[0].upper()}{command.summary[1:]}.\n")
        parts.append(_table(("argument", "meaning"), arguments.rows))
    return "\n".join(parts)


class Arguments:
    """What a command tells its parser about its arguments."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str]] = []

    def add_argument(self, *names: str, **how: Any) -> None:
        takes_value = how.get("action") not in ("store_true", "store_const")
        value = how.get("metavar") or "|".join(how.get("choices", ())) or names[-1].lstrip("-").upper().replace("-", "_")
        shown = f"{', '.join(names)} {value}" if names[0].startswith("-") and takes_value else ", ".join(names)
        if not names[0].startswith("-"):
            shown = str(how.get("metavar") or names[0].upper())
        self.rows.append((f"`{shown}`", how.get("help", "")))

    def add_mutually_exclusive_group(self, **_: Any) -> Arguments:
        return self


def checks_page() -> str:
    """`docs/reference/doctor.md`: everything that `torchsync doctor` looks at."""
    rows = ((check.group, check.name, _look(check.summary), str(check.stake.value)) for check in CHECKS)
    table = _table(("group", "check", "what it looks at", "exit status"), rows)
    return f"# Checks of a host\n\n{MADE}\n{_BEFORE_CHECKS}\n{table}\n{_AFTER_CHECKS}"


def _look(sentence: str) -> str:
    return sentence.replace("_", r"\_")


_BEFORE_CHECKS = """\
What `torchsync doctor` looks at; [how to use it](../how-to/check-a-host.md). The last column is the exit status when the check finds a problem:
"""
_AFTER_CHECKS = """\
With several problems the status is the first of 78 (configuration), 73 (state), 69 (remote or agent), 77 (policy, and a commit this host refuses),
65 (a commit that no host accepts) and 1 (the machine). It is 1 as well when a check itself failed and nothing is worse, and 0 when all there is are
warnings and notes.
"""


def schema_copy(name: str) -> Callable[[], str]:
    """`sample-repo/schemas/*.schema.json`, for editors: a link out of a task repository is refused."""
    return (ROOT / f"torchsync/schemas/{name}.schema.json").read_text


def settings_schema() -> str:
    """`torchsync.schema.json`: its own part as it stands, the fields of a task as the schema of task files has them."""
    schema = json.loads((ROOT / "torchsync/schemas/torchsync.schema.json").read_text())
    fields = json.loads((ROOT / "torchsync/schemas/task.schema.json").read_text())["$defs"]["fields"]
    return json.dumps({**schema, "$defs": {"fields": fields}}, indent=2, ensure_ascii=False) + "\n"


def top_schema() -> str:
    """`top.schema.json`: the schemas of what `top` shows, in one (JSON Schema 2020-12, 9.3: "Compound Documents")."""
    parts = {name: json.loads((ROOT / f"torchsync/schemas/{name}.schema.json").read_text()) for name in ("status", "runs", "tasks")}
    lists = {
        name: {"$ref": f"{parts[name]['$id']}#/properties/{name}", "description": words}
        for name, words in (
            ("runs", "The runs in flight, the longest first; those that wait for their next attempt come last."),
            ("tasks", "The tasks: those that are late, then those that fail, then those that run, then by their next fire."),
        )
    }
    schema = {
        "$schema": parts["status"]["$schema"],
        "$id": "urn:torchsync:schema:top",
        "title": "What runs just now",
        "description": "What `torchsync top --json` prints.",
        "type": "object",
        "required": ["status", "runs", "tasks"],
        "properties": {"status": {"$ref": parts["status"]["$id"], "description": "The agent at that moment."}, **lists},
        "additionalProperties": False,
        "$defs": parts,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def starter_copies() -> dict[str, Callable[[], str]]:
    """The files of sample-repo that `torchsync init` writes too: those of editors, of hooks, and of every forge."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    templates = {**COMMON, **GATES[Forge.GITHUB], **GATES[Forge.GITLAB], **GATES[Forge.GITEA]}
    return {f"sample-repo/{path}": partial(str, text) for path, text in made(templates, read_template, project["version"]).items()}


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in (heads, ["---"] * len(heads), *lines)]
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


GENERATED: Mapping[str, Callable[[], str]] = {
    "torchsync/schemas/torchsync.schema.json": settings_schema,  # before what is made from it
    "torchsync/schemas/top.schema.json": top_schema,
    "torchsync/schemas/openapi.json": public_openapi,
    "torchsync/schemas/openapi-control.json": control_openapi,
    "docs/reference/task.md": lambda: render_schema_page(read_schema("task")),
    "docs/reference/torchsync.md": lambda: render_schema_page(read_schema("torchsync")),
    "docs/reference/hosts.md": lambda: render_schema_page(read_schema("hosts")),
    "docs/reference/agent.md": lambda: render_schema_page(read_schema("agent")),
    "docs/explanation/run-states.md": lambda: lifecycle_page(MADE),
    "docs/reference/schedules.md": lambda: schedules_page(MADE),
    "docs/reference/errors.md": errors_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/reference/log-events.md": events_page,
    "docs/reference/cli.md": commands_page,
    "docs/reference/old-objects.md": defects_page,
    "docs/reference/doctor.md": checks_page,
    "docs/adr/README.md": lambda: decisions_page(MADE),
    "grafana/dashboards/fleet.json": lambda: text_of(FLEET),
    "grafana/dashboards/task.json": lambda: text_of(HOST_AND_TASK),
    **{f"sample-repo/schemas/{name}.schema.json": schema_copy(name) for name in SCHEMAS},
    **starter_copies(),
}


def main(arguments: Sequence[str]) -> int:
    check = arguments == ["--check"]
    stale = [name for name, make in GENERATED.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != make()]
    for name in stale:
        print(f"{name} is out of date; `make docs` writes it" if check else f"wrote {name}")
        if not check:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(GENERATED[name]())
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
