"""A new version of the calendar moves the limits that are still open, and says so in each ticket's history.

What is done stays as it was judged. Doing it twice changes nothing the second time; a pass that was interrupted goes
on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from routing.centre import Centre
from routing.law import clocks
from routing.law.calendar import BeyondCalendar
from routing.life import limits
from routing.life.changing import THE_MACHINE, Change, changing
from routing.life.tables import Clock
from routing.storage import DATABASE_AWAY, Ticket

_STILL_OPEN = (*limits.OPEN, "stopped")


@dataclass(frozen=True)
class Recalculated:
    """What one pass did: tickets looked at, limits that moved, and tickets whose limits lie beyond the calendar."""

    tickets: int
    moved: int
    beyond: tuple[str, ...]
    failed: Mapping[str, str] = field(default_factory=dict)
    """By ticket, why its limits stayed as they were: a row that cannot be read, a state that nobody knows, a clock of
    this machine that is behind the ticket's."""


async def recalculate(centre: Centre) -> Recalculated:
    """Bring every open limit of this jurisdiction to the calendar that the centre has now.

    A limit that the calendar does not reach, or a ticket that cannot be changed, stays as it is and is named, so that
    one ticket holds up no other. Raises what the database raises.
    """
    query = (
        select(Clock.ticket_id)
        .join(Ticket, Ticket.id == Clock.ticket_id)
        .where(
            Ticket.jurisdiction == centre.jurisdiction.id,
            Clock.state.in_(_STILL_OPEN),
            Clock.calendar_version != centre.calendar.version,
        )
        .distinct()
    )
    async with centre.db.session() as session:
        ticket_ids = sorted(await session.scalars(query))
    moved, beyond = 0, []
    failed: dict[str, str] = {}
    for ticket_id in ticket_ids:
        try:
            async with changing(centre, ticket_id, None, THE_MACHINE) as change:
                of_ticket = sum(_moved(change, clock) for clock in change.clocks)
            moved += of_ticket
        except BeyondCalendar:
            beyond.append(ticket_id)
        except DATABASE_AWAY:
            raise
        except Exception as problem:
            failed[ticket_id] = f"{type(problem).__name__}: {problem}"[:300]
    return Recalculated(len(ticket_ids), moved, tuple(beyond), failed)


def _moved(change: Change, clock: Clock) -> bool:
    calendar = change.centre.calendar
    if clock.state not in _STILL_OPEN or clock.calendar_version == calendar.version:
        return False
    before = clock.due_at
    clock.due_at = clocks.due(calendar, clock.started_at, limits.amount_of(clock), limits.steps_of(clock))
    clock.calendar_version = calendar.version
    if clock.due_at == before:
        return False
    if clock.state in limits.OPEN:
        clock.state = "running" if change.at <= clock.due_at else "breached"
        clock.warned = 0.0
        limits.look_again(change, clock)
    change.transition(
        "recalculate",
        name=f"clock {clock.kind}",
        after=f"{before.isoformat()} {clock.due_at.isoformat()}",
        why=f"工作日历 {calendar.version}",
        rule=clock.rule,
    )
    return True
