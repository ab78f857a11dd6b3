"""A thousand syncs of one agent, of every kind: what it holds afterwards is what it held before."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from tests.e2e.host import Host, cron, wait_for

SYNCS = 1_000
WARM = 200
"""Syncs until everything that is made once has been made."""
EVERY = 50
"""Of so many syncs one brings a commit that is applied, one a commit that is rejected, and four find no remote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a process holds."""

    descriptors: int
    threads: int
    children: int
    zombies: int
    memory_kib: int
    files: int
    """But for those of runs and packs, which have bounds of their own."""
    packs: int


def held(host: Host) -> Held:
    assert host.agent is not None
    process = Path(f"/proc/{host.agent.pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    children = (process / f"task/{host.agent.pid}/children").read_text().split()
    states = [_state(child) for child in children]
    return Held(
        descriptors=len(list((process / "fd").iterdir())),
        threads=int(status["Threads"]),
        children=len(children),
        zombies=states.count("Z"),
        memory_kib=int(status["VmRSS"].split()[0]),
        files=sum(1 for path in host.state.rglob("*") if not {"runs", "pack"} & set(path.parts)),
        packs=sum(1 for _ in host.state.glob("repo.git/objects/pack/*.pack")),
    )


def _state(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "gone"


class Rounds:
    """Asks for one sync after the other, and waits for each."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.client = host.client
        self.outcomes: dict[str, int] = {}
        self._away = host.remote.with_name("away.git")

    def sync(self, number: int) -> None:
        match number % EVERY:
            case 3:
                self.commit("true")
            case 9:
                self.commit("true", schedule="61 * * * *")
            case 15 | 16 | 17 | 18:
                self.host.remote.rename(self._away)
        self._sync_now()
        if self._away.exists():
            self._away.rename(self.host.remote)

    def commit(self, command: str, schedule: str = "* * * * * *") -> None:
        self.host.tasks(subject=f"{len(self.outcomes)}", beat=cron(f"{command} {time.time()}", schedule), hour=cron("true", "0 0 * * * *"))

    def _sync_now(self) -> None:
        ticket = self.client.post("/api/v1/sync")["ticket"]
        deadline = time.monotonic() + 120
        while not (answer := self.client.get(f"/api/v1/syncs/{ticket}")).get("outcome"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.outcomes[answer["outcome"]] = self.outcomes.get(answer["outcome"], 0) + 1


def quiet(host: Host) -> Held:
    """What is held while no sync and no run is under way."""
    found: list[Held] = []

    def is_quiet() -> bool:
        """Twice in a row: a run may begin while it is counted."""
        found.extend((held(host), held(host)))
        is_same = found[-2] == replace(found[-1], memory_kib=found[-2].memory_kib)
        return is_same and found[-1].children == 0 and found[-1].threads == min(one.threads for one in found)

    wait_for("a moment without children", is_quiet)
    return found[-1]


def test_after_a_thousand_syncs_nothing_has_piled_up(host: Host) -> None:
    host.configure(repository={"interval": "1h", "watch": "off"})
    host.tasks(beat=cron("true"), hour=cron("true", "0 0 * * * *"))
    host.start()
    rounds = Rounds(host)
    for number in range(WARM):
        rounds.sync(number)
    before = quiet(host)
    for number in range(WARM, SYNCS):
        rounds.sync(number)
    after = quiet(host)
    assert sum(rounds.outcomes.values()) == SYNCS
    assert set(rounds.outcomes) == {"applied", "unchanged", "rejected", "unavailable"}
    assert min(rounds.outcomes.values()) >= SYNCS // EVERY
    assert after.descriptors <= before.descriptors + 1
    assert after.threads <= before.threads + 1
    assert after.zombies == 0
    assert after.files <= before.files + 2
    assert after.packs <= 51
    assert after.memory_kib < before.memory_kib + 2048
