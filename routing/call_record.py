"""What each event of the telephone side does to the call's row and its draft ticket, in one transaction.

    arriving -> waiting -> ringing -> talking -> ended
                  ^          |          |
                  +----------+----------+   the agent left, the caller has not

Events are applied in the order of the stream. What comes late or out of turn still leaves its facts (when it was
queued, who answered), but never moves a call that has ended, and never takes a talking caller for a waiting one.
An event of a call that is not known (its arrival was lost with Redis's data) creates the call and its draft.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ivr import events
from routing.drafts import fill, open_draft, ticket_of
from routing.history import MACHINE, set_attention
from routing.jurisdiction import Jurisdiction
from routing.linkage.emergency_key import end_after_key, key_pressed
from routing.linkage.offers import declined
from routing.linkage.record import end_with_call
from routing.linkage.record import record as record_linkage
from routing.storage import Call, Ticket, Utterance
from routing.tickets import EMERGENCY_KEY, LINE_EXHAUSTED, MISSED

log = structlog.get_logger(__name__)

_NEXT: dict[str, dict[str, str]] = {
    "call_queued": {"arriving": "waiting", "ringing": "waiting"},
    "agent_ringing": {"arriving": "ringing", "waiting": "ringing"},
    "agent_answered": {"arriving": "talking", "waiting": "talking", "ringing": "talking"},
    "agent_left": {"talking": "waiting"},
    "call_ended": {"arriving": "ended", "waiting": "ended", "ringing": "ended", "talking": "ended"},
}
"""Event kind -> state before -> state after; a pair that is not here leaves the state as it is."""

_FORGOTTEN_AFTER = timedelta(hours=6)
"""A call whose node is not known (its arrival was lost) belongs to no inventory. When an inventory of any node comes
and such a call is older than this, it is taken to have ended: no call to a hotline lasts that long."""

_ASSUMED = ("abandoned", "spoke_unanswered", "no_transcript")
"""Reasons for attention that rest on what was not told by the end of the call; what is told late corrects them."""

_MISSED_RULE = "国办函〔2025〕66号"
"""Missed calls are called back."""


@dataclass(frozen=True)
class Touched:
    """A call that an event changed, and its ticket."""

    call_id: str
    ticket_id: str


async def apply(session: AsyncSession, event: events.Event, jurisdiction: Jurisdiction) -> list[Touched]:
    """Apply one event; flushes nothing by itself beyond what it needs to read. Returns what changed."""
    if isinstance(event, events.NodeInventory):
        return await _inventory(session, event, jurisdiction)
    call, ticket = await _call_and_ticket(session, event, jurisdiction)
    end_is_news = False
    match event:
        case events.CallArrived():
            _arrived(call, ticket, event)
        case events.CallQueued():
            call.queue = event.queue
            call.position = event.position
            call.queued_at = call.queued_at or event.at
        case events.AgentRinging():
            if call.state in ("arriving", "waiting", "ringing"):
                call.agent = event.agent
        case events.AgentAnswered():
            call.answered_at = call.answered_at or event.at
            call.agent = event.agent
            call.position = 0
        case events.AgentLeft():
            pass
        case events.ListeningStarted() | events.ListeningUnavailable():
            _listening(call, event)
        case events.Utterance():
            await _uttered(session, call, ticket, event, jurisdiction)
        case events.CallEnded():
            end_is_news = _ended(call, event)
            await end_with_call(session, call.call_id, event.at)
        case events.OfferDeclined():
            await declined(session, event, ticket, jurisdiction)
        case events.EmergencyKeyPressed():
            await key_pressed(session, event, ticket, jurisdiction)
        case events.LinkageEvent():
            await record_linkage(session, event, call, ticket, jurisdiction)
    # An agent who leaves while another one already talks to the caller (transfer) leaves nobody waiting.
    if not (isinstance(event, events.AgentLeft) and event.agent != call.agent):
        _move(call, event.kind)
    told_late = call.state == "ended" and ticket.attention in _ASSUMED
    if end_is_news or (told_late and isinstance(event, events.Utterance | events.AgentAnswered)):
        await _look_after(session, call, ticket, event)
    if call.state == "ended" and (end_is_news or isinstance(event, events.EmergencyKeyPressed)):
        await end_after_key(session, call, ticket, event.at, jurisdiction)
    return [Touched(call.call_id, ticket.id)]


def _move(call: Call, kind: str) -> None:
    after = _NEXT.get(kind, {}).get(call.state)
    if after is not None:
        log.info("call moved", call_id=call.call_id, before=call.state, after=after, by=kind)
        call.state = after


async def _call_and_ticket(
    session: AsyncSession, event: events.CallEvent, jurisdiction: Jurisdiction
) -> tuple[Call, Ticket]:
    call = await session.get(Call, event.call_id, with_for_update=True)
    if call is None:
        call = Call(call_id=event.call_id, arrived_at=event.at)
        if isinstance(event, events.CallArrived):
            call.caller_number, call.called_number = event.caller_number, event.called_number
        session.add(call)
        await session.flush()
        return call, await open_draft(session, call, jurisdiction, event.at)
    ticket = await ticket_of(session, call)
    return call, ticket or await open_draft(session, call, jurisdiction, event.at)


def _arrived(call: Call, ticket: Ticket, event: events.CallArrived) -> None:
    call.node = event.node
    call.caller_number = event.caller_number
    call.caller_name = event.caller_name
    call.called_number = event.called_number
    call.trunk = event.trunk
    call.source = event.source
    call.channel = event.channel
    call.rebuilt = call.rebuilt or event.rebuilt
    call.arrived_at = min(call.arrived_at, event.at)
    if (ticket.caller_number, ticket.called_number) != (event.caller_number, event.called_number):
        ticket.caller_number, ticket.called_number = event.caller_number, event.called_number
        ticket.version += 1
        ticket.updated_at = event.at


def _listening(call: Call, event: events.ListeningStarted | events.ListeningUnavailable) -> None:
    before = call.listening.get(event.speaker, {})
    taps: dict[str, str] = before.get("taps", {})
    if isinstance(event, events.ListeningStarted):
        # A leg that was left out for a while tells its tap again, whose audio began when it was first told.
        taps = {event.tap_id: event.at.isoformat()} | taps
        now = {"state": "on", "model": event.model, "detail": "", "taps": taps}
    else:
        now = {"state": event.reason, "model": before.get("model", ""), "detail": event.detail, "taps": taps}
    call.listening = {**call.listening, event.speaker: now}


async def _uttered(
    session: AsyncSession, call: Call, ticket: Ticket, event: events.Utterance, jurisdiction: Jurisdiction
) -> None:
    known = select(Utterance.id).where(Utterance.tap_id == event.tap_id, Utterance.number == event.number)
    if await session.scalar(known) is not None:
        log.warning("an utterance was told twice under two ids", tap_id=event.tap_id, number=event.number)
        return
    session.add(
        Utterance(
            call_id=call.call_id,
            speaker=event.speaker,
            tap_id=event.tap_id,
            number=event.number,
            at=event.at,
            text=event.text,
            start=event.start,
            end=event.end,
            confidence=event.confidence,
            words=[word.model_dump() for word in event.words],
        )
    )
    await session.flush()
    if event.speaker == "caller":
        await fill(session, ticket, call, jurisdiction, event.at)


def _ended(call: Call, event: events.CallEnded) -> bool:
    """Note the end; False when it was known already, so that nothing is undone that people did about it."""
    if call.state == "ended" and (event.unseen or not call.unseen):
        return False
    call.ended_at = event.at if call.ended_at is None else min(call.ended_at, event.at)
    call.ended_by = event.by
    call.cause = event.cause
    call.position = 0
    # An inventory may have ended it unseen; if its end is told after all, it was seen.
    call.unseen = event.unseen
    return True


async def _look_after(session: AsyncSession, call: Call, ticket: Ticket, event: events.Event) -> None:
    """Who has to look at a draft whose call has ended. The caller's last words are often told after the end; they
    correct what was assumed without them, but put nothing back on the list that a supervisor has taken off it.
    """
    if ticket.state != "draft" or ticket.attention in (LINE_EXHAUSTED, EMERGENCY_KEY):
        return
    spoke = await session.scalar(
        select(Utterance.id).where(Utterance.call_id == call.call_id, Utterance.speaker == "caller").limit(1)
    )
    answered, unheard = call.answered_at is not None, spoke is None
    reason = next(
        (
            name
            for name, applies in (
                ("call_ended_unseen", call.unseen),
                ("abandoned", not answered and unheard),
                ("spoke_unanswered", not answered),
                ("no_transcript", unheard),
            )
            if applies
        ),
        "",
    )
    if reason != ticket.attention:
        _attend(session, ticket, reason, event)


def _attend(session: AsyncSession, ticket: Ticket, reason: str, event: events.Event) -> None:
    ticket.version += 1
    ticket.updated_at = event.at
    rule = _MISSED_RULE if reason in MISSED else ""
    session.add(set_attention(ticket, reason, event.at, MACHINE, rule=rule))


async def _inventory(session: AsyncSession, event: events.NodeInventory, jurisdiction: Jurisdiction) -> list[Touched]:
    of_node = and_(Call.node == event.node, Call.arrived_at < event.at)
    forgotten = and_(Call.node == "", Call.arrived_at < event.at - _FORGOTTEN_AFTER)
    live = set(event.live_call_ids)
    query = select(Call).where(Call.state != "ended", or_(of_node, forgotten)).order_by(Call.call_id).with_for_update()
    touched: list[Touched] = []
    for call in await session.scalars(query):
        if call.call_id in live:
            continue
        log.warning("a call ended while nobody looked", call_id=call.call_id, node=event.node, state=call.state)
        call.state = "ended"
        call.ended_at = event.at
        call.ended_by = "unknown"
        call.unseen = True
        call.position = 0
        await end_with_call(session, call.call_id, event.at)
        ticket = await ticket_of(session, call)
        if ticket is None:
            continue
        if ticket.state == "draft" and ticket.attention != "call_ended_unseen":
            _attend(session, ticket, "call_ended_unseen", event)
        await end_after_key(session, call, ticket, event.at, jurisdiction)
        touched.append(Touched(call.call_id, ticket.id))
    return touched
