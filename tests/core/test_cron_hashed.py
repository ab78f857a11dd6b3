"""`H` in the fields of a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.schedule_texts import bounded, plain_field
from torchsync.core.cron import CronSchedule, Schedule, ScheduleRefusal, Spread, parse_schedule

NIGHTLY = Spread("db-1", "nightly")
SPREADS = [Spread(f"host-{number}", "task") for number in range(40)]


@dataclass(frozen=True, slots=True)
class Fixed(Spread):
    """A host for which every `H` picks the number `value`, as far as its range goes."""

    value: int = 0

    def pick(self, field: str, size: int) -> int:
        return self.value % size


def on(text: str, spread: Spread | None = NIGHTLY) -> Schedule:
    found = parse_schedule(text, spread)
    assert not isinstance(found, ScheduleRefusal), f"{text}: {found}"
    return found


def picked(field: str, size: int) -> int:
    return NIGHTLY.pick(field, size)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("H * * * *", f"{picked('minute', 60)} * * * *"),
        ("h(10-19) H * * *", f"{10 + picked('minute', 10)} {picked('hour', 24)} * * *"),
        ("0 H(22-4) * * *", f"0 {(22 + picked('hour', 7)) % 24} * * *"),
        ("H 0 3 * * *", f"{picked('second', 60)} 0 3 * * *"),
        ("0 0 H * *", f"0 0 {1 + picked('day', 28)} * *"),
        ("0 0 H(25-3) * *", f"0 0 {(25 - 1 + picked('day', 7)) % 28 + 1} * *"),
        ("0 0 1 H *", f"0 0 1 {1 + picked('month', 12)} *"),
        ("0 0 * * H", f"0 0 * * {picked('weekday', 7)}"),
        ("0 0 * * H(mon-fri)", f"0 0 * * {1 + picked('weekday', 5)}"),
        ("0 0 * * H(0-7)", f"0 0 * * {picked('weekday', 7)}"),
        ("0 0 * * H(6-7)", f"0 0 * * {6 + picked('weekday', 2)}"),
        ("H/15 * * * *", f"{picked('minute', 15)}/15 * * * *"),
        ("H(5-50)/20 * * * *", f"{5 + picked('minute', 20)}-50/20 * * * *"),
        ("0 H(22-4)/3 * * *", f"0 {(22 + picked('hour', 3)) % 24}-4/3 * * *"),
        ("0 0 H/10 * *", f"0 0 {1 + picked('day', 10)}-28/10 * *"),
        ("1,H,h(30-40)/5 * * * *", f"1,{picked('minute', 60)},{30 + picked('minute', 5)}-40/5 * * * *"),
        ("H(7-7) * * * *", "7 * * * *"),
    ],
)
def test_h_is_the_start_of_its_range_plus_a_number_by_host_and_task(text: str, plain: str) -> None:
    assert on(text) == on(plain)


@pytest.mark.parametrize(
    ("text", "plain"), [("H H * * *", "0 0 * * *"), ("H(7-9) H/6 H H *", "7 0/6 1 1 *"), ("0 0 H H(2-3) H(fri-mon)", "0 0 1 2 5")]
)
def test_without_a_host_h_is_the_start_of_its_range(text: str, plain: str) -> None:
    assert on(text, None) == on(plain)


def test_a_task_has_the_same_place_on_a_host_whatever_the_case_and_another_on_another_host() -> None:
    assert on("h H * * *") == on("H h * * *")
    assert len({on("H H * * *", spread) for spread in SPREADS}) > 35


def test_every_value_of_the_range_comes_up_and_no_other() -> None:
    found = {minute for number in range(600) for minute in minutes("H(20-39)", Spread(f"host-{number}", "task"))}
    assert found == set(range(20, 40))


@pytest.mark.parametrize("spread", SPREADS[:10])
def test_steps_of_h_lie_n_apart_within_the_range(spread: Spread) -> None:
    found = minutes("H(3-57)/10", spread)
    assert all(later - earlier == 10 for earlier, later in pairwise(found))
    assert 3 <= found[0] < 13
    assert 47 < found[-1] <= 57


def minutes(field: str, spread: Spread) -> tuple[int, ...]:
    found = on(f"{field} * * * *", spread)
    assert isinstance(found, CronSchedule)
    return found.minutes


def test_a_field_counts_as_full_when_h_makes_it_full() -> None:
    """Judged after `H` is expanded: with every minute there, a schedule is no wall-clock one."""
    assert is_wall_clock("H H * * *")
    assert not is_wall_clock("H/1 3 * * *")
    assert not is_wall_clock("*/2,H/2 3 * * *", Fixed("h", "t", 1))
    assert is_wall_clock("0/2,H/2 3 * * *", Fixed("h", "t", 0))


def is_wall_clock(text: str, spread: Spread = NIGHTLY) -> bool:
    found = on(text, spread)
    assert isinstance(found, CronSchedule)
    return found.is_wall_clock


@pytest.mark.parametrize("text", ["0 0 31 H *", "0 0 30-31 H(1-3) *", "0 0 31 H/1,4 */2", "0 0 31 H(4-6) */2", "0 0 31,LW H(1-2) */6"])
def test_the_verdict_does_not_depend_on_the_host(text: str) -> None:
    verdicts = {verdict(text, spread) for spread in [None, *SPREADS]}
    assert len(verdicts) == 1, verdicts


def verdict(text: str, spread: Spread | None) -> ScheduleRefusal | None:
    found = parse_schedule(text, spread)
    return found if isinstance(found, ScheduleRefusal) else None


@pytest.mark.parametrize("month", ["H", "H(2-2)", "H(2-3)", "H(4-6)", "H/6", "H/2", "2,H(4-6)", "1,H", "2", "H(7-8)"])
@pytest.mark.parametrize("weekday", ["*", "*/6", "*/5", "*/6,H", "*/6,H(1-5)", "*/6,H(5-6)", "H", "1,H"])
def test_a_schedule_is_refused_exactly_when_some_host_would_never_fire(month: str, weekday: str) -> None:
    """A host for every value that either `H` may have; each of these schedules, without `H`, is judged by itself."""
    for day in ("31", "30", "30,31", "29", "L", "LW", "31,LW", "28", "H", "*", "*/30", "29-31"):
        text = f"0 0 {day} {month} {weekday}"
        months, weekdays = stand_ins(month, 1, 12), stand_ins(weekday, 0, 6)
        never = any(verdict(f"0 0 {day.replace('H', '1')} {m} {w}", None) is not None for m, w in product(months, weekdays))
        assert (verdict(text, NIGHTLY) is not None) == never, text
        assert verdict(text, None) == verdict(text, NIGHTLY), text


def stand_ins(field: str, first: int, last: int) -> list[str]:
    """What the field, with one `H` at most, may stand for."""
    before, hashed, after = field.partition("H")
    if not hashed:
        return [field]
    if after.startswith("/"):
        step = int(after[1:])
        return [before + ",".join(map(str, range(first + start, last + 1, step))) for start in range(step)]
    low, high = (int(end) for end in after.strip("()").split("-")) if after else (first, last)
    return [f"{before}{value}" for value in range(low, high + 1)]


HASHED = st.sampled_from(["H", "H/2", "H/5", "H(2-5)", "H(1-4)/2", "H(5-3)", "H(5-2)/3", "h(2-2)", "H,H(3-6)"])
ANY = st.one_of(HASHED, HASHED.map("*/3,{}".format), HASHED.map("4,{}".format), st.just("*"))


@given(
    fields=st.tuples(
        ANY,
        ANY,
        ANY,
        st.one_of(ANY, st.sampled_from(["31", "30,31", "L", "LW", "*,H"]), plain_field(1, 31)),
        ANY,
        st.one_of(ANY, st.sampled_from(["L5", "5#3", "*/6", "*/6,H"])),
    ),
    hosts=st.lists(st.integers(0, 10_000), min_size=2, max_size=6),
)
@bounded(150)
def test_no_host_refuses_what_another_accepts(fields: tuple[str, ...], hosts: list[int]) -> None:
    text = " ".join(fields)
    spreads: list[Spread | None] = [None, *(Spread(f"host-{number}", "task") for number in hosts), *(Fixed("h", "t", n) for n in range(12))]
    assert len({verdict(text, spread) for spread in spreads}) == 1
