"""What the pages read that is about tickets and calls together."""

from __future__ import annotations

from sqlalchemy import case, func, or_, select

from routing.storage import Call, Database, Ticket


async def open_drafts(db: Database, extension: str, limit: int) -> list[tuple[Ticket, Call | None]]:
    """Drafts whose calls are over, those of agent `extension` first, the newest first."""
    query = (
        select(Ticket, Call)
        .outerjoin(Call, Call.call_id == Ticket.call_id)
        .where(Ticket.state == "draft", or_(Call.call_id.is_(None), Call.state == "ended"))
        .order_by(case((Call.agent == extension, 0), else_=1), Ticket.created_at.desc(), Ticket.id)
        .limit(limit)
    )
    async with db.session() as session:
        return [(ticket, call) for ticket, call in await session.execute(query)]


async def with_calls(db: Database, tickets: list[Ticket]) -> list[tuple[Ticket, Call | None]]:
    """Each ticket with its call, in the same order."""
    wanted = [ticket.call_id for ticket in tickets if ticket.call_id]
    async with db.session() as session:
        calls = {call.call_id: call for call in await session.scalars(select(Call).where(Call.call_id.in_(wanted)))}
    return [(ticket, calls.get(ticket.call_id or "")) for ticket in tickets]


async def draft_count(db: Database) -> int:
    """How many tickets are not confirmed."""
    async with db.session() as session:
        return await session.scalar(select(func.count()).select_from(Ticket).where(Ticket.state == "draft")) or 0


async def talking_call(db: Database, extension: str) -> Call | None:
    """The call in which agent `extension` talks now, or None."""
    query = (
        select(Call).where(Call.agent == extension, Call.state == "talking").order_by(Call.answered_at.desc()).limit(1)
    )
    async with db.session() as session:
        found: Call | None = await session.scalar(query)
        return found
