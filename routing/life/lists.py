"""Tickets for the centre: lists, the most urgent first, and one by its number. Units have routing.watch.work."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from routing.centre import Centre
from routing.life.states import OPEN
from routing.storage import Ticket


async def of_centre(centre: Centre, *, states: Sequence[str] = OPEN, limit: int = 100) -> list[Ticket]:
    """Tickets in these states, by their limits; those without one come last, the oldest first."""
    query = (
        select(Ticket)
        .where(Ticket.jurisdiction == centre.jurisdiction.id, Ticket.state.in_(list(states)))
        .order_by(Ticket.due_at.is_(None), Ticket.due_at, Ticket.created_at, Ticket.id)
        .limit(limit)
    )
    async with centre.db.session() as session:
        return list(await session.scalars(query))


async def find(centre: Centre, id_or_serial: str) -> Ticket | None:
    """The ticket with this id or serial number, or None."""
    async with centre.db.session() as session:
        found: Ticket | None = await session.scalar(
            select(Ticket).where(
                (Ticket.id == id_or_serial) | (Ticket.serial == id_or_serial),
                Ticket.jurisdiction == centre.jurisdiction.id,
            )
        )
        return found
