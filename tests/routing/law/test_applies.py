"""Two provisions meet exactly when some ticket is meant by both: tried on all tickets there can be."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from routing.law.provisions import Applies, Provision

INTENTS, CLASSES, URGENCIES = ("consult", "complaint", "help"), ("urban", "other"), ("normal", "emergency")
FIRST = date(2026, 1, 1)

some = st.builds(
    Applies,
    intents=st.lists(st.sampled_from(INTENTS), unique=True).map(tuple),
    classes=st.lists(st.sampled_from(CLASSES), unique=True).map(tuple),
    urgencies=st.lists(st.sampled_from(URGENCIES), unique=True).map(tuple),
)


@given(some, some)
def test_meeting(one: Applies, other: Applies) -> None:
    tickets = list(product(INTENTS, CLASSES, URGENCIES))
    both = [ticket for ticket in tickets if one.covers(*ticket) and other.covers(*ticket)]
    assert one.meets(other) == other.meets(one) == bool(both)


@given(st.integers(0, 400), st.integers(1, 400) | st.none(), st.integers(-10, 900))
def test_in_force(begins: int, lasts: int | None, asked: int) -> None:
    since = FIRST + timedelta(days=begins)
    until = since + timedelta(days=lasts) if lasts is not None else None
    one = Provision(article="第一条", rule="YZ-1", since=since, until=until)
    day = FIRST + timedelta(days=asked)
    assert one.holds_on(day) == (begins <= asked and (lasts is None or asked < begins + lasts))
