"""A forge for tests: its API for comments on loopback, and a runner that carries out the steps of a workflow or a pipeline as they stand.

What a step `uses` is not run: a checkout is there already, and an artifact stays where it is. `python3 -I -m venv` makes a folder whose `torchsync`
is the one under test and whose `pip` only notes what it was asked for. Everything else is run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.gitrepo import ENVIRONMENT

TOKEN = "forge-token-1f3c"
PYTHON = """\
#!/bin/sh
if [ "$1 $2 $3" = "-I -m venv" ]; then
  mkdir -p "$4/bin" && ln -s {torchsync} "$4/bin/torchsync" && ln -s {pip} "$4/bin/pip"
else
  exec {python} "$@"
fi
"""
PIP = '#!/bin/sh\necho "$@" >> {log}\n'


class CommentApi:
    """Comments of one pull request, as GitHub, Gitea and GitLab keep them: a list, a new one, an edit. Only `TOKEN` may do anything."""

    def __init__(self, *, is_paged: bool, may_write: bool = True) -> None:
        self.comments: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.is_paged = is_paged
        self.may_write = may_write
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.answer(self, 200, api.page(parse_qs(urlsplit(self.path).query)))

            def do_POST(self) -> None:
                api.answer(self, 201, api.write(self, None))

            def do_PATCH(self) -> None:
                api.answer(self, 200, api.write(self, int(self.path.rpartition("/")[2])))

            do_PUT = do_PATCH  # noqa: N815  # the name that the server looks for

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def page(self, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        """Gitea knows no pages of comments and answers with all of them, whichever page it is asked for."""
        size, number = int(query["per_page"][0]), int(query["page"][0])
        return self.comments[size * (number - 1) : size * number] if self.is_paged else self.comments

    def write(self, request: BaseHTTPRequestHandler, number: int | None) -> dict[str, Any]:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))["body"]
        if not self.may_write:
            return {}
        if number is None:
            self.comments.append({"id": 7_000 + len(self.comments), "body": body})
            return self.comments[-1]
        (comment,) = [one for one in self.comments if one["id"] == number]
        comment["body"] = body
        return comment

    def answer(self, request: BaseHTTPRequestHandler, status: int, document: Any) -> None:
        self.requests.append(f"{request.command} {urlsplit(request.path).path}")
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            status, document = 401, {}
        elif request.command != "GET" and not self.may_write:
            status, document = 403, {}
        text = json.dumps(document).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)


@dataclass
class Job:
    """What one job did: whether it ran and how it ended, and what it printed."""

    status: int | None = None
    output: str = ""


@dataclass
class Runner:
    """Carries out a workflow in a checkout. `folder` is for what a runner keeps outside of it."""

    checkout: Path
    folder: Path
    api: CommentApi
    jobs: dict[str, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tools = self.folder / "tools"
        tools.mkdir(parents=True)
        self.pip_log = self.folder / "pip.log"
        torchsync = Path(sys.executable).with_name("torchsync")
        self._script(tools / "pip", PIP.format(log=shlex.quote(str(self.pip_log))))
        self._script(tools / "python3", PYTHON.format(torchsync=torchsync, pip=tools / "pip", python=sys.executable))
        (self.folder / "temp").mkdir()
        (self.folder / "summary.md").touch()
        (self.folder / "path").touch()
        self.environment = ENVIRONMENT | {"HOME": str(self.folder), "TMPDIR": str(self.folder / "temp"), "CI": "true"}

    @staticmethod
    def _script(place: Path, text: str) -> None:
        place.write_text(text)
        place.chmod(0o755)

    def run(self, job: str, script: str, environment: Mapping[str, str], options: str) -> int:
        """The status of a script, as bash with these options has it; what it prints is added to what the job did."""
        added = (self.folder / "path").read_text().split()
        path = ":".join([*reversed(added), str(self.folder / "tools"), os.environ["PATH"]])
        command = ["bash", *options.split(), "-c", script]
        everything = {**self.environment, **environment, "PATH": path}
        done = subprocess.run(
            command, cwd=self.checkout, env=everything, check=False, timeout=60, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.jobs[job].output += done.stdout
        return done.returncode


class Workflow:
    """The jobs of a workflow of GitHub Actions, in their order, for one event. `context` is what expressions may ask for."""

    def __init__(self, runner: Runner, file: str, context: Mapping[str, Any]) -> None:
        self.document = yaml.safe_load((runner.checkout / file).read_text())
        self._runner = runner
        self._context = {"github": {"token": TOKEN, **context}, "runner": {"temp": str(runner.folder / "temp")}}
        repository = {"GITHUB_API_URL": runner.api.url, "GITHUB_REPOSITORY": "ops/tasks", "GITHUB_BASE_REF": "main"}
        files = {"GITHUB_STEP_SUMMARY": "summary.md", "GITHUB_PATH": "path", "RUNNER_TEMP": "temp"}
        self._environment = {
            **repository,
            **{name: str(runner.folder / file) for name, file in files.items()},
            "GITHUB_WORKSPACE": str(runner.checkout),
            **self.document.get("env", {}),
        }

    def run(self) -> dict[str, Job]:
        for name, job in self.document["jobs"].items():
            self._runner.jobs[name] = Job()
            if self._is(job.get("if", "${{ true }}"), has_failed=False):
                self._runner.jobs[name].status = self._run_job(name, job)
        return self._runner.jobs

    def _run_job(self, name: str, job: Mapping[str, Any]) -> int:
        status = 0
        for step in job["steps"]:
            wanted = self._is(step["if"], has_failed=status != 0) if "if" in step else status == 0
            if wanted and "run" in step:
                variables = {key: self.filled(value) for key, value in step.get("env", {}).items()}
                status = self._runner.run(name, self.filled(step["run"]), self._environment | variables, "-e") or status
        return status

    def _is(self, condition: str, *, has_failed: bool) -> bool:
        assert "cancelled()" in condition or not has_failed
        return self.filled(condition) == "True"

    def filled(self, text: str) -> str:
        """The text with the values of its expressions. Raises KeyError for what the event does not have."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self._value(found[1])), text)

    def _value(self, expression: str) -> Any:
        words = expression.strip().replace("!cancelled()", "True").replace("true", "True").replace("&&", " and ").replace("||", " or ")
        return eval(re.sub(r"\b(?:github|runner)(?:\.\w+)+", lambda name: repr(self._looked_up(name[0])), words))

    def _looked_up(self, name: str) -> Any:
        value: Any = self._context
        for part in name.split("."):
            value = value[part]
        return value


def run_pipeline(runner: Runner, file: str, variables: Mapping[str, str]) -> dict[str, Job]:
    """The jobs of a GitLab pipeline for a merge request, in their order; one that may not run after a failure does not."""
    document = yaml.safe_load((runner.checkout / file).read_text())
    has_failed = False
    for name, job in document.items():
        if name.startswith("."):
            continue
        runner.jobs[name] = Job()
        rule = job["rules"][0]
        assert rule["if"] == '$CI_PIPELINE_SOURCE == "merge_request_event"'
        if has_failed and rule.get("when") != "always":
            continue
        script = "\n".join(job["script"])
        runner.jobs[name].status = runner.run(name, script, {**variables, **job.get("variables", {})}, "-eo pipefail")
        has_failed = has_failed or runner.jobs[name].status != 0
    return runner.jobs
