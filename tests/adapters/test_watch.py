import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from torchsync.adapters import watch
from torchsync.adapters.watch import FolderWatcher, Watched, config_folder, repository_folders


class Bell:
    def __init__(self) -> None:
        self._rung = threading.Event()

    def __call__(self) -> None:
        self._rung.set()

    def rings(self, within: float = 5.0) -> bool:
        rung = self._rung.wait(within)
        self._rung.clear()
        return rung


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture(autouse=True)
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_LOOK_AGAIN_MS", 300)
    monkeypatch.setattr(watch, "_STEP_MS", 20)
    monkeypatch.setattr(watch, "_DEBOUNCE_MS", 100)


@pytest.fixture
def watching() -> Iterator[list[FolderWatcher]]:
    watchers: list[FolderWatcher] = []
    yield watchers
    for watcher in watchers:
        watcher.close()


def settled(watcher: FolderWatcher, bell: Bell, poke: Path) -> None:
    """Returns once the watch is live: it has seen `poke` written."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        poke.write_text(str(time.monotonic()))
        if bell.rings(0.2):
            poke.unlink()
            while bell.rings(0.8):
                pass
            return
    raise AssertionError("the watch never came up")


def test_a_config_file_that_is_replaced_again_and_again_is_noticed_each_time(
    tmp_path: Path, bell: Bell, watching: list[FolderWatcher]
) -> None:
    config = tmp_path / "agent.yaml"
    watching.append(FolderWatcher([config_folder(config, bell)]))
    settled(watching[0], bell, config)
    for text in ("one", "two", "three"):
        fresh = tmp_path / "agent.yaml.new"
        fresh.write_text(text)
        fresh.rename(config)
        assert bell.rings()
        while bell.rings(0.8):
            pass


def test_what_happens_beside_the_config_file_is_passed_over(tmp_path: Path, bell: Bell, watching: list[FolderWatcher]) -> None:
    config = tmp_path / "agent.yaml"
    watching.append(FolderWatcher([config_folder(config, bell)]))
    settled(watching[0], bell, config)
    (tmp_path / "agent.log").write_text("a line")
    assert not bell.rings(1)
    config.write_text("version: 1")
    assert bell.rings()


def test_a_push_to_a_local_repository_is_noticed(tmp_path: Path, bell: Bell, watching: list[FolderWatcher]) -> None:
    bare, clone = tmp_path / "bare.git", tmp_path / "clone"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", bare], check=True)
    subprocess.run(["git", "clone", "-q", bare, clone], check=True, capture_output=True)
    watching.append(FolderWatcher(repository_folders(bare, bell)))
    settled(watching[0], bell, bare / "refs" / "poke")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "one"], cwd=clone, check=True)
    subprocess.run(["git", "push", "-q", "origin", "HEAD:refs/heads/team/main"], cwd=clone, check=True)
    assert bell.rings()


def test_a_folder_that_is_made_anew_is_watched_anew(tmp_path: Path, bell: Bell, watching: list[FolderWatcher]) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    watching.append(FolderWatcher([Watched(folder=folder, recursive=False, is_wanted=lambda _: True, on_change=bell)]))
    settled(watching[0], bell, folder / "poke")
    shutil.rmtree(folder)
    folder.mkdir()
    assert bell.rings()
    settled(watching[0], bell, folder / "again")


def test_a_folder_that_is_not_there_yet_is_watched_once_it_is(tmp_path: Path, bell: Bell, watching: list[FolderWatcher]) -> None:
    folder = tmp_path / "later"
    watching.append(FolderWatcher([Watched(folder=folder, recursive=False, is_wanted=lambda _: True, on_change=bell)]))
    folder.mkdir()
    settled(watching[0], bell, folder / "poke")


def test_closing_leaves_no_thread(tmp_path: Path, bell: Bell) -> None:
    before = threading.active_count()
    FolderWatcher([config_folder(tmp_path / "agent.yaml", bell)]).close()
    assert threading.active_count() == before
