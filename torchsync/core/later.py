"""What torchsync's format has and this version does not: the one table behind TS113. Pure.

A name moves from here into its schema in the version that has it.
"""

from __future__ import annotations

from torchsync.core.yamltext import Route


def _words(text: str) -> list[str]:
    return text.split()


_TASK_FIELDS = _words("""
    run_on rollout coordination
""")

_FIELDS = frozenset(f"task.{name}" for name in _TASK_FIELDS)


def is_later_field(route: Route) -> bool:
    """Whether the key at this route of a task file or of agent.yaml is one of a later version."""
    return _dotted(route) in _FIELDS


def _dotted(route: Route) -> str:
    match route:
        case ("tasks", _, *rest) | ("defaults", *rest):
            return ".".join(["task", *map(str, rest)])
        case _:
            return ".".join(map(str, route))
