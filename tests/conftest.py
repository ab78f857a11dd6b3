"""What holds for every test: random order, golden files, and no silent skips in CI.

Order. Modules, and the tests in each, run in an order drawn from a seed that the header prints; `--order-seed N` repeats it, 0 keeps the
order of the files.

Skips. A test skips when this machine lacks what it needs, and says what. CI installs all of it, so with CI=true a skip whose reason matches no
line of `tests/allowed_skips.txt` fails the run: a suite that quietly tests less must not stay green.

Examples. Hypothesis draws others each time, but in CI always the same: what it finds there is of the change, and not of the draw. None has a
deadline: on a busy machine any may take long.

Other users. pytest's temporary folders are closed to all but the user who runs it; `open_folder` is one that every user can reach.

Golden files. `golden(name, text)` compares with `tests/golden/NAME`; `--golden` (`make golden`) writes the files instead.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import settings

HERE = Path(__file__).parent
SEED_VARIABLE = "TORCHSYNC_TEST_ORDER"

settings.register_profile("usual", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "usual")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--golden", action="store_true", help="rewrite tests/golden instead of comparing with it")
    parser.addoption("--order-seed", type=int, default=None, help="repeat the order of an earlier run; 0: the order of the files")


def pytest_configure(config: pytest.Config) -> None:
    # What a script starts with `&` ignores SIGINT, and so would all that tests start (bash(1), "Signals").
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):  # workers of xdist inherit the environment, hence the seed: all must collect in one order
        seed = config.getoption("--order-seed")
        os.environ[SEED_VARIABLE] = str(random.randrange(1, 1_000_000) if seed is None else seed)
    config.pluginmanager.register(SkipGate(), "torchsync-skip-gate")


def pytest_report_header() -> str:
    return f"order seed: {os.environ[SEED_VARIABLE]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seed = int(os.environ[SEED_VARIABLE])
    if seed:
        draw = random.Random(seed)  # tests of a module stay together, so that fixtures of a module are set up once
        modules = {item.nodeid.partition("::")[0]: draw.random() for item in items}
        items.sort(key=lambda item: (modules[item.nodeid.partition("::")[0]], draw.random()))


class SkipGate:
    """Collects the reasons of skips, and with CI=true turns the run red for those that are not allowed."""

    def __init__(self) -> None:
        self._unwanted: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        reason = (report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)).removeprefix("Skipped: ")
        if not any(fnmatchcase(reason, pattern) for pattern in allowed_skips()):
            self._unwanted.setdefault(reason, []).append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._unwanted and os.environ.get("CI") == "true" and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._unwanted or os.environ.get("CI") != "true":
            return
        terminalreporter.section("skips that CI does not allow", red=True)
        for reason, tests in sorted(self._unwanted.items()):
            terminalreporter.line(f"{reason}: {len(tests)} skipped, the first is {tests[0]}")
        terminalreporter.line("Install what is missing in .ci/run, or allow the reason in tests/allowed_skips.txt.")


def allowed_skips() -> list[str]:
    """The patterns of `tests/allowed_skips.txt`: one a line, `#` starts a comment."""
    lines = (HERE / "allowed_skips.txt").read_text().splitlines()
    return [pattern for line in lines if (pattern := line.partition("#")[0].strip())]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with its golden file, or writes it under `--golden`."""

    def compare(name: str, text: str) -> None:
        path = HERE / "golden" / name
        if request.config.getoption("--golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is not there yet: `make golden` writes it"
        assert text == path.read_text(), f"differs from {path}; if that is meant, run `make golden` and read the difference"

    return compare


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that other users can enter and list, with no closed folder above it."""
    with tempfile.TemporaryDirectory(prefix="torchsync-test-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
