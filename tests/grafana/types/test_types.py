"""Whether the dashboards are what Grafana says of itself that it reads: its package `@grafana/schema`, asked by the TypeScript compiler."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DASHBOARDS = HERE.parents[2] / "grafana/dashboards"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as the lock beside this file has them, and our types."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here, which runs the TypeScript compiler")
    made = tmp_path_factory.mktemp("types")
    for path in [*HERE.glob("*.json"), *HERE.glob("*.ts")]:
        shutil.copy(path, made)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return made


def test_the_dashboards_have_the_types_of_grafana_and_mistakes_have_not(folder: Path) -> None:
    for path in DASHBOARDS.glob("*.json"):
        checked = f'import type {{ Checked }} from "./dashboard";\nexport const {path.stem}: Checked = {path.read_text()};\n'
        (folder / f"{path.stem}.ts").write_text(checked)
    done = subprocess.run(["node", "node_modules/typescript/bin/tsc", "-p", "."], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
