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


NO_READER = """
import os, sys
from torchsync.cli.main import main
inner, outer = os.pipe()
os.close(inner)
os.dup2(outer, {fd})
sys.exit(main({words}))
"""
SHORT, LONG, WRONG = ["explain", "TS101"], ["next", "--expr", "* * * * * *", "-n", "20000"], ["explain", "TS999"]


@pytest.mark.parametrize(
    ("words", "fd", "unbuffered", "status"),
    [
        pytest.param(SHORT, 1, "", 0, id="the answer was known before it was written"),
        pytest.param(SHORT, 1, "1", 141, id="it was not"),
        pytest.param(LONG, 1, "", 141, id="a long answer is cut short"),
        pytest.param(WRONG, 1, "1", 66, id="an error"),
        pytest.param(WRONG, 2, "1", 66, id="an error that nobody reads"),
        pytest.param(SHORT, 2, "1", 0, id="nobody would read errors, and there are none"),
    ],
)
def test_a_reader_that_goes_away_changes_no_answer_and_one_cut_short_is_no_yes(words, fd, unbuffered, status) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": unbuffered}
    script = NO_READER.format(fd=fd, words=words)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, "Exception" in done.stderr, "TS901" in done.stderr) == (status, False, False)


def test_output_that_does_not_fit_on_the_disk_is_told() -> None:
    done = subprocess.run(
        f"{sys.executable} -m torchsync explain > /dev/full", shell=True, capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (done.returncode, "make room" in done.stderr, "Exception" in done.stderr) == (1, True, False)


@pytest.mark.parametrize("closed", ["<&-", "2>&-", ">&- 2>&- <&-"])
def test_a_stream_that_is_closed_is_no_error(tmp_path: Path, closed: str) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/a.yaml").write_text("nonsense")
    words = f"{sys.executable} -m torchsync import crontab - {closed}; test $? -eq 66 && {sys.executable} -m torchsync validate {tmp_path} {closed}"
    assert subprocess.run(words, shell=True, capture_output=True, cwd=ROOT, check=False).returncode == 65


def test_what_an_encoding_does_not_have_is_written_as_an_escape(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/a.yaml").write_text("version: 1\ntasks: {a: {schedule: x, command: ä}}\n")
    done = run("validate", str(tmp_path / "tasks"), "--format", "github", PYTHONIOENCODING="ascii")
    assert (done.returncode, "TS901" in done.stderr) == (65, False)
    (tmp_path / "tasks/a.yaml").rename(tmp_path / "tasks/ü.yaml")
    done = run("validate", str(tmp_path), "--format", "github", PYTHONIOENCODING="ascii")
    assert (done.returncode, "\\xfc.yaml" in done.stdout, done.stderr) == (65, True, "")


def test_an_option_is_written_in_full_and_an_unknown_one_is_told_with_the_options_there_are() -> None:
    done = run("sync", "--allow")
    assert done.returncode == 2
    assert "usage: torchsync sync " in done.stderr
    assert done.stderr.endswith("torchsync sync: error: unrecognized arguments: --allow\n")


def test_what_is_not_there_ends_with_66(tmp_path: Path) -> None:
    done = run("validate", str(tmp_path / "nowhere"))
    assert done.returncode == NotFound.exit_status
    assert "Traceback" not in done.stderr
