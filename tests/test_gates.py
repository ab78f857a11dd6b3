"""The checks that `torchsync init` writes for each forge, and that sample-repo has: their commands are run, and what they post is read."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.forge import TOKEN, CommentApi, Job, Runner, Workflow, run_pipeline
from tests.gitrepo import Repo, one_task
from torchsync.cli.main import build_parser, main
from torchsync.core.forge import Forge
from torchsync.core.starter import GATES

SAMPLE = Path(__file__).parent.parent / "sample-repo"
MARK = "<!-- torchsync plan -->"
FILES = {forge: path for forge, paths in GATES.items() for path in paths}
GITHUB, GITLAB, GITEA = Forge.GITHUB, Forge.GITLAB, Forge.GITEA

# What Python would import from the current folder if it were asked to, and what git and a shell might pick up.
TRAPS = ("venv", "pip", "json", "os", "site", "sitecustomize", "usercustomize", "urllib", "encodings", "torchsync", "yaml", "conftest")


class Project:
    """A task repository as `init` makes it, with a pull request, and the checkout of it that a runner gets."""

    def __init__(self, folder: Path, forge: Forge) -> None:
        self.forge = forge
        self.folder = folder
        self.repo = Repo(folder / "ops")
        assert main(["init", str(self.repo.folder), "--forge", forge.value]) == 0
        self.repo.git("add", "--all")
        self.repo.git("commit", "--quiet", "--message=begin")
        self.base = self.repo.head
        self.runs = 0

    def request(
        self, files: dict[str, str | bytes], api: CommentApi, *, is_fork: bool = False, token: str = TOKEN
    ) -> tuple[Runner, dict[str, Job]]:
        """What its checks did when these files are the pull request."""
        self.runs += 1
        self.repo.git("checkout", "--quiet", "-B", "change", "main")
        self.repo.commit(files)
        if self.forge is GITHUB:  # its runner checks out the merge of the two
            self.repo.git("checkout", "--quiet", "--detach", "main")
            self.repo.git("merge", "--quiet", "--no-ff", "--no-edit", "change")
        checkout = self.folder / f"checkout-{self.runs}"
        self.repo.git("clone", "--quiet", str(self.repo.folder), str(checkout))
        runner = Runner(checkout, self.folder / f"runner-{self.runs}", api)
        if self.forge is GITLAB:
            return runner, run_pipeline(runner, FILES[GITLAB], self._variables(api, "" if is_fork else token))
        pull = {"number": 4, "head": {"repo": {"full_name": "mallory/tasks" if is_fork else "ops/tasks"}}}
        context = {"event_name": "pull_request", "repository": "ops/tasks", "event": {"pull_request": pull}, "ref": "refs/pull/4/merge"}
        return runner, Workflow(runner, FILES[self.forge], context).run()

    def _variables(self, api: CommentApi, token: str) -> dict[str, str]:
        request = {"CI_MERGE_REQUEST_IID": "4", "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.base}
        return {**request, "CI_API_V4_URL": api.url, "CI_PROJECT_ID": "12", "TORCHSYNC_TOKEN": token}


@pytest.fixture(scope="module", params=[GITHUB, GITLAB, GITEA], ids=lambda forge: forge.value)
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp(request.param.value), request.param)


@pytest.fixture
def api(project: Project) -> Iterator[CommentApi]:
    one = CommentApi(is_paged=project.forge is not GITEA)
    yield one
    one.close()


def first_job(jobs: dict[str, Job]) -> Job:
    return next(iter(jobs.values()))


def plan_of(runner: Runner) -> str:
    (plan,) = [*runner.checkout.glob("report/plan.md"), *runner.folder.glob("temp/report/plan.md")]
    return plan.read_text()


def test_a_pull_request_gets_its_plan_as_one_comment_and_nothing_in_it_is_run(project: Project, api: CommentApi) -> None:
    api.comments += [{"id": number, "body": f"I say {number}, and not {MARK}"} for number in range(230)]
    sprung = project.folder / "sprung"
    traps = {f"{name}.py": f"open({str(sprung)!r}, 'w').close()\n" for name in TRAPS}
    runner, jobs = project.request({"tasks/tea.yaml": one_task("tea-of-the-day"), **traps}, api)
    assert [job.status for job in jobs.values()] == [0] * len(jobs), jobs
    assert not sprung.exists()
    (comment,) = api.comments[230:]
    assert comment["body"].startswith(MARK)
    assert comment["body"] == plan_of(runner)
    assert "tea-of-the-day" in comment["body"]
    assert TOKEN not in "".join(job.output for job in jobs.values())
    assert re.fullmatch(r"install --quiet torchsync==\d+\.\d+\.\d+\n", runner.pip_log.read_text())

    project.request({"tasks/tea.yaml": one_task("coffee-of-the-day")}, api)
    (comment,) = api.comments[230:]
    assert "coffee-of-the-day" in comment["body"]
    assert "tea-of-the-day" not in comment["body"]


def test_a_pull_request_with_a_mistake_fails_and_the_comment_says_why(project: Project, api: CommentApi) -> None:
    runner, jobs = project.request({"tasks/tea.yaml": one_task("tea", shedule="'```'")}, api)
    check, comment, *_ = jobs.values()
    assert check.status != 0
    assert "tasks/tea.yaml:6:5: TS110 " in check.output
    assert comment.status == 0
    (posted,) = api.comments
    assert posted["body"].startswith(
        f"{MARK}\n**There is no plan: every host would keep the tasks it has.**\n\n    tasks/tea.yaml:6:5: TS110 "
    )
    sarif = next(iter([*runner.checkout.glob("report/*.sarif"), *runner.folder.glob("temp/report/*.sarif")]))
    assert '"TS110"' in sarif.read_text()


def test_a_fork_gets_no_comment_and_its_plan_all_the_same(project: Project, api: CommentApi) -> None:
    runner, jobs = project.request({"tasks/tea.yaml": one_task("tea")}, api, is_fork=True)
    assert first_job(jobs).status == 0
    assert {job.status for job in jobs.values()} <= {0, None}
    assert api.requests == []
    assert "tea" in plan_of(runner)
    if project.forge is GITHUB:
        assert (runner.folder / "summary.md").read_text() == plan_of(runner)


@pytest.mark.parametrize("project", [GITHUB], indirect=True)
def test_a_token_that_may_not_write_is_said_and_fails_nothing(project: Project, api: CommentApi) -> None:
    api.may_write = False
    _, jobs = project.request({"tasks/tea.yaml": one_task("tea")}, api)
    assert [job.status for job in jobs.values()] == [0] * len(jobs)
    assert any("no comment: the token may not write (HTTP Error 403" in job.output for job in jobs.values())


# What the files say


@pytest.mark.parametrize(("forge", "schema"), [(GITHUB, "github-workflows"), (GITEA, "github-workflows"), (GITLAB, "gitlab-ci")])
def test_a_forge_understands_the_file(forge: Forge, schema: str) -> None:
    """By the schemas that SchemaStore and GitLab publish."""
    rules = json.loads(files("check_jsonschema").joinpath(f"builtin_schemas/vendor/{schema}.json").read_text())
    document = {"on" if key is True else key: value for key, value in yaml.safe_load((SAMPLE / FILES[forge]).read_text()).items()}
    validator = Draft7Validator(rules)
    assert [f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator.iter_errors(document)] == []
    wrong = {**document, "torchsync": {"script": 1}} if forge is GITLAB else {**document, "jobs": {"check": {}}}
    assert not validator.is_valid(wrong)


@pytest.mark.parametrize("forge", [GITHUB, GITEA])
def test_a_workflow_takes_few_rights_and_pinned_actions(forge: Forge) -> None:
    text = (SAMPLE / FILES[forge]).read_text()
    workflow: dict[str, Any] = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    assert "pull_request_target" not in text
    for job in workflow["jobs"].values():
        writes = [right for right, how in job["permissions"].items() if how == "write"]
        checks_out = any("actions/checkout@" in step.get("uses", "") for step in job["steps"])
        runs = any("run" in step for step in job["steps"])
        assert not (writes and checks_out and runs), "who may write never runs anything beside the files of a pull request"
        assert all(re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40}", step["uses"]) for step in job["steps"] if "uses" in step)
        assert not any("${{" in step.get("run", "") for step in job["steps"]), "what a title or a branch says is no part of a script"


def test_the_pull_request_of_a_github_checkout_has_its_history() -> None:
    for forge in (GITHUB, GITEA):
        steps = yaml.safe_load((SAMPLE / FILES[forge]).read_text())["jobs"]["check"]["steps"]
        assert steps[0]["with"] == {"fetch-depth": 0, "persist-credentials": False}
    assert yaml.safe_load((SAMPLE / FILES[GITLAB]).read_text())["torchsync"]["variables"]["GIT_DEPTH"] == "0"


# What the pages say

PAGES = ("continuous-integration.md", "editors.md")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (SAMPLE.parent / "docs/how-to" / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_are_ones_the_program_has(page: str) -> None:
    lines = [line for block in blocks(page, "console") for line in block.splitlines() if line.startswith("torchsync ")]
    assert lines
    for line in lines:
        build_parser(every=True).parse_args(shlex.split(line.partition(" > ")[0], comments=True)[1:])


def test_the_settings_of_the_page_are_those_that_a_repository_gets() -> None:
    (shown,) = blocks("editors.md", "json")
    assert json.loads(shown).items() <= json.loads((SAMPLE / ".vscode/settings.json").read_text()).items()


def test_the_hook_of_the_page_is_one_of_this_project() -> None:
    (config,) = [yaml.safe_load(block) for block in blocks("continuous-integration.md", "yaml")]
    (hook,) = yaml.safe_load((SAMPLE.parent / ".pre-commit-hooks.yaml").read_text())
    assert [one["id"] for one in config["repos"][0]["hooks"]] == [hook["id"]]
    assert (
        f"rev: v{tomllib.loads((SAMPLE.parent / 'pyproject.toml').read_text())['project']['version']}"
        in (blocks("continuous-integration.md", "yaml")[0])
    )
