"""Whatever is broken in the state directory, the agent repairs it by itself, and neither the schedule nor a run in flight notices.

One agent lives through all of it, with a task that fires each second and a run in flight since before the first fault. A fault is planted, a
commit is pushed, and soon the commit is in force, the repair is counted, the history has no gap, and the run is still there; at the very end it
finds its own commit's files as they were. `docs/explanation/self-repair.md` is the table of what is tested here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from tests.adapters.disks import fill, small_disk
from tests.e2e.host import Document, Host, cron, moment, never, wait_for
from torchsync.core.syncdoc import RecoveryAction

ACTIONS = tuple(action.value for action in RecoveryAction)
HOLD = "while ! test -e {}; do sleep 0.2; done; cat scripts/work.sh"
NOISE = Random(7).randbytes(30_000).hex()


class Patient:
    """A host whose state directory is hurt."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.mirror = host.state / "repo.git"
        self.worktrees = host.state / "worktrees"
        self.client = host.client
        self.release = host.folder / "release"
        self._pushed = 0
        self.tasks = {"beat": cron("true", max_running=0), "hold": never(HOLD.format(self.release))}
        host.tasks(**self.tasks)
        self.revision = self.push()
        host.start()
        host.wait_for_revision(self.revision)
        self.first_script = self.script
        self.since = time.time()
        self.client.post("/api/v1/run", {"task": "hold"})
        wait_for("the run in flight", lambda: self.in_flight() == ["running"] and self.instants() != [])
        self.push_and_recover()  # The run in flight keeps the first tree: that one is never the one to be damaged, whichever test comes first.

    # What is, and what is in force.

    @property
    def script(self) -> str:
        """Large enough that a change of it is sent as a difference to the version that the mirror has."""
        return f"#!/bin/sh\n# {self._pushed}\n: {NOISE}\n"

    @property
    def tree(self) -> Path:
        return self.worktrees / self.host_git("rev-parse", f"{self.revision}^{{tree}}")

    def host_git(self, *words: str) -> str:
        return subprocess.run(["git", *words], cwd=self.host.clone, check=True, capture_output=True, text=True).stdout.strip()

    def push(self) -> str:
        self._pushed += 1
        return self.host.commit({"scripts/work.sh": self.script})

    def status(self) -> Document:
        return self.client.get("/api/v1/status")

    def in_force(self) -> str:
        generation = self.status()["generation"]
        return str(generation["revision"]) if generation else ""

    def recoveries(self) -> dict[str, int]:
        lines = self.host.get("/metrics")[1].splitlines()
        found = {action: f'torchsync_repo_recoveries_total{{action="{action}"}} ' for action in ACTIONS}
        return {action: int(float(line.removeprefix(start))) for action, start in found.items() for line in lines if line.startswith(start)}

    def in_flight(self) -> list[str]:
        return [run["state"] for run in self.client.get("/api/v1/runs")["runs"] if run["task"] == "hold"]

    def instants(self) -> list[int]:
        """The seconds since the run in flight began that the history accounts for, each of which ran."""
        found: list[int] = []
        for entry in self.client.get("/api/v1/history", {"task": "beat", "limit": "10000"})["entries"]:
            if moment(entry["first"]) >= self.since:
                assert entry["reason"] is None, entry
                found += range(round(moment(entry["first"])), round(moment(entry["last"])) + 1)
        return sorted(found)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """The agent is stopped meanwhile: a fault of several steps is never met half-way."""
        agent = self.host.agent
        assert agent is not None
        agent.send_signal(signal.SIGSTOP)
        try:
            wait_for("the agent to stand still", lambda: _states(agent.pid) == {"T"})
            yield
        finally:
            agent.send_signal(signal.SIGCONT)

    # What is held against it.

    def push_and_recover(self) -> None:
        """The next commit is in force, and its files are there."""
        self.revision = self.push()
        wait_for("the commit to be in force", lambda: self.in_force() == self.revision)
        assert (self.tree / "scripts/work.sh").read_text() == self.script

    def assert_untroubled(self) -> None:
        """No second is missing up to now."""
        instants = self.instants()
        assert instants == list(range(instants[0], instants[-1] + 1))
        assert instants[-1] > time.time() - 30
        assert self.in_flight() == ["running"]

    def assert_tidy(self) -> None:
        left = [*self.mirror.rglob("*.lock"), *self.mirror.rglob("tmp_*"), *self.host.state.glob(".repo*"), *self.worktrees.glob(".new-*")]
        assert left == []


def _states(pid: int) -> set[str]:
    """Of the threads of a process: proc(5), `/proc/pid/stat`."""
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # It has just ended.
            found.add((thread / "stat").read_text().rpartition(")")[2].split()[0])
    return found


@pytest.fixture(scope="module")
def patient() -> Iterator[Patient]:
    folder = Path(tempfile.mkdtemp(prefix="tse-", dir="/tmp"))
    folder.chmod(0o755)
    with closing(Host(folder)) as host:
        one = Patient(host)
        yield one
        one.release.touch()
        wait_for("the run in flight to end", lambda: host.outcomes("hold") == ["succeeded"])
        assert host.torchsync("logs", "hold").stdout == one.first_script
        assert "internal_error" not in [event["event"] for event in host.events()]
    shutil.rmtree(folder, ignore_errors=True)


# Faults of the mirror. Each is met by the next commit.


def file(name: str, content: bytes = b"") -> Callable[[Patient], None]:
    def plant(one: Patient) -> None:
        path = one.mirror / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.chmod(0o600)
        path.write_bytes(content)

    return plant


def packs(one: Patient) -> list[Path]:
    """There is one, with everything in it."""
    subprocess.run(["git", "repack", "-a", "-d", "-q"], cwd=one.mirror, check=True)
    found = list((one.mirror / "objects/pack").glob("*.pack"))
    assert len(found) == 1
    return found


def ref_to_nothing(one: Patient) -> None:
    (one.mirror / "refs/torchsync/tip").write_text("e" * 40 + "\n")


def unpacked(one: Patient) -> None:
    (pack,) = packs(one)
    content = pack.read_bytes()
    for path in (one.mirror / "objects/pack").iterdir():
        path.unlink()
    subprocess.run(["git", "unpack-objects", "-q"], cwd=one.mirror, input=content, check=True)


def empty_object(one: Patient) -> None:
    unpacked(one)
    tip = (one.mirror / "refs/torchsync/tip").read_text().strip()
    path = one.mirror / "objects" / tip[:2] / tip[2:]
    path.chmod(0o600)
    path.write_bytes(b"")


def cut_pack(one: Patient) -> None:
    (pack,) = packs(one)
    pack.chmod(0o600)
    pack.write_bytes(pack.read_bytes()[:-200])


def bit_in_a_blob(one: Patient) -> None:
    """In the old version of the script, to which the next one is a difference: nothing but the fetch itself reads it."""
    (pack,) = packs(one)
    blob = one.host_git("rev-parse", f"{one.revision}:scripts/work.sh")
    listing = subprocess.run(["git", "verify-pack", "-v", str(pack)], check=True, capture_output=True, text=True).stdout
    place = next(int(line.split()[4]) for line in listing.splitlines() if line.startswith(blob))
    content = bytearray(pack.read_bytes())
    content[place + 200] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)


def bits_everywhere(one: Patient) -> None:
    (pack,) = packs(one)
    content = bytearray(pack.read_bytes())
    for place in range(12, len(content) - 20):
        content[place] ^= 0xFF
    pack.chmod(0o600)
    pack.write_bytes(content)


def no_index(one: Patient) -> None:
    packs(one)[0].with_suffix(".idx").unlink()


def no_pack(one: Patient) -> None:
    packs(one)[0].unlink()


def deleted(one: Patient) -> None:
    shutil.rmtree(one.mirror)


def a_file_instead(one: Patient) -> None:
    shutil.rmtree(one.mirror)
    one.mirror.write_text("?")


def a_link_instead(one: Patient) -> None:
    elsewhere = one.host.folder / "elsewhere"
    shutil.rmtree(elsewhere, ignore_errors=True)
    one.mirror.rename(elsewhere)
    one.mirror.symlink_to(elsewhere)


def a_link_inside(one: Patient) -> None:
    elsewhere = one.host.folder / "elsewhere"
    shutil.rmtree(elsewhere, ignore_errors=True)
    (one.mirror / "objects").rename(elsewhere)
    (one.mirror / "objects").symlink_to(elsewhere)


def a_file_of_another(one: Patient) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: giving files away")
    os.chown(packs(one)[0], 65534, 65534)


def all_of_another(one: Patient) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: giving files away")
    subprocess.run(["chown", "-R", "65534:65534", str(one.mirror)], check=True)


def left_by_a_killed_fetch(one: Patient) -> None:
    for name in (
        "pack/tmp_pack_Xy12",
        "pack/.tmp-77-pack-aa.pack",
        "pack/pack-" + "a" * 40 + ".pack",
        "0a/tmp_obj_Zz",
        "incoming-1/pack/x",
    ):
        file(f"objects/{name}", b"x" * 1000)(one)
    (one.host.state / ".repo.git-dead").mkdir()
    (one.worktrees / ".new-dead").mkdir()


def cut_short(one: Patient) -> None:
    """As if the mirror had been fetched without what lies below its tip."""
    (one.mirror / "shallow").write_text(f"{one.revision}\n")


def a_folder(name: str) -> Callable[[Patient], None]:
    def plant(one: Patient) -> None:
        (one.mirror / name).unlink(missing_ok=True)
        (one.mirror / name / "x").mkdir(parents=True)

    return plant


MIRROR_FAULTS: dict[str, tuple[Callable[[Patient], None], str]] = {
    "shallow.lock": (file("shallow.lock"), "lock"),
    "lock of the ref": (file("refs/torchsync/tip.lock"), "lock"),
    "lock of another ref": (file("refs/heads/main.lock"), "lock"),
    "HEAD.lock": (file("HEAD.lock"), "lock"),
    "packed-refs.lock": (file("packed-refs.lock"), "lock"),
    "config.lock": (file("config.lock"), "lock"),
    "index.lock": (file("index.lock"), "lock"),
    "gc.pid": (file("gc.pid", b"1 elsewhere\n"), "lock"),
    "empty ref": (file("refs/torchsync/tip"), "ref"),
    "garbage in the ref": (file("refs/torchsync/tip", b"\0" * 41), "ref"),
    "folder in place of the ref": (a_folder("refs/torchsync/tip"), "ref"),
    "ref to nothing": (ref_to_nothing, "mirror"),
    "empty loose object": (empty_object, "mirror"),
    "truncated pack": (cut_pack, "mirror"),
    "a bit in an old blob": (bit_in_a_blob, "mirror"),
    "bits everywhere": (bits_everywhere, "mirror"),
    "missing index": (no_index, "mirror"),
    "missing pack": (no_pack, "mirror"),
    "garbage in HEAD": (file("HEAD", b"\xff\xfe\n"), "mirror"),
    "garbage in config": (file("config", b"[core\nbare"), "mirror"),
    "folder in place of config": (a_folder("config"), "mirror"),
    "garbage in packed-refs": (file("packed-refs", b"\xff\n"), "mirror"),
    "a history cut short": (cut_short, "owner"),
    "objects that lie elsewhere": (file("objects/info/alternates", b"/nonexistent\n"), "owner"),
    "a commit graph of garbage": (file("objects/info/commit-graph", b"garbage"), ""),
    "deleted": (deleted, ""),
    "a file instead": (a_file_instead, "mirror"),
    "a link instead": (a_link_instead, "mirror"),
    "a link inside": (a_link_inside, "owner"),
    "a file of another owner": (a_file_of_another, "owner"),
    "all of another owner": (all_of_another, "owner"),
    "left by a killed fetch": (left_by_a_killed_fetch, ""),
}


@pytest.mark.parametrize("fault", MIRROR_FAULTS)
def test_a_fault_of_the_mirror_is_repaired_by_the_sync_that_meets_it(patient: Patient, fault: str) -> None:
    plant, action = MIRROR_FAULTS[fault]
    before = patient.recoveries()
    plant(patient)
    patient.push_and_recover()
    assert patient.recoveries() == before | ({action: before[action] + 1} if action else {})
    patient.assert_tidy()
    patient.assert_untroubled()


def test_what_a_link_in_place_of_the_mirror_leads_to_is_left_alone(patient: Patient) -> None:
    a_link_instead(patient)
    elsewhere = patient.mirror.resolve()
    before = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")}
    patient.push_and_recover()
    assert {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")} == before
    assert not patient.mirror.is_symlink()


# Faults of the tree in force. No commit is needed: the agent looks at it between syncs that bring nothing new.


def edit(one: Patient) -> None:
    with (one.tree / "scripts/work.sh").open("a") as script:
        script.write("rm -rf /srv\n")


def edit_and_hide_it(one: Patient) -> None:
    path = one.tree / "scripts/work.sh"
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"# ", b"##", 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def remove_a_file(one: Patient) -> None:
    (one.tree / "scripts/work.sh").unlink()


def change_a_mode(one: Patient) -> None:
    (one.tree / "scripts/work.sh").chmod(0o777)


def give_a_file_away(one: Patient) -> None:
    if os.geteuid() != 0:
        pytest.skip("only as root: giving files away")
    os.chown(one.tree / "scripts/work.sh", 65534, 65534)


def link_for_a_file(one: Patient) -> None:
    (one.tree / "scripts/work.sh").unlink()
    (one.tree / "scripts/work.sh").symlink_to("/bin/false")


def link_for_the_tree(one: Patient) -> None:
    elsewhere = one.host.folder / "other-tree"
    shutil.rmtree(elsewhere, ignore_errors=True)
    one.tree.rename(elsewhere)
    one.tree.symlink_to(elsewhere)


def delete_the_tree(one: Patient) -> None:
    shutil.rmtree(one.tree)


def lose_the_manifest(one: Patient) -> None:
    one.tree.with_name(f"{one.tree.name}.manifest").unlink()


def cut_the_manifest(one: Patient) -> None:
    path = one.tree.with_name(f"{one.tree.name}.manifest")
    path.write_bytes(path.read_bytes()[:-4])


def empty_the_manifest(one: Patient) -> None:
    one.tree.with_name(f"{one.tree.name}.manifest").write_bytes(b"")


TREE_FAULTS: dict[str, Callable[[Patient], None]] = {
    "edited": edit,
    "edited, with the old size and time": edit_and_hide_it,
    "file removed": remove_a_file,
    "mode changed": change_a_mode,
    "owner changed": give_a_file_away,
    "link for a file": link_for_a_file,
    "link for the tree": link_for_the_tree,
    "deleted": delete_the_tree,
    "manifest lost": lose_the_manifest,
    "manifest cut": cut_the_manifest,
    "manifest empty": empty_the_manifest,
}


@pytest.mark.parametrize("fault", TREE_FAULTS)
def test_a_fault_of_the_tree_is_repaired_without_a_commit(patient: Patient, fault: str) -> None:
    before = patient.recoveries()
    with patient.standing_still():
        TREE_FAULTS[fault](patient)
    wait_for("the repair", lambda: patient.recoveries() != before)
    assert patient.recoveries() == before | {"tree": before["tree"] + 1}
    assert (patient.tree / "scripts/work.sh").read_text() == patient.script
    assert not patient.tree.is_symlink()
    assert not (patient.tree / "scripts/work.sh").is_symlink()
    patient.assert_untroubled()


def test_the_next_commit_does_not_mind_a_fault_of_the_old_tree(patient: Patient) -> None:
    edit(patient)
    patient.push_and_recover()
    patient.assert_untroubled()


def test_a_link_in_place_of_the_folder_of_trees_is_not_followed(patient: Patient) -> None:
    """The run in flight has its working directory where the folder is now: that is kept, under the name it was given."""
    before = patient.recoveries()
    elsewhere = patient.host.folder / "all-trees"
    with patient.standing_still():
        patient.worktrees.rename(elsewhere)
        patient.worktrees.symlink_to(elsewhere)
        seen = sorted(elsewhere.iterdir())
    wait_for("the repair", lambda: patient.recoveries() != before)
    assert patient.recoveries() == before | {"tree": before["tree"] + 1}
    assert patient.tree.is_dir()
    assert not patient.worktrees.is_symlink()
    assert sorted(elsewhere.iterdir()) == seen
    patient.assert_untroubled()


def test_files_that_are_not_ours_stay(patient: Patient) -> None:
    before = patient.recoveries()
    foreign = [patient.host.state / "notes.txt", patient.worktrees / "notes.txt", patient.tree / "added", patient.mirror / "notes.txt"]
    for path in foreign:
        path.write_text("mine")
    (patient.worktrees / "lost+found").mkdir(exist_ok=True)
    patient.push_and_recover()
    wait_for("what was added to a tree to go with that tree", lambda: not foreign[2].exists())
    assert [path.exists() for path in foreign] == [True, True, False, True]
    assert (patient.worktrees / "lost+found").is_dir()
    assert patient.recoveries() == before
    patient.assert_untroubled()


@pytest.mark.parametrize("instead", ["folder", "link"])
def test_what_stands_in_place_of_the_lock_is_put_aside(patient: Patient, instead: str) -> None:
    lock = patient.host.state / "repo.lock"
    lock.unlink()
    if instead == "folder":
        lock.mkdir()
    else:
        lock.symlink_to("/dev/null")
    patient.push_and_recover()
    assert lock.is_file()
    assert not lock.is_symlink()


def test_a_sync_process_that_is_killed_is_followed_by_one_that_works(patient: Patient) -> None:
    before = patient.recoveries()
    assert patient.host.agent is not None
    revision = patient.push()
    victims = Path(f"/proc/{patient.host.agent.pid}/task/{patient.host.agent.pid}/children")

    def is_killed() -> bool:
        nonlocal revision
        if patient.in_force() == revision:  # That one was too fast.
            revision = patient.push()
        for pid in victims.read_text().split():
            with suppress(OSError):  # Runs are children as well, and may be gone by now.
                if b"syncprocess" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(int(pid), signal.SIGKILL)
                    return True
        return False

    wait_for("a sync process", is_killed)
    wait_for("the next one", lambda: patient.in_force() == revision)
    patient.revision = revision
    assert patient.recoveries()["mirror"] == before["mirror"]
    patient.assert_tidy()
    patient.assert_untroubled()


def test_a_damaged_mirror_and_a_dead_remote_leave_the_schedule_and_the_tree(patient: Patient) -> None:
    before = patient.recoveries()
    no_pack(patient)
    edit_is_kept = (patient.tree / "scripts/work.sh").read_text()
    away = patient.host.remote.rename(patient.host.remote.with_name("away.git"))
    wait_for("the remote to be missed", lambda: patient.status()["sync"]["last"]["outcome"] == "unavailable")
    assert (patient.tree / "scripts/work.sh").read_text() == edit_is_kept
    assert patient.in_force() == patient.revision
    patient.assert_untroubled()
    away.rename(patient.host.remote)
    patient.push_and_recover()
    assert patient.recoveries() == before | {"mirror": before["mirror"] + 1}


# A disk of its own.


@pytest.fixture
def on_a_disk() -> Iterator[Patient]:
    folder = Path(tempfile.mkdtemp(prefix="tse-", dir="/tmp"))
    folder.chmod(0o755)
    with small_disk(folder / "state", "size=16m") as _, closing(Host(folder)) as host:
        one = Patient(host)
        yield one
        one.release.touch()
        wait_for("the run in flight to end", lambda: host.outcomes("hold") == ["succeeded"])
    shutil.rmtree(folder, ignore_errors=True)


def last_outcome(one: Patient, outcome: str) -> bool:
    last = one.status()["sync"]["last"]
    return bool(last) and last["outcome"] == outcome


def test_a_sync_that_finds_the_disk_full_is_made_up_for(on_a_disk: Patient) -> None:
    ballast = fill(on_a_disk.host.state)
    revision = on_a_disk.push()
    wait_for("the sync to fail", lambda: last_outcome(on_a_disk, "failed") or last_outcome(on_a_disk, "unavailable"))
    assert on_a_disk.in_force() != revision
    ballast.unlink()
    on_a_disk.client.post("/api/v1/sync")
    wait_for("the commit to be in force", lambda: on_a_disk.in_force() == revision)
    on_a_disk.revision = revision
    on_a_disk.assert_tidy()
    on_a_disk.assert_untroubled()


@pytest.mark.parametrize("part", ["repo.git", "worktrees"])
def test_a_part_of_the_state_that_is_read_only_for_a_while_fails_syncs_only(on_a_disk: Patient, part: str) -> None:
    folder = on_a_disk.host.state / part
    with read_only(folder):
        revision = on_a_disk.push()
        wait_for("the sync to fail", lambda: last_outcome(on_a_disk, "failed") or last_outcome(on_a_disk, "unavailable"))
        assert "TS333" in str(on_a_disk.status()["sync"]["last"])
        assert on_a_disk.in_force() != revision
    on_a_disk.client.post("/api/v1/sync")
    wait_for("the commit to be in force", lambda: on_a_disk.in_force() == revision)
    on_a_disk.assert_untroubled()


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """As when the kernel has found a fault of the disk. The whole disk cannot be made so while runs write to it (mount(8), `remount`)."""
    for options in (["--bind", folder, folder], ["-o", "remount,bind,ro", folder]):
        subprocess.run(["mount", *options], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
