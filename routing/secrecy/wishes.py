"""What a caller asks for while the call lasts (YZ-26, S17): the machine protects the draft at once.

It only ever raises protection. Once a person has decided about a ticket's secrecy it says no more.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.history import MACHINE, line
from routing.reading.persons import Wish
from routing.secrecy.tables import SecrecyMark
from routing.storage import Ticket

_FLAGS: dict[Wish, tuple[str, str, str]] = {
    "identity": ("identity_secret", "身份保密", "YZ-26"),
    "content": ("content_secret", "内容保密", "YZ-26"),
    "anonymous": ("anonymous", "匿名", "S17"),
}
"""Wish -> the ticket's column, its name for people, the rule."""


async def unheeded(session: AsyncSession, ticket: Ticket, wishes: Collection[Wish]) -> list[Wish]:
    """What was asked for and does not hold yet."""
    news = [wish for wish, (flag, _, _) in _FLAGS.items() if wish in wishes and not getattr(ticket, flag)]
    if not news or await session.scalar(select(SecrecyMark.id).where(SecrecyMark.ticket_id == ticket.id).limit(1)):
        return []
    return news


def heed(session: AsyncSession, ticket: Ticket, wishes: Collection[Wish], at: datetime) -> None:
    """Protect the ticket, as part of the version that has been begun."""
    for wish in wishes:
        flag, name, rule = _FLAGS[wish]
        setattr(ticket, flag, True)
        made = line(ticket, at, MACHINE, "set_secrecy", field="secrecy", after=name, why="来电人要求", rule=rule)
        session.add(made)
