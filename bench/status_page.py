"""Prints what the status page of an agent with many tasks costs; `python -m bench.status_page [TASKS]`.

The agent's side is measured in a process of its own: memory before anybody asked for the page, after the first and after the thirtieth time, the time
of an answer over HTTP, and how late a thread that waits for a moment every 10 ms is, alone and while the page is asked for without a pause.
Then Chromium: the first paint, and a refresh in which nothing, or every row, is different.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median, quantiles
from time import perf_counter, sleep

from bench.fleet_page import PAINT
from tests.browser import chromium, visited
from tests.builders import NOON, many_tasks
from torchsync.adapters.http import Running, bind_tcp, serve
from torchsync.adapters.statuspage import FRESH, StatusPages
from torchsync.cli.surfaces import load_page
from torchsync.core.model import Instant, Millis, Outcome
from torchsync.core.snapshot import Snapshot
from torchsync.core.web import PublicSurface
from torchsync.errors import Problem

REFRESH = """() => new Promise((done) => {
  const begun = performance.now();
  const seen = new MutationObserver(() => {
    if ('asks' in document.body.dataset) return;
    seen.disconnect();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(performance.now() - begun);
    requestAnimationFrame(() => port2.postMessage(0));
  });
  seen.observe(document.body, { attributes: true, attributeFilter: ['data-asks'] });
  for (const _ of 'xx') document.getElementById('pause').click();
})"""
ASKS = 30
TICKS, TICK = 500, 0.01


@dataclass
class Agent:
    """An agent as the page sees it; `step` is how far the clock moves from one page to the next. Within a second there is none to be made."""

    snapshot: Snapshot
    step: Millis = Millis(0)
    now: Instant = NOON

    def moment(self) -> Instant:
        self.now = Instant(self.now + self.step)
        return self.now

    def serve(self) -> Running:
        surface = PublicSurface(
            read=lambda: self.snapshot,
            now=self.moment,
            metrics=lambda _: b"",
            page=StatusPages(load_page),
            names=frozenset(),
        )
        bound = bind_tcp("127.0.0.1:0")
        if isinstance(bound, Problem):
            raise SystemExit(str(bound))
        return serve(bound, surface, print)


def main(tasks: int = 1_000) -> None:
    """The lines of both sides."""
    subprocess.run([sys.executable, "-m", "bench.status_page", "agent", str(tasks)], check=True)
    report_browser(tasks)


def snapshot(tasks: int) -> Snapshot:
    """Each task has run often."""
    plain = many_tasks(tasks)
    recent = (*[Outcome.SUCCEEDED] * 18, Outcome.FAILED, Outcome.SUCCEEDED)
    return replace(plain, tasks={name: replace(one, record=replace(one.record, recent=recent)) for name, one in plain.tasks.items()})


def report_agent(tasks: int) -> None:
    """What the process that serves the page pays."""
    agent = Agent(snapshot(tasks), step=FRESH)
    running = agent.serve()
    before = memory()
    first = timed(lambda: ask(running.address))
    after_first = memory()
    times = sorted(timed(lambda: ask(running.address)) for _ in range(ASKS))
    size, packed = len(ask(running.address)), len(ask(running.address, "gzip"))
    print(f"{tasks} tasks: {size / 1e6:.2f} MB, packed {packed / 1e3:.0f} kB")
    print(f"first answer {first * 1000:.0f} ms with loading; then median {median(times) * 1000:.0f} ms, worst {times[-1] * 1000:.0f} ms")
    print(f"memory {before:.1f} MB before, {after_first:.1f} MB after the first, {memory():.1f} MB after {ASKS + 3}")
    print(f"a waiting thread alone: {lateness()}")
    is_over = threading.Event()
    asker = threading.Thread(target=lambda: ask_until(is_over, running.address))
    asker.start()
    print(f"while one page after the other is made: {lateness()}")
    agent.step = Millis(0)
    print(f"while it is asked for without a pause within a second: {lateness()}")
    is_over.set()
    asker.join()
    running.close()


def ask(address: str, encoding: str = "") -> bytes:
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", "/", headers={"Accept-Encoding": encoding})
    content = connection.getresponse().read()
    connection.close()
    return content


def ask_until(is_over: threading.Event, address: str) -> None:
    while not is_over.is_set():
        ask(address)


def lateness() -> str:
    """How late a thread wakes that waits for moments."""
    late = []
    due = perf_counter()
    for _ in range(TICKS):
        due += TICK
        sleep(max(0.0, due - perf_counter()))
        late.append((perf_counter() - due) * 1000)
        due = max(due, perf_counter())
    cuts = quantiles(late, n=100)
    return f"median {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms, worst {max(late):.1f} ms late"


def memory() -> float:
    """Megabytes of memory of this process (proc(5))."""
    with open("/proc/self/statm") as file:  # noqa: PTH123 not a path of ours
        return int(file.read().split()[1]) * 4096 / 1e6


def timed(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    return perf_counter() - begun


def report_browser(tasks: int, rounds: int = 7) -> None:
    """What somebody who looks waits for."""
    agent = Agent(snapshot(tasks))
    running = agent.serve()
    url = f"http://{running.address}/"
    paints, same, other = [], [], []
    with chromium() as browser:
        for _ in range(rounds):
            with visited(browser, url, home=url) as found:
                paints.append(found.page.evaluate(PAINT))
                same.append(found.page.evaluate(REFRESH))
                agent.now = Instant(agent.now + 3_600_000)
                other.append(found.page.evaluate(REFRESH))
    running.close()
    for name, times in (("first paint", paints), ("refresh, nothing different", same), ("refresh, every row different", other)):
        print(f"{name}: median {median(times):.0f} ms, {min(times):.0f} to {max(times):.0f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["agent"]:
        report_agent(int(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:2]))
