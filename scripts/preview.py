"""`make preview`: pictures of the dashboards for the docs, from a small fleet that really runs.

Needs Debian's prometheus and chromium. What is seen is what the queries of the panels find in a real Prometheus that scrapes two real agents; it
is drawn by `scripts/preview_page.py`, and so shows the queries and the layout, not how Grafana draws.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from scripts.dashboard_fleet import FLEET
from scripts.dashboard_task import HOST_AND_TASK
from scripts.preview_fleet import play, started
from scripts.preview_page import WIDTH, page
from scripts.preview_queries import Span, answered, marks

ROOT = Path(__file__).parent.parent
PICTURES = {"fleet": FLEET, "task": HOST_AND_TASK}


def main() -> int:
    parser = argparse.ArgumentParser(description="Draws the previews of the dashboards.")
    parser.add_argument("--seconds", type=float, default=120, metavar="N", help="for how long the fleet runs (120)")
    parser.add_argument("--into", type=Path, default=ROOT / "docs/images", metavar="DIR", help="where the pictures go (docs/images)")
    arguments = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None or shutil.which("prometheus") is None:
        print("the previews need Debian's chromium and prometheus: apt-get install chromium prometheus", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="tsp-", dir="/tmp"))  # short: a socket path may have 107 bytes
    folder.chmod(0o755)
    try:
        with started(folder) as fleet:
            begin = time.time()
            play(fleet, lambda: time.sleep(arguments.seconds / 6))
            span = Span(begin=begin, end=time.time(), step=1, rate="10s")
            pages = {
                name: page(one, answered(fleet.prometheus, one, span), marks(fleet.prometheus, one, span), span)
                for name, one in PICTURES.items()
            }
        shoot(chromium, folder, pages, arguments.into)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def shoot(chromium: str, folder: Path, pages: dict[str, str], into: Path) -> None:
    """A picture of each page lies in `into`."""
    into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        for name, text in pages.items():
            (folder / f"{name}.html").write_text(text)
            view = browser.new_page(viewport={"width": WIDTH, "height": 900})
            view.goto(f"file://{folder}/{name}.html")
            view.screenshot(path=into / f"dashboard-{name}-preview.png", full_page=True)
            print(f"drew {into}/dashboard-{name}-preview.png")
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
