"""Tickets, calls and events as the person who looks at the desk may see them (routing.secrecy).

The pages and the API lay out what they are given. What they are given here are copies in which everything masked is
masked already, so that no template and no field of the JSON has to think of it.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence

import asyncpg
import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from desk.live import Message
from ivr.events import now
from routing.jurisdiction import Jurisdiction
from routing.secrecy.rights import KIND_OF, Standing, sight, standing_of
from routing.secrecy.view import CONFIDENTIAL, Line, in_list, lines_of, mask, shown, standings, text_of
from routing.storage import FIELDS, Call, Database, FieldValue, Ticket, TicketChange, Utterance, blank_fields
from routing.tickets import Actor

log = structlog.get_logger(__name__)

_DATABASE_AWAY = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError, TimeoutError)
_KEPT_SECONDS = 2.0
"""How long the event feed takes a call's flags as they were: a flag set while the caller speaks counts this soon."""


async def opened(db: Database, ticket: Ticket, actor: Actor) -> Ticket | None:
    """The ticket as `actor` sees it when it is opened; None: it does not exist for this person."""
    async with db.session() as session:
        ((_, standing),) = await standings(session, [ticket], actor)
    return None if standing == "none" else _opened(ticket, standing)


async def listed(db: Database, tickets: Sequence[Ticket], actor: Actor) -> list[Ticket]:
    """The tickets as lists show them to `actor`, without those that do not exist for this person.

    Numbers that are no secret are whole for whoever may see them: these lists are there to call people back.
    """
    async with db.session() as session:
        found = await standings(session, tickets, actor)
    return [_listed(ticket, standing) for ticket, standing in found if standing != "none"]


async def called(db: Database, calls: Sequence[Call], actor: Actor) -> list[Call]:
    """The calls as `actor` sees them: the numbers of callers who asked for it, or of discipline matters, masked."""
    seen = await _standing_of_calls(db, [call.call_id for call in calls], actor)
    return [_called(call, *seen.get(call.call_id, (_NO_TICKET, _without_ticket(call, actor)))) for call in calls]


async def said(db: Database, call: Call, utterances: Sequence[Utterance], actor: Actor) -> list[Utterance]:
    """The transcript, or nothing where `actor` may read it on request only, or not at all."""
    seen = await _standing_of_calls(db, [call.call_id], actor)
    ticket, standing = seen.get(call.call_id, (_NO_TICKET, _without_ticket(call, actor)))
    return list(utterances) if sight(standing, ticket, "transcript") == "shown" else []


async def told(db: Database, ticket_id: str, actor: Actor, jurisdiction: Jurisdiction) -> list[Line]:
    """The history of a ticket as `actor` sees it; nothing of one that does not exist for this person."""
    law = jurisdiction.law_at(now()).secrecy
    async with db.session() as session:
        ticket = await session.get(Ticket, ticket_id)
        if ticket is None:
            return []
        ((_, standing),) = await standings(session, [ticket], actor)
        query = select(TicketChange).where(TicketChange.ticket_id == ticket_id).order_by(TicketChange.id)
        lines = list(await session.scalars(query))
    hides = law is not None and law.hide_staff
    return [] if standing == "none" else lines_of(ticket, standing, lines, actor, hide_staff=hides)


class EventMask:
    """What one reader of a feed sees of its messages."""

    def __init__(self, db: Database, actor: Actor) -> None:
        self._db = db
        self._actor = actor
        self._known: dict[str, tuple[float, Ticket, Standing]] = {}

    async def __call__(self, message: Message) -> Message:
        """The message, its numbers and words masked where this reader may not see them."""
        if message.event in ("linkage_joined", "linkage_left", "party_muted"):
            return _without_callers_number(message)
        if message.event not in ("call_arrived", "utterance", "utterance_interim", "interim"):
            return message
        ticket, standing = await self._standing(message.call_id)
        body = json.loads(message.data)
        if message.event == "call_arrived":
            if sight(standing, ticket, "caller_number") == "shown":
                return message
            body["caller_number"] = _number(ticket, standing, str(body.get("caller_number", "")))
            body["caller_name"] = ""
        elif sight(standing, ticket, "transcript") == "shown":
            return message
        else:
            body["text"] = CONFIDENTIAL
            if "words" in body:
                body["words"] = []
        return dataclasses.replace(message, data=json.dumps(body, ensure_ascii=False))

    async def _standing(self, call_id: str) -> tuple[Ticket, Standing]:
        moment = time.monotonic()
        at, ticket, standing = self._known.get(call_id, (0.0, _NO_TICKET, "none"))
        if call_id not in self._known or moment - at > _KEPT_SECONDS:
            try:
                seen = await _standing_of_calls(self._db, [call_id], self._actor)
            except _DATABASE_AWAY as problem:
                # Nobody can say whether it is a secret, so it is kept as one; the next message is looked up again.
                log.warning("a feed shows no words: the database is away", problem=type(problem).__name__)
                return _NO_TICKET, "none"
            ticket, standing = seen.get(call_id, (_NO_TICKET, _without_ticket(None, self._actor)))
            self._known = {known: one for known, one in self._known.items() if moment - one[0] <= _KEPT_SECONDS}
            self._known[call_id] = (moment, ticket, standing)
        return ticket, standing


def _without_callers_number(message: Message) -> Message:
    """Of a linkage's parties the caller is named by their number, which stands with the call and nowhere else."""
    body = json.loads(message.data)
    if body.get("party") == "caller":
        body["name"] = ""
    return dataclasses.replace(message, data=json.dumps(body, ensure_ascii=False))


async def _standing_of_calls(db: Database, call_ids: Sequence[str], actor: Actor) -> dict[str, tuple[Ticket, Standing]]:
    async with db.session() as session:
        query = select(Ticket).where(Ticket.call_id.in_(call_ids))
        found = await standings(session, list(await session.scalars(query)), actor)
    return {ticket.call_id or "": (ticket, standing) for ticket, standing in found}


_NO_TICKET = Ticket(
    identity_secret=False,
    content_secret=False,
    restricted_to="",
    accepted_by="",
    caller_number="",
    fields=blank_fields(),
)
"""Stands for the ticket of a call that has none (yet)."""


def _without_ticket(call: Call | None, actor: Actor) -> Standing:
    return standing_of(_NO_TICKET, actor, (), call.agent if call else "")


def _opened(ticket: Ticket, standing: Standing) -> Ticket:
    fields = {name: _field(ticket, name, shown(ticket, standing, name, text_of(ticket, name)).text) for name in FIELDS}
    return _copy(ticket, standing, fields, shown(ticket, standing, "caller_number", ticket.caller_number).text)


def _listed(ticket: Ticket, standing: Standing) -> Ticket:
    fields = {name: _field(ticket, name, in_list(ticket, standing, name, to_call_back=True)) for name in FIELDS}
    return _copy(ticket, standing, fields, in_list(ticket, standing, "caller_number", to_call_back=True))


def _copy(ticket: Ticket, standing: Standing, fields: dict[str, FieldValue], number: str) -> Ticket:
    masked = {"fields": fields, "caller_number": number}
    if any(fields[name]["value"] != ticket.fields[name]["value"] for name in KIND_OF if name in fields):
        # Proposals quote what was said.
        masked["proposals"] = {name: [] for name in ticket.proposals}
    return Ticket(**{column.key: getattr(ticket, column.key) for column in Ticket.__mapper__.column_attrs} | masked)


def _field(ticket: Ticket, name: str, text: str) -> FieldValue:
    value = ticket.fields[name]
    if text == value["value"]:
        return value
    return FieldValue(value=text, source=value["source"], words=[], confidence=None, utterances=[], by=value["by"])


def _called(call: Call, ticket: Ticket, standing: Standing) -> Call:
    if sight(standing, ticket, "caller_number") == "shown" and sight(standing, ticket, "person") == "shown":
        return call
    masked = {"caller_number": _number(ticket, standing, call.caller_number), "caller_name": ""}
    return Call(**{column.key: getattr(call, column.key) for column in Call.__mapper__.column_attrs} | masked)


def _number(ticket: Ticket, standing: Standing, number: str) -> str:
    if not number or sight(standing, ticket, "caller_number") == "hidden":
        return CONFIDENTIAL if number else ""
    return mask(ticket, "caller_number", number)
