"""Prints what the page of a large fleet costs: bytes, making it, first paint and search in Chromium; `python -m bench.fleet_page [ROUNDS]`.

The floor of the first paint is a page of the same bytes that has one line of text and no script. Both are opened in every round, the order turned
round each time, so a ratio compares what the same machine did a moment apart. A search counts from the key to the frame that shows what it found.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from playwright.sync_api import Browser, Page

from tests.browser import chromium, opened
from tests.fleets import large, with_live
from torchsync.pages.fleet import render_fleet

PAINT = """() => new Promise((done) => new PerformanceObserver((list) => {
  const found = list.getEntriesByName('first-contentful-paint')[0];
  if (found) done(found.startTime);
}).observe({ type: 'paint', buffered: true }))"""
SEARCH = """(text) => new Promise((done) => {
  const field = document.getElementById('q');
  const begun = performance.now();
  field.value = text;
  field.dispatchEvent(new Event('input'));
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => done(performance.now() - begun);
  requestAnimationFrame(() => port2.postMessage(0));
})"""
WORDS = ["b", "ba", "backup", "team-db", "zzz", ""]
HOSTS, TASKS = 1_000, 500


def main(rounds: int = 7) -> None:
    """A line for making the page, one for its first paint against the floor, one for a search in each list."""
    document = large(HOSTS, TASKS)
    for name, made in (("as it is", document), ("with its live state", with_live(document))):
        begun = perf_counter()
        text = render_fleet(made)
        print(f"{name}: made in {perf_counter() - begun:.2f} s, {len(text) / 1e6:.2f} MB")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page, floor = Path(folder, "fleet.html"), Path(folder, "floor.html")
        page.write_text(render_fleet(document))
        floor.write_text(f"<!doctype html><title>floor</title><p>text</p><!-- {'x' * (page.stat().st_size - 50)} -->")
        report(browser, page, floor, rounds)


def report(browser: Browser, page: Path, floor: Path, rounds: int) -> None:
    """Every round opens both pages; medians, with the range of the ratios."""
    paints: dict[Path, list[float]] = {page: [], floor: []}
    searches: dict[str, list[float]] = {"tasks": [], "hosts": []}
    for number in range(rounds):
        for file in (page, floor)[:: 1 if number % 2 else -1]:
            with opened(browser, file) as found:
                paints[file].append(found.page.evaluate(PAINT))
                if file is page:
                    for view, times in searches.items():
                        times += [search(found.page, view, word) for word in WORDS]
    ratios = [own / least for own, least in zip(paints[page], paints[floor], strict=True)]
    print(
        f"first paint {median(paints[page]):.0f} ms, floor {median(paints[floor]):.0f} ms, "
        f"ratio {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), largest {max(paints[page]):.0f} ms"
    )
    for view, times in searches.items():
        print(f"search in {view}: {median(times):.0f} ms, largest {max(times):.0f} ms of {len(times)}")


def search(page: Page, view: str, word: str) -> float:
    """Milliseconds from a changed search to its rows."""
    page.evaluate("(view) => { location.hash = `#view=${view}`; }", view)
    page.locator(f"table.{view}").wait_for()
    spent: float = page.evaluate(SEARCH, word)
    return spent


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
