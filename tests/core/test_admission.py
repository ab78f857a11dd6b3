import pytest

from tests.builders import NOON, task
from torchsync.core.admission import decide
from torchsync.core.model import CronTiming, Instant, Millis, SkipReason

TIMING = CronTiming(schedule="@hourly", starting_deadline=Millis(60_000))


@pytest.mark.parametrize(
    ("late", "running", "limit", "expected"),
    [
        pytest.param(0, 0, 1, None, id="free and in time"),
        pytest.param(60_000, 0, 1, None, id="the last moment still counts"),
        pytest.param(60_001, 0, 1, SkipReason.MISSED, id="a moment too late"),
        pytest.param(0, 1, 1, SkipReason.OVERLAP, id="full"),
        pytest.param(0, 1, 2, None, id="one of two"),
        pytest.param(0, 500, 0, None, id="no limit"),
        pytest.param(60_001, 1, 1, SkipReason.MISSED, id="missed is asked before overlap"),
    ],
)
def test_a_fire_is_admitted_or_skipped_for_the_first_reason_that_holds(
    late: int, running: int, limit: int, expected: SkipReason | None
) -> None:
    one = task(timing=TIMING, max_running=limit)
    assert decide(one, TIMING, NOON, running, Instant(NOON + late)) is expected
