import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.host import ROOT
from tests.systemd.box import Box, probe
from tests.systemd.service import SYSTEMD, Service, install

_numbers = itertools.count()


@pytest.fixture(scope="session")
def box() -> Iterator[Box]:
    """One for all tests: it holds nothing but the installed package between them."""
    probe()
    folder = Path(tempfile.mkdtemp(prefix="tsb-", dir="/srv"))
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
def service(box: Box, request: pytest.FixtureRequest) -> Iterator[Service]:
    """Installed and configured for the systemd executor or the one that `either` asks for; not started."""
    folder = box.shared / f"t{next(_numbers)}"
    folder.mkdir()
    one = Service(box, folder, getattr(request, "param", SYSTEMD))
    yield one
    one.close()
