"""Who a run of the process executor is, what it is given and what it may use: groups, umask, env_file, secrets, limits."""

from __future__ import annotations

import errno
import json
import os
import resource
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.disks import small_disk
from tests.adapters.processes import IS_ROOT, ME, Rig, account, carriers, only_children, open_rig, status, wait_for, why_not
from tests.adapters.test_process import SHELLS
from torchsync.core.envfile import MOST_BYTES, MOST_LINES
from torchsync.core.model import Limits, ProgramCommand
from torchsync.ports import RunEnded, RunNeverStarted, RunStarted

ROOT = Path(__file__).parents[2]
SECRET = "hunter2-canary"
only_root = pytest.mark.skipif(not IS_ROOT, reason="only as root: switches users")
only_ordinary = pytest.mark.skipif(IS_ROOT, reason="only as an ordinary user: root may do it")


@pytest.fixture
def rig() -> Iterator[Rig]:
    with open_rig() as rig:
        yield rig


@pytest.fixture(params=[pytest.param(shell, id=name) for name, shell in SHELLS.items() if Path(shell[0]).exists()])
def any_shell(request) -> Iterator[Rig]:
    with open_rig(request.param) as rig:
        yield rig


def ids_of(text: str) -> dict[str, list[str]]:
    return {line.partition(":")[0]: line.partition(":")[2].split() for line in text.splitlines()}


# Groups, in a view of the machine that has some users more.

PEOPLE = """
    alice:x:61001:61001::/nonexistent:/bin/sh
    twin:x:61001:61001::/nonexistent:/bin/sh
"""
GROUPS = """
    alice:x:61001:
    press:x:61002:alice
    paper:x:61003:alice
    ink:x:61004:
    ghosts:x:61005:twin
"""
SCENARIO = """
    import json, sys
    from pathlib import Path
    from tests.adapters.processes import Rig
    rig = Rig(Path(sys.argv[1]))
    for changes in json.loads(sys.argv[2]):
        ended, output = rig.complete("grep -E '^(Uid|Gid|Groups):' /proc/self/status", **changes)
        print(json.dumps([getattr(ended.ending, "why", ""), output]))
"""


def as_people(rig: Rig, *runs: dict[str, str]) -> list[tuple[str, dict[str, list[str]]]]:
    """Why each of the runs did not begin, or the ids that it had."""
    for name, more in (("passwd", PEOPLE), ("group", GROUPS)):
        (rig.folder / name).write_text(Path("/etc", name).read_text() + textwrap.dedent(more).lstrip())
    view = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@"'
    words = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        view,
        "sh",
        str(rig.folder / "passwd"),
        str(rig.folder / "group"),
    ]
    done = subprocess.run(
        [*words, sys.executable, "-c", textwrap.dedent(SCENARIO), str(rig.folder), json.dumps(runs)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if "permission denied" in done.stderr.lower() or "not permitted" in done.stderr.lower():
        pytest.skip(f"a view of one's own of /etc is not possible here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return [(why, ids_of(output)) for why, output in map(json.loads, done.stdout.splitlines())]


@only_root
def test_a_run_has_the_groups_of_its_user_and_with_group_another_primary_one(rig) -> None:
    (_, plain), (_, pressed), (_, twin) = as_people(rig, {"user": "alice"}, {"user": "alice", "group": "press"}, {"user": "twin"})
    assert plain == {"Uid": ["61001"] * 4, "Gid": ["61001"] * 4, "Groups": ["61001", "61002", "61003"]}
    assert pressed == {"Uid": ["61001"] * 4, "Gid": ["61002"] * 4, "Groups": ["61002", "61003"]}
    assert twin["Groups"] == ["61001", "61005"], "the groups of the name, though another name has its id"


@only_root
def test_a_group_that_the_user_is_not_in_is_a_start_that_failed(rig) -> None:
    found = as_people(
        rig, {"user": "alice", "group": "ink"}, {"user": "alice", "group": "no-such-group"}, {"user": "alice", "group": "root"}
    )
    assert [why for why, _ in found] == [
        "the user 'alice' is not in the group 'ink'",
        "this host has no group 'no-such-group'",
        "the user 'alice' is not in the group 'root'",
    ]


@only_root
def test_groups_that_were_not_taken_on_are_a_start_that_failed(any_shell, monkeypatch) -> None:
    """A setpriv that leaves the groups as they are."""
    fake = any_shell.folder / "setpriv"
    fake.write_text('#!/bin/sh\nuid=$1 gid=$2\nshift 4\nexec setpriv "$uid" "$gid" --keep-groups -- "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setattr(any_shell.executor._launcher, "_setpriv", str(fake))
    os.setgroups([4, 20])
    try:
        ended, _ = any_shell.complete("exit 0", user="nobody")
    finally:
        os.setgroups([])
    assert "the ids of user nobody were not taken on" in why_not(ended)


@only_root
def test_a_run_of_root_has_none_of_the_groups_the_agent_was_started_with(rig) -> None:
    os.setgroups([4, 20])
    try:
        _, output = rig.complete("grep ^Groups: /proc/self/status")
    finally:
        os.setgroups([])
    assert ids_of(output)["Groups"] == [str(gid) for gid in sorted(set(os.getgrouplist("root", 0)))]


@only_ordinary
def test_an_ordinary_agent_cannot_give_a_run_another_group(rig) -> None:
    assert "no group 'no-such-group'" in why_not(rig.complete("exit 0", group="no-such-group")[0])
    assert "not in the group 'root'" in why_not(rig.complete("exit 0", group="root")[0])


@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("027", 0o640), ("077", 0o600), ("000", 0o666), ("777", 0)])
def test_files_of_a_run_have_the_mode_of_its_umask(umask, mode, rig) -> None:
    made = rig.folder / "made"
    made.mkdir(mode=0o777)
    made.chmod(0o777)
    assert status(rig.complete(f"umask; : >{made}/file", umask=umask)[0]) == 0
    assert stat.S_IMODE((made / "file").stat().st_mode) == mode


# env_file.


@pytest.fixture
def env_file(any_shell) -> Path:
    path = any_shell.folder / "service.env"
    path.touch(mode=0o600)
    return path


def variables(rig: Rig, path: Path | str, **changes) -> dict[str, str]:
    run = rig.start(ProgramCommand(("/usr/bin/env", "-0")), env_file=str(path), **changes)
    ended = rig.end_of(run)
    assert status(ended) == 0, rig.output(run)
    return dict(line.partition("=")[::2] for line in rig.output(run).split("\0") if line)


def test_the_file_adds_variables_as_they_are_written(any_shell, env_file) -> None:
    env_file.write_text(
        "# a comment\n\n  \t\nPLAIN=value\nEMPTY=\nSPACES= a b  \n"
        "EXPANDED=$HOME `id` $(id) ${PATH} ~ * \\n \\\n"
        'QUOTED="it\'s #1"\nSINGLE=\'say "hi"\'\n'
        "EQUALS=a=b==c\nHASH=a#b # c\n_LOW_1=x\nUMLAUT=gr\u00fc\u00df\u00e9 \u65e5\u672c\nLAST='no newline'"
    )
    found = variables(any_shell, env_file)
    expected = {
        "PLAIN": "value",
        "EMPTY": "",
        "SPACES": " a b  ",
        "EXPANDED": "$HOME `id` $(id) ${PATH} ~ * \\n \\",
        "QUOTED": "it's #1",
        "SINGLE": 'say "hi"',
        "EQUALS": "a=b==c",
        "HASH": "a#b # c",
        "_LOW_1": "x",
        "UMLAUT": "gr\u00fc\u00df\u00e9 \u65e5\u672c",
        "LAST": "no newline",
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["PATH"].startswith("/usr/local/sbin:")


def test_the_task_comes_over_the_file_and_the_file_over_what_is_fixed(any_shell, env_file) -> None:
    env_file.write_text("PATH=/file\nHOME=/file\nBOTH=file\nIFS=0123456789 /=\nLANG=C\n")
    found = variables(any_shell, env_file, env={"BOTH": "task", "HOME": "/task"})
    assert (found["PATH"], found["HOME"], found["BOTH"], found["LANG"], found["IFS"]) == ("/file", "/task", "task", "C", "0123456789 /=")
    assert found["TORCHSYNC_TASK"] == "nightly-backup"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"A=1\nB\n", "line 2 of the env_file {} is neither NAME=VALUE nor a comment", id="no equals sign"),
        pytest.param(b"export A=1\n", "line 1 of the env_file {} does not begin with the name of a variable", id="export"),
        pytest.param(b" A=1\n", "line 1 of the env_file {} does not begin with the name", id="indented"),
        pytest.param(b"=1\n", "line 1 of the env_file {} does not begin with the name", id="no name"),
        pytest.param(b"1A=1\n", "line 1 of the env_file {} does not begin with the name", id="a digit first"),
        pytest.param("Ä=1\n".encode(), "line 1 of the env_file {} does not begin with the name", id="a letter that is none"),
        pytest.param(b"\n#\nTORCHSYNC_TASK=x\n", "line 3 of the env_file {} names a variable that starts with TORCHSYNC_", id="ours"),
        pytest.param(b"A=1\nB=2\nA=3\n", "line 3 of the env_file {} names a variable for the second time", id="twice"),
        pytest.param(b"A='x\n", "line 1 of the env_file {} opens a quote", id="an open quote"),
        pytest.param(b'A="\n', "line 1 of the env_file {} opens a quote", id="a quote alone"),
        pytest.param(b"A='x'y'\n", "line 1 of the env_file {} opens a quote", id="a quote inside"),
        pytest.param(b"A='x' # y\n", "line 1 of the env_file {} opens a quote", id="something behind the quote"),
        pytest.param(b"A=1\r\nB=2\r\n", "line 1 of the env_file {} holds a carriage return", id="line ends of Windows"),
        pytest.param(b"A=1\nB=x\0y\n", "line 2 of the env_file {} holds a NUL byte", id="NUL"),
        pytest.param(b"A=1\n" * (MOST_LINES + 1), "line 2 of the env_file {} names a variable for the second", id="the first fault counts"),
        pytest.param(b"#\n" * MOST_LINES + b"A=1\n", f"line {MOST_LINES + 1} of the env_file {{}} is one too many", id="too many lines"),
        pytest.param(b"A=" + b"x" * MOST_BYTES, f"the env_file {{}} has more than {MOST_BYTES} bytes", id="too large"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_by_its_line_and_never_by_its_value(content, expected, any_shell, env_file) -> None:
    env_file.write_bytes(content.replace(b"=", b"=" + SECRET.encode(), 1) if b"A=1" in content else content)
    run = any_shell.start("exit 0", env_file=str(env_file))
    (ended,) = any_shell.until(lambda event: isinstance(event, RunEnded))
    assert expected.format(env_file) in why_not(ended)
    assert SECRET not in why_not(ended) + any_shell.output(run)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda path: path.unlink(), "is not there, or user {} may not read it", id="missing"),
        pytest.param(lambda path: path.chmod(0o640), "is open to others than its owner", id="readable by the group"),
        pytest.param(lambda path: path.chmod(0o602), "is open to others than its owner", id="writable by others"),
        pytest.param(lambda path: (path.unlink(), path.mkdir(mode=0o700)), "is no file", id="a folder"),
        pytest.param(lambda path: (path.unlink(), os.mkfifo(path, 0o600)), "is no file", id="a pipe, which nobody writes to"),
        pytest.param(lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), "is a symbolic link", id="a link"),
    ],
)
def test_a_file_that_is_not_what_it_must_be_is_a_start_that_failed(make, expected, any_shell, env_file) -> None:
    make(env_file)
    any_shell.start("exit 0", env_file=str(env_file))
    (ended,) = any_shell.until(lambda event: isinstance(event, RunEnded))
    assert f"the env_file {env_file} {expected.format(ME)}" in why_not(ended)


@only_root
def test_the_file_is_opened_with_the_rights_of_the_user(any_shell, env_file) -> None:
    env_file.write_text(f"TOKEN={SECRET}\n")
    ended, output = any_shell.complete("env", env_file=str(env_file), user="nobody")
    assert f"the env_file {env_file} is not there, or user nobody may not read it" in why_not(ended)
    os.chown(env_file, account("nobody").uid, -1)
    assert variables(any_shell, env_file, user="nobody")["TOKEN"] == SECRET
    os.chown(env_file, account("daemon").uid, -1)
    assert "belongs neither to user root nor to root" in why_not(any_shell.complete("env", env_file=str(env_file))[0])
    assert SECRET not in output


def test_the_file_is_read_again_at_each_start(any_shell, env_file) -> None:
    for value in ("one", "two"):
        env_file.write_text(f"VALUE={value}\n")
        assert variables(any_shell, env_file)["VALUE"] == value


@pytest.mark.usefixtures("secrets")
def test_file_secrets_and_limits_leave_nothing_else_to_the_command(any_shell, env_file) -> None:
    env_file.write_text("FROM_FILE=1\n")
    given = {"env_file": str(env_file), "credentials": ("slack",), "limits": Limits(files=64, nice=5, io="idle")}
    _, output = any_shell.complete("ls -l /proc/self/fd", **given)
    assert [line.split()[8] for line in output.splitlines() if " -> " in line] == ["0", "1", "2", "3"], "3 is the listing"
    run = any_shell.admit(ProgramCommand(("/usr/bin/env", "-0")), env={"PWD": "/kept"}, **given)
    order = any_shell.order(run)
    any_shell.executor.start(order)
    any_shell.end_of(run)
    found = dict(line.partition("=")[::2] for line in any_shell.output(run).split("\0") if line)
    bash_own = {"SHLVL", "_"} if "bash" in any_shell.shell[0] else {"SHLVL"} if "busybox" in any_shell.shell[0] else set()
    more = {"FROM_FILE": "1", "CREDENTIALS_DIRECTORY": f"{any_shell.memory}/credentials/{run.id}"}
    assert {name: value for name, value in found.items() if name not in bash_own} == {**order.environment, **more}


def test_what_the_file_says_is_in_no_command_line_of_the_run(any_shell, env_file) -> None:
    env_file.write_text(f"TOKEN={SECRET}\n")
    run = any_shell.start("sleep 60", env_file=str(env_file))
    any_shell.until(lambda event: isinstance(event, RunStarted))
    seen: set[bytes] = set()

    def are_seen() -> bool:
        """The shim, and the command, which shows neither its words nor its environment as long as it is in the middle of its exec."""
        found = {Path(f"/proc/{pid}/cmdline").read_bytes() for pid in carriers(run.id)} - {b""}
        seen.update(found)
        return len(found) >= 2

    wait_for(are_seen, "the words of the shim and of the command")
    assert not any(SECRET.encode() in words for words in seen)
    any_shell.executor.signal(run.id, "KILL")
    any_shell.end_of(run)
    assert not any(SECRET.encode() in path.read_bytes() for path in any_shell.files(run).iterdir())


# Secrets.


@pytest.fixture
def secrets(any_shell) -> Path:
    folder = any_shell.folder / "secrets"
    folder.mkdir(mode=0o700)
    for name in ("slack", "backup.key"):
        (folder / name).write_bytes(f"{SECRET} of {name}\n\0".encode())
        (folder / name).chmod(0o600)
        any_shell.secrets[name] = str(folder / name)
    return folder


def handed(rig: Rig) -> list[Path]:
    folder = rig.memory / "credentials"
    return list(folder.iterdir()) if folder.exists() else []


USERS = [pytest.param(ME, id="the agent's own user"), pytest.param("nobody", marks=only_root, id="another user")]


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("user", USERS)
def test_a_run_finds_its_secrets_as_files_that_only_its_user_can_read(user, any_shell) -> None:
    look = 'cd "$CREDENTIALS_DIRECTORY" && ls && cat slack; cat backup.key | od -c | tail -n 2'
    change = "touch new; echo more | tee -a slack; rm -f slack; exit 0"
    waiting = f"until [ -e {any_shell.folder}/go ]; do sleep 0.02; done"
    run = any_shell.start(f"{waiting}; {look}; {change}", credentials=("slack", "backup.key"), user=user)
    any_shell.until(lambda event: isinstance(event, RunStarted))
    (folder,) = handed(any_shell)
    assert folder.name == run.id
    facts = [path.stat() for path in (folder, *folder.iterdir())]
    assert all(fact.st_mode & 0o007 == 0 for fact in facts)
    if user != ME:
        script = f'cat "{folder}/slack" || exit 3'
        assert status(any_shell.complete(script, user="daemon")[0]) == 3, "nobody else can"
    (any_shell.folder / "go").touch()
    assert status(any_shell.end_of(run)) == 0
    output = any_shell.output(run)
    assert output.startswith(f"backup.key\nslack\n{SECRET} of slack\n\0")
    assert "\\n  \\0" in output
    if user != ME or not IS_ROOT:
        assert output.count("ermission denied") >= 3, "not written, changed or removed: the memory is the agent's"
    assert handed(any_shell) == [], "gone with the run"


@pytest.mark.usefixtures("secrets")
def test_a_run_without_secrets_has_no_folder_of_them(any_shell) -> None:
    assert any_shell.complete('echo "${CREDENTIALS_DIRECTORY-none}"')[1] == "none\n"
    assert handed(any_shell) == []


@pytest.mark.usefixtures("secrets")
def test_a_task_does_not_say_where_its_secrets_are(any_shell) -> None:
    env = {"CREDENTIALS_DIRECTORY": "/forged"}
    _, output = any_shell.complete('echo "$CREDENTIALS_DIRECTORY"', env=env, credentials=("slack",))
    assert output.startswith(f"{any_shell.memory}/credentials/")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda path: path.unlink(), "No such file", id="missing"),
        pytest.param(lambda path: path.write_bytes(bytes((1 << 20) + 1)), "more than 1048576 bytes", id="too large"),
        pytest.param(lambda path: (path.unlink(), os.mkfifo(path)), "is no file", id="a pipe, which nobody writes to"),
    ],
)
def test_a_secret_that_cannot_be_handed_over_is_a_start_that_failed(make, expected, any_shell, secrets) -> None:
    make(secrets / "slack")
    run = any_shell.start("exit 0", credentials=("backup.key", "slack"))
    (ended,) = any_shell.until(lambda event: isinstance(event, RunEnded))
    assert "the secret 'slack' cannot be handed over" in why_not(ended)
    assert expected in why_not(ended)
    assert handed(any_shell) == []
    assert SECRET not in why_not(ended) + any_shell.output(run)


@pytest.mark.usefixtures("secrets")
def test_a_secret_that_is_not_granted_any_more_is_a_start_that_failed(any_shell) -> None:
    del any_shell.secrets["slack"]
    assert f"the secret 'slack' is not granted to user '{ME}'" in why_not(any_shell.complete("exit 0", credentials=("slack",))[0])


def test_a_secret_is_read_again_at_each_start(any_shell, secrets) -> None:
    for value in ("one", "two"):
        (secrets / "slack").write_text(value)
        assert any_shell.complete('cat "$CREDENTIALS_DIRECTORY/slack"', credentials=("slack",))[1] == value


@pytest.mark.usefixtures("secrets")
def test_a_start_that_fails_behind_the_agent_leaves_no_secret(any_shell) -> None:
    assert "no such program" in why_not(any_shell.argv("/no/such/program", credentials=("slack",))[0])
    assert handed(any_shell) == []


@pytest.mark.usefixtures("secrets")
def test_secrets_of_runs_that_ended_while_the_agent_was_dead_are_gone_after_recovery(any_shell) -> None:
    over = any_shell.start("exit 0", credentials=("slack",))
    live = any_shell.start(f"until [ -e {any_shell.folder}/go ]; do sleep 0.02; done", credentials=("slack",))
    unknown = any_shell.start("exit 0", credentials=("slack",))
    wait_for((any_shell.files(over) / "exit").exists)
    wait_for((any_shell.files(unknown) / "exit").exists)
    any_shell.restart()
    assert len(handed(any_shell)) == 3
    any_shell.executor.adopt([over, live])
    any_shell.end_of(over)
    assert [folder.name for folder in handed(any_shell)] == [live.id], "what goes on keeps its own"
    (any_shell.folder / "go").touch()
    any_shell.end_of(live)
    assert handed(any_shell) == []


def test_secrets_of_a_run_that_its_agent_could_not_start_any_more_are_gone_after_recovery(any_shell, secrets) -> None:
    run = any_shell.admit(credentials=("slack",))
    any_shell.executor._credentials.hand_over(run.id, {"slack": str(secrets / "slack")}, os.geteuid())
    any_shell.restart()
    any_shell.executor.adopt([run])
    assert any_shell.next_event() == RunNeverStarted(run.id)
    assert handed(any_shell) == []


@pytest.mark.usefixtures("secrets")
def test_secrets_that_would_touch_a_disk_are_told_once(any_shell) -> None:
    is_in_memory = any_shell.executor._credentials.is_in_memory
    for _ in range(2):
        any_shell.complete("exit 0", credentials=("slack",))
    assert sum("not in memory" in notice for notice in any_shell.notices) == (not is_in_memory)


@only_root
def test_secrets_in_memory_are_not_told_and_need_no_change_of_owner(tmp_path, secrets, any_shell) -> None:
    with small_disk(any_shell.folder / "memory", "size=512k", "mode=0755") as disk:
        any_shell.memory = disk
        any_shell.restart()
        run = any_shell.start("sleep 60", credentials=("slack",), user="nobody")
        any_shell.until(lambda event: isinstance(event, RunStarted))
        (folder,) = handed(any_shell)
        assert {path.stat().st_uid for path in (folder, *folder.iterdir())} == {0}
        assert not any("not in memory" in notice for notice in any_shell.notices)
        any_shell.executor.signal(run.id, "KILL")
        any_shell.end_of(run)
        (secrets / "slack").write_bytes(bytes(1 << 20))
        assert "the secrets of the run cannot be written" in why_not(any_shell.complete("exit 0", credentials=("slack",))[0])
        assert handed(any_shell) == []


@only_root
@pytest.mark.usefixtures("secrets")
def test_where_there_are_no_access_lists_secrets_are_given_to_the_user(any_shell, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr("torchsync.adapters.credentials.os.setxattr", refuse)
    look = 'stat -c "%U %a" "$CREDENTIALS_DIRECTORY" "$CREDENTIALS_DIRECTORY/slack" && cat "$CREDENTIALS_DIRECTORY/slack"'
    ended, output = any_shell.complete(look, credentials=("slack",), user="nobody")
    assert (status(ended), output.splitlines()[:3]) == (0, ["nobody 500", "nobody 400", f"{SECRET} of slack"])
    assert handed(any_shell) == []


@only_root
@pytest.mark.usefixtures("secrets")
def test_the_umask_of_the_agent_closes_no_secret_to_its_user(any_shell) -> None:
    before = os.umask(0o077)
    try:
        ended, output = any_shell.complete('cat "$CREDENTIALS_DIRECTORY/slack"', credentials=("slack",), user="nobody")
    finally:
        os.umask(before)
    assert (status(ended), output.startswith(SECRET)) == (0, True)


# Limits.


def test_limits_are_those_of_the_task(any_shell) -> None:
    limits = Limits(files=64, nice=7, io="best-effort:6")
    ended, output = any_shell.complete("ulimit -Sn; ulimit -Hn; nice; ionice -p $$", limits=limits)
    assert status(ended) == 0
    assert output.splitlines() == ["64", "64", "7", "best-effort: prio 6"]
    assert any_shell.complete("ionice -p $$", limits=Limits(io="idle"))[1] == "idle\n"


@only_children
def test_the_shim_keeps_what_the_agent_has(any_shell) -> None:
    run = any_shell.start("sleep 60", limits=Limits(files=64, nice=7))
    any_shell.until(lambda event: isinstance(event, RunStarted))
    shim = min(carriers(run.id))
    assert os.getpriority(os.PRIO_PROCESS, shim) == os.getpriority(os.PRIO_PROCESS, 0)
    assert resource.prlimit(shim, resource.RLIMIT_NOFILE) == resource.getrlimit(resource.RLIMIT_NOFILE)
    any_shell.executor.signal(run.id, "KILL")
    any_shell.end_of(run)


@only_root
def test_root_gives_another_user_more_than_that_user_could_take(any_shell) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    ended, output = any_shell.complete("ulimit -Sn; nice", limits=Limits(files=hard, nice=-5), user="nobody")
    assert (status(ended), output.splitlines()) == (0, [str(hard), "-5"])


@only_ordinary
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param(Limits(files=1 << 30), "limits.files 1073741824 cannot be set", id="more files than the agent may have"),
        pytest.param(Limits(nice=-5), "limits.nice -5 cannot be set", id="before others"),
    ],
)
def test_a_limit_that_an_ordinary_agent_cannot_set_is_a_start_that_failed(limits, expected, any_shell) -> None:
    assert expected in why_not(any_shell.complete("exit 0", limits=limits)[0])


@only_root
def test_a_limit_that_not_even_root_can_set_is_a_start_that_failed(any_shell) -> None:
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    assert "limits.files" in why_not(any_shell.complete("exit 0", limits=Limits(files=most + 1))[0])


def test_the_fewest_files_are_enough_to_begin_with(any_shell, env_file) -> None:
    env_file.write_text("A=1\n")
    assert status(any_shell.complete("exit 0", limits=Limits(files=16), env_file=str(env_file))[0]) == 0


# What never begins.


def test_a_program_that_somebody_is_writing_is_a_start_that_failed(any_shell) -> None:
    program = any_shell.tree / "busy"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    with program.open("ab"):
        assert "open for writing" in why_not(any_shell.argv("./busy")[0])
    assert status(any_shell.argv("./busy")[0]) == 0


@pytest.mark.parametrize("where", ["./foreign", "foreign"])
def test_a_program_for_another_kind_of_machine_is_a_start_that_failed(where, any_shell) -> None:
    program = bytearray(Path("/bin/true").read_bytes())
    program[18:20] = b"\xf3\x00" if program[18:20] != b"\xf3\x00" else b"\x3e\x00"  # elf(5): e_machine, of RISC-V
    (any_shell.tree / "foreign").write_bytes(program)
    (any_shell.tree / "foreign").chmod(0o755)
    ended, output = any_shell.argv(where, env={"PATH": f"{any_shell.tree}:/usr/bin:/bin"})
    if "busybox" in any_shell.shell[0]:
        assert status(ended) != 0, "busybox takes it for a script, as execvp(3) does, and says what it found there"
    else:
        assert "not for this machine: " in why_not(ended), output


def test_no_process_left_for_the_user_is_a_start_that_failed() -> None:
    """An agent whose user may have one process more than it needs: the shim starts and cannot fork."""
    script = """
        import resource, sys
        from pathlib import Path
        from tests.adapters.processes import Rig
        rig = Rig(Path(sys.argv[1]))
        ended, _ = rig.complete("exit 0", user=sys.argv[2])
        print(type(ended.ending).__name__, getattr(ended.ending, "why", ""))
    """
    if IS_ROOT:
        pytest.skip("only as an ordinary user: no limit on processes holds for root")
    with open_rig() as rig:
        words = ["prlimit", "--nproc=1", sys.executable, "-c", textwrap.dedent(script), str(rig.folder), ME]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.startswith("NotBegun "), done
