"""What the comments of a crontab are worth: descriptions, jobs that somebody commented out, or nothing. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BOILERPLATE = re.compile(
    r"""^[\s#*=_~|.'`+-]*$                                        # rulers and drawings
    | ^\s*m\s+h\s+dom\s+mon\s+dow | ^\s*(?:minute|min)\s.*(?:hour|hr)
    | [|.]\s*[-.]{2,}                                             # the drawing of the five fields
    | command\ to\ be\ executed | user-name | DO\ NOT\ EDIT | installed\ on\ \w{3}\ \w{3} | \$Id: | Cron\ version
    | Example\ of\ job\ definition | ^\s*-\*- | ^\s*vim?: | managed\ by | this\ file\ (?:is|was)\ (?:managed|generated)
    | system-wide\ crontab""",
    re.IGNORECASE | re.VERBOSE,
)
_NAMED = re.compile(r"\s*(?:Ansible|Puppet\ Name|Chef\ Name|Name)\s*:\s*(?P<name>\S.*?)\s*", re.IGNORECASE)
_LONGEST = 300


def name_of(comments: Sequence[str]) -> str:
    """The name that a tool such as Ansible or Puppet has left above a job; empty without one."""
    match = next((match for text in reversed(comments) if (match := _NAMED.fullmatch(text))), None)
    return match["name"] if match else ""


def description_of(comments: Sequence[str]) -> str:
    """What the comment lines right above a job say of it, on one line: the last paragraph, without rulers, drawings and boilerplate."""
    paragraph: list[str] = []
    for text in comments:
        words = " ".join(text.strip("#*=- \t").split())
        if not words:
            paragraph = [] if not text.strip("# \t") else paragraph
        elif not is_boilerplate(text) and not _NAMED.fullmatch(text):
            paragraph.append(words)
    text = " ".join(paragraph)
    return text if len(text) <= _LONGEST else text[:_LONGEST].rsplit(" ", 1)[0] + " ..."


def is_boilerplate(text: str) -> bool:
    """What stands in many crontabs and says nothing of the job below it."""
    return _BOILERPLATE.search(text) is not None
