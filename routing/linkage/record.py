"""What each event of a linkage does to its record, in the transaction that applies the event.

    asked -> dialling -> ringing -> answered -> dropped -> (redialled) ... -> exhausted, taken out, or ended

The order is not enforced: what is rebuilt after the bridge was away may be told late. Times only ever move to what is
earlier (the first answer) or are filled once; an attempt's outcome only moves forward. An event of a linkage whose
asking was lost opens the record all the same.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ivr import events
from routing.history import MACHINE, set_attention
from routing.jurisdiction import Jurisdiction
from routing.linkage import metrics
from routing.linkage.alarms import raise_alarm, settle_call
from routing.linkage.guide import make_guide, note
from routing.linkage.metrics import once_committed
from routing.linkage.tables import LineAttempt, Linkage, LinkageLine, LinkagePresence, LinkageProposal
from routing.storage import Call, Ticket
from routing.tickets import LINE_EXHAUSTED

log = structlog.get_logger(__name__)

UNSUCCESSFUL = ("busy", "no_answer", "congestion", "unavailable", "failed")
"""Outcomes of attempts that found nobody; the next number is tried."""

_STAGE = {"dialling": 0, "ringing": 1, "answered": 2}
"""How far an attempt has come; every other outcome is its end."""
_END = 3

_ASKED_BY = {"agent": "坐席", "caller": "来电人", "hotline": "热线系统", "trunk": "专线"}
_VIA = {"desk": "坐席台", "feature_code": "话机功能键", "digit": "按键", "speech": "语音", "dialplan": "拨号方案"}


async def record(
    session: AsyncSession, event: events.LinkageEvent, call: Call, ticket: Ticket, jurisdiction: Jurisdiction
) -> None:
    """Write down one event; the caller has locked the call and its ticket."""
    linkage = await _linkage(session, event, call, ticket)
    linkage.rebuilt = linkage.rebuilt or event.rebuilt
    match event:
        case events.LinkageAsked():
            await _asked(session, linkage, event, call, ticket, jurisdiction)
        case events.LinkageJoined():
            await _joined(session, linkage, event)
        case events.LinkageLeft():
            await _left(session, linkage, event)
        case events.LineAttempt():
            await _attempted(session, linkage, event, ticket, jurisdiction)
        case events.LineExhausted():
            await _exhausted(session, linkage, event, ticket, jurisdiction)
        case events.PartyMuted():
            await _muted(session, event)
        case events.LinkageEnded():
            linkage.recording = event.recording or linkage.recording
            await _end(session, linkage, event.at)


async def end_with_call(session: AsyncSession, call_id: str, at: datetime) -> None:
    """The call is over, so its linkage is, whatever else is told of it later."""
    linkage = await session.get(Linkage, call_id, with_for_update=True)
    if linkage is not None:
        await _end(session, linkage, at)


async def _linkage(session: AsyncSession, event: events.LinkageEvent, call: Call, ticket: Ticket) -> Linkage:
    linkage = await session.get(Linkage, event.call_id, with_for_update=True)
    if linkage is None:
        linkage = Linkage(
            call_id=event.call_id,
            ticket_id=ticket.id,
            asked_at=event.at,
            rebuilt=event.rebuilt,
            first_receiver=call.source or call.called_number,
        )
        # A linkage that is told after its call's end has ended too.
        linkage.ended_at = call.ended_at if call.state == "ended" else None
        session.add(linkage)
        await session.flush()
    return linkage


async def _line(session: AsyncSession, linkage: Linkage, name: str, at: datetime) -> LinkageLine:
    query = select(LinkageLine).where(LinkageLine.call_id == linkage.call_id, LinkageLine.line == name)
    line = await session.scalar(query)
    if line is None:
        line = LinkageLine(call_id=linkage.call_id, line=name, asked_at=at)
        session.add(line)
        await session.flush()
        once_committed(session, metrics.lines.labels(name).inc)
    return line


async def _asked(
    session: AsyncSession,
    linkage: Linkage,
    event: events.LinkageAsked,
    call: Call,
    ticket: Ticket,
    jurisdiction: Jurisdiction,
) -> None:
    if not linkage.by or event.at < linkage.asked_at:
        if not linkage.by:
            once_committed(session, metrics.linkages.labels(event.by, event.via).inc)
        linkage.by, linkage.via, linkage.who = event.by, event.via, event.who
        linkage.asked_at = min(linkage.asked_at, event.at)
    if call.state == "talking" and linkage.agent_at is None:
        linkage.agent_at = event.at
    for name in event.lines:
        line = await _line(session, linkage, name, event.at)
        if line.by:
            line.asked_again_at = max(event.at, line.asked_again_at or event.at)
        else:
            line.by, line.via, line.who = event.by, event.via, event.who
            line.asked_at = min(line.asked_at, event.at)
    asked = "、".join(event.lines)
    who = f"{_ASKED_BY.get(event.by, event.by)}{event.who and f' {event.who}'}（{_VIA.get(event.via, event.via)}）"
    note(
        session,
        ticket,
        event.at,
        "linkage_asked",
        after=asked,
        why=f"{who}要求三线联动",
        rule=jurisdiction.emergency.article,
    )
    make_guide(session, ticket, event.lines, event.at, jurisdiction)
    await _settle(session, linkage.call_id, set(event.lines), event.at, event.who)
    log.info("linkage asked", call_id=linkage.call_id, lines=event.lines, by=event.by, via=event.via)
    if event.by in ("caller", "hotline"):
        occasion = f"{linkage.call_id}:caller:{event.event_id}"
        await raise_alarm(
            session, "caller_linkage", occasion, event.at, call_id=linkage.call_id, line=event.lines[0], detail=asked
        )


async def _settle(session: AsyncSession, call_id: str, lines: set[str], at: datetime, who: str) -> None:
    """Proposals of these lines were taken, whoever asked for the lines; what is left of a proposal stays open."""
    query = select(LinkageProposal).where(LinkageProposal.call_id == call_id, LinkageProposal.state == "open")
    for proposal in await session.scalars(query):
        left = [line for line in proposal.lines if line not in lines]
        if left:
            proposal.lines = left
        else:
            proposal.state, proposal.decided_at, proposal.decided_by = "taken", at, who


async def _joined(session: AsyncSession, linkage: Linkage, event: events.LinkageJoined) -> None:
    if event.party == "agent":
        linkage.agent_at = _earlier(linkage.agent_at, event.at)
        await settle_call(session, event.call_id, event.at, event.name)
    elif event.party == "line":
        linkage.line_at = _earlier(linkage.line_at, event.at)
        line = await _line(session, linkage, event.name, event.at)
        line.answered_at = _earlier(line.answered_at, event.at)
    for presence in await _presences(session, event.call_id, event.channel):
        # Its leaving was told first: this is when that stay began.
        if presence.joined_at is None and presence.left_at is not None and presence.left_at >= event.at:
            presence.joined_at = event.at
            return
    stay = LinkagePresence(
        call_id=event.call_id,
        party=event.party,
        name=_name(event),
        channel=event.channel,
        joined_at=event.at,
        rebuilt=event.rebuilt,
    )
    if linkage.ended_at is not None:  # told late
        stay.left_at, stay.reason = max(linkage.ended_at, event.at), "ended"
    session.add(stay)


async def _left(session: AsyncSession, linkage: Linkage, event: events.LinkageLeft) -> None:
    # A stay that the end of the linkage has closed is closed better by what is told of the party itself.
    stays = [
        one
        for one in await _presences(session, event.call_id, event.channel)
        if one.joined_at is not None and (one.left_at is None or one.reason == "ended") and one.joined_at <= event.at
    ]
    if stays:
        stays[0].left_at, stays[0].reason = event.at, event.reason
    else:
        session.add(
            LinkagePresence(
                call_id=event.call_id,
                party=event.party,
                name=_name(event),
                channel=event.channel,
                left_at=event.at,
                reason=event.reason,
                rebuilt=event.rebuilt,
            )
        )
    if event.party == "agent" and event.reason == "dropped" and linkage.ended_at is None:
        await raise_alarm(
            session,
            "agent_dropped",
            f"{event.call_id}:dropped:{event.event_id}",
            event.at,
            call_id=event.call_id,
            detail=event.name,
        )


async def _presences(session: AsyncSession, call_id: str, channel: str) -> list[LinkagePresence]:
    """The stays of one channel, the newest first."""
    query = (
        select(LinkagePresence)
        .where(LinkagePresence.call_id == call_id, LinkagePresence.channel == channel)
        .order_by(LinkagePresence.id.desc())
    )
    return list(await session.scalars(query))


async def _attempted(
    session: AsyncSession, linkage: Linkage, event: events.LineAttempt, ticket: Ticket, jurisdiction: Jurisdiction
) -> None:
    line = await _line(session, linkage, event.line, event.at)
    query = select(LineAttempt).where(
        LineAttempt.call_id == event.call_id,
        LineAttempt.line == event.line,
        LineAttempt.dialling == event.dialling,
        LineAttempt.attempt == event.attempt,
    )
    attempt = await session.scalar(query)
    if attempt is None:
        attempt = LineAttempt(
            call_id=event.call_id,
            line=event.line,
            dialling=event.dialling,
            attempt=event.attempt,
            number=event.number,
            trunk=event.trunk,
            outcome=event.outcome,
            began_at=event.at,
        )
        session.add(attempt)
    attempt.began_at = min(attempt.began_at, event.at)
    attempt.rebuilt = attempt.rebuilt or event.rebuilt
    if event.outcome == "ringing":
        attempt.rang_at = _earlier(attempt.rang_at, event.at)
    if event.outcome == "answered":
        attempt.answered_at = _earlier(attempt.answered_at, event.at)
        if line.answered_at is None:
            took = max(0.0, (event.at - line.asked_at).total_seconds())
            once_committed(session, lambda: metrics.answer_seconds.labels(event.line).observe(took))
            note(
                session,
                ticket,
                event.at,
                "linkage_answered",
                after=event.line,
                why=f"{event.line} 已接通（{event.number}）",
                rule=jurisdiction.emergency.article,
            )
        line.answered_at = _earlier(line.answered_at, event.at)
        linkage.line_at = _earlier(linkage.line_at, event.at)
    if _STAGE.get(event.outcome, _END) >= _STAGE.get(attempt.outcome, _END):
        attempt.outcome = event.outcome
        attempt.cause = event.cause or attempt.cause or 0
        attempt.detail = event.detail or attempt.detail or ""
    if attempt.outcome == "cancelled" and attempt.answered_at is not None:
        attempt.outcome = "answered"  # it was ended by us, after all had been said
    if _STAGE.get(event.outcome, _END) == _END and attempt.ended_at is None:
        attempt.ended_at = event.at
        once_committed(session, metrics.attempts.labels(event.line, attempt.outcome).inc)


async def _exhausted(
    session: AsyncSession, linkage: Linkage, event: events.LineExhausted, ticket: Ticket, jurisdiction: Jurisdiction
) -> None:
    line = await _line(session, linkage, event.line, event.at)
    if not event.told_caller:
        # It had answered, and hung up at last: it has said what it had to say, nobody was left unhelped.
        line.exhausted_dialling, line.told_caller = event.dialling, False
        await _not_dropped(session, event)
        rule = jurisdiction.emergency.article
        note(session, ticket, event.at, "linkage_line_ended", after=event.line, why=f"{event.line} 已结束", rule=rule)
        return
    if line.exhausted_at is None or event.at >= line.exhausted_at:
        line.exhausted_at, line.exhausted_dialling = event.at, event.dialling
    line.told_caller = True
    once_committed(session, metrics.exhausted.labels(event.line).inc)
    note(
        session,
        ticket,
        event.at,
        "linkage_exhausted",
        after=event.line,
        why=f"{event.line} 所有号码均未接通，已向来电人播报号码",
        rule=jurisdiction.emergency.article,
    )
    if ticket.state == "draft" and ticket.attention != LINE_EXHAUSTED:
        session.add(set_attention(ticket, LINE_EXHAUSTED, event.at, MACHINE, rule=jurisdiction.emergency.article))
    await raise_alarm(
        session,
        "line_exhausted",
        f"{event.call_id}:{event.line}:{event.dialling}",
        event.at,
        call_id=event.call_id,
        line=event.line,
        detail="told_caller",
    )


async def _not_dropped(session: AsyncSession, event: events.LineExhausted) -> None:
    """The last attempt of this dialling was a conversation, and its end no drop."""
    query = (
        select(LineAttempt)
        .where(
            LineAttempt.call_id == event.call_id,
            LineAttempt.line == event.line,
            LineAttempt.dialling == event.dialling,
        )
        .order_by(LineAttempt.attempt.desc())
        .limit(1)
    )
    last = await session.scalar(query)
    if last is not None and last.outcome == "dropped":
        last.outcome = "answered"


async def _muted(session: AsyncSession, event: events.PartyMuted) -> None:
    query = (
        select(LinkagePresence)
        .where(
            LinkagePresence.call_id == event.call_id,
            LinkagePresence.party == event.party,
            LinkagePresence.name == _name(event),
            LinkagePresence.left_at.is_(None),
        )
        .order_by(LinkagePresence.id.desc())
    )
    for presence in await session.scalars(query):
        presence.muted = event.muted


async def _end(session: AsyncSession, linkage: Linkage, at: datetime) -> None:
    """Whoever is still in the conference left it with its end; the earliest end that is told counts."""
    over = linkage.ended_at = _earlier(linkage.ended_at, at)
    query = select(LinkagePresence).where(
        LinkagePresence.call_id == linkage.call_id,
        or_(LinkagePresence.left_at.is_(None), LinkagePresence.reason == "ended"),
    )
    for presence in await session.scalars(query):
        presence.left_at = max(_earlier(presence.left_at, over), presence.joined_at or over)
        presence.reason = "ended"


def _name(event: events.LinkageJoined | events.LinkageLeft | events.PartyMuted) -> str:
    """An extension or a line; the caller's number stands, sealed, with the call."""
    return "" if event.party == "caller" else event.name


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)
