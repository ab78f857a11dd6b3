"""What Prometheus is asked, and what it answers, as values. Pure.

Sources: Prometheus' HTTP API ("Instant queries", "Format overview") and its "Querying basics".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torchsync.core.model import Instant

_TEXT_ONLY = {str}


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at the moment of the question. `name` is that of the metric, empty where the question dropped it. A value that is no number is 0:
    no metric of ours can be that.
    """

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromAnswer:
    """The samples, in the order they came, the moment they are of, and what Prometheus had to say besides."""

    samples: tuple[Sample, ...] = ()
    at: Instant | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromRefusal:
    """Prometheus understood that it was asked, and says why it does not answer."""

    kind: str
    message: str


def answer_from_document(document: object) -> PromAnswer | PromRefusal:
    """The answer to an instant query. Raises ValueError with a sentence for what no Prometheus says."""
    match document:
        case {"status": "error", "error": str(message), **more}:
            return PromRefusal(str(more.get("errorType", "error")), message)
        case {"status": "success", "data": {"resultType": "vector", "result": list(results)}, **more}:
            read = [_sample(result) for result in results]
            warnings = [*_texts(more.get("warnings")), *_texts(more.get("infos"))]
            at = Instant(round(read[0][0] * 1000)) if read else None
            return PromAnswer(samples=tuple(sample for _, sample in read), at=at, warnings=tuple(warnings))
        case _:
            raise ValueError("it is no answer of Prometheus to an instant query")


def _texts(found: object) -> list[str]:
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []


def _sample(result: Any) -> tuple[float, Sample]:
    """Answers hold hundreds of thousands of them: what is no sample is found by the error that it makes."""
    try:
        labels, (at, text) = result["metric"], result["value"]
        value, name = float(text), labels.pop("__name__", "")
        is_one = {type(name), *map(type, labels.values())} == _TEXT_ONLY
    except (TypeError, KeyError, ValueError, AttributeError):
        is_one = False
    if not is_one:
        raise ValueError("it holds what is no sample")
    return float(at), Sample(name, labels, value if math.isfinite(value) else 0.0)


def any_of(values: Iterable[str]) -> str:
    """A pattern for `=~` that matches these texts and no others, as the text of a PromQL string."""
    return "|".join(_literal(value) for value in sorted(values)).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _literal(text: str) -> str:
    """RE2 ("Syntax"): a backslash takes its meaning from any punctuation."""
    return "".join(f"\\{character}" if character in "\\.+*?()|[]{}^$-" else character for character in text)
