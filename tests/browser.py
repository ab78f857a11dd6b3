"""A real browser for the tests of pages: Debian's Chromium without a window, opened once, with a fresh context for each page.

A page is written to a file and opened from there, as somebody opens what a colleague sent, or comes from a server. Whatever it says on the console,
throws, asks, or tries to load is kept, so that a test can hold that there was nothing of it. With TORCHSYNC_SCREENSHOTS naming a folder, `shoot`
leaves pictures there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",  # root has none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENCE = 60_000
"""Milliseconds, for everything that is waited for."""
expect.set_options(timeout=PATIENCE)
DESKTOP, PHONE = 1280, 360
# Reported by the page itself: what its Content-Security-Policy kept out.
_WATCH = "addEventListener('securitypolicyviolation', (event) => console.error('policy', event.violatedDirective, event.blockedURI));"


@dataclass  # without slots: playwright leaves a mark on objects whose methods it calls
class Opened:
    """A page, and what it did beside showing itself."""

    page: Page
    home: str = "file:"
    said: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"threw: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._request)

    def _dialog(self, dialog: Any) -> None:
        self.said.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.home, "data:", "about:")):
            self.said.append(f"asked for {request.url}")

    @property
    def overflows(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def shoot(self, name: str, *, full: bool = False) -> None:
        folder = os.environ.get("TORCHSYNC_SCREENSHOTS")
        if folder:
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=full)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("needs a browser (Debian: chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(
    browser: Browser, file: Path, *, fragment: str = "", width: int = DESKTOP, dark: bool = False, script: bool = True
) -> Iterator[Opened]:
    """The page of the file, as wide as a desk or a phone has it."""
    with visited(browser, f"file://{file}{fragment}", home="file:", width=width, dark=dark, script=script) as found:
        yield found


@contextmanager
def visited(browser: Browser, url: str, *, home: str, width: int = DESKTOP, dark: bool = False, script: bool = True) -> Iterator[Opened]:
    """The page of the address; it may ask for what begins with `home`."""
    context = browser.new_context(
        viewport={"width": width, "height": 900 if width > 500 else 740},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    try:
        page = context.new_page()
        found = Opened(page, home)
        found.watch()
        page.add_init_script(_WATCH)
        page.goto(url)
        yield found
    finally:
        context.close()


def faint_texts(page: Page) -> list[str]:
    """The words with less contrast to their ground than WCAG 2.1 asks of text, 4.5 to 1; and controls whose edge has less than 3 to 1."""
    found: list[str] = page.evaluate(
        """() => {
        const channel = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
        const light = ([red, green, blue]) => [red, green, blue].map((each) => channel(each / 255))
          .reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
        const ground = (element) => {
          const color = numbers(getComputedStyle(element).backgroundColor);
          return color.length === 4 && color[3] === 0 && element.parentElement ? ground(element.parentElement) : color;
        };
        const contrast = (color, element) => {
          const [a, b] = [light(numbers(color)), light(ground(element))].sort((x, y) => y - x);
          return (a + 0.05) / (b + 0.05);
        };
        const faint = new Set();
        for (const element of document.querySelectorAll("input, select, button")) {
          const style = getComputedStyle(element), hint = getComputedStyle(element, "::placeholder");
          if (!element.checkVisibility() || element.type === "checkbox") continue;
          const edged = numbers(style.borderTopColor)[3] !== 0 && style.borderTopWidth !== "0px";
          if (edged && contrast(style.borderTopColor, element) < 3) faint.add(`edge of ${element.id || element.textContent}`);
          if (element.placeholder && (hint.opacity < 1 || contrast(hint.color, element) < 4.5)) faint.add(`hint of ${element.id}`);
        }
        for (const element of document.querySelectorAll("body *")) {
          const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
          if (!own || !element.checkVisibility() || element.closest("script, option, svg")) continue;
          if (contrast(getComputedStyle(element).color, element) < 4.5) faint.add(`${element.className}: ${element.textContent.trim().slice(0, 40)}`);
        }
        return [...faint];
      }"""
    )
    return found
