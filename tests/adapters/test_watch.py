"""The real watcher on real folders. Where a test is about what the kernel tells, nothing is looked at by itself for an hour; where it is about
what the kernel does not tell, looks are short.
"""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

import pytest

from torchsync.adapters import watch
from torchsync.adapters.syscalls import file_system_magic
from torchsync.adapters.watch import NETWORK_FILE_SYSTEMS, Watched, Watcher, config_file, local_repository

ROOT = Path(__file__).parents[2]
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]


class Bell:
    """Rings when something of what it listens to has changed, and knows what the watcher has found at each look at it."""

    def __init__(self) -> None:
        self._rung = threading.Event()
        self._times = 0
        self._heard: list[tuple[Callable[[], object], list[object]]] = []

    def __call__(self) -> None:
        self._rung.set()
        self._times += 1

    def listens_to(self, watched: Watched) -> Watched:
        found: list[object] = []

        def stamp() -> object:
            found.append(watched.stamp())
            return found[-1]

        self._heard.append((watched.stamp, found))
        return replace(watched, stamp=stamp)

    def rings(self, within: float = 60.0) -> bool:
        rung = self._rung.wait(within)
        self._rung.clear()
        return rung

    def falls_silent(self) -> None:
        """All that has changed was found, and rung for: it rings no more until something else changes."""
        deadline = time.monotonic() + 60
        while not self._has_told_all():
            assert time.monotonic() < deadline, "what has changed was not found"
            time.sleep(0.01)
        self._rung.clear()

    def _has_told_all(self) -> bool:
        """In this order: a change that is found after the count is none of it."""
        if not all(found[-1] == stamp() for stamp, found in self._heard):
            return False
        return self._times == sum(before != after for _, found in self._heard for before, after in pairwise(found))


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture(autouse=True)
def quick_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_STEP_MS", 20)
    monkeypatch.setattr(watch, "_DEBOUNCE_MS", 100)
    monkeypatch.setattr(watch, "POLL_EVERY", 0.1)


@pytest.fixture
def told_by_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_AGAIN", 3600.0)


@pytest.fixture
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_AGAIN", 0.3)


Start = Callable[..., Watcher]


@pytest.fixture
def start(notices: list[str], bell: Bell) -> Iterator[Start]:
    watchers: list[Watcher] = []

    def begin(*watched: Watched, polls: bool = False) -> Watcher:
        watchers.append(Watcher(map(bell.listens_to, watched), notices.append, polls=polls))
        return watchers[-1]

    yield begin
    for watcher in watchers:
        watcher.close()


@pytest.fixture
def notices() -> list[str]:
    return []


def wait_until_live(bell: Bell, poke: Callable[[], object]) -> None:
    """Returns once the watch is up: it has noticed `poke`."""
    poke()
    assert bell.rings(), "the watch never came up"
    bell.falls_silent()


def write(file: Path) -> Callable[[], object]:
    return lambda: file.write_text(str(time.monotonic_ns()))


def git(*words: str | Path, cwd: Path) -> str:
    return subprocess.run([*GIT, *words], cwd=cwd, check=True, capture_output=True, text=True).stdout.strip()


def bare_repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    git("init", "-q", "--bare", ".", cwd=folder)
    return folder


def set_ref(repository: Path, name: str = "refs/heads/main") -> Callable[[], object]:
    """Another commit, pushed as git does it: by a lock that is renamed."""
    tree = git("hash-object", "-t", "tree", "-w", "--stdin", cwd=repository)

    def push() -> None:
        git("update-ref", name, git("commit-tree", tree, "-m", str(time.monotonic_ns()), cwd=repository), cwd=repository)

    return push


def turn(link: Path, target: str) -> None:
    """The link leads to `target` from one moment to the next, as deployments do it."""
    fresh = link.with_name(f"{link.name}.new")
    fresh.symlink_to(target)
    fresh.rename(link)


# agent.yaml.


@pytest.mark.usefixtures("told_by_the_kernel")
def test_a_config_file_that_is_replaced_again_and_again_is_noticed_each_time(tmp_path: Path, bell: Bell, start: Start) -> None:
    config = tmp_path / "agent.yaml"
    start(config_file(config, bell))
    wait_until_live(bell, write(config))
    for text in ("one", "two", "three"):
        fresh = tmp_path / "agent.yaml.new"
        fresh.write_text(text)
        fresh.rename(config)
        assert bell.rings(), text
        bell.falls_silent()


@pytest.mark.usefixtures("told_by_the_kernel")
def test_what_happens_beside_the_config_file_is_passed_over(tmp_path: Path, bell: Bell, start: Start) -> None:
    config = tmp_path / "agent.yaml"
    start(config_file(config, bell))
    wait_until_live(bell, write(config))
    bell.falls_silent()
    (tmp_path / "agent.log").write_text("a line")
    assert not bell.rings(1)
    config.write_text("version: 1")
    assert bell.rings()


@pytest.mark.usefixtures("told_by_the_kernel")
def test_what_changes_right_after_the_look_that_comes_with_a_new_watch_is_noticed(tmp_path: Path, bell: Bell, start: Start) -> None:
    config = tmp_path / "agent.yaml"
    looks, usual = count(), config_file(config, bell)

    def stamp() -> object:
        found = usual.stamp()
        if next(looks) == 1:  # the first look is before there is a watch
            config.write_text("version: 1")
        return found

    start(replace(usual, stamp=stamp))
    assert bell.rings()


@pytest.mark.usefixtures("told_by_the_kernel")
def test_mounted_settings_that_turn_their_data_link_are_noticed_each_time(tmp_path: Path, bell: Bell, start: Start) -> None:
    for number in range(4):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "agent.yaml").write_text(f"# {number}")
    (tmp_path / "..data").symlink_to("..0")
    config = tmp_path / "agent.yaml"
    config.symlink_to("..data/agent.yaml")
    start(config_file(config, bell))
    wait_until_live(bell, write(tmp_path / "..0" / "agent.yaml"))
    for number in (1, 2, 3):
        turn(tmp_path / "..data", f"..{number}")
        shutil.rmtree(tmp_path / f"..{number - 1}")
        assert bell.rings(), number
        bell.falls_silent()


@pytest.mark.usefixtures("told_by_the_kernel")
def test_a_link_that_is_turned_far_from_the_config_file_is_noticed_and_what_it_leads_to_as_well(
    tmp_path: Path, bell: Bell, start: Start
) -> None:
    for name in ("rel1", "rel2"):
        (tmp_path / "opt" / name / "etc").mkdir(parents=True)
        (tmp_path / "opt" / name / "etc" / "agent.yaml").write_text(name)
    (tmp_path / "opt" / "current").symlink_to("rel1")
    (tmp_path / "etc").mkdir()
    config = tmp_path / "etc" / "agent.yaml"
    config.symlink_to("../opt/current/etc/agent.yaml")
    start(config_file(config, bell))
    wait_until_live(bell, write(tmp_path / "opt" / "rel1" / "etc" / "agent.yaml"))
    turn(tmp_path / "opt" / "current", "rel2")
    assert bell.rings()
    bell.falls_silent()
    (tmp_path / "opt" / "rel2" / "etc" / "agent.yaml").write_text("in place")
    assert bell.rings()


@pytest.mark.usefixtures("short_looks")
def test_a_config_folder_that_is_made_anew_is_watched_anew(tmp_path: Path, bell: Bell, start: Start) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    start(config_file(folder / "agent.yaml", bell))
    wait_until_live(bell, write(folder / "agent.yaml"))
    for _ in range(3):
        shutil.rmtree(folder)
        assert bell.rings()
        bell.falls_silent()
        folder.mkdir()
        (folder / "agent.yaml").write_text("again")
        assert bell.rings()
        bell.falls_silent()


@pytest.mark.usefixtures("short_looks")
def test_a_config_folder_that_is_not_there_yet_is_watched_once_it_is(tmp_path: Path, bell: Bell, start: Start) -> None:
    folder = tmp_path / "later"
    start(config_file(folder / "agent.yaml", bell))
    folder.mkdir()
    (folder / "agent.yaml").write_text("here")
    assert bell.rings()


@pytest.mark.usefixtures("short_looks")
def test_links_in_a_circle_harm_nobody(tmp_path: Path, bell: Bell, start: Start) -> None:
    config = tmp_path / "agent.yaml"
    config.symlink_to("agent.yaml")
    start(config_file(config, bell))
    assert not bell.rings(1)
    config.unlink()
    config.write_text("version: 1")
    assert bell.rings()


# A local repository.


@pytest.mark.usefixtures("told_by_the_kernel")
def test_a_push_to_a_local_repository_is_noticed_also_into_folders_that_were_not_there(tmp_path: Path, bell: Bell, start: Start) -> None:
    bare = bare_repository(tmp_path / "tasks.git")
    start(local_repository(bare, bell))
    wait_until_live(bell, set_ref(bare))
    for name in ("refs/heads/team/a/main", "refs/heads/team/a/main", "refs/heads/team/b", "refs/heads/main"):
        set_ref(bare, name)()
        assert bell.rings(), name
        bell.falls_silent()


@pytest.mark.usefixtures("told_by_the_kernel")
def test_a_commit_in_a_work_tree_is_noticed_and_what_moves_no_ref_is_not(tmp_path: Path, bell: Bell, start: Start) -> None:
    work = tmp_path / "work"
    work.mkdir()
    git("init", "-q", ".", cwd=work)
    start(local_repository(work, bell))
    wait_until_live(bell, set_ref(work))
    bell.falls_silent()
    (work / "file").write_text("text")
    git("add", "file", cwd=work)
    (work / ".git" / "refs" / "heads" / "x.lock").write_text("")
    assert not bell.rings(1)
    git("commit", "-q", "-m", "one", cwd=work)
    assert bell.rings()


@pytest.mark.usefixtures("told_by_the_kernel")
def test_refs_that_are_packed_are_noticed(tmp_path: Path, bell: Bell, start: Start) -> None:
    bare = bare_repository(tmp_path / "tasks.git")
    start(local_repository(bare, bell))
    wait_until_live(bell, set_ref(bare))
    git("pack-refs", "--all", cwd=bare)
    assert bell.rings()


@pytest.mark.usefixtures("told_by_the_kernel")
def test_a_repository_behind_a_link_is_noticed_when_the_link_is_turned_and_when_it_is_pushed_to_then(
    tmp_path: Path, bell: Bell, start: Start
) -> None:
    one, two = bare_repository(tmp_path / "one.git"), bare_repository(tmp_path / "two.git")
    set_ref(two)()
    (tmp_path / "srv").mkdir()
    link = tmp_path / "srv" / "current.git"
    link.symlink_to(one)
    start(local_repository(link, bell))
    wait_until_live(bell, set_ref(one))
    turn(link, str(two))
    assert bell.rings()
    bell.falls_silent()
    set_ref(two)()
    assert bell.rings()


@pytest.mark.usefixtures("short_looks")
def test_a_repository_that_is_removed_made_anew_or_replaced_by_another_is_watched_anew(tmp_path: Path, bell: Bell, start: Start) -> None:
    bare = bare_repository(tmp_path / "srv" / "tasks.git")
    start(local_repository(bare, bell))
    wait_until_live(bell, set_ref(bare))
    shutil.rmtree(bare)
    assert bell.rings()
    bell.falls_silent()
    bare_repository(bare)
    wait_until_live(bell, set_ref(bare))
    other = bare_repository(tmp_path / "srv" / "other.git")
    set_ref(other)()
    bare.rename(tmp_path / "srv" / "old.git")
    other.rename(bare)
    assert bell.rings()
    wait_until_live(bell, set_ref(bare))


@pytest.mark.usefixtures("short_looks")
def test_what_the_kernel_does_not_tell_is_noticed_at_the_next_look(tmp_path: Path, bell: Bell, start: Start) -> None:
    """More folders of refs than are watched stand for everything that no watch covers."""
    bare = bare_repository(tmp_path / "tasks.git")
    for number in range(watch._MOST_PLACES + 20):
        (bare / "refs" / "heads" / f"{number:03d}").mkdir()
    repository = local_repository(bare, bell)
    start(repository)
    bell.falls_silent()
    unwatched = sorted(set((bare / "refs" / "heads").iterdir()) - {place.path for place in repository.places()})
    assert len(unwatched) >= 20
    for folder in unwatched[:3]:
        (folder / "main").write_text("0" * 40)
        assert bell.rings(), folder
        bell.falls_silent()


# Polling.


@pytest.mark.usefixtures("told_by_the_kernel")
def test_polling_notices_everything_without_a_single_watch(tmp_path: Path, bell: Bell, start: Start, notices: list[str]) -> None:
    bare, config = bare_repository(tmp_path / "srv" / "tasks.git"), tmp_path / "agent.yaml"
    before = inotify_descriptors()
    start(config_file(config, bell), local_repository(bare, bell), polls=True)
    wait_until_live(bell, write(config))
    changes = [write(config), config.unlink, set_ref(bare), lambda: shutil.rmtree(bare), lambda: bare_repository(bare)]
    for change in changes:
        change()
        assert bell.rings()
        bell.falls_silent()
        assert inotify_descriptors() <= before
    assert not notices


def inotify_descriptors() -> set[str]:
    """One of an earlier test may go late: the library closes it in a thread of its own."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            if "inotify" in str(descriptor.readlink()):
                found.add(descriptor.name)
        except OSError:
            continue
    return found


def test_a_file_system_that_does_not_answer_keeps_nobody_from_closing(tmp_path: Path) -> None:
    asked, answers = threading.Event(), threading.Event()

    def stamp() -> object:
        if threading.current_thread() is not threading.main_thread():
            asked.set()
            answers.wait()
        return 0

    watcher = Watcher([Watched(name="dead", places=lambda: (), stamp=stamp, on_change=lambda: None)], lambda _: None, polls=True)
    assert asked.wait(60)
    closing = threading.Thread(target=watcher.close, daemon=True)
    closing.start()
    closing.join(60)
    assert not closing.is_alive()
    answers.set()


_BEYOND_THE_LIMIT = """
import sys, threading
from pathlib import Path
from torchsync.adapters.watch import Watcher, config_file
rung, said = threading.Event(), []
config = Path(sys.argv[1])
watcher = Watcher([config_file(config, rung.set)], said.append)
for text in "one", "two":
    config.with_suffix(".new").write_text(text)
    config.with_suffix(".new").rename(config)
    print(text, rung.wait(20))
    rung.clear()
watcher.close()
print(*said, sep="\\n")
"""


@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
def test_when_the_kernel_has_no_more_watches_files_are_polled_and_it_is_said_once(tmp_path: Path, limit: str) -> None:
    """In a user namespace of its own, which has limits of its own (namespaces(7), /proc/sys/user)."""
    alone = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespace can be made here")
    config = tmp_path / "agent.yaml"
    script = f"echo 0 >/proc/sys/user/{limit} && exec {sys.executable} -c '{_BEYOND_THE_LIMIT}' {config}"
    done = subprocess.run([*alone, "sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line for line in lines if "looked at" not in line] == ["one True", "two True"]
    (said,) = [line for line in lines if "looked at" in line]
    assert said.startswith(f"{config} is looked at every 2 s: it cannot be watched: ")


@pytest.mark.usefixtures("told_by_the_kernel")
def test_the_environment_of_the_watching_library_has_no_influence(
    tmp_path: Path, bell: Bell, start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("FORCE_POLLING", "DEBUG", "IGNORE_PERMISSION_DENIED"):
        monkeypatch.setenv(f"WATCHFILES_{name}", "1")
    monkeypatch.setenv("WATCHFILES_POLL_DELAY_MS", "3600000")
    config = tmp_path / "agent.yaml"
    start(config_file(config, bell))
    wait_until_live(bell, write(config))
    config.write_text("again")
    assert bell.rings()
    assert capfd.readouterr() == ("", "")


# Network file systems.


def test_the_kind_of_a_file_system_is_what_the_kernel_says() -> None:
    assert file_system_magic("/proc") == 0x9FA0
    assert file_system_magic("/sys") == 0x62656572
    assert file_system_magic("/no/such/folder") == 0


@pytest.mark.usefixtures("told_by_the_kernel")
def test_what_lies_on_a_network_file_system_is_polled_and_it_is_said_once(
    tmp_path: Path, bell: Bell, start: Start, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kind of file system that this folder lies on stands for a network one."""
    monkeypatch.setitem(NETWORK_FILE_SYSTEMS, file_system_magic(tmp_path), "NFS")
    before = inotify_descriptors()
    config = tmp_path / "agent.yaml"
    start(config_file(config, bell))
    wait_until_live(bell, write(config))
    config.write_text("again")
    assert bell.rings()
    assert inotify_descriptors() <= before
    (said,) = notices
    assert f"{tmp_path} lies on NFS" in said


# The end.


def test_closing_leaves_no_thread(tmp_path: Path, bell: Bell, notices: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_CLOSE_WITHIN", 60.0)
    before = set(threading.enumerate())
    for polls in (False, True):
        watcher = Watcher([config_file(tmp_path / "agent.yaml", bell)], notices.append, polls=polls)
        watcher.close()
    assert set(threading.enumerate()) <= before, "those of earlier tests may end meanwhile"


def test_a_watcher_that_was_left_tells_nothing_any_more(tmp_path: Path, bell: Bell, start: Start) -> None:
    config = tmp_path / "agent.yaml"
    watcher = start(config_file(config, bell))
    wait_until_live(bell, write(config))
    bell.falls_silent()
    watcher.leave()
    config.write_text("later")
    assert not bell.rings(1)
