"""Tickets that became part of another one: each keeps its caller, and all of them hear the one result."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.life.changing import Change, changing, changing_two
from routing.life.tables import TicketLink
from routing.storage import Ticket
from routing.tickets import Actor

MERGED, REPEATS, FINAL, ANSWERED_BEFORE, SPLIT = "merged", "repeats", "final", "answered_before", "split"
"""Kinds of links; see TicketLink."""


async def parts_of(session: AsyncSession, ticket_id: str) -> list[Ticket]:
    """The tickets that became part of this one, also through another one."""
    return (await parts_of_all(session, [ticket_id])).get(ticket_id, [])


async def parts_of_all(session: AsyncSession, wholes: Sequence[str]) -> dict[str, list[Ticket]]:
    """The same for many at once, by the id of the ticket that they are part of in the end."""
    found: dict[str, list[Ticket]] = {}
    top = {whole: whole for whole in wholes}
    level = list(wholes)
    while level:
        query = (
            select(TicketLink.to_ticket_id, Ticket)
            .join(Ticket, Ticket.id == TicketLink.ticket_id)
            .where(TicketLink.to_ticket_id.in_(level), TicketLink.kind == MERGED, Ticket.state == "merged")
            .order_by(Ticket.created_at, Ticket.serial)
        )
        level = []
        for into, part in await session.execute(query):
            if part.id not in top:
                top[part.id] = top[into]
                found.setdefault(top[into], []).append(part)
                level.append(part.id)
    return found


async def whole_of(session: AsyncSession, ticket_id: str) -> str:
    """The id of the ticket that this one is part of in the end; its own when it is part of none."""
    seen = {ticket_id}
    while True:
        into = await session.scalar(
            select(TicketLink.to_ticket_id)
            .join(Ticket, Ticket.id == TicketLink.ticket_id)
            .where(TicketLink.ticket_id == ticket_id, TicketLink.kind == MERGED, Ticket.state == "merged")
        )
        if into is None or into in seen:
            return ticket_id
        ticket_id = into
        seen.add(into)


@contextlib.asynccontextmanager
async def opened(
    centre: Centre, ticket_id: str, version: int | None, actor: Actor
) -> AsyncIterator[tuple[Change, Change]]:
    """Change a caller's ticket and the one that it is part of, in one transaction; both are the same when it is part
    of none. Raises as `changing`.
    """
    async with centre.db.session() as session:
        whole_id = await whole_of(session, ticket_id)
    if whole_id == ticket_id:
        async with changing(centre, ticket_id, version, actor) as change:
            yield change, change
    else:
        async with changing_two(centre, (ticket_id, version), (whole_id, None), actor) as (part, whole):
            yield part, whole
