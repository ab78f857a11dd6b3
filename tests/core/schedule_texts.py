"""Random schedules that are accepted, or nearly always, and how many of them a test tries."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.depth import LONG


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples * LONG,
        deadline=None,
        derandomize=LONG == 1,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


@st.composite
def plain_entry(draw: st.DrawFn, low: int, high: int) -> str:
    size = high - low + 1
    start, distance = draw(st.integers(low, high)), draw(st.integers(1, size - 1))
    step = draw(st.integers(1, distance))
    stop = low + (start - low + distance) % size
    forms = [f"{start}", f"{start}-{start}", f"{start}-{stop}", f"{start}-{stop}/{step}", f"*/{min(step, high - low)}"]
    if start < high:
        forms.append(f"{start}/{min(step, high - start)}")
    return draw(st.sampled_from(forms))


def plain_field(low: int, high: int) -> st.SearchStrategy[str]:
    return st.one_of(st.just("*"), st.lists(plain_entry(low, high), min_size=1, max_size=3).map(",".join))


def near(low: int, high: int, *likely: str) -> st.SearchStrategy[str]:
    """Fields that often match: `*`, the likely ones, then anything."""
    return st.one_of(st.just("*"), st.sampled_from(likely), plain_field(low, high))


DATES = st.one_of(plain_field(1, 31), st.sampled_from(["L", "LW", "1,LW", "15,L", "LW,L", "31", "29-31", "28-2"]))
WEEKDAYS = st.one_of(plain_field(0, 6), st.sampled_from(["0-7", "5-7", "7-2", "fri-mon", "sun", "7", "1-7/3", "mon-fri"]))
SPECIAL_DAYS = st.sampled_from(["L5", "L0", "L7", "5#3", "1#1,1#3", "0#5", "7#1,L1", "sat#2"])
DAYS = st.one_of(
    st.tuples(DATES, plain_field(1, 12), WEEKDAYS),
    st.tuples(st.just("*"), plain_field(1, 12), SPECIAL_DAYS),
    st.tuples(DATES, st.just("*"), st.just("*")),
).map(" ".join)
OFTEN_DAYS = st.sampled_from(["* * *", "* * *", "*/2 * *", "1-15,27-31 * *", "* * 0,6", "L,1-7 * 0", "* * 0#1,L0,L6", "28-7 3-4,9-12 *"])


@st.composite
def five_fields(draw: st.DrawFn) -> str:
    minute = draw(near(0, 59, "0", "30", "15,45", "*/20", "0-59/7", "50-10/5"))
    hour = draw(near(0, 23, "0-4", "1-3", "*/2", "22-2", "0,1,2,3", "0-23", "23-3/2"))
    return f"{minute} {hour} {draw(OFTEN_DAYS)}"


@st.composite
def six_fields(draw: st.DrawFn) -> str:
    return f"{draw(near(0, 59, '0', '0,30', '*/17', '59'))} {draw(five_fields())}"


@st.composite
def hashed_entry(draw: st.DrawFn, low: int, high: int, *extra: str) -> str:
    """`H` in all its forms, in a field from `low` to `high`."""
    size = high - low + 1
    start, distance = draw(st.integers(low, high)), draw(st.integers(1, size - 1))
    stop = low + (start - low + distance) % size
    span = f"({start}-{stop})"
    forms = ["H", f"H/{draw(st.integers(1, high - low))}", f"h{span}", f"H{span}/{draw(st.integers(1, distance))}", f"H({start}-{start})"]
    return draw(st.sampled_from([*forms, *extra]))


def hashed_field(low: int, high: int, *extra: str) -> st.SearchStrategy[str]:
    return st.lists(hashed_entry(low, high, *extra), min_size=1, max_size=2).map(",".join)


@st.composite
def hashed_fields(draw: st.DrawFn, *, seconds: bool = False) -> str:
    """Fields of which at least one has an `H`, often among plain entries."""
    second = ["0", "H", "H(0-5)/2", "*/20"] if seconds else []
    minute = st.one_of(hashed_field(0, 59), hashed_field(0, 59).map("7,{}".format), near(0, 59, "0", "30"))
    hour = st.one_of(hashed_field(0, 23), st.sampled_from(["H(0-3)", "H(22-4)/2", "2", "*", "0-4", "H(1-2)"]))
    day = st.one_of(st.just("*"), hashed_field(1, 28), st.sampled_from(["1-15,27-31", "H,L", "*/2,H"]))
    month = st.one_of(st.just("*"), hashed_field(1, 12, "H(jan-mar)", "H(oct-feb)/2"))
    weekday = st.one_of(st.just("*"), hashed_field(0, 6, "H(mon-fri)", "H(0-7)", "H(5-7)", "H(7-2)", "H(fri-1)/3"), st.just("sun"))
    fields = [*([draw(st.sampled_from(second))] if seconds else []), *(draw(field) for field in (minute, hour, day, month, weekday))]
    return " ".join(fields)
