"""A unit's work list: what it has to do, the most urgent first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from routing.centre import Centre
from routing.life.tables import Task
from routing.storage import Ticket
from routing.watch.tables import UNFINISHED


@dataclass(frozen=True)
class Work:
    """A task on a unit's list. Ids of the jurisdiction; what the citizen said is read ticket by ticket."""

    ticket_id: str
    serial: str
    version: int
    task_id: int
    role: str
    state: str
    intent: str
    urgency: str
    matter: str
    supervised: bool
    dispatched_at: datetime
    contacted_at: datetime | None
    accepted_at: datetime | None
    due_at: datetime | None


async def unit_work(centre: Centre, unit: str, *, limit: int = 100) -> list[Work]:
    """The unfinished tasks of a unit, those due first at the top; tasks without a limit come last."""
    limited = _tasks(centre, unit).where(Task.due_at.is_not(None)).order_by(Task.due_at, Task.id)
    unlimited = _tasks(centre, unit).where(Task.due_at.is_(None)).order_by(Task.id)
    async with centre.db.session() as session:
        found = [Work(**row) for row in (await session.execute(limited.limit(limit))).mappings()]
        if len(found) < limit:
            rows = await session.execute(unlimited.limit(limit - len(found)))
            found += [Work(**row) for row in rows.mappings()]
    return found


def _tasks(centre: Centre, unit: str) -> Select[Any]:
    columns: list[Any] = [
        *(Task.ticket_id, Ticket.serial, Ticket.version, Task.id.label("task_id"), Task.role, Task.state),
        *(Ticket.intent, Ticket.urgency, Ticket.matter, Ticket.supervised),
        *(Task.dispatched_at, Task.contacted_at, Task.accepted_at, Task.due_at),
    ]
    query: Select[Any] = select(*columns).join(Ticket, Ticket.id == Task.ticket_id)
    return query.where(Task.unit == unit, UNFINISHED, Ticket.jurisdiction == centre.jurisdiction.id)
