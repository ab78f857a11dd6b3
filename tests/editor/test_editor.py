"""What an editor makes of a task repository: the real language servers, with the settings that the repository has.

`yaml-language-server` is what VS Code's YAML extension and Neovim run, `vscode-json-languageservice` is the one inside of VS Code.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.editor.server import LanguageServer
from torchsync.adapters.schemas import read_schema, read_schema_text
from torchsync.cli.main import main

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample-repo"
HOW_TO = ROOT / "docs/how-to/editors.md"

TASK = """\
version: 1
tasks:
  tea:
    schedule: "@daily"
    command: echo tea
    time
"""
MISTAKES = {
    "tasks/deep/bad.yaml": "version: 1\ntasks:\n  tea:\n    schedule: '@daily'\n    shedule: x\n    command: x\n    max_running: many\n",
    "tasks/bad.yml": "version: 1\ntasks:\n  tea:\n    command: x\n    shedule: x\n",
    "hosts.yaml": "version: 1\nhosts:\n  web-1:\n    lables: {role: web}\n",
    "torchsync.yaml": "version: 1\nguards:\n  min_task: many\n",
}
"""Files, each with what no schema lets pass; the last line but for `max_running` has an unknown key."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as `init` makes it."""
    place = tmp_path_factory.mktemp("editor") / "ops"
    assert main(["init", str(place), "--forge", "none"]) == 0
    return place


@pytest.fixture(scope="module")
def settings(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / ".vscode/settings.json").read_text())
    return found


def started(modules: Path, folder: Path, settings: dict[str, Any]) -> LanguageServer:
    return LanguageServer(["node", str(modules / "yaml-language-server/bin/yaml-language-server"), "--stdio"], folder, settings)


@dataclass(frozen=True)
class Editor:
    """A server that knows schemas by the settings of the repository, or by a mode line in each file."""

    server: LanguageServer
    has_settings: bool

    def text(self, path: str, text: str) -> str:
        """What the file at `path` is to hold. An empty line stands for the mode line, so that lines have the same numbers."""
        name = {"hosts.yaml": "hosts", "torchsync.yaml": "torchsync"}.get(path, "task")
        up = "../" * path.count("/") or "./"
        return f"\n{text}" if self.has_settings else f"# yaml-language-server: $schema={up}schemas/{name}.schema.json\n{text}"


@pytest.fixture(scope="module", params=["settings", "mode lines"])
def editor(request: pytest.FixtureRequest, modules: Path, folder: Path, settings: dict[str, Any]) -> Iterator[Editor]:
    """Either is enough."""
    has_settings = request.param == "settings"
    server = started(modules, folder, settings if has_settings else {})
    yield Editor(server, has_settings)
    server.close()


@pytest.mark.parametrize("path", MISTAKES)
def test_a_mistake_is_marked_at_its_line(editor: Editor, path: str) -> None:
    text = editor.text(path, MISTAKES[path])
    told = editor.server.mistakes(path, text)
    lines = text.splitlines()
    marked = {lines[line - 1].partition(":")[0].strip() for line, _ in told}
    wrong = {key for key in ("shedule", "max_running", "lables", "min_task") if key in text}
    assert wrong <= marked, told
    assert any("not allowed" in message for _, message in told)


def test_a_field_is_completed_with_what_it_means(editor: Editor) -> None:
    text = editor.text("tasks/new.yaml", TASK)
    editor.server.mistakes("tasks/new.yaml", text)
    answer = editor.server.at("textDocument/completion", "tasks/new.yaml", text, "    time")
    items = {item["label"]: item for item in answer["items"]}
    assert {"timeout", "timezone"} <= items.keys()
    assert read_schema("task")["$defs"]["fields"]["properties"]["timeout"]["description"] in json.dumps(
        items["timeout"], ensure_ascii=False
    )


def test_a_field_under_the_pointer_says_what_it_means(editor: Editor) -> None:
    text = editor.text("tasks/hover.yaml", TASK.replace("    time\n", ""))
    assert editor.server.mistakes("tasks/hover.yaml", text) == []
    answer = editor.server.at("textDocument/hover", "tasks/hover.yaml", text, "schedu")
    assert "five fields, six with seconds first" in answer["contents"]["value"]


def test_the_files_of_a_new_repository_and_of_the_sample_have_no_mistake(modules: Path, folder: Path) -> None:
    for root in (folder, SAMPLE):
        one = started(modules, root, json.loads((root / ".vscode/settings.json").read_text()))
        try:
            for file in (*sorted((root / "tasks").iterdir()), root / "hosts.yaml", root / "torchsync.yaml"):
                assert one.mistakes(str(file.relative_to(root)), file.read_text()) == [], file
        finally:
            one.close()


def test_the_settings_of_an_agent_are_checked_by_the_line_of_the_how_to_page(modules: Path, folder: Path) -> None:
    (line,) = re.findall(r"^# yaml-language-server: \$schema=(.*agent.schema.json)$", HOW_TO.read_text(), re.MULTILINE)
    (folder / "agent.schema.json").write_text(read_schema_text("agent"))
    one = started(modules, folder, {})
    try:
        text = f"# yaml-language-server: $schema={folder / Path(line).name}\nversion: 1\nrepository: {{url: /srv/x, intervall: 3s}}\n"
        assert any("intervall" in message for _, message in one.mistakes("agent.yaml", text))
    finally:
        one.close()


JSON_SCRIPT = """
const {getLanguageService, TextDocument} = require('vscode-json-languageservice');
const {readFileSync} = require('fs');
const [folder, path, text] = process.argv.slice(1);
const settings = JSON.parse(readFileSync(folder + '/.vscode/settings.json', 'utf8'));
const service = getLanguageService({schemaRequestService: async (uri) => readFileSync(new URL(uri), 'utf8')});
const schemas = settings['json.schemas'].map(({fileMatch, url}) => ({uri: new URL(url, 'file://' + folder + '/').href,
  fileMatch: fileMatch.map((pattern) => folder + pattern)}));
service.configure({schemas});
const document = TextDocument.create('file://' + folder + '/' + path, 'json', 1, text);
service.doValidation(document, service.parseJSONDocument(document))
  .then((found) => console.log(JSON.stringify(found.map((one) => [one.range.start.line + 1, one.message]))));
"""


def test_a_task_file_in_json_is_checked_too(modules: Path, folder: Path) -> None:
    def mistakes(path: str, text: str) -> Any:
        command = ["node", "-e", JSON_SCRIPT, str(folder), path, text]
        done = subprocess.run(command, cwd=modules.parent, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(done.stdout)

    bad = '{"version": 1, "tasks": {"tea": {\n  "shedule": "@daily", "command": "x"}}}'
    assert [line for line, message in mistakes("tasks/deep/tea.json", bad) if "shedule" in message] == [2]
    assert mistakes("tasks/tea.json", bad.replace("shedule", "schedule")) == []
    assert mistakes("other.json", bad) == []
