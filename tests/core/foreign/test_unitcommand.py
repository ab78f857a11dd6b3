from __future__ import annotations

import json
import subprocess
import sys

import pytest

from torchsync.core.foreign.unitcommand import command_of, environment_of, read_commands
from torchsync.core.jsontext import Json

SHOW = f"{sys.executable} -c 'import json, sys; print(json.dumps(sys.argv[1:]))'"
"""Prints its arguments."""


def translated(*lines: str) -> Json:
    return command_of([command for line in lines for command in read_commands(line, str)])


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ('/bin/a "b c" d\\x20e', ["/bin/a", "b c", "d e"]),
        ("@/bin/a other b", ["/bin/a", "b"]),
        ("/bin/a 100$$ $$HOME", ["/bin/a", "100$", "$HOME"]),
        (":/bin/a $HOME $$", ["/bin/a", "$HOME", "$$"]),
        ("/bin/a b$HOME", ["/bin/a", "b$HOME"]),
        ("/bin/sh -c 'echo $$HOME'", ["/bin/sh", "-c", "echo $HOME"]),
        ("/bin/a ${HOME}", 'exec /bin/a "${HOME}"'),
        ("/bin/a $OPTS *", "set -f; exec /bin/a $OPTS '*'"),
        ("-/bin/a", "/bin/a || :"),
        ("/bin/a ; /bin/b \\; c", "/bin/a && /bin/b ';' c"),
    ],
)
def test_a_command_is_a_list_unless_the_shell_is_needed(line: str, command: Json) -> None:
    assert translated(line) == command


def test_commands_in_a_row_end_with_the_first_that_fails_unless_it_may() -> None:
    text = translated("-/bin/false", "/bin/echo one", "/bin/sh -c 'exit 3'", "/bin/echo two")
    done = subprocess.run(["/bin/sh", "-c", str(text)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("one\n", 3)


@pytest.mark.parametrize(
    ("arguments", "seen"),
    [
        ("${A}", ["x  y*"]),
        ("$B", ["one", "two*"]),
        ("x $B/c $1 $ '$A b' y", ["x", "y"]),
        ("'$B' $B_1 a$$b $$B", ["one", "two*", "a$b", "$B"]),
        ("${B}$A ${B ${B:-d}", ["one two*$A", "${B", "${B:-d}"]),
        ("a${A}b${MISSING}c", ["ax  y*bc"]),
        ("$MISSING", []),
        ("${MISSING}", [""]),
        ('\'${A} $$ "quoted"\' "it\'s"', ['x  y* $ "quoted"', "it's"]),
        ("$${A}", ["${A}"]),
        ("`id` '$(id)' ${A} !x \\\\", ["`id`", "x  y*", "!x", "\\"]),
    ],
)
def test_the_program_sees_what_systemd_would_give_it(arguments: str, seen: list[str]) -> None:
    """Run by a real shell; what systemd gives is by systemd.service(5), and was looked at once with systemd 252."""
    command = translated(f"{SHOW} {arguments}")
    argv = ["/bin/sh", "-c", command] if isinstance(command, str) else command
    assert isinstance(argv, list)
    done = subprocess.run([str(word) for word in argv], env={"A": "x  y*", "B": "one two*"}, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == seen


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('/bin/a "b', "is opened and not closed"),
        ("-", "no program is named"),
        ("/opt/${HOST}/a", "systemd expands no variable in the name of a program"),
    ],
)
def test_what_cannot_be_run_is_refused(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        translated(line)


def test_variables_of_the_environment() -> None:
    assert environment_of("A=1 \"B=two words\" C=x=y 'D='", str) == {"A": "1", "B": "two words", "C": "x=y", "D": ""}
    with pytest.raises(ValueError, match="`oops` is not `NAME=value`"):
        environment_of("A=1 oops", str)
