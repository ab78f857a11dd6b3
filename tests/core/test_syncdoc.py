from dataclasses import replace

from tests.builders import task
from torchsync.core.model import Fingerprint, Position
from torchsync.core.syncdoc import stamp


def test_a_stamp_changes_with_what_a_task_is_and_with_where_it_stands() -> None:
    one = task()
    others = [
        replace(one, fingerprint=Fingerprint("f" * 64)),
        replace(one, source=Position("tasks/elsewhere.yaml", 3, 3)),
        replace(one, source=Position(one.source.path, 4, 3)),
    ]
    assert len({stamp(one), *map(stamp, others)}) == 4
    assert stamp(one) == stamp(replace(one))
