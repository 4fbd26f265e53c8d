"""The periods that are reported: weeks, months and years, as people of the jurisdiction live them (QH-4c).

A period begins and ends at midnight in the jurisdiction's timezone; a week begins on Monday (ISO 8601).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["week", "month", "year"]

KINDS: tuple[Kind, ...] = ("week", "month", "year")

_WEEK = re.compile(r"([0-9]{4})-W([0-9]{2})")
_MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
_YEAR = re.compile(r"[0-9]{4}")


class BadPeriod(ValueError):
    """A period that is not written as one."""


@dataclass(frozen=True)
class Period:
    """The days from `first` until before `after`."""

    kind: Kind
    first: date
    after: date

    @property
    def name(self) -> str:
        """As `parsed` reads it: 2026-W47, 2026-11 or 2026."""
        match self.kind:
            case "week":
                year, week, _ = self.first.isocalendar()
                return f"{year}-W{week:02}"
            case "month":
                return f"{self.first:%Y-%m}"
            case "year":
                return f"{self.first:%Y}"

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The first moment of the period and the first one after it, in UTC."""
        begin, end = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (self.first, self.after))
        return begin, end

    def before(self) -> Period:
        """The period of the same kind that ended when this one began."""
        return containing(self.first - timedelta(days=1), self.kind)

    def a_year_earlier(self) -> Period:
        """The period to compare with (同比): the same month or year of the year before; of weeks, the 52nd before."""
        if self.kind == "week":
            return containing(self.first - timedelta(weeks=52), "week")
        return containing(self.first.replace(year=self.first.year - 1), self.kind)


def containing(day: date, kind: Kind) -> Period:
    """The period of this kind that `day` lies in."""
    match kind:
        case "week":
            monday = day - timedelta(days=day.weekday())
            return Period("week", monday, monday + timedelta(days=7))
        case "month":
            first = day.replace(day=1)
            return Period("month", first, (first + timedelta(days=31)).replace(day=1))
        case "year":
            return Period("year", date(day.year, 1, 1), date(day.year + 1, 1, 1))


def parsed(text: str) -> Period:
    """The period written as 2026-W47, 2026-11 or 2026. Raises BadPeriod."""
    try:
        if week := _WEEK.fullmatch(text):
            return containing(date.fromisocalendar(int(week[1]), int(week[2]), 1), "week")
        if month := _MONTH.fullmatch(text):
            return containing(date(int(month[1]), int(month[2]), 1), "month")
        if _YEAR.fullmatch(text):
            return containing(date(int(text), 1, 1), "year")
    except (ValueError, OverflowError):
        pass  # 2026-13, 2025-W53, 0000: written like a period, but there is none
    raise BadPeriod(f"'{text}' is no period; write a year (2026), a month (2026-11) or an ISO week (2026-W47)")
