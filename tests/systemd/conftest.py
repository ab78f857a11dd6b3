import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.host import ROOT
from tests.systemd.box import Box, probe
from tests.systemd.service import Service, install

_numbers = itertools.count()


@pytest.fixture(scope="session")
def box() -> Iterator[Box]:
    """One for all tests: it holds nothing but the installed package between them."""
    probe()
    folder = Path(tempfile.mkdtemp(prefix="tsb-", dir="/tmp"))
    folder.chmod(0o755)
    for name in ("layers", "shared"):
        (folder / name).mkdir()
    elsewhere = [place for place in (ROOT, Path(sys.prefix), Path(sys.base_prefix)) if place.stat().st_dev != Path("/").stat().st_dev]
    one = Box(folder / "layers", folder / "shared", *elsewhere)
    try:
        install(one)
        yield one
    finally:
        one.close()
        shutil.rmtree(folder)


@pytest.fixture
def service(box: Box) -> Iterator[Service]:
    """Installed and configured, not started."""
    folder = box.shared / f"t{next(_numbers)}"
    folder.mkdir()
    one = Service(box, folder)
    yield one
    one.close()
