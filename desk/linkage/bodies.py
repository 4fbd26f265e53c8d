"""Linkages and their figures as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from desk import confidential
from desk.state import Desk
from routing import tickets
from routing.linkage import reading
from routing.linkage.courier import notices_of_call
from routing.linkage.reading import LineView, LinkageView
from routing.linkage.summary import ReadOut, read_out
from routing.storage import Call
from routing.tickets import Actor


async def described(desk: Desk, call: Call, reader: Actor) -> dict[str, Any]:
    """A call's linkage as the API shows it to `reader`; of a call that has none, `asked_at` is null."""
    view = await reading.linkage_of(desk.database, call.call_id)
    told = await told_to(desk, call, reader)
    ticket = await tickets.ticket_of_call(desk.database, call.call_id)
    seen = await confidential.opened(desk.database, ticket, reader) if ticket else None
    notices = await notices_of_call(desk.database, call.call_id)
    row = view.row if view else None
    return {
        "call_id": call.call_id,
        "ticket_id": seen.id if row and seen else None,
        "active": view.active if view else False,
        "asked_at": time_of(row.asked_at) if row else None,
        "asked_by": row.by if row else "",
        "via": row.via if row else "",
        "who": row.who if row else "",
        "ended_at": time_of(row.ended_at) if row else None,
        "voice_seconds": view.voice_seconds if view else None,
        "recording": row.recording if row else "",
        "rebuilt": row.rebuilt if row else False,
        "source": call.source,
        "lines": _lines(view) if view else [],
        "parties": _parties(view) if view else [],
        "read_out": {
            "address": told.address,
            "callback_number": told.callback_number,
            "sentence": told.sentence,
        },
        "duty": {
            "state": row.duty if row else "",
            "accepted_by": row.accepted_by if row else "",
            "first_receiver": row.first_receiver if row else (call.source or call.called_number),
            "note": row.duty_note if row and seen else "",
            "by": row.duty_by if row else "",
            "at": time_of(row.duty_at) if row else None,
        },
        "notices": [
            {
                "id": notice.id,
                "station": notice.station,
                "line": notice.line,
                "kind": notice.kind,
                "state": notice.state,
                "attempts": notice.attempts,
                "problem": notice.problem,
                "at": time_of(notice.created_at),
                "done_at": time_of(notice.done_at),
            }
            for notice in notices
        ],
    }


def line_asked(line: str) -> dict[str, Any]:
    """A line that was asked for this moment, and of which nothing is recorded yet."""
    return {
        "line": line,
        "state": "asked",
        "asked_at": None,
        "answered_at": None,
        "answer_seconds": None,
        "told_caller": False,
        "muted": False,
        "attempts": [],
    }


async def told_of(desk: Desk, call: Call) -> ReadOut:
    """What a line is told, whole."""
    ticket = await tickets.ticket_of_call(desk.database, call.call_id)
    return read_out(call, ticket, await tickets.utterances(desk.database, call.call_id), desk.jurisdiction)


async def told_to(desk: Desk, call: Call, reader: Actor) -> ReadOut:
    """What is there to be read out, as `reader` may see it: whole for the agent of the call."""
    ticket = await tickets.ticket_of_call(desk.database, call.call_id)
    seen = await confidential.opened(desk.database, ticket, reader) if ticket else None
    (shown,) = await confidential.called(desk.database, [call], reader)
    spoken = await tickets.utterances(desk.database, call.call_id)
    said = await confidential.said(desk.database, call, spoken, reader)
    return read_out(shown, seen, said, desk.jurisdiction)


def time_of(at: datetime | None) -> str | None:
    """A time as the API writes it."""
    return at.isoformat().replace("+00:00", "Z") if at else None


def _lines(view: LinkageView) -> list[dict[str, Any]]:
    return [_line(line) for line in view.lines]


def _line(line: LineView) -> dict[str, Any]:
    return {
        "line": line.row.line,
        "state": line.state,
        "asked_at": time_of(line.row.asked_at),
        "answered_at": time_of(line.row.answered_at),
        "answer_seconds": line.answer_seconds,
        "told_caller": line.row.told_caller,
        "muted": line.muted,
        "attempts": [
            {
                "attempt": attempt.attempt,
                "number": attempt.number,
                "trunk": attempt.trunk,
                "outcome": attempt.outcome,
                "cause": attempt.cause,
                "detail": attempt.detail,
                "began_at": time_of(attempt.began_at),
                "rang_at": time_of(attempt.rang_at),
                "answered_at": time_of(attempt.answered_at),
                "ended_at": time_of(attempt.ended_at),
                "rebuilt": attempt.rebuilt,
            }
            for attempt in line.attempts
        ],
    }


def _parties(view: LinkageView) -> list[dict[str, Any]]:
    present = {stay.id for stay in view.present}
    return [
        {
            "party": stay.party,
            "name": stay.name,
            "joined_at": time_of(stay.joined_at),
            "left_at": time_of(stay.left_at),
            "reason": stay.reason,
            "muted": stay.muted and stay.id in present,
        }
        for stay in view.stays
    ]
