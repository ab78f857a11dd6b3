"""The two text formats of metrics, and which of them a scraper is given. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum


class Format(Enum):
    """The value is the content type. Lines of samples are the same in both; what stands around them is not."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


_OURS = {Format.TEXT: ("", "0.0.4"), Format.OPENMETRICS: ("", "1.0.0", "1.0")}
"""The versions by which each format may be asked for."""


def format_for(accept: str) -> Format:
    """The format for a request with this Accept header (RFC 9110, 12.5.1): OpenMetrics for who names it and likes nothing of ours better, text for
    everyone else, also for who accepts neither: a scraper that asks for the wrong thing still wants the metrics.
    """
    likes = dict.fromkeys(Format, 0.0)
    for form, weight in _wishes(accept):
        likes[form] = max(likes[form], weight)
    return Format.OPENMETRICS if 0 < likes[Format.OPENMETRICS] >= likes[Format.TEXT] else Format.TEXT


def _wishes(accept: str) -> Iterator[tuple[Format, float]]:
    for wish in accept.lower().split(","):
        media, *rest = (part.strip() for part in wish.split(";"))
        parameters = {name.strip(): value.strip(' "') for name, _, value in (part.partition("=") for part in rest)}
        for form in Format:
            if media == form.value.partition(";")[0] and parameters.get("version", "") in _OURS[form]:
                yield form, _weight(parameters.get("q", "1"))


def _weight(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0
