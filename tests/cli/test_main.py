import os
import subprocess
import sys
from pathlib import Path

import pytest

from torchsync.cli import main as command_line
from torchsync.cli.main import COMMANDS, build_parser, main
from torchsync.codes import CODES
from torchsync.errors import CommitInvalid, NotFound, Problem, TorchsyncError

ROOT = Path(__file__).parents[2]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, "-m", "torchsync", *words], capture_output=True, text=True, env=env, check=False)


def failing(error: BaseException):
    def execute(_: object) -> int:
        raise error

    return execute


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch):
    """Makes the command `status` end with this error."""

    def install(error: BaseException) -> None:
        one = command_line.Command("status", "for the test", __name__, "no_arguments", "fail")
        monkeypatch.setattr(command_line, "COMMANDS", (one,))
        monkeypatch.setattr(sys.modules[__name__], "fail", failing(error), raising=False)

    return install


def no_arguments(_: object) -> None: ...


def test_the_version_is_told_without_importing_any_command() -> None:
    script = "import sys; from torchsync.cli.main import main\ntry: main(['--version'])\nexcept SystemExit: pass\n"
    script += (
        "print(sorted(name for name in sys.modules if name.startswith('torchsync.') or name in ('yaml', 'git', 'jsonschema', 'croniter')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    version, loaded = done.stdout.splitlines()
    assert version.startswith("torchsync ")
    tables = "'torchsync.codetable', 'torchsync.codetable.commit', 'torchsync.codetable.host', 'torchsync.codetable.row', 'torchsync.codetable.sync'"
    assert loaded == f"['torchsync.cli', 'torchsync.cli.main', 'torchsync.codes', {tables}, 'torchsync.errors']"


def test_every_command_is_there_with_its_arguments() -> None:
    parser = build_parser(every=True)
    for command in COMMANDS:
        assert command.name in parser.format_help()


def test_no_command_at_all_shows_the_help_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "validate" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["nonsense"], ["status", "--nonsense"], ["next", "-n", "many"]])
def test_words_that_make_no_sense_end_with_2(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", TorchsyncError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_an_error_of_ours_ends_with_its_status_and_says_code_and_remedy(kind, command, capsys: pytest.CaptureFixture[str]) -> None:
    command(kind("TS353", "there is no folder /nowhere"))
    assert main(["status"]) == kind.exit_status
    said = capsys.readouterr().err
    assert "TS353 there is no folder /nowhere" in said
    assert CODES["TS353"].remedy in said


def test_an_error_that_carries_problems_tells_each_of_them(command, capsys: pytest.CaptureFixture[str]) -> None:
    problems = (Problem(code="TS110", message="unknown field `comand`", path="tasks/a.yaml", line=4, column=5, hint="write `command`"),)
    command(CommitInvalid("TS110", "the commit is not valid", problems))
    assert main(["status"]) == 65
    assert "tasks/a.yaml:4:5: TS110 unknown field `comand` (write `command`)" in capsys.readouterr().err


def test_an_error_nobody_thought_of_is_told_without_a_traceback(command, capsys: pytest.CaptureFixture[str]) -> None:
    command(ZeroDivisionError("division by zero"))
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    assert "TS901 ZeroDivisionError: division by zero" in said
    assert "Traceback" not in said


def test_the_traceback_is_there_for_those_who_ask(command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TORCHSYNC_DEBUG", "1")
    command(ZeroDivisionError("division by zero"))
    assert main(["status"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_no_error_to_speak_of(command) -> None:
    command(KeyboardInterrupt())
    assert main(["status"]) == 130


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m torchsync next --expr '* * * * * *' -n 100000 | head -1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.endswith("Z\n")


def test_what_is_not_there_ends_with_66(tmp_path: Path) -> None:
    done = run("validate", str(tmp_path / "nowhere"))
    assert done.returncode == NotFound.exit_status
    assert "Traceback" not in done.stderr
