"""What a job is called: by the program that its command is about. Pure.

`cd /srv && flock -n /run/x.lock nice ./bin/backup.sh --all >> log` is `backup`. A guess that need not be right, only short, stable and telling.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

_WRAPPERS = {
    "sudo": "ugpCh", "nice": "n", "ionice": "cnp", "nohup": "", "timeout": "ks", "flock": "wEc", "time": "fo", "env": "uCS", "exec": "a",
    "chronic": "", "setsid": "", "command": "", "cronic": "", "systemd-cat": "tp", "chpst": "", "stdbuf": "ioe", "eval": "", "then": "",
    "if": "", "!": "", "{": "",
}  # fmt: skip
"""Programs in front of the one that is meant, and those of their options that take a value."""
_OPERANDS = {"timeout": 1, "flock": 1}
"""How many words that are no options stand before the program."""
_SHELLS = {"sh", "bash", "dash", "ksh", "zsh"}
_INTERPRETERS = re.compile(r"(?:python|perl|ruby|php|node|java|pypy|Rscript)[0-9.]*")
_PASSED_OVER = {
    "cd", "test", "[", "[[", "export", "umask", "ulimit", ".", "source", "set", "sleep", "true", ":", "mkdir", "unset", "date", "fi", "done", "exit",
}  # fmt: skip
_ENDINGS = re.compile(r"\.(?:sh|bash|py|pl|rb|php|js|ksh|zsh|jar|bin|exe|cron)$")
_REDIRECTION = re.compile(r"[0-9]*(?:>&|<&|&>>?|>>?|<)\s*[^\s;|&()<>]*")
_PUNCTUATION = set("();<>|&")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")


def program_of(command: str, otherwise: str) -> str:
    """The name of the program, without its folder and ending; `otherwise` when there is none to see."""
    return next((name for words in _simple_commands(command) if (name := _named(words))), otherwise)


def _simple_commands(command: str) -> Iterator[Sequence[str]]:
    """The words of each command of a list or pipeline, without redirections (POSIX sh, 2.9)."""
    lexer = shlex.shlex(_REDIRECTION.sub(" ", command).replace("\n", ";"), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        for token in lexer:
            if set(token) <= _PUNCTUATION:
                yield words
                words = []
            else:
                words.append(token)
    except ValueError:
        words = command.replace('"', " ").replace("'", " ").split()
    yield words


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.replace('"', " ").replace("'", " ").split()


def _named(words: Sequence[str]) -> str:
    """The program of one simple command; empty for what only prepares another one."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        base = word.rsplit("/", 1)[-1]
        if _ASSIGNMENT.fullmatch(word) or word.startswith("-"):
            continue
        if base in _PASSED_OVER:
            return ""
        if base in _WRAPPERS:
            rest = _after_options(base, rest)
        elif base == "run-parts" and rest:
            return _bare(rest[-1])
        elif base in _SHELLS and rest:
            return _of_shell(rest, base)
        elif _INTERPRETERS.fullmatch(base) and rest:
            return _of_interpreter(rest, base)
        else:
            return _bare(base)
    return ""


def _after_options(wrapper: str, words: list[str]) -> list[str]:
    left, operands = list(words), _OPERANDS.get(wrapper, 0)
    while left and (left[0].startswith("-") or operands or _ASSIGNMENT.fullmatch(left[0])):
        word = left.pop(0)
        if not word.startswith("-"):
            operands -= not _ASSIGNMENT.fullmatch(word)
        elif word == "-c" and wrapper == "flock" and left:
            return _words(left[0])
        elif len(word) == 2 and word[1] in _WRAPPERS[wrapper] and left:
            left.pop(0)
    return left


def _of_shell(words: Sequence[str], shell: str) -> str:
    for index, word in enumerate(words):
        if word.startswith("-") and word.endswith("c"):
            return program_of(words[index + 1], shell) if index + 1 < len(words) else shell
        if not word.startswith("-"):
            return _bare(word)
    return shell


def _of_interpreter(words: Sequence[str], interpreter: str) -> str:
    for index, word in enumerate(words):
        if word in ("-m", "-jar") and index + 1 < len(words):
            return _bare(words[index + 1])
        if word in ("-c", "-e", "-r"):
            return interpreter
        if not word.startswith("-"):
            return _bare(word)
    return interpreter


def _bare(word: str) -> str:
    return _ENDINGS.sub("", word.rstrip("/").rsplit("/", 1)[-1])
