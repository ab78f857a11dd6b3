"""The defects of old objects that are let through when git checks what it fetches. Pure: one table for git, for its tests and for the reference.

Git checks every object of the whole history, by rules that came long after some of it was made; what is in a history cannot be corrected without
rewriting it. A defect is in this table when real repositories have it and when nothing that we do depends on what is wrong: it is in the line that
says who made a commit, or in how a mode is written. Everything else is refused with TS140.

Source of the names: git-fsck(1), "FSCK MESSAGES"; of the setting: git-config(1), fetch.fsck.<msg-id>.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defect:
    """A defect by git's name for it, what it is, and why it does no harm."""

    name: str
    what: str
    why: str


_PERSON = "Nobody is identified by this line: who signed is, by a key. The date in it is read strictly, and a commit that must be signed needs one."

IGNORED = (
    Defect(
        "zeroPaddedFilemode",
        "A tree writes the mode of an entry with a zero before it.",
        "Modes are read as numbers, and only whether a file may be executed counts.",
    ),
    Defect("badTimezone", "The time zone of an author or committer is none, such as `+051800`.", "Zones of commits are not used."),
    Defect("missingSpaceBeforeDate", "No blank stands between the address and the date.", _PERSON),
    Defect("zeroPaddedDate", "The date begins with a zero.", _PERSON),
    Defect("missingEmail", "An author or committer has no address.", _PERSON),
    Defect("missingNameBeforeEmail", "An author or committer has an address only.", _PERSON),
    Defect("missingSpaceBeforeEmail", "No blank stands between the name and the address.", _PERSON),
    Defect("badEmail", "The address is cut off or holds a bracket.", _PERSON),
    Defect("badName", "The name holds a bracket.", _PERSON),
    Defect("multipleAuthors", "A commit names several authors.", _PERSON),
)


def ignored_defects() -> tuple[str, ...]:
    """The table as arguments of git, to stand before the command."""
    return tuple(word for defect in IGNORED for word in ("-c", f"fetch.fsck.{defect.name}=ignore"))
