"""Working days: the country's years (chinesecalendar), what config/calendars/ adds to them, and nothing beyond.

A calendar has a version, made of its days. Every deadline is stored with the version that made it, so that a new
year or a corrected day moves the open ones only, and knowingly (routing.law.recalculation).

How time runs: minutes, hours and calendar days run around the clock, 24 hours a day (S11, C3). A working day is
counted from the day after the event, and the last one ends at 24:00 (S12): a limit of working days falls on 00:00 of
the day after its last day, in the calendar's timezone. The days of late December can still be moved by the notice
for the next year; then the version changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from chinese_calendar.constants import holidays as holidays_of_country
from chinese_calendar.constants import workdays as working_weekends_of_country
from pydantic import BaseModel, ConfigDict, Field, field_validator

from routing.jurisdiction import Jurisdiction
from routing.law.provisions import Amount
from settings import ConfigurationError, HotlineError, YamlFile, read_yaml

COUNTRY = "cn"
"""The calendar that all others lie over."""

_ONE_DAY = timedelta(days=1)
_JUST_BEFORE = timedelta(microseconds=1)
_AROUND_THE_CLOCK = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "calendar_day": _ONE_DAY}


class BeyondCalendar(HotlineError):
    """A day of a year whose working days nobody has entered. Nothing is guessed: enter the year, then try again."""

    code = "beyond_calendar"
    rule = "S12"
    field = "calendar"

    def __init__(self, year: int, first: int, last: int) -> None:
        super().__init__(
            f"工作日历只有 {first} 年至 {last} 年，没有 {year} 年：请在 config/calendars/{COUNTRY}.yaml 的 years "
            f"里录入 {year} 年的放假安排，或升级 chinesecalendar；系统不推算放假安排"
        )
        self.year = year


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Holiday(_Part):
    """Days off in a row; `last` is itself a day off."""

    name: str = Field(min_length=1)
    first: date
    last: date


class Year(_Part):
    """One year as the State Council's notice arranges it. Weekends are off without being named.

    Once chinesecalendar has the year too, the days named here go before it.
    """

    year: int = Field(ge=2000, le=2100)
    document: str = Field(min_length=1)
    holidays: tuple[Holiday, ...] = Field(min_length=1)
    working_weekends: tuple[date, ...] = ()
    """Saturdays and Sundays on which people work (调休)."""


class Day(_Part):
    """One day that differs from the calendar below."""

    day: date
    working: bool
    name: str = Field(min_length=1)
    document: str = Field(min_length=1)
    """The notice that says so."""


class CountryCalendar(_Part):
    """config/calendars/cn.yaml."""

    id: Literal["cn"]
    name: str
    timezone: str
    years: tuple[Year, ...] = ()
    days: tuple[Day, ...] = ()

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"'{value}' is not a timezone such as Asia/Shanghai") from None
        return value


class LocalCalendar(_Part):
    """config/calendars/NAME.yaml: days that one locality has of its own."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    entered: tuple[int, ...] = ()
    """Years whose local days are all here, also when there are none; the others are asked for (`not_entered`)."""
    days: tuple[Day, ...] = ()


class Calendar:
    """Which days are working days, and what falls when.

    `differing` holds the days that are not as their weekday says: True works, False is off. `local` names the
    local calendars that lie in it, with the years that each has.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        first_year: int,
        last_year: int,
        differing: dict[date, bool],
        *,
        local: dict[str, frozenset[int]] | None = None,
    ) -> None:
        self.zone = zone
        self.first_year = first_year
        self.last_year = last_year
        self._local = local or {}
        self._differing = {day: works for day, works in differing.items() if works != (day.weekday() < 5)}
        self.names = (COUNTRY, *self._local)
        days = [[day.isoformat(), works] for day, works in sorted(self._differing.items())]
        content = json.dumps([zone.key, first_year, last_year, days])
        self.version = f"{'+'.join(self.names)}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"
        """Names the days themselves: comments and the order of files change nothing."""

    @classmethod
    def load(cls, folder: Path, names: Iterable[str] = ()) -> Calendar:
        """The country's calendar with the local ones named, the later over the earlier.

        Raises ConfigurationError that names file, line and key.
        """
        tree = read_yaml(folder / f"{COUNTRY}.yaml")
        country = tree.as_model(CountryCalendar)
        first, last = min(holidays_of_country).year, max(holidays_of_country).year
        differing = dict.fromkeys(holidays_of_country, False) | dict.fromkeys(working_weekends_of_country, True)
        for index, year in enumerate(country.years):
            _check_year(tree, index, year, first, last)
            last = max(last, year.year)
            differing |= _days_of(year)
        _lay_over(tree, country.days, differing, first, last)
        entered: dict[str, frozenset[int]] = {}
        for name in names:
            local_tree = _existing(folder, name)
            local = local_tree.as_model(LocalCalendar)
            if local.id != name:
                raise local_tree.error(("id",), f"'{local.id}' is not the name of the file; it must be '{name}'")
            _lay_over(local_tree, local.days, differing, first, last)
            entered[name] = frozenset(local.entered)
        return cls(ZoneInfo(country.timezone), first, last, differing, local=entered)

    @property
    def last_day(self) -> date:
        """The last day that it knows; whoever needs a later one gets BeyondCalendar."""
        return date(self.last_year, 12, 31)

    def not_entered(self, year: int) -> tuple[str, ...]:
        """The local calendars whose days of `year` nobody has entered yet."""
        return tuple(name for name, years in self._local.items() if year not in years)

    def is_working_day(self, day: date) -> bool:
        """Whether people work on `day`. Raises BeyondCalendar for a year that is not there."""
        if not self.first_year <= day.year <= self.last_year:
            raise BeyondCalendar(day.year, self.first_year, self.last_year)
        return self._differing.get(day, day.weekday() < 5)

    def day_of(self, moment: datetime) -> date:
        """The day on which `moment` lies in the calendar's timezone."""
        return moment.astimezone(self.zone).date()

    def add(self, start: datetime, amount: Amount) -> datetime:
        """When a limit of `amount` that an event at `start` begins is over (UTC). Raises BeyondCalendar."""
        if amount.unit != "working_day":
            return start.astimezone(UTC) + amount.value * _AROUND_THE_CLOCK[amount.unit]
        return self._end_of(self._working_day_after(self.day_of(start), amount.value))

    def put_off(self, due: datetime, amount: Amount) -> datetime:
        """When a limit at `due` is over after it was put off by `amount` (UTC).

        A limit at 00:00 belongs to the day that ends then: the day after it is the first that is gained.
        Raises BeyondCalendar.
        """
        if amount.unit != "working_day":
            return due.astimezone(UTC) + amount.value * _AROUND_THE_CLOCK[amount.unit]
        return self._end_of(self._working_day_after(self.last_day_before(due), amount.value))

    def back(self, due: datetime, amount: Amount) -> datetime:
        """The last moment at which `amount` is still left before `due` (UTC): two working days before a limit that
        ends on Friday at 24:00 is Wednesday at 24:00. Raises BeyondCalendar.
        """
        if amount.unit != "working_day":
            return due.astimezone(UTC) - amount.value * _AROUND_THE_CLOCK[amount.unit]
        day = self.last_day_before(due)
        part = due - self._beginning_of(day)
        while not self.is_working_day(day):
            day, part = day - _ONE_DAY, _ONE_DAY
        for _ in range(amount.value):
            day -= _ONE_DAY
            while not self.is_working_day(day):
                day -= _ONE_DAY
        return self._beginning_of(day) + part

    def later(self, due: datetime, working_days: int) -> datetime:
        """`due` so many working days later, at the same time of the day (UTC); 00:00 ends the day before it.

        Raises BeyondCalendar.
        """
        last = self.last_day_before(due)
        return self._beginning_of(self._working_day_after(last, working_days)) + (due - self._beginning_of(last))

    def working_time(self, start: datetime, end: datetime) -> timedelta:
        """How much of the time between the two lies in working days, each of them 24 hours. Raises BeyondCalendar."""
        total, day = timedelta(), self.day_of(start)
        while (begins := self._beginning_of(day)) < end:
            if self.is_working_day(day):
                total += min(end, self._end_of(day)) - max(start, begins)
            day += _ONE_DAY
        return total

    def from_working_day(self, moment: datetime) -> datetime:
        """`moment`, or where people do not work on its day 00:00 of the next working day (UTC)."""
        day = self.day_of(moment)
        if self.is_working_day(day):
            return moment.astimezone(UTC)
        return self._beginning_of(self._working_day_after(day, 1))

    def last_day_before(self, due: datetime) -> date:
        """The last day of which something lies before `due`: for 00:00 it is the day that ends then."""
        return self.day_of(due - _JUST_BEFORE)

    def _working_day_after(self, day: date, count: int) -> date:
        while count:
            day += _ONE_DAY
            count -= self.is_working_day(day)
        return day

    def _beginning_of(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def _end_of(self, day: date) -> datetime:
        return self._beginning_of(day + _ONE_DAY)


def calendar_of(folder: Path, jurisdiction: Jurisdiction) -> Calendar:
    """The calendar of a jurisdiction: the country's with the local ones that it names.

    Raises ConfigurationError; also where the two do not mean the same timezone.
    """
    calendar = Calendar.load(folder, jurisdiction.calendars)
    if calendar.zone.key != jurisdiction.timezone:
        raise ConfigurationError(
            f"{folder / COUNTRY}.yaml: timezone {calendar.zone.key} is not that of {jurisdiction.id} "
            f"({jurisdiction.timezone}); working days and deadlines need the same one"
        )
    return calendar


def _existing(folder: Path, name: str) -> YamlFile:
    path = folder / f"{name}.yaml"
    if name == COUNTRY or not path.exists():
        there = sorted(file.stem for file in folder.glob("*.yaml") if file.stem != COUNTRY)
        raise ConfigurationError(f"{path}: there is no local calendar '{name}' (there are: {', '.join(there)})")
    return read_yaml(path)


def _check_year(tree: YamlFile, index: int, year: Year, first: int, last: int) -> None:
    if not first <= year.year <= last + 1:
        raise tree.error(
            ("years", index, "year"),
            f"{year.year} leaves a gap: the years {first} to {last} are there, the next is {last + 1}",
        )
    for position, holiday in enumerate(year.holidays):
        if holiday.last < holiday.first:
            raise tree.error(
                ("years", index, "holidays", position, "last"), f"{holiday.last} lies before first {holiday.first}"
            )
        if year.year not in (holiday.first.year, holiday.last.year) or (holiday.last - holiday.first).days > 15:
            raise tree.error(
                ("years", index, "holidays", position),
                f"{holiday.first} to {holiday.last} is not a holiday of {year.year}; "
                "it must touch the year and last at most 16 days",
            )
    off = {day for day, works in _days_of(year).items() if not works}
    for position, day in enumerate(year.working_weekends):
        if day.weekday() < 5 or day.year != year.year:
            raise tree.error(
                ("years", index, "working_weekends", position), f"{day} must be a Saturday or Sunday of {year.year}"
            )
        if day in off:
            raise tree.error(
                ("years", index, "working_weekends", position), f"{day} is a holiday too; it can be one of them only"
            )


def _days_of(year: Year) -> dict[date, bool]:
    days = dict.fromkeys(year.working_weekends, True)
    for holiday in year.holidays:
        length = (holiday.last - holiday.first).days + 1
        days |= {holiday.first + timedelta(days=number): False for number in range(length)}
    return days


def _lay_over(tree: YamlFile, days: tuple[Day, ...], differing: dict[date, bool], first: int, last: int) -> None:
    seen: set[date] = set()
    for index, one in enumerate(days):
        if one.day in seen:
            raise tree.error(("days", index, "day"), f"{one.day} is there twice; each day may be there once")
        if not first <= one.day.year <= last:
            raise tree.error(
                ("days", index, "day"),
                f"the country's calendar has the years {first} to {last}, not {one.day.year}; enter that year first",
            )
        seen.add(one.day)
        differing[one.day] = one.working
