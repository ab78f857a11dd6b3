"""The process executor with real processes: contract, outcomes, the user, the environment, what stopping reaches."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.adapters.contract_executor import CONTRACT
from tests.adapters.processes import IS_ROOT, Rig, account, carriers, only_children, open_rig, status, wait_for, why_not
from torchsync.adapters import procfs
from torchsync.adapters.rundir import Claim, RunFiles
from torchsync.core.model import AttemptId, Exited, ProgramCommand, Run, ShellCommand, run_of
from torchsync.ports import RunEnded, RunStarted

only_root = pytest.mark.skipif(not IS_ROOT, reason="only as root: switches users")
SHELLS = {"sh": ("/bin/sh",), "bash": ("/bin/bash", "--posix"), "dash": ("/bin/dash",), "busybox": ("/bin/busybox", "sh")}


@pytest.fixture
def rig() -> Iterator[Rig]:
    with open_rig() as rig:
        yield rig


@pytest.fixture(params=[pytest.param(shell, id=name) for name, shell in SHELLS.items() if Path(shell[0]).exists()])
def any_shell(request) -> Iterator[Rig]:
    with open_rig(request.param) as rig:
        yield rig


# The contract.


class ProcessStage:
    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    @property
    def executor(self):
        return self._rig.executor

    def start(self, **changes) -> Run:
        return self._rig.start(f"until [ -s {self._told()} ]; do sleep 0.01; done; exit $(cat {self._told()})", **changes)

    def admit(self, **changes) -> Run:
        return self._rig.admit(**changes)

    def start_again(self, run: Run) -> None:
        self._rig.executor.start(self._rig.order(run))

    def finish(self, attempt: AttemptId, status: int) -> None:
        told = self._rig.folder / f"told-{run_of(attempt)}-{attempt.split('.')[1] if '.' in attempt else 1}"
        told.with_suffix(".new").write_text(str(status))
        told.with_suffix(".new").rename(told)
        wait_for(lambda: RunFiles(self._rig.state / "runs" / attempt).exit() is not None, "the end of the command")

    def restart(self) -> None:
        self._rig.restart()

    def events(self, count: int) -> Sequence[object]:
        return [self._rig.next_event() for _ in range(count)]

    def silence(self) -> Sequence[object]:
        return self._rig.silence()

    def _told(self) -> str:
        return f"{self._rig.folder}/told-$TORCHSYNC_RUN_ID-$TORCHSYNC_ATTEMPT"


@pytest.mark.parametrize("contract", CONTRACT, ids=lambda contract: contract.__name__)
def test_the_executor_keeps_the_contract(contract, rig) -> None:
    contract(ProcessStage(rig))


# What a command says is what is told.


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param("exit 0", 0, id="success"),
        pytest.param("exit 7", 7, id="a status"),
        pytest.param("exit 126", 126, id="its own 126"),
        pytest.param("no-such-program-of-its-own", 127, id="its own 127"),
        pytest.param("exit 255", 255, id="the largest"),
        pytest.param("kill -TERM $$", 143, id="TERM"),
        pytest.param("kill -KILL $$", 137, id="KILL"),
        pytest.param("kill -INT $$", 130, id="INT"),
        pytest.param("kill -QUIT $$", 131, id="QUIT"),
        pytest.param("kill -HUP $$", 129, id="HUP"),
    ],
)
def test_the_status_is_the_commands(command, expected, any_shell) -> None:
    ended, output = any_shell.complete(command)
    assert status(ended) == expected
    assert "shim" not in output
    assert "Killed" not in output, "what the shim's shell thinks of it is no output of the run"


def test_start_and_duration_are_the_runs(rig) -> None:
    before = rig.clock.now()
    run = rig.start("sleep 0.3")
    started, ended = rig.until(lambda event: isinstance(event, RunEnded))
    assert isinstance(started, RunStarted)
    assert before <= started.started_at <= rig.clock.now() - 280
    assert isinstance(ended.ending, Exited)
    assert 280 <= ended.ending.duration < 60_000
    assert run.admitted_at <= ended.ending.started_at == started.started_at


NASTY = [
    "$HOME",
    "%h%%",
    "a b",
    "it's",
    'say "hi"',
    "back\\slash\\n",
    "new\nline",
    "grüße 日本 \x81",
    "",
    "-n",
    "`id`",
    "$(id)",
    "*",
    "~",
    "!x",
    "a;b|c&d",
    "\t",
]


def test_arguments_arrive_as_they_are(any_shell) -> None:
    ended, output = any_shell.argv("/usr/bin/printf", "%s\\0", *NASTY)
    assert status(ended) == 0
    assert output.split("\0")[:-1] == NASTY


def test_variables_arrive_as_they_are(any_shell) -> None:
    env = {f"V{number}": text for number, text in enumerate(NASTY)}
    _, output = any_shell.argv("/usr/bin/env", "-0", env=env)
    found = dict(line.partition("=")[::2] for line in output.split("\0") if line)
    assert {name: found.get(name) for name in env} == env


def test_a_text_is_expanded_by_its_shell(rig) -> None:
    ended, output = rig.complete("""x='a  b'; printf '%s\n' "$x" $((1 + 2)) %d; exit 3""")
    assert (status(ended), output) == (3, "a  b\n3\n%d\n")


def test_the_shell_of_a_text_may_be_another(rig) -> None:
    ended, output = rig.complete(ShellCommand('echo "$0 $1"', shell="/bin/bash"))
    assert (status(ended), output) == (0, "/bin/bash \n")


# What never begins says why.


@pytest.fixture
def scripts(rig) -> Path:
    def script(name: str, text: str, mode: int) -> None:
        (rig.tree / name).write_text(text)
        (rig.tree / name).chmod(mode)

    script("good", "#!/bin/sh\necho good\n", 0o755)
    script("plain", "echo plain\n", 0o755)
    script("not-executable", "#!/bin/sh\n", 0o644)
    script("bad-interpreter", "#!/no/such/interpreter\n", 0o755)
    (rig.tree / "folder").mkdir()
    return rig.tree


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param(ProgramCommand(("no-such-program",)), "no such program in PATH", id="missing in PATH"),
        pytest.param(ProgramCommand(("./no-such-program", "x")), "no such program: ./no-such-program", id="missing path"),
        pytest.param(ProgramCommand(("./not-executable",)), "may not execute", id="not executable"),
        pytest.param(ProgramCommand(("./bad-interpreter",)), "interpreter", id="bad interpreter"),
        pytest.param(ProgramCommand(("./folder",)), "a directory is no program", id="directory"),
        pytest.param(ProgramCommand(("type",)), "no such program in PATH", id="a built-in of the shell is no program"),
        pytest.param(ShellCommand("exit 0", shell="/bin/no-such-shell"), "no such program: /bin/no-such-shell", id="missing shell"),
    ],
)
def test_a_program_that_cannot_be_executed_is_a_start_that_failed(command, expected, rig) -> None:
    rig.start(command)
    (ended,) = rig.until(lambda event: isinstance(event, RunEnded))
    assert expected in why_not(ended)
    assert list((rig.memory / "starting").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"working_dir": "/no/such/folder"}, "working directory /no/such/folder", id="no working directory"),
        pytest.param({"working_dir": "it's not \\n there"}, "it's not \\n there", id="odd names are told as they are"),
        pytest.param({"env": {"BIG": "x" * 300_000}}, "too large an environment", id="environment too large for exec"),
    ],
)
def test_what_cannot_be_prepared_is_a_start_that_failed(changes, expected, any_shell) -> None:
    run = any_shell.start(ProgramCommand(("/usr/bin/env",)), **changes)
    (ended,) = any_shell.until(lambda event: isinstance(event, RunEnded))
    assert expected in why_not(ended)
    assert ended.attempt == run.id


def test_every_shell_finds_out_about_a_bad_interpreter(any_shell) -> None:
    script = any_shell.tree / "bad"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    any_shell.start(ProgramCommand(("./bad",)))
    (ended,) = any_shell.until(lambda event: isinstance(event, RunEnded))
    assert "interpreter" in why_not(ended)


def test_a_variable_that_the_shell_keeps_for_itself_is_a_start_that_failed() -> None:
    with open_rig(("/bin/bash", "--posix")) as rig:
        ended, _ = rig.complete("exit 0", env={"UID": "5"})
    assert "environment of the task" in why_not(ended)


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize("program", ["./good", "./plain"])
def test_scripts_of_the_tree_run(program, rig) -> None:
    ended, output = rig.argv(program)
    assert (status(ended), output) == (0, program.removeprefix("./") + "\n")


@pytest.mark.usefixtures("scripts")
def test_a_program_of_the_tree_is_found_from_another_working_directory(rig) -> None:
    ended, output = rig.argv("./good", working_dir="/")
    assert (status(ended), output) == (0, "good\n")


@only_children
def test_a_missing_process_table_entry_is_a_start_that_failed(rig) -> None:
    rig.shell = ("/bin/no-such-shell",)
    rig.restart()
    ended, _ = rig.complete("exit 0")
    assert "no process could be started" in why_not(ended)


# Where and as what it runs.


@pytest.mark.parametrize(
    ("working_dir", "expected"),
    [
        pytest.param("", "{tree}", id="the tree"),
        pytest.param("sub/folder", "{tree}/sub/folder", id="inside the tree"),
        pytest.param("/usr", "/usr", id="absolute"),
        pytest.param("~", "{home}", id="home"),
    ],
)
def test_the_working_directory(working_dir, expected, rig) -> None:
    (rig.tree / "sub/folder").mkdir(parents=True)
    ended, output = rig.argv("/bin/pwd", working_dir=working_dir)
    expected = expected.format(tree=rig.tree, home=account().home)
    if Path(expected).is_dir():
        assert (status(ended), output.strip()) == (0, os.path.realpath(expected))
    else:
        assert f"the working directory {expected} is not there" in why_not(ended), "a user without a home"


def test_the_environment_is_the_orders_and_nothing_else(any_shell, monkeypatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "hunter2")
    run = any_shell.admit(
        ProgramCommand(("/usr/bin/env", "-0")), env={"PATH": "/usr/bin:/bin", "PWD": "/kept", "IFS": "x", "ENV": "/no", "CDPATH": "/usr"}
    )
    order = any_shell.order(run)
    any_shell.executor.start(order)
    any_shell.end_of(run)
    found = dict(line.partition("=")[::2] for line in any_shell.output(run).split("\0") if line)
    bash_own = {"SHLVL", "_"} if "bash" in any_shell.shell[0] else {"SHLVL"} if "busybox" in any_shell.shell[0] else set()
    assert {name: value for name, value in found.items() if name not in bash_own} == dict(order.environment)


def test_nothing_of_the_agents_process_reaches_the_command(any_shell) -> None:
    leaked = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    any_shell.restart()
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        _, output = any_shell.complete(
            "ls -l /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; umask; readlink /proc/self/fd/0; ps -o sid= -p $$"
        )
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        signal.signal(signal.SIGUSR1, before)
        os.close(leaked)
    lines = output.splitlines()
    assert [line.split()[8] for line in lines if " -> " in line] == ["0", "1", "2", "3"], "3 is the listing"
    masks = {line.split(":")[0]: int(line.split()[1], 16) for line in lines if line.startswith("Sig")}
    internal = 1 << 31 | 1 << 32  # 32 and 33 belong to the C library.
    assert masks["SigBlk"] == 0
    assert masks["SigIgn"] & ~internal == 0, "SIGPIPE among others, which Python ignores"
    assert lines[-3:-1] == ["0022", "/dev/null"]
    assert int(lines[-1]) != os.getsid(0)


def test_a_broken_pipe_ends_a_command_as_it_should(rig) -> None:
    _, output = rig.complete(ShellCommand('yes | head -n 1; echo "${PIPESTATUS[0]}"', shell="/bin/bash"))
    assert output.splitlines() == ["y", "141"]


@only_root
def test_a_run_of_another_user_has_its_ids_and_groups_only(any_shell) -> None:
    ended, output = any_shell.complete(
        "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm):' /proc/self/status; echo x >>/dev/stderr; umask", user="nobody"
    )
    who = account("nobody")
    lines = [line.split() for line in output.splitlines()]
    assert status(ended) == 0
    assert lines[0][1:] == [str(who.uid)] * 4
    assert lines[1][1:] == [str(who.gid)] * 4
    assert lines[2][1:] == [str(group) for group in sorted(os.getgrouplist("nobody", who.gid))]
    assert {line[1] for line in lines[3:5]} == {"0" * 16}
    assert lines[5:] == [["x"], ["0022"]]


@only_root
def test_another_user_cannot_reach_the_files_of_a_run(rig) -> None:
    run = rig.start(f"cat {rig.state}/runs/$TORCHSYNC_RUN_ID/claim; ls {rig.state}/runs; exit 3", user="nobody")
    assert status(rig.end_of(run)) == 3
    assert rig.output(run).count("ermission denied") == 2
    facts = (rig.files(run) / "output").stat()
    assert (facts.st_uid, stat.S_IMODE(facts.st_mode)) == (account("nobody").uid, 0o600)
    assert stat.S_IMODE(rig.files(run).stat().st_mode) == 0o700
    assert {stat.S_IMODE((rig.files(run) / name).stat().st_mode) for name in ("claim", "begin", "exit")} == {0o600}


@only_root
def test_another_users_missing_right_is_a_start_that_failed(rig) -> None:
    private = rig.folder / "private"
    private.mkdir(mode=0o700)
    assert "user nobody may not enter" in why_not(rig.complete("exit 0", user="nobody", working_dir=str(private))[0])
    program = rig.folder / "mine"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    assert "user nobody may not execute" in why_not(rig.argv(str(program), user="nobody")[0])


@only_root
def test_the_environment_of_a_task_never_meets_a_process_of_root(any_shell) -> None:
    """A preloaded library that writes who loads it: loaded by the command, never by anything of root."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to make a preloaded library with")
    source, library, trace = any_shell.folder / "spy.c", any_shell.folder / "spy.so", any_shell.folder / "trace"
    source.write_text(
        "#include <stdio.h>\n#include <unistd.h>\n"
        '__attribute__((constructor)) static void load(void) { FILE *f = fopen("TRACE", "a"); '
        'if (f) { fprintf(f, "%d %d\\n", getuid(), geteuid()); fclose(f); } }\n'.replace("TRACE", str(trace))
    )
    assert os.spawnl(os.P_WAIT, compiler, "cc", "-shared", "-fPIC", "-o", str(library), str(source)) == 0
    trace.touch()
    trace.chmod(0o666)
    hostile = {
        "LD_PRELOAD": str(library),
        "ENV": "/no/such",
        "BASH_ENV": "/no/such",
        "PATH": "/no/such:/usr/bin:/bin",
        "IFS": "0123456789/ ",
    }
    ended, _ = any_shell.argv("/usr/bin/true", user="nobody", env=hostile)
    assert status(ended) == 0
    uid = account("nobody").uid
    assert set(trace.read_text().splitlines()) == {f"{uid} {uid}"}


@pytest.mark.skipif(IS_ROOT, reason="only as an ordinary user: root may switch")
def test_an_ordinary_agent_runs_nothing_as_another_user(rig) -> None:
    assert "does not run as root" in why_not(rig.complete("exit 0", user="root")[0])


# What stopping reaches.


def living(rig: Rig, run: Run) -> list[int]:
    claim = RunFiles(rig.files(run)).claim()
    leader = claim.pid if isinstance(claim, Claim) else 0
    return [pid for pid in carriers(run.id) if pid != leader]


def test_kill_reaches_everything_that_a_run_started(rig) -> None:
    stubborn = "trap '' TERM HUP; while :; do sleep 1; done"
    daemonised = f"setsid sh -c '(setsid sh -c \"{stubborn.replace(chr(39), '')}\" &) &'"
    run = rig.start(f'setsid sh -c "{stubborn}" & {daemonised.replace("trap  TERM HUP; ", "")} & {stubborn}')
    rig.until(lambda event: isinstance(event, RunStarted))
    wait_for(lambda: len(living(rig, run)) >= 3, "its processes")
    rig.executor.signal(run.id, "KILL")
    assert status(rig.end_of(run)) == 137
    wait_for(lambda: carriers(run.id) == [], "the end of all of them")


def test_term_that_is_ignored_leaves_the_run_running(rig) -> None:
    run = rig.start("trap 'echo caught' TERM; echo ready; while :; do sleep 0.05; done")
    wait_for(lambda: "ready" in rig.output(run))
    rig.executor.signal(run.id, "TERM")
    wait_for(lambda: "caught" in rig.output(run))
    assert not any(isinstance(event, RunEnded) for event in rig.silence())
    rig.executor.signal(run.id, "KILL")
    assert status(rig.end_of(run)) == 137


def test_a_process_that_gave_up_its_environment_is_reached_by_its_session(rig) -> None:
    run = rig.start("env -i /bin/sleep 60 & wait")
    rig.until(lambda event: isinstance(event, RunStarted))
    pid = RunFiles(rig.files(run)).claim().pid
    wait_for(lambda: sleepers(pid) != [])
    (sleeper,) = sleepers(pid)
    rig.executor.signal(run.id, "KILL")
    rig.end_of(run)
    wait_for(lambda: procfs.start_ticks(sleeper) is None)


def test_a_process_that_stands_still_in_the_middle_of_its_exec_is_reached_too(rig, monkeypatch) -> None:
    """Where it is there for a while on a busy machine, it shows neither words nor environment (proc(5), `environ`)."""
    run = rig.admit()
    with subprocess.Popen(["sleep", "60"], env={"TORCHSYNC_RUN_ID": run.id}, start_new_session=True) as process:
        wait_for(lambda: carriers(run.id) == [process.pid], "its own exec")
        hidden = {f"/proc/{process.pid}/environ": 7, f"/proc/{process.pid}/cmdline": 7}
        read = procfs._read

        def read_later(path: str) -> bytes:
            hidden[path] = hidden.get(path, 0) - 1
            return read(path) if hidden[path] < 0 else b""

        monkeypatch.setattr(procfs, "_read", read_later)
        monkeypatch.setattr(procfs, "_YOUTH", 600.0)  # However long it took until here.
        found = carriers(run.id)
        process.kill()
    assert found == [process.pid]


def sleepers(session: int) -> list[int]:
    def is_one(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/bin/sleep")
        except OSError:
            return False

    return [pid for pid in procfs.pids() if in_session(pid, session) and is_one(pid)]


def test_what_a_run_leaves_behind_is_told_and_left_alone(rig) -> None:
    begun = rig.folder / "begun"
    begun.touch()
    begun.chmod(0o666)
    run = rig.start(f"setsid sh -c 'echo >{begun}; while :; do sleep 1; done' & until [ -s {begun} ]; do sleep 0.01; done; exit 0")
    ended = rig.end_of(run)
    assert ended.leftovers
    wait_for(lambda: living(rig, run) != [])
    left = living(rig, run)
    rig.executor.signal(run.id, "KILL")
    wait_for(lambda: all(procfs.start_ticks(pid) is None for pid in left))
    assert rig.end_of(run) == replace(ended, leftovers=False), "told again, now that nothing is left"


def test_a_run_that_cleans_up_leaves_nothing(rig) -> None:
    assert not rig.complete("sleep 0.01 & sleep 0.01 & wait")[0].leftovers


def test_other_processes_are_never_signalled(rig) -> None:
    """A claim that names a pid that is another process by now, which even opened a session of its own."""
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo ready; wait"], stdout=subprocess.PIPE, start_new_session=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        run = rig.admit()
        rig.files(run).mkdir(parents=True)
        (rig.files(run) / "claim").write_text(f"{other.pid} 1 {procfs.boot_id()} 10.00\n")
        (rig.files(run) / "begin").write_text("begun\n")
        rig.executor.adopt([run])
        rig.executor.signal(run.id, "KILL")
        assert "killed by somebody else" in rig.end_of(run).ending.why
        assert other.poll() is None
        assert len([pid for pid in procfs.pids() if in_session(pid, other.pid)]) == 2
        os.killpg(other.pid, signal.SIGKILL)


def in_session(pid: int, session: int) -> bool:
    try:
        return os.getsid(pid) == session
    except OSError:
        return False


# Output.


def test_output_is_appended_in_order(rig) -> None:
    ended, output = rig.complete("echo one; echo two >&2; echo three >>/dev/stdout; echo four >>/dev/stderr")
    assert (status(ended), output.split()) == (0, ["one", "two", "three", "four"])


def test_output_stays_bounded_while_a_run_writes(rig) -> None:
    limit = 4 * 1024 * 1024
    run = rig.start(
        "echo first; i=0; while [ $i -lt 100 ]; do head -c 1000000 /dev/zero | tr '\\0' x; sleep 0.01; i=$((i + 1)); done; echo; echo last"
    )
    path = rig.files(run) / "output"
    ended = None
    while ended is None:
        assert rig.bounded(run, limit) < limit + 32 * 1024 * 1024
        ended = next((event for event in rig.wakeups.wait(20) if isinstance(event, RunEnded)), None)
    assert status(ended) == 0
    for _ in range(2):
        rig.executor.bound_output(run.id, limit)
        assert path.stat().st_blocks * 512 <= limit + 16384, "a file of many pieces takes some blocks to list them"
    assert rig.notices[1:] == []
    with path.open("rb") as file:
        assert file.read(1024 * 1024) == b"first\n" + b"x" * (1024 * 1024 - 6)
        file.seek(-(limit - 1024 * 1024 - 8192), os.SEEK_END)
        assert file.read() == b"x" * (limit - 1024 * 1024 - 8192 - 6) + b"\nlast\n"


def test_a_small_output_is_not_touched(rig) -> None:
    run = rig.start("echo hello")
    rig.end_of(run)
    rig.executor.bound_output(run.id, 4096)
    assert rig.output(run) == "hello\n"


# What the agent holds.


def open_descriptors() -> set[tuple[str, str]]:
    """Each with what it leads to. What earlier tests left may still be closed while we look; nobody but us opens anything."""
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.add((path.name, str(path.readlink())))
    return found


@only_children
def test_a_hundred_runs_leave_no_descriptor_and_no_zombie(rig) -> None:
    rig.complete("exit 0")
    zombies = zombies_of_mine()
    before = open_descriptors()
    runs = [rig.start("exit 0") for _ in range(100)]
    left = {run.id for run in runs}
    while left:
        event = rig.next_event()
        if isinstance(event, RunEnded):
            left.discard(event.attempt)
            rig.executor.forget(event.attempt)
    assert open_descriptors() <= before
    assert zombies_of_mine() <= zombies


def zombies_of_mine() -> set[int]:
    """Those of earlier tests may still be collected while we look."""
    return {pid for pid in procfs.pids() if is_zombie_of_mine(pid)}


def is_zombie_of_mine(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return False
    return fields[0] == "Z" and int(fields[1]) == os.getpid()


def test_a_live_run_costs_one_descriptor(rig) -> None:
    before = open_descriptors()
    run = rig.start("sleep 60")
    rig.until(lambda event: isinstance(event, RunStarted))
    assert len(open_descriptors() - before) == 1
    rig.executor.signal(run.id, "KILL")
    rig.end_of(run)


# Attempts.


def test_every_attempt_has_files_of_its_own_and_a_stop_reaches_what_an_earlier_one_left_behind(rig) -> None:
    """What a failed attempt leaves is let alone, as cron does; a stop of the run means all that the run started."""
    pids = rig.folder / "pids"
    run = rig.start(f"echo $TORCHSYNC_ATTEMPT; sleep 300 & echo $! >>{pids}; [ $TORCHSYNC_ATTEMPT = 2 ] && sleep 300; exit 1")
    assert rig.end_of(run).leftovers
    rig.executor.forget(run.attempt_id)
    second = replace(run, attempt=2)
    rig.executor.start(rig.order(second))
    assert rig.next_event().attempt == second.attempt_id
    wait_for(lambda: len(pids.read_text().split()) == 2, "what the second attempt starts")
    assert [(rig.state / "runs" / one.attempt_id / "output").read_text() for one in (run, second)] == ["1\n", "2\n"]
    assert [(rig.state / "runs" / one.attempt_id / "exit").exists() for one in (run, second)] == [True, False]
    rig.executor.signal(second.attempt_id, "KILL")
    wait_for(lambda: carriers(run.id) == [], "the end of all of them")
