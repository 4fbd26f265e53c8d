"""Serial numbers of tickets: prefix of the jurisdiction, local date, six digits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from routing.jurisdiction import Jurisdiction
from routing.storage import TicketCounter


async def next_serial(session: AsyncSession, jurisdiction: Jurisdiction, at: datetime) -> str:
    """The next of its day. The counter's row is locked until the ticket is committed: no number twice."""
    day = f"{at.astimezone(jurisdiction.zone):%Y%m%d}"
    first = {"prefix": jurisdiction.prefix, "day": day, "last": 1}
    following = {"last": TicketCounter.last + 1}
    key = [TicketCounter.prefix, TicketCounter.day]
    if session.get_bind().dialect.name == "postgresql":
        on_postgres = postgresql.insert(TicketCounter).values(first)
        number = await session.scalar(
            on_postgres.on_conflict_do_update(index_elements=key, set_=following).returning(TicketCounter.last)
        )
    else:
        on_sqlite = sqlite.insert(TicketCounter).values(first)
        number = await session.scalar(
            on_sqlite.on_conflict_do_update(index_elements=key, set_=following).returning(TicketCounter.last)
        )
    return f"{jurisdiction.prefix}{day}{number:06d}"
