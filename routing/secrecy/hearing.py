"""Listening to the recording of a call. It holds what the transcript holds, and the voice: the same people may hear it.

Where the transcript is read on request only, a reason is given first and stands in the access log; what is written
there is the permission, for this person, this ticket and a quarter of an hour.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from routing.centre import Centre
from routing.life import given
from routing.life.errors import Missing
from routing.secrecy.errors import RevealRefused
from routing.secrecy.rights import sight
from routing.secrecy.tables import AccessEntry
from routing.secrecy.view import standing_to, without_identity
from routing.storage import Ticket
from routing.tickets import Actor

RECORDING = "recording"
"""What the access log calls it."""

HEARD_FOR = timedelta(minutes=15)
"""How long a reason that was given holds."""

_RULE = "YZ-26"
_MAX_REASON = 500


async def hear(centre: Centre, ticket_id: str, actor: Actor, reason: str | None = None) -> Ticket:
    """The ticket, when `actor` may hear its call now. With a `reason` (where one is needed) it is written down.

    Raises NoSuchTicket; Missing where a reason is needed and none holds; RevealRefused, which is written down as well.
    """
    why = None if reason is None else given.text("reason", reason, rule=_RULE, what="听录音的理由", limit=_MAX_REASON)
    async with centre.db.begin() as session:
        ticket, standing = await standing_to(session, centre, ticket_id, actor)
        seen = sight(standing, ticket, "transcript")
        if seen == "hidden" or (seen == "on_request" and why is not None):
            session.add(
                AccessEntry(
                    at=centre.now(),
                    actor=actor.name,
                    role=actor.role,
                    unit=actor.unit,
                    ticket_id=ticket.id,
                    field=RECORDING,
                    reason=without_identity(why or "", ticket),
                    outcome="refused" if seen == "hidden" else "shown",
                )
            )
        elif seen == "on_request":
            given_before = select(AccessEntry.id).where(
                AccessEntry.ticket_id == ticket.id,
                AccessEntry.actor == actor.name,
                AccessEntry.field == RECORDING,
                AccessEntry.outcome == "shown",
                AccessEntry.at > centre.now() - HEARD_FOR,
            )
            if await session.scalar(given_before.limit(1)) is None:
                raise Missing("这通电话要求保密，听录音要先写明理由", rule=_RULE, field="reason")
    if seen == "hidden":
        raise RevealRefused(
            f"工单 {ticket.serial} 的录音只有受理它的人和有权限的人可以听。这次操作已记录", rule=_RULE, field=RECORDING
        )
    return ticket
