"""Tickets, tasks and clocks as the services leave them, written as rows: what the watch and the statistics read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.law.calendar import calendar_of
from routing.law.clocks import next_look
from routing.life.tables import Clock, Task
from routing.storage import Database, Ticket
from settings import ROOT

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

WARN_AT = (0.5, 0.8)

_numbers = itertools.count(1)


@dataclass
class Time:
    """What time it is, for a centre whose time the test sets."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at

    def pass_(self, much: timedelta) -> None:
        self.at += much


def centre_of(database: Database, jurisdiction: Jurisdiction, time: Time) -> Centre:
    return Centre(database, jurisdiction, calendar_of(ROOT / "config" / "calendars", jurisdiction), time)


@dataclass
class Life:
    """One ticket to be written. `clocks`: kind -> (start, limit, unit); the rest are columns of the ticket."""

    created_at: datetime
    unit: str = "yz.zhifa"
    assisting: tuple[str, ...] = ()
    clocks: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)


async def write(database: Database, life: Life) -> Ticket:
    """Write it, with a task for each unit and the clocks running for the lead unit; gives back the ticket."""
    number = next(_numbers)
    ticket = Ticket(
        **{
            "serial": f"YZ20261101{number:05}",
            "jurisdiction": "yazhou",
            "state": "in_hand",
            "intent": "complaint",
            "urgency": "normal",
            "matter": "noise",
            "handling_class": "non_urban_management",
            "lead_unit": life.unit,
            "functional_unit": life.unit,
            "created_at": life.created_at,
            "updated_at": life.created_at,
            "accepted_at": life.created_at,
            "dispatched_at": life.created_at,
            "rounds": 1,
            "version": 3,
        }
        | life.columns
    )
    async with database.begin() as session:
        session.add(ticket)
        await session.flush()
        tasks = []
        for unit in (life.unit, *life.assisting):
            values = {"state": "accepted", "dispatched_at": life.created_at, "dispatched_by": "甲"} | life.task
            role = "lead" if unit == life.unit else "assist"
            tasks.append(Task(ticket_id=ticket.id, unit=unit, role=role, **values))
        session.add_all(tasks)
        await session.flush()
        for kind, (start, limit) in life.clocks.items():
            look = next_look(start, start + limit, WARN_AT, 0.0)
            assert look is not None
            session.add(
                Clock(
                    ticket_id=ticket.id,
                    task_id=tasks[0].id,
                    unit="" if kind in ("citizen", "return_review", "result_review") else life.unit,
                    kind=kind,
                    started_at=start,
                    due_at=start + limit,
                    amount=int(limit / HOUR),
                    amount_unit="hour",
                    rule="YZ-18",
                    article="第十八条",
                    calendar_version="test",
                    next_look_at=look[1],
                )
            )
    return ticket
