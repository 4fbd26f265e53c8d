"""A centre at a fixed moment: Friday, 20 November 2026, 10:00 in Yazhou."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.law.calendar import Calendar
from routing.storage import Database
from routing.tickets import Actor
from settings import ROOT

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
WANG = Actor("王坐席 8001", "agent")
OFFICE = Actor("周主任 9001", "center_office")
CLERK = Actor("符采编 zjj1", "unit_clerk", "yz.zhujian")
OTHER = Actor("黎采编 rsj1", "unit_clerk", "yz.renshe")


@dataclass
class Clockwork:
    """The simulated time of the centre."""

    at: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.at

    def passes(self, time: timedelta) -> None:
        self.at += time


@pytest.fixture
def clockwork() -> Clockwork:
    return Clockwork()


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction, clockwork: Clockwork) -> Centre:
    calendar = Calendar.load(ROOT / "config" / "calendars")
    return Centre(db=database, jurisdiction=yazhou, calendar=calendar, now=clockwork)
