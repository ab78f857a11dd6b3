"""The documentation: its examples are valid, its links lead somewhere, and its generated pages are up to date."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.e2e.test_repair import MIRROR_FAULTS, TREE_FAULTS
from torchsync.cli.main import build_parser
from torchsync.codes import CODES
from torchsync.core.configfile import Account, ConfigFileReader
from torchsync.core.metrictable import PREFIX, rows
from torchsync.core.taskfile import TaskFileReader

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "sample-repo").rglob("*.md")])
SCHEMA = ROOT / "torchsync/schemas/task.schema.json"

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def task_files() -> list[object]:
    """The yaml blocks that are task files: those that say `version: 1` and have `tasks:`."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for block in FENCE.finditer(text):
            if block[1] == "yaml" and re.search(r"^version: 1$", block[2], re.MULTILINE) and re.search(r"^tasks:", block[2], re.MULTILINE):
                line = text.count("\n", 0, block.start()) + 1
                found.append(pytest.param(block[2], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


def agent_configurations() -> list[object]:
    """The yaml blocks that are an agent.yaml: those that have `repository:`."""
    blocks = [block[2] for page in PAGES for block in FENCE.finditer(page.read_text()) if block[1] == "yaml"]
    return [block for block in blocks if re.search(r"^repository:", block, re.MULTILINE)]


def headings(page: Path) -> set[str]:
    """The anchors a page has, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_shows_a_task_file() -> None:
    assert any(str(param.id).startswith("README.md") for param in task_files())  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", task_files())
def test_a_task_file_in_the_documentation_is_valid(text: str) -> None:
    drafts, problems = TaskFileReader(json.loads(SCHEMA.read_text())).read("tasks/example.yaml", text.encode())
    assert not problems, "\n".join(map(str, problems))
    assert drafts


COMMAND = re.compile(r"(?:^|[|(] ?|sudo )torchsync ([a-z].*)")
SHELLS = ("", "sh", "bash", "console")


def commands() -> list[str]:
    """What pages tell people to type after `torchsync`, without what the shell makes of the rest of the line."""
    blocks = [block[2] for page in PAGES for block in FENCE.finditer(page.read_text()) if block[1] in SHELLS]
    typed = (COMMAND.search(line.strip()) for block in blocks for line in block.splitlines())
    return [re.split(r" (?:>|\||\|\||&&|;|&) ", found[1])[0] for found in typed if found and "<(" not in found[1]]


def test_every_command_of_a_page_is_one_the_program_has() -> None:
    assert len(commands()) > 100
    parser = build_parser(every=True)
    for command in commands():
        parser.parse_args(shlex.split(command, comments=True))


def options() -> dict[str, str]:
    """The help of each command, by its name."""
    (choices,) = [action.choices for action in build_parser(every=True)._actions if isinstance(action.choices, dict)]
    return {name: command.format_help() for name, command in choices.items()}


def test_every_option_that_a_sentence_speaks_of_is_one_of_its_command() -> None:
    known, seen = options(), 0
    for page in PAGES:
        for span in re.findall(r"`torchsync ([a-z][^`]*)`", FENCE.sub("", page.read_text()).replace("\n", " ")):
            name, *words = span.split()
            assert name in known, (page, span)
            assert [word for word in words if word.startswith("--") and not re.search(rf"{word}\b", known[name])] == [], (page, span)
            seen += 1
    assert seen > 100


def test_every_code_and_metric_that_a_page_names_is_there() -> None:
    metrics = {PREFIX + row.name + end for row in rows() for end in ("", "_bucket", "_count", "_sum")}
    for page in PAGES:
        text = page.read_text()
        assert set(re.findall(r"\bTS\d{3}\b", text)) <= set(CODES), page
        assert set(re.findall(r"\btorchsync_[a-z_]*[a-z]\b", text)) <= metrics, page


def test_every_setting_that_a_page_names_is_there() -> None:
    reference = "".join((ROOT / f"docs/reference/{name}.md").read_text() for name in ("agent", "task", "torchsync", "hosts"))
    settings = set(re.findall(r"^### `([^`]+)`$", reference, re.MULTILINE))
    first = {setting.split(".")[0] for setting in settings}
    for page in PAGES:
        named = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", page.read_text()))
        named = {name for name in named if name.split(".")[0] in first and name.rpartition(".")[2] not in ("yaml", "md", "server")}
        assert named <= settings, page


def test_every_page_is_found_from_the_index() -> None:
    index = (ROOT / "docs/index.md").read_text()
    pages = [
        page.relative_to(ROOT / "docs") for folder in ("reference", "how-to", "explanation") for page in (ROOT / "docs" / folder).iterdir()
    ]
    assert [page for page in pages if f"({page})" not in index] == []


@pytest.mark.parametrize("text", agent_configurations())
def test_an_agent_configuration_in_the_documentation_is_valid(text: str) -> None:
    schema = json.loads((ROOT / "torchsync/schemas/agent.schema.json").read_text())
    Draft202012Validator(schema).validate(yaml.safe_load(text))
    document, problems = ConfigFileReader(schema).read("agent.yaml", text.encode(), Account(user="root", is_root=True))
    assert (document is not None, problems) == (True, ())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or not file.is_relative_to(ROOT) or (anchor and anchor not in headings(file)):
            broken.append(target)
    assert not broken


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.generate", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_every_promise_names_tests_that_exist() -> None:
    page = (ROOT / "docs/explanation/promises.md").read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    source = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for section in sections:
        named = re.findall(r"^- `(test_\w+)`$", section, re.MULTILINE)
        assert named, section.splitlines()[0]
        assert [name for name in named if f"def {name}(" not in source] == []


def test_every_fault_that_is_repaired_stands_in_the_table_and_every_test_it_names_exists() -> None:
    page = (ROOT / "docs/explanation/self-repair.md").read_text()
    source = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", page)
    assert [name for name in named if f"def {name}(" not in source] == []
    mirror, trees = (re.findall(r"^\| ([^|]+) \| .* \| (\w*) ?\|$", part, re.MULTILINE) for part in page.split("\n## ")[1:3])
    assert dict(mirror[1:]) == {fault: action for fault, (_, action) in MIRROR_FAULTS.items()}
    assert dict(trees[1:]) == dict.fromkeys(TREE_FAULTS, "tree")


def test_the_readme_installs_as_the_page_about_it_does() -> None:
    """The page is what tests install by, under a real systemd."""
    readme, page = ([block[2] for block in FENCE.finditer((ROOT / name).read_text())] for name in ("README.md", "docs/how-to/install.md"))
    program, files = (next(text for text in page if text.startswith(first)) for first in ("/usr/bin/python3 -m venv", "install -D"))
    assert program + files in readme


def test_the_exit_codes_of_the_readme_are_those_of_the_errors() -> None:
    text = (ROOT / "torchsync/errors.py").read_text()
    used = set(re.findall(r"exit_status = (\d+)", text))
    told = set(re.findall(r"\d+", " ".join(re.findall(r"^\| ([\d, ]+) \|", (ROOT / "README.md").read_text(), re.MULTILINE))))
    assert used <= told


def test_every_row_of_the_threat_model_names_tests_that_exist() -> None:
    page = (ROOT / "docs/explanation/threat-model.md").read_text()
    source = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ") and "What somebody may try" not in line]
    assert len(rows) > 20
    for tried, _, shown in rows:
        named = re.findall(r"`(test_\w+)`", shown)
        assert named, tried
        assert [name for name in named if f"def {name}(" not in source] == [], tried
