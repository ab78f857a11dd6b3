"""What starts a sync before its time: webhooks and operators. The interval is an hour, so that nothing else does."""

import pytest

from tests.agent.desk import Desk, document
from tests.builders import HOUR, SECOND, task
from torchsync.agent.config import config_from_document
from torchsync.core.control import SyncNow, SyncProgress
from torchsync.core.logevents import LogEvent
from torchsync.core.model import CronTiming, Revision, Task
from torchsync.core.syncdoc import SyncOutcome
from torchsync.ports import ConfigRead, ConfigTouched, HookReceived


@pytest.fixture
def desk() -> Desk:
    """An agent that is in sync with its first commit."""
    desk = Desk()
    desk.config = config_from_document(document(repository={"interval": HOUR}))
    desk.start()
    desk.git.push(beat(1))
    desk.pass_time(SECOND)
    assert desk.snapshot.sync.results == {SyncOutcome.APPLIED: 1}
    return desk


def beat(minute: int) -> Task:
    return task("beat", timing=CronTiming(schedule=f"{minute} 3 * * *"))


def hook(desk: Desk, before: str = "", after: str = "") -> None:
    desk.wakeups.post(HookReceived(before=before, after=after))


def in_force(desk: Desk) -> Revision:
    assert desk.snapshot.generation is not None
    return desk.snapshot.generation.revision


def syncs(desk: Desk) -> int:
    return sum(desk.snapshot.sync.results.values())


def ask_for_sync(desk: Desk) -> int:
    return int(str(desk.ask(SyncNow(actor="a")).document["ticket"]))


def is_done(desk: Desk, ticket: int) -> object:
    return desk.ask(SyncProgress(ticket=ticket)).document["done"]


# Webhooks.


def test_a_hook_brings_the_pushed_commit_at_once(desk: Desk) -> None:
    before, pushed = in_force(desk), desk.git.push(beat(2))
    hook(desk, before, pushed)
    desk.pass_time(SECOND)
    assert in_force(desk) == pushed
    desk.pass_time(HOUR // 2)
    assert syncs(desk) == 2


def test_a_flood_of_replays_brings_one_sync_each_five_seconds_and_the_last_push_is_not_lost(desk: Desk) -> None:
    first, second = in_force(desk), desk.git.push(beat(2))
    for _ in range(300):
        hook(desk, first, second)
        desk.pass_time(100)
    third = desk.git.push(beat(3))
    hook(desk, second, third)
    desk.pass_time(HOUR // 2)
    assert in_force(desk) == third
    assert syncs(desk) <= 1 + 30 // 5 + 2


def test_the_loop_wakes_for_the_last_hook_of_a_burst(desk: Desk) -> None:
    for wait in (4_700, 100):
        hook(desk)
        desk.pass_time(wait)
    assert 0 < desk.loop.patience() <= 200


def test_hooks_during_a_sync_bring_one_more_after_it(desk: Desk) -> None:
    desk.git.is_held = True
    hook(desk)
    desk.pass_time(SECOND)
    pushed = desk.git.push(beat(2))
    for _ in range(5):
        hook(desk)
        desk.pass_time(2 * SECOND)
    desk.git.is_held = False
    desk.git.release()
    desk.pass_time(SECOND)
    assert in_force(desk) == pushed
    desk.pass_time(HOUR // 2)
    assert syncs(desk) <= 4


def test_a_commit_that_the_remote_shows_later_than_its_hook_came_is_found_within_seconds(desk: Desk) -> None:
    before = in_force(desk)
    coming = desk.git.coming
    hook(desk, before, coming)
    desk.pass_time(4 * SECOND)
    assert in_force(desk) == before
    assert desk.git.push(beat(2)) == coming
    desk.pass_time(10 * SECOND)
    assert in_force(desk) == coming
    desk.pass_time(HOUR // 2)
    assert syncs(desk) == 4


def test_a_commit_that_never_shows_is_not_looked_for_for_ever(desk: Desk) -> None:
    hook(desk, in_force(desk), "f" * 40)
    desk.pass_time(HOUR // 2)
    assert syncs(desk) == 1 + 1 + 3


def test_a_hook_finds_a_remote_that_is_back(desk: Desk) -> None:
    desk.git.is_reachable = False
    hook(desk)
    desk.pass_time(10 * SECOND)
    before = syncs(desk)
    desk.git.is_reachable = True
    pushed = desk.git.push(beat(2))
    hook(desk)
    desk.pass_time(SECOND)
    assert (in_force(desk), syncs(desk)) == (pushed, before + 1)


# Operators.


def test_what_was_pushed_right_before_a_sync_is_asked_for_is_in_force_when_it_is_done(desk: Desk) -> None:
    pushed = desk.git.push(beat(2))
    ticket = ask_for_sync(desk)
    desk.pass_time(SECOND)
    assert is_done(desk, ticket)
    assert in_force(desk) == pushed


def test_a_sync_that_was_under_way_is_not_taken_for_the_one_that_was_asked_for(desk: Desk) -> None:
    desk.git.is_held = True
    early = ask_for_sync(desk)
    desk.pass_time(SECOND)
    pushed = desk.git.push(beat(2))
    late = ask_for_sync(desk)
    assert late == early + 1
    desk.git.release()
    desk.pass_time(SECOND)
    assert is_done(desk, early)
    assert not is_done(desk, late)
    desk.git.is_held = False
    desk.git.release()
    desk.pass_time(SECOND)
    assert is_done(desk, late)
    assert in_force(desk) == pushed


def test_a_sync_that_is_asked_for_does_not_wait_for_the_back_off(desk: Desk) -> None:
    desk.git.is_reachable = False
    for _ in range(10):
        ask_for_sync(desk)
        desk.pass_time(SECOND)
    desk.git.is_reachable = True
    pushed = desk.git.push(beat(2))
    ticket = ask_for_sync(desk)
    desk.pass_time(100)
    assert is_done(desk, ticket)
    assert in_force(desk) == pushed


# The configuration.


def test_another_address_for_hooks_waits_for_a_restart_and_another_secret_does_not(desk: Desk) -> None:
    http = {"hooks_listen": "127.0.0.1:9999", "webhook_secret_file": "/etc/hook"}
    desk.shelf.next = ConfigRead(document(http=http))
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(SECOND)
    assert [sentence.split(" ")[0] for sentence in desk.events(LogEvent.CONFIG_NEEDS_RESTART)] == ["http.hooks_listen"]
    assert desk.loop._settings.config.http.hooks_listen == ""
    assert desk.loop._settings.config.http.webhook_secret_file == "/etc/hook"


def test_an_address_that_waits_for_a_restart_keeps_its_tls_and_passwords_until_then(desk: Desk) -> None:
    """What is safe on the new address was never judged for the old one."""
    tls = {"listen": "127.0.0.1:9747", "tls_cert": "/c", "tls_key": "/k", "basic_auth_file": "/b"}
    reload_with(desk, tls)
    assert desk.loop._settings.config.http.tls_cert == "/c"
    reload_with(desk, {"listen": "127.0.0.1:1"})
    http = desk.loop._settings.config.http
    assert (http.listen, http.tls_cert, http.tls_key, http.basic_auth_file) == ("127.0.0.1:9747", "/c", "/k", "/b")
    reload_with(desk, {})
    assert desk.loop._settings.config.http.tls_cert == ""


def reload_with(desk: Desk, http: dict[str, object]) -> None:
    desk.shelf.next = ConfigRead(document(http=http))
    desk.wakeups.post(ConfigTouched())
    desk.pass_time(SECOND)
