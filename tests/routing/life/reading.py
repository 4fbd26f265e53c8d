"""What a test looks at in the database, as it stands there."""

from __future__ import annotations

from sqlalchemy import select

from routing.life.tables import Clock, Task
from routing.storage import Database, Ticket, TicketChange


async def ticket_of(db: Database, ticket_id: str) -> Ticket:
    """The ticket's row."""
    async with db.session() as session:
        return await session.get_one(Ticket, ticket_id)


async def clocks_of(db: Database, ticket_id: str) -> list[Clock]:
    """The ticket's clocks, the oldest first."""
    async with db.session() as session:
        return list(await session.scalars(select(Clock).where(Clock.ticket_id == ticket_id).order_by(Clock.id)))


async def tasks_of(db: Database, ticket_id: str) -> list[Task]:
    """The ticket's tasks, the oldest first."""
    async with db.session() as session:
        return list(await session.scalars(select(Task).where(Task.ticket_id == ticket_id).order_by(Task.id)))


async def history_of(db: Database, ticket_id: str) -> list[TicketChange]:
    """The lines of the ticket's history, the oldest first."""
    query = select(TicketChange).where(TicketChange.ticket_id == ticket_id).order_by(TicketChange.id)
    async with db.session() as session:
        return list(await session.scalars(query))


async def everything_of(db: Database, ticket_id: str) -> tuple[object, ...]:
    """All that is stored about a ticket, to be compared with what is stored later."""
    rows: list[object] = []
    for row in (
        await ticket_of(db, ticket_id),
        *await clocks_of(db, ticket_id),
        *await tasks_of(db, ticket_id),
        *await history_of(db, ticket_id),
    ):
        rows.append(tuple((column.name, getattr(row, column.key)) for column in row.__table__.columns))
    return tuple(rows)
