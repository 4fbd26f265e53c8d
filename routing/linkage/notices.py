"""What a station is told, as JSON: derived from the records, written down before it is sent.

Nothing is told from memory. Whatever a station has not been told yet follows from the linkage's record, so a process
that is killed anywhere leaves nothing untold and tells nothing under two ids.

    for its line in a linkage:      linkage.asked -> linkage.answered -> linkage.details ... -> linkage.ended
    for a call that it handed over: inbound.ticket -> inbound.ended
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from ivr.events import now
from routing.jurisdiction import Jurisdiction
from routing.linkage.configuration import Station
from routing.linkage.summary import ReadOut, read_out
from routing.linkage.tables import Linkage, LinkageLine, StationNotice
from routing.secrecy.view import without_identity
from routing.storage import Call, Ticket
from routing.tickets import transcript_query

_STAGES = ("asked", "answered", "ended")
_AT_ONCE = 200
_DETAILS = "linkage.details"


async def write_due(session: AsyncSession, station: Station, law: Jurisdiction) -> int:
    """Write down all that this station has not been told yet; returns how many notices were written."""
    oldest = now() - timedelta(hours=station.entry.give_up_hours)
    written = 0
    due = (
        select(LinkageLine, Linkage)
        .join(Linkage, Linkage.call_id == LinkageLine.call_id)
        .where(LinkageLine.line == station.entry.line, LinkageLine.asked_at >= oldest, LinkageLine.told != "ended")
        .order_by(LinkageLine.asked_at, LinkageLine.id)
        .limit(_AT_ONCE)
        .with_for_update(of=LinkageLine, skip_locked=True)
    )
    for line, linkage in list(await session.execute(due)):
        written += await _line_notices(session, station, line, linkage, law)
    told = select(StationNotice.occasion).where(
        StationNotice.call_id == Call.call_id, StationNotice.station == station.entry.name
    )
    handed_over = (
        select(Call, Ticket)
        .join(Ticket, Ticket.call_id == Call.call_id)
        .where(
            Call.source == station.entry.line,
            Call.arrived_at >= oldest,
            or_(
                ~told.where(StationNotice.kind == "inbound.ticket").exists(),
                (Call.state == "ended") & ~told.where(StationNotice.kind == "inbound.ended").exists(),
            ),
        )
        .order_by(Call.arrived_at)
        .limit(_AT_ONCE)
    )
    for call, ticket in list(await session.execute(handed_over)):
        written += await _inbound_notices(session, station, call, ticket, law)
    return written


async def _line_notices(
    session: AsyncSession, station: Station, line: LinkageLine, linkage: Linkage, law: Jurisdiction
) -> int:
    call = await session.get_one(Call, line.call_id)
    ticket = await session.get_one(Ticket, linkage.ticket_id)
    details = _Details(station, call, ticket, await _read_out(session, call, ticket, law))
    reached = {"asked": line.asked_at, "answered": line.answered_at, "ended": linkage.ended_at}
    first = _STAGES.index(line.told) + 1 if line.told else 0
    stages = [stage for stage in _STAGES[first:] if reached[stage] is not None]
    for stage in stages:
        body = details.body(f"linkage.{stage}", station) | _of_line(line, linkage, stage)
        await _write(session, station, f"linkage.{stage}", f"{line.call_id}:{line.line}:{stage}", call, body)
        line.told = stage
    told_before = line.told_details
    line.told_details = details.digest
    if stages or told_before == details.digest or line.told == "ended":
        return len(stages)
    for older in await session.scalars(
        select(StationNotice).where(
            StationNotice.station == station.entry.name,
            StationNotice.call_id == line.call_id,
            StationNotice.line == line.line,
            StationNotice.kind == _DETAILS,
            StationNotice.state == "waiting",
            StationNotice.attempts == 0,
        )
    ):
        older.state, older.body, older.done_at = "superseded", "", now()
    body = details.body(_DETAILS, station) | _of_line(line, linkage, line.told)
    # What came back to an earlier wording is news all the same: the occasion carries the moment.
    occasion = f"{line.call_id}:{line.line}:details:{now().isoformat()}"
    await _write(session, station, _DETAILS, occasion, call, body)
    return 1


async def _inbound_notices(
    session: AsyncSession, station: Station, call: Call, ticket: Ticket, law: Jurisdiction
) -> int:
    details = _Details(station, call, ticket, await _read_out(session, call, ticket, law))
    known = set(
        await session.scalars(
            select(StationNotice.kind).where(
                StationNotice.call_id == call.call_id, StationNotice.station == station.entry.name
            )
        )
    )
    wanted = ["inbound.ticket", *(["inbound.ended"] if call.state == "ended" else [])]
    times = {
        "arrived_at": _time(call.arrived_at),
        "answered_at": _time(call.answered_at),
        "ended_at": _time(call.ended_at),
    }
    written = 0
    for kind in wanted:
        if kind not in known:
            body = details.body(kind, station) | {"times": times}
            await _write(session, station, kind, f"{call.call_id}:{kind}", call, body)
            written += 1
    return written


async def _read_out(session: AsyncSession, call: Call, ticket: Ticket, law: Jurisdiction) -> ReadOut:
    said = list(await session.scalars(transcript_query(call.call_id)))
    return read_out(call, ticket, said, law)


class _Details:
    """What is told of the call in each of its notices."""

    def __init__(self, station: Station, call: Call, ticket: Ticket, told: ReadOut) -> None:
        wish = station.entry.caller_number
        may = wish == "always" or (wish == "unless_confidential" and not ticket.identity_secret)
        sentence = told.sentence
        if not may:
            for secret, instead in ((told.callback_number, "（号码保密）"), (told.person, "（身份保密）")):
                sentence = sentence.replace(secret, instead) if secret else sentence
            # What the caller said may hold the name and the number once more, in other words.
            sentence = without_identity(sentence, ticket)
        self._common: dict[str, Any] = {
            "call_id": call.call_id,
            "ticket": {"id": ticket.id, "serial": ticket.serial},
            "caller_number": (told.callback_number or None) if may else None,
            "address": told.address or None,
            "summary": sentence,
        }

    def body(self, kind: str, station: Station) -> dict[str, Any]:
        """The message's common part."""
        return {"kind": kind, "line": station.entry.line, **self._common}

    @property
    def digest(self) -> str:
        """The same for the same details."""
        return hashlib.sha256(json.dumps(self._common, sort_keys=True).encode()).hexdigest()


def _of_line(line: LinkageLine, linkage: Linkage, stage: str) -> dict[str, Any]:
    return {
        "linkage_id": line.call_id,
        "stage": stage,
        "asked_by": line.by,
        "rebuilt": linkage.rebuilt,
        "times": {
            "asked_at": _time(line.asked_at),
            "answered_at": _time(line.answered_at),
            "ended_at": _time(linkage.ended_at),
        },
    }


async def _write(
    session: AsyncSession, station: Station, kind: str, occasion: str, call: Call, body: dict[str, Any]
) -> None:
    at = now()
    notice = StationNotice(
        station=station.entry.name,
        occasion=occasion,
        kind=kind,
        call_id=call.call_id,
        line=station.entry.line,
        body="",
        created_at=at,
        next_at=at,
    )
    session.add(notice)
    await session.flush()
    whole = {"id": notice.id, "told_at": _time(at), **body}
    notice.body = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
