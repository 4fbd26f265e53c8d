"""The key for help that a waiting caller pressed: whoever pressed it and was helped by nobody must not be forgotten.

The caller may be gone before the menu of lines has been said to them, so that no line was ever asked for.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ivr.events import EmergencyKeyPressed
from routing.history import MACHINE, set_attention
from routing.jurisdiction import Jurisdiction
from routing.linkage.alarms import raise_alarm
from routing.linkage.guide import note
from routing.linkage.tables import Linkage
from routing.secrecy.view import CONFIDENTIAL, masked_number
from routing.storage import Call, Ticket, TicketChange
from routing.tickets import EMERGENCY_KEY, LINE_EXHAUSTED

_ACTION = "emergency_key"


async def key_pressed(
    session: AsyncSession, event: EmergencyKeyPressed, ticket: Ticket, jurisdiction: Jurisdiction
) -> None:
    """Write it into the ticket's history, where the end of the call looks for it."""
    rule = jurisdiction.emergency.article
    note(session, ticket, event.at, _ACTION, after="", why="来电人在等候时按了紧急键", rule=rule)
    await session.flush()


async def end_after_key(
    session: AsyncSession, call: Call, ticket: Ticket, at: datetime, jurisdiction: Jurisdiction
) -> None:
    """The call is over: an alarm and the supervisor's list, when the key led neither to a line nor to an agent."""
    pressed = await session.scalar(
        select(func.max(TicketChange.at)).where(TicketChange.ticket_id == ticket.id, TicketChange.action == _ACTION)
    )
    if pressed is None or await session.get(Linkage, call.call_id) is not None:
        return
    if call.answered_at is not None and call.answered_at >= pressed:
        return
    secret = ticket.identity_secret or ticket.restricted_to
    number = CONFIDENTIAL if secret else masked_number(call.caller_number) or "号码未显示"
    occasion = f"{call.call_id}:{_ACTION}"
    await raise_alarm(session, "emergency_key", occasion, at, call_id=call.call_id, detail=number)
    if ticket.state == "draft" and ticket.attention not in (EMERGENCY_KEY, LINE_EXHAUSTED):
        ticket.version += 1
        ticket.updated_at = max(ticket.updated_at, at)
        session.add(set_attention(ticket, EMERGENCY_KEY, at, MACHINE, rule=jurisdiction.emergency.article))
