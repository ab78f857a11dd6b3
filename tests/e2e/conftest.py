import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.host import Host


@pytest.fixture
def host() -> Iterator[Host]:
    folder = Path(tempfile.mkdtemp(prefix="tse-", dir="/tmp"))
    folder.chmod(0o755)
    one = Host(folder)
    yield one
    one.close()
    shutil.rmtree(folder, ignore_errors=True)
