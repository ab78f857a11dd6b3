"""Who may import whom, what belongs where, and how long things may be.

`ORDER` is the architecture: a module imports only modules that stand above it, so there can be no cycle, and one list shows what rests on what.
A new module goes in below everything it imports; `python tests/test_architecture.py` prints a list that fits. On top of the order,
`MAY_IMPORT` says which layers may see which.
"""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "torchsync"

ORDER = """
codetable.row
codetable.commit
codetable.host
codetable.sync
codes
errors
core.fsck
core.forge
core.jsontext
core.starter
core.address
core.hostnames
core.usage
core.logevents
core.redaction
core.noticeaddress
core.notify
core.values
core.websettings
core.task
core.model
core.prometheus
core.certificate
core.chronicle
core.passwords
core.pathglob
core.remoteurl
core.spread
core.sshkey
core.yamlfault
core.taskrecord
core.succession
core.admission
core.backoff
core.rhythm
core.clockwatch
core.codec
core.cronfield
core.diff
core.durations
core.factswatch
core.flood
core.hookrhythm
core.filetext
core.instants
core.notice
core.inventory
core.hostmatch
core.knownhosts
core.lifecycle
core.selector
core.versioned
core.crondays
core.holds
core.course
core.entries
core.attempts
core.daemons
core.evidence
core.guard
core.localtime
core.foreign.syslogline
core.foreign.syslog
core.foreign.crontext
core.foreign.comparison
core.foreign.comparedreason
core.foreign.comparisondoc
core.policy
core.postbox
core.hostsheet
core.envfile
core.startscript
core.checkup
core.hostcheck
core.unitcheck
core.agentcheck
core.keyexpiry
core.syncdoc
core.treepaths
core.trust
core.yamltext
core.control
core.effects
core.firequeue
core.jumpdiary
core.later
core.ledgerview
core.records
core.runoutput
core.remotesettings
core.schedule
core.snapshot
core.syncmemory
core.syncstatus
core.taskdoc
core.tasktexts
core.taskfields
core.notifyfields
core.firefields
core.clockchange
core.crongap
core.cronmacro
core.definition
core.taskmetric
core.metrictable
core.livequestions
core.exposition
core.recordbook
core.roster
core.schema
core.configfile
core.cron
core.hostsfile
core.crowd
core.hostmask
core.fleet
core.fleetchange
core.fleetfilter
core.fleetlive
core.fleetdoc
core.livemetrics
core.schedulehints
core.taskfile
core.timetable
core.fleetfires
core.week
core.schedulematch
core.why
core.errand
core.answercheck
core.nightwords
core.advice
core.generation
core.lateness
core.herald
core.api
core.whydoc
core.web
core.webhook
core.fieldchange
core.inputchange
core.poolchange
core.forecast
core.plan
core.fleetplan
core.repositoryfile
core.formats
core.timekeeper
core.skips
core.inforce
core.fires
core.inflight
core.statusboard
core.verdictcache
core.engine
core.references
core.taskset
core.foreign.job
core.foreign.crontwice
core.foreign.merge
core.foreign.check
core.foreign.report
core.foreign.text
core.foreign.crontabfield
core.foreign.crontabclock
core.foreign.crontabname
core.foreign.crontabline
core.foreign.crontabsettings
core.foreign.crontabcomment
core.foreign.crontabfile
core.foreign.anacrontab
core.foreign.runparts
core.foreign.crontab
core.foreign.refusal
core.foreign.oncalendar
core.foreign.oncalendarcron
core.foreign.gotorchjson
core.foreign.gotorchtimes
core.foreign.gotorch
core.foreign.unitfile
core.unitdiff
core.foreign.unitvalues
core.foreign.unitspecifiers
core.foreign.unitdraft
core.foreign.unitcommand
core.foreign.unitconduct
core.foreign.unitleftover
core.foreign.unitservice
core.foreign.unittimer
core.foreign.unitset
core.foreign.unitjobs
ports
pages.page
pages.fleetweeks
pages.fleet
pages.statuswords
pages.status
adapters.cgroup
adapters.deadline
adapters.prometheus
adapters.outputfile
adapters.newfiles
adapters.templates
adapters.zonefiles
adapters.clock
adapters.machine
adapters.remoteclock
adapters.procfs
adapters.syscalls
adapters.retention
adapters.sdnotify
adapters.wakeups
adapters.gitcredential
adapters.gitproblem
adapters.gitssh
adapters.journaltext
adapters.journallines
adapters.journalsocket
adapters.journal
adapters.journaloutput
adapters.ledgerschema
adapters.ledgerqueue
adapters.statefile
adapters.statuspage
adapters.folder
adapters.sourcefiles
adapters.systemdanalyze
adapters.gitaccess
adapters.gitcommand
adapters.gitfolder
adapters.ownlimits
adapters.spawn
adapters.configchild
adapters.git
adapters.ledgerattempts
adapters.ledgerhistory
adapters.ledgerholds
adapters.ledgernotices
adapters.ledgerrows
adapters.ledgerchronicle
adapters.ledgerclock
adapters.ledgerevidence
adapters.ledgerwrites
adapters.spool
adapters.systemdbus
adapters.unithost
adapters.units
adapters.watch
adapters.child
adapters.httppost
adapters.noticecommand
adapters.courier
adapters.shadow
adapters.ledger
adapters.metrics
adapters.textfile
adapters.rundir
adapters.credentials
adapters.watchedrun
adapters.members
adapters.removedrun
adapters.leftbehind
adapters.hostfacts
adapters.process
adapters.controlapi
adapters.hookapi
adapters.passwordhash
adapters.passwordgate
adapters.tls
adapters.certificates
adapters.wsgi
adapters.http
adapters.schemas
adapters.trustfiles
adapters.gitobjects
adapters.mirrorfiles
adapters.signatures
adapters.tree
adapters.treewatch
adapters.mirror
adapters.remote
agent.config
agent.dispatch
agent.recorder
agent.reload
agent.sync
agent.runlog
agent.runner
agent.synclog
agent.saved
agent.swap
agent.holds
agent.once
agent.control
agent.recovery
agent.timewatch
agent.loop
cli.progress
cli.terminal
cli.fleetwords
cli.livewords
cli.fleetlive
cli.fleetview
cli.fleetliveview
cli.markdown
cli.fleetmarkdown
cli.moment
cli.main
cli.report
cli.checkoutroot
cli.annotations
cli.sarif
cli.tidier
cli.stepview
cli.metricsfile
cli.planview
cli.plandoc
cli.planmarkdown
cli.refusals
cli.secured
cli.surfaces
cli.configreader
cli.noticeprocess
cli.lookup
cli.reference
cli.verdictfile
cli.importcrontab
cli.importgotorch
cli.importsystemd
cli.imports
cli.check
cli.place
cli.client
cli.executors
cli.facts
cli.follow
cli.next
cli.startorder
cli.syncprocess
cli.validate
cli.init
cli.agentsettings
cli.guise
cli.agentconfig
cli.agentonce
cli.agent
cli.site
cli.agentchecks
cli.webchecks
cli.configchecks
cli.hostchecks
cli.repositorychecks
cli.checktable
cli.doctor
cli.topview
cli.topframe
cli.toppoll
cli.topscreen
cli.top
cli.control
cli.holds
cli.comparison
cli.shadowhistory
cli.inspect
cli.logs
cli.why
cli.checkout
cli.sides
cli.checkedout
cli.planhosts
cli.plan
cli.fleet
__main__
""".split()

# A layer is the first part of a module's name. Among themselves: core, agent and cli as the order allows, adapters only within a family.
MAY_IMPORT = {
    "codetable": {"codetable"},
    "codes": {"codetable"},
    "errors": {"codetable", "codes"},
    "core": {"codetable", "codes", "errors", "core"},
    "ports": {"codetable", "codes", "errors", "core"},
    "pages": {"codetable", "codes", "errors", "core", "pages"},
    "adapters": {"codetable", "codes", "errors", "core", "ports", "pages"},
    "agent": {"codetable", "codes", "errors", "core", "ports", "agent"},
    "cli": {"codetable", "codes", "errors", "core", "ports", "pages", "adapters", "agent", "cli"},
    "__main__": {"cli"},
}

# One surface to the outside may be cut into several files; only these adapters may import each other, as the order allows.
FAMILIES = [
    ["adapters.journal*"],
    [
        "adapters.git*",
        "adapters.mirror*",
        "adapters.remote",
        "adapters.tree*",
        "adapters.child",
        "adapters.signatures",
        "adapters.trustfiles",
    ],
    [
        "adapters.process",
        "adapters.procfs",
        "adapters.cgroup",
        "adapters.rundir",
        "adapters.spawn",
        "adapters.watchedrun",
        "adapters.members",
        "adapters.removedrun",
        "adapters.leftbehind",
        "adapters.credentials",
        "adapters.systemdbus",
        "adapters.unit*",
    ],
    ["adapters.http", "adapters.wsgi", "adapters.tls", "adapters.certificates", "adapters.controlapi"],
    ["adapters.ledger*"],
    ["adapters.courier", "adapters.noticecommand", "adapters.child", "adapters.spawn"],
]
# What the kernel offers and Python 3.11 does not: any adapter may use it.
GROUND = {"adapters.syscalls", "adapters.deadline"}

# Who may know of other schedulers: those who read their files, compare with them, or look for what of them is left. No agent needs any of it.
KNOW_FOREIGN = [
    "core.foreign.*",
    "core.unitdiff",
    "adapters.sourcefiles",
    "adapters.systemdanalyze",
    "cli.import*",
    "cli.comparison",
    "cli.hostchecks",
]

# What core may take from the standard library: nothing that reads a clock, the network or the environment, starts anything, or waits. The only
# files it reads are data of installed packages, which never change: zones, schemas, versions.
PURE = set(
    """__future__ abc base64 binascii bisect calendar collections copy dataclasses datetime decimal difflib enum fnmatch fractions functools
    hashlib heapq hmac importlib.metadata importlib.resources ipaddress itertools json math operator posixpath re shlex string struct
    textwrap types typing unicodedata urllib.parse zoneinfo""".split()
)
IMPURE_CALLS = {"open", "print", "input", "eval", "exec", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}

# Where each package from outside, and each module of the standard library that is a surface of its own, may be imported.
HOME = {
    "cheroot": ["adapters.http", "adapters.controlapi"],
    "croniter": ["core.cron*"],
    "git": ["adapters.git"],
    "jeepney": ["adapters.systemdbus"],
    "jinja2": ["pages.page"],
    "jsonschema": ["core.*schema*", "core.taskfile"],
    "markupsafe": ["pages.page"],
    "prometheus_client": ["adapters.metrics*", "adapters.http"],
    "rich": ["cli.top*"],
    "referencing": ["core.*schema*", "core.taskfile"],
    "sqlite3": ["adapters.ledger*"],
    "subprocess": ["adapters.*", "cli.*"],
    "tzdata": ["core.cron*", "core.localtime"],
    "watchfiles": ["adapters.watch"],
    "yaml": ["core.*yaml*", "core.taskfile"],
}

FORBIDDEN_NAMES = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "shared", "stuff", "tools", "util", "utils"}

LONGEST_FUNCTION = 60
LONGEST_FILE = 400

STDLIB = sys.stdlib_module_names


def source_files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def imports(path: Path) -> frozenset[str]:
    """Full names of the modules that a file imports, anywhere in it; `from a import b` is a.b when that is a module, else a."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write the full name"
            found |= {_imported(str(node.module), alias.name) for alias in node.names}
    return frozenset(found)


def _imported(module: str, name: str) -> str:
    submodule = PACKAGE.parent.joinpath(*module.split("."), name)
    return f"{module}.{name}" if submodule.with_suffix(".py").exists() or submodule.joinpath("__init__.py").exists() else module


def own_imports(path: Path) -> set[str]:
    return {name.removeprefix("torchsync.") for name in imports(path) if name.startswith("torchsync.")}


def layer(module: str) -> str:
    return module.partition(".")[0]


def is_part_of(module: str, part: str) -> bool:
    """Whether an adapter may use another one: a part of its own surface, or the common ground."""
    family = any(belongs(module, names) and belongs(part, names) for names in FAMILIES)
    return family or (layer(module) == "adapters" and part in GROUND)


def belongs(module: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in patterns)


files = pytest.mark.parametrize("path", source_files(), ids=module_name)


def test_every_module_has_its_place_in_the_order() -> None:
    missing = sorted({module_name(path) for path in source_files()} - set(ORDER))
    assert not missing, (
        f"add to ORDER, each below everything it imports (`python {Path(__file__).name}` prints a list that fits): {missing}"
    )


def test_the_order_names_only_modules_that_exist_and_each_once() -> None:
    stale = sorted(set(ORDER) - {module_name(path) for path in source_files()})
    assert not stale, f"drop from ORDER: {' '.join(stale)}"
    assert len(ORDER) == len(set(ORDER))


@files
def test_a_module_imports_only_what_stands_above_it(path: Path) -> None:
    module = module_name(path)
    above = set(ORDER[: ORDER.index(module)] if module in ORDER else ORDER)
    below = sorted(own_imports(path) - above)
    assert not below, f"{module} imports {', '.join(below)}, which does not stand above it in ORDER"


@files
def test_a_layer_sees_only_the_layers_it_may(path: Path) -> None:
    module = module_name(path)
    may = MAY_IMPORT[layer(module)]
    refused = [name for name in own_imports(path) if layer(name) not in may and not is_part_of(module, name)]
    assert not refused, f"{module} is in layer {layer(module)}, which may not import {', '.join(sorted(refused))}"


@files
def test_what_other_schedulers_do_concerns_only_those_who_leave_them(path: Path) -> None:
    module = module_name(path)
    if not belongs(module, KNOW_FOREIGN):
        assert not {name for name in own_imports(path) if name.startswith("core.foreign.")}


@files
def test_packages_stay_in_their_home(path: Path) -> None:
    module = module_name(path)
    for name in imports(path):
        package = name.partition(".")[0]
        if package in HOME:
            assert belongs(module, HOME[package]), f"{module} imports {package}; its place is {HOME[package]}"
        else:
            assert package in STDLIB or package == "torchsync", f"{module} imports {package}, which has no place in HOME"


core_files = pytest.mark.parametrize("path", [path for path in source_files() if layer(module_name(path)) == "core"], ids=module_name)


@core_files
def test_core_imports_nothing_that_reaches_outside(path: Path) -> None:
    standard = {name for name in imports(path) - _pure_paths(path) if name.partition(".")[0] in STDLIB}
    impure = sorted(name for name in standard if name not in PURE and name.partition(".")[0] not in PURE)
    assert not impure, f"core is values in, values out; {module_name(path)} imports {', '.join(impure)}"


def _pure_paths(path: Path) -> set[str]:
    """`pathlib`, when only PurePath and its kind are taken from it: those never look at a disk."""
    nodes = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.ImportFrom) and node.module == "pathlib"]
    return {"pathlib"} if all(alias.name.startswith("Pure") for node in nodes for alias in node.names) else set()


@core_files
def test_core_calls_nothing_that_reaches_outside(path: Path) -> None:
    called = {ast.unparse(node.func) for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)}
    impure = sorted(call for call in called if call in IMPURE_CALLS)
    assert not impure, f"{module_name(path)} calls {', '.join(impure)}: take the value as a parameter"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=module_name)
def test_init_files_are_empty(path: Path) -> None:
    assert path.read_text() == ""


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@files
def test_functions_and_files_stay_short(path: Path) -> None:
    lengths = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions(path)}
    long = [f"{name} ({length} lines)" for name, length in lengths.items() if length > LONGEST_FUNCTION]
    assert not long, f"longer than {LONGEST_FUNCTION} lines: {', '.join(long)}"
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines; the most is {LONGEST_FILE}"


def test_no_file_is_named_for_what_it_is_not() -> None:
    everywhere = [path for folder in ("torchsync", "tests", "bench", "scripts") for path in (ROOT / folder).rglob("*.py")]
    assert not [str(path) for path in everywhere if path.stem in FORBIDDEN_NAMES]


@pytest.mark.parametrize("module", ["torchsync.agent.loop", "torchsync.agent.sync"])
def test_the_agent_never_loads_what_only_the_sync_process_needs(module: str) -> None:
    """Parsers of foreign documents stay in the sync process: for memory, and since its crash costs one sync only."""
    if importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} is gone: name here what runs in the agent's process now")
    script = f"import sys, {module}; print(*sorted({{'git', 'yaml', 'jsonschema', 'croniter.tests'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []


def fitting_order() -> list[str]:
    """The modules by layer, in it by how much they rest on, then by name. Raises RecursionError for a cycle."""
    rests_on = {module_name(path): own_imports(path) for path in source_files()}
    layers = list(MAY_IMPORT)

    @cache
    def depth(module: str) -> int:
        return 1 + max((depth(name) for name in rests_on[module] if name in rests_on), default=0)

    return sorted(rests_on, key=lambda module: (layers.index(layer(module)), depth(module), module))


if __name__ == "__main__":
    print("\n".join(fitting_order()))
