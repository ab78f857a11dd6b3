"""Where the syncs of a host go, as far as operators have a say in it: nowhere, to a pinned revision, or with the remote. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torchsync.core.holds import Pin
from torchsync.core.model import Generation

_APPLIED_KEPT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """`paused` is the sentence that says why no remote is contacted; empty while they are. `applied` are the revisions that were in force, oldest
    first: where a rollback can go.
    """

    paused: str = ""
    pin: Pin | None = None
    applied: tuple[str, ...] = ()

    def is_for_another(self, other: Course) -> bool:
        """A sync that goes by this one does not fit the other."""
        ways = [(course.pin.revision, course.pin.passed_over) if course.pin else None for course in (self, other)]
        return bool(other.paused) or ways[0] != ways[1]

    def pinned_from(self, tip: str, generation: Generation | None) -> str:
        """The revision to go for instead of `tip`, as it is pinned; empty when there is none."""
        in_force = generation.revision if generation else ""
        return self.pin.revision if self.pin and self.pin.keeps_from(tip, in_force) else ""

    def is_off(self, generation: Generation) -> bool:
        """Operators asked for another revision than the one in force, and have not got it yet."""
        return self.pin is not None and not self.pin.names(generation.revision) and not self.pin.is_outdone_by(generation.revision)

    def reached(self, revision: str) -> Course:
        """With the revision as what a rollback of a later one leads to. None leads to what is passed over."""
        passed_over = self.pin.passed_over if self.pin else ()
        kept = (*self.applied, revision) if self.applied[-1:] != (revision,) else self.applied
        return replace(self, applied=tuple(one for one in kept if one not in passed_over)[-_APPLIED_KEPT:])
