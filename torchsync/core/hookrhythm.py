"""When webhooks lead to syncs. Pure: time comes in as values.

Theory of operation. A hook only says: look. The first one is followed at once; more within `LEAST_DISTANCE` are followed by one look at its
end, so that the last push of a burst is never missed and a flood of replays costs one `ls-remote` each five seconds.

A forge may send its hook before its own servers show the new commit (seen with several of them). So a sync that finds the commit which the hook
says was replaced looks again, a few times, later and later. Finding any other commit ends that: a replay of an old hook names a commit that
was replaced long ago, and makes nobody look again.
"""

from __future__ import annotations

from torchsync.core.model import Millis

LEAST_DISTANCE = Millis(5_000)
LOOK_AGAIN = (Millis(2_000), Millis(5_000), Millis(10_000))
_MOST_REPLACED = 16


class HookRhythm:
    """What hooks have asked for and was not done yet."""

    def __init__(self) -> None:
        self._wanted_at: Millis | None = None
        self._not_before = Millis(0)
        self._look_at: Millis | None = None
        self._looks = 0
        self._expected = ""
        self._replaced: tuple[str, ...] = ()

    def take(self, before: str, after: str, mono: Millis) -> None:
        """A hook came. `before` and `after` are commits of the ref that is followed; empty when it did not tell."""
        if self._wanted_at is None:
            self._wanted_at = max(mono, self._not_before)
        if after and after != self._expected:
            self._expected, self._looks = after, 0
            known = (*self._replaced, before)[-_MOST_REPLACED:]
            self._replaced = tuple(commit for commit in known if commit and commit != after)

    def is_due(self, mono: Millis) -> bool:
        """Whether to ask for a sync now; told once."""
        is_wanted = self._wanted_at is not None and self._wanted_at <= mono
        is_second_look = self._look_at is not None and self._look_at <= mono
        if is_wanted:
            self._wanted_at, self._not_before = None, Millis(mono + LEAST_DISTANCE)
        if is_wanted or is_second_look:
            self._look_at = None
        return is_wanted or is_second_look

    def saw(self, revision: str, mono: Millis) -> None:
        """A sync found this revision; empty when it found out nothing."""
        if not revision:
            return
        if revision in self._replaced and self._looks < len(LOOK_AGAIN):
            self._look_at = Millis(mono + LOOK_AGAIN[self._looks])
            self._looks += 1
        else:
            self._look_at, self._replaced = None, ()

    def next_wake(self, mono: Millis) -> Millis | None:
        """How long until a sync is to be asked for; None while nobody wants one."""
        moments = [moment for moment in (self._wanted_at, self._look_at) if moment is not None]
        return Millis(max(0, min(moments) - mono)) if moments else None
