"""What a waiting caller said to the lines that were offered to them (dialplans/offer.conf)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ivr.events import OfferDeclined
from routing.jurisdiction import Jurisdiction
from routing.linkage.guide import note
from routing.linkage.tables import LinkageProposal
from routing.storage import Ticket

_BY_CALLER = "来电人"


async def declined(session: AsyncSession, event: OfferDeclined, ticket: Ticket, jurisdiction: Jurisdiction) -> None:
    """The caller wants none of these lines: no desk need decide about them any more; the ticket's history says so."""
    open_ones = select(LinkageProposal).where(LinkageProposal.call_id == event.call_id, LinkageProposal.state == "open")
    for proposal in await session.scalars(open_ones.with_for_update()):
        if set(proposal.lines) <= set(event.lines):
            proposal.state, proposal.decided_at, proposal.decided_by = "dismissed", event.at, _BY_CALLER
    note(
        session,
        ticket,
        event.at,
        "linkage_declined",
        after="、".join(event.lines),
        why="来电人按键表示不需要接通",
        rule=jurisdiction.emergency.article,
    )
