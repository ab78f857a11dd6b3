"""What a change of the tasks in force means for a copy of a task that runs. Pure.

A run ends by its own rules: it is its own definition that says whether it is ended when its task changes or goes. A task that is disabled is as
good as gone. A daemon of which nothing but the number of copies has changed is scaled: the copies that stay are as the new definition wants them.
"""

from __future__ import annotations

from torchsync.core.model import Conduct, Run, StopCause, Task


def conduct(old: Task, new: Task | None) -> Conduct:
    """What the copies of `old` do when `new`, which is another task, or no task takes its place."""
    return old.when_changed if new is not None and new.enabled else old.when_removed


def is_scaled(old: Task, new: Task) -> bool:
    """Both are the same daemon, with another number of copies or the same."""
    return bool(old.copy_print) and old.copy_print == new.copy_print


def stop_cause(run: Run, current: Task | None) -> StopCause | None:
    """Why the run is to be ended while `current` is the definition of its task in force; None when it goes on."""
    if current is not None and (run.task.fingerprint == current.fingerprint or _is_wanted(run, current)):
        return None
    if conduct(run.task, current) is Conduct.FINISH:
        return None
    return StopCause.CHANGED if current else StopCause.REMOVED


def _is_wanted(run: Run, current: Task) -> bool:
    return is_scaled(run.task, current) and run.copy <= current.max_running
