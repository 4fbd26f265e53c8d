"""Periods: where they begin and end, in the jurisdiction's time, over every boundary of the calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.statistics.periods import KINDS, BadPeriod, Kind, containing, parsed

SHANGHAI = ZoneInfo("Asia/Shanghai")
days = st.dates(date(1990, 1, 1), date(2100, 12, 31))


@given(days, st.sampled_from(KINDS))
def test_every_day_lies_in_one_period_and_the_name_leads_back_to_it(day: date, kind: Kind) -> None:
    period = containing(day, kind)
    assert period.first <= day < period.after
    assert parsed(period.name) == period


@given(days, st.sampled_from(KINDS))
def test_periods_follow_each_other_without_a_gap(day: date, kind: Kind) -> None:
    period = containing(day, kind)
    assert period.before().after == period.first
    assert containing(period.after, kind).before() == period
    assert containing(period.after - timedelta(days=1), kind) == period


def test_a_month_of_the_jurisdiction_begins_at_its_own_midnight() -> None:
    begin, end = parsed("2026-11").bounds(SHANGHAI)
    assert begin == datetime(2026, 10, 31, 16, tzinfo=UTC)
    assert end == datetime(2026, 11, 30, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first", "after"),
    [
        ("2024-02", date(2024, 2, 1), date(2024, 3, 1)),
        ("2026-12", date(2026, 12, 1), date(2027, 1, 1)),
        ("2026", date(2026, 1, 1), date(2027, 1, 1)),
        ("2026-W53", date(2026, 12, 28), date(2027, 1, 4)),
        ("2027-W01", date(2027, 1, 4), date(2027, 1, 11)),
    ],
)
def test_periods_as_they_are_written(text: str, first: date, after: date) -> None:
    assert (parsed(text).first, parsed(text).after) == (first, after)


@pytest.mark.parametrize(
    ("text", "earlier"), [("2024-02", "2023-02"), ("2026", "2025"), ("2026-W47", "2025-W47"), ("2026-W53", "2026-W01")]
)
def test_the_period_to_compare_with(text: str, earlier: str) -> None:
    assert parsed(text).a_year_earlier().name == earlier


@pytest.mark.parametrize("text", ["", "2026-13", "2026-00", "2025-W53", "2026-W00", "26-11", "2026-11-05", "0000", "x"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(BadPeriod, match="write a year"):
        parsed(text)
