from tests.agent.desk import UIDS, document
from tests.builders import facts, task
from tests.fakes import FakeClock, FakeWakeups
from tests.fakes_git import FakeGitSource
from tests.fakes_state import MemoryStore
from torchsync.agent.config import config_from_document
from torchsync.agent.once import host_judge, sync_once
from torchsync.agent.saved import Saved
from torchsync.agent.sync import Syncs, SyncSettings
from torchsync.core.model import Millis
from torchsync.core.policy import HostRules
from torchsync.core.syncdoc import SyncOutcome, SyncResult
from torchsync.errors import Problem

BAD = Problem(code="TS120", message="minute: 61 is out of range", path="tasks/a.yaml", line=3, column=5)


class Host:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.wakeups = FakeWakeups(self.clock)
        self.git = FakeGitSource(self.wakeups.post)
        self.store = MemoryStore()

    def once(self) -> SyncResult:
        config = config_from_document(document())
        settings = SyncSettings(remote=config.remote, interval=Millis(30_000), jitter=0.0, facts=facts())
        syncs = Syncs(self.git, settings, state="/state", version="1")
        judge = host_judge(syncs, settings.facts, HostRules(config.host_policy, UIDS.get), self.clock)
        return sync_once(syncs, Saved(self.store), self.wakeups, self.clock, judge)

    def stored(self):
        return Saved(self.store).load_generation()


def test_what_a_single_sync_brings_is_stored_without_a_baseline() -> None:
    host = Host()
    pushed = host.git.push(task("a"))
    assert host.once().outcome is SyncOutcome.APPLIED
    assert (host.stored().revision, set(host.stored().tasks), host.stored().baselines) == (pushed, {"a"}, {})


def test_a_second_one_finds_nothing_new() -> None:
    host = Host()
    host.git.push(task("a"))
    host.once()
    assert host.once().outcome is SyncOutcome.UNCHANGED


def test_a_commit_that_is_turned_down_leaves_what_is_stored() -> None:
    host = Host()
    good = host.git.push(task("a"))
    host.once()
    host.git.push(task("b"), problems=(BAD,))
    rejected = host.once()
    assert (rejected.outcome, rejected.problems) == (SyncOutcome.REJECTED, (BAD,))
    host.git.push(task("c", user="root"))
    assert host.once().outcome is SyncOutcome.REFUSED
    assert host.stored().revision == good


def test_a_remote_that_is_away_is_told() -> None:
    host = Host()
    host.git.is_reachable = False
    assert host.once().outcome is SyncOutcome.UNAVAILABLE
    assert host.stored() is None
