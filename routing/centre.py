"""The command centre (区指挥中心) as the services see it: its law, its calendar, its records, and what time it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ivr.events import now
from routing.jurisdiction import Jurisdiction
from routing.law.calendar import Calendar
from routing.storage import Database


@dataclass(frozen=True)
class Centre:
    """One jurisdiction at work. `now` gives aware UTC times; a jurist's simulation gives its own."""

    db: Database
    jurisdiction: Jurisdiction
    calendar: Calendar
    now: Callable[[], datetime] = now
