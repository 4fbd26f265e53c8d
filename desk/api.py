"""The open API: calls, tickets and events as JSON, described in openapi.yaml beside this file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from desk import access, confidential, live
from desk.state import DESK
from routing import tickets
from routing.life.states import STATE_NAMES
from routing.secrecy.view import Line
from routing.storage import Call, Ticket, Utterance
from routing.tickets import ATTENTION

READERS = ("agent", "supervisor", "auditor")
DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 500

_DOCUMENT: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "openapi.yaml").read_text(encoding="utf-8"))


async def openapi(request: web.Request) -> web.StreamResponse:
    """This API's OpenAPI 3.1 document."""
    return web.json_response(_DOCUMENT)


@access.api(*READERS)
async def calls(request: web.Request) -> web.StreamResponse:
    """Calls, the newest first."""
    _only(request, "live", "limit")
    database = request.app[DESK].database
    found = await tickets.calls(database, live=_flag(request, "live"), limit=_limit(request))
    seen = await confidential.called(database, found, await access.reader(request))
    return web.json_response({"calls": [_call(call) for call in seen]})


@access.api(*READERS)
async def call(request: web.Request) -> web.StreamResponse:
    """One call with its legs and its transcript."""
    _only(request)
    database, call_id = request.app[DESK].database, request.match_info["call_id"]
    found = await tickets.call(database, call_id)
    if found is None:
        raise web.HTTPNotFound(text=f"there is no call '{call_id}'")
    reader = await access.reader(request)
    ticket = await tickets.ticket_of_call(database, call_id)
    seen = await confidential.opened(database, ticket, reader) if ticket else None
    (shown,) = await confidential.called(database, [found], reader)
    said = await confidential.said(database, found, await tickets.utterances(database, call_id), reader)
    body = _call(shown) | {
        "legs": _legs(found),
        "transcript": [_utterance(utterance) for utterance in said],
        "ticket_id": seen.id if seen else None,
    }
    return web.json_response(body)


@access.api(*READERS)
async def ticket_list(request: web.Request) -> web.StreamResponse:
    """Tickets, the newest first."""
    _only(request, "state", "attention", "limit", "before")
    state = request.query.get("state")
    if state is not None and state not in STATE_NAMES:
        raise web.HTTPBadRequest(text=f"state: '{state}' is none of {', '.join(STATE_NAMES)}")
    try:
        found = await tickets.tickets(
            request.app[DESK].database,
            state=state,
            attention=_flag(request, "attention"),
            limit=_limit(request),
            before=request.query.get("before"),
        )
    except tickets.NoSuchTicket as problem:
        raise web.HTTPBadRequest(text="before: there is no such ticket") from problem
    seen = await confidential.listed(request.app[DESK].database, found, await access.reader(request))
    return web.json_response({"tickets": [_ticket(ticket) for ticket in seen]})


@access.api(*READERS)
async def ticket(request: web.Request) -> web.StreamResponse:
    """One ticket with its history."""
    _only(request)
    database, ticket_id = request.app[DESK].database, request.match_info["ticket_id"]
    reader = await access.reader(request)
    found = await tickets.ticket(database, ticket_id)
    seen = await confidential.opened(database, found, reader) if found else None
    if seen is None:
        raise web.HTTPNotFound(text=f"there is no ticket '{ticket_id}'")
    changes = await confidential.told(database, ticket_id, reader, request.app[DESK].jurisdiction)
    return web.json_response(_ticket(seen) | {"history": [_change(change) for change in changes]})


@access.api(*READERS)
async def events(request: web.Request) -> web.StreamResponse:
    """What happens, as server-sent events: the durable events with ids, interim texts without.

    With a Last-Event-ID (header, or `last_event_id` in the query) what was missed comes first.
    """
    _only(request, "last_event_id", "call_id")
    desk = request.app[DESK]
    call_id = request.query.get("call_id")
    given = request.headers.get("Last-Event-ID") or request.query.get("last_event_id")
    after = live.stream_id(given) if given else None
    if given and after is None:
        raise web.HTTPBadRequest(text=f"Last-Event-ID: '{given}' is not an id of this stream")
    if desk.live.problem:
        raise web.HTTPServiceUnavailable(text="events cannot be had now: Redis is away", headers={"Retry-After": "3"})

    def wants(message: live.Message) -> bool:
        return call_id is None or message.call_id == call_id

    async def missed() -> AsyncIterator[live.Message]:
        if after is None:
            return
        async for message in desk.live.replay(after):
            if wants(message) or message.event == "gap":
                yield message

    async def still_allowed() -> bool:
        return await access.role_of(request) in READERS

    # The listener is there before the replay begins, so that nothing falls between the two.
    mask = confidential.EventMask(desk.database, await access.reader(request))
    with desk.live.events.listen(wants) as listener:
        return await live.send(request, listener, missed(), still_allowed, mask)


def _call(found: Call) -> dict[str, Any]:
    return {
        "call_id": found.call_id,
        "state": found.state,
        "node": found.node,
        "caller_number": found.caller_number,
        "caller_name": found.caller_name,
        "called_number": found.called_number,
        "trunk": found.trunk,
        "queue": found.queue,
        "position": found.position,
        "agent": found.agent,
        "arrived_at": _time(found.arrived_at),
        "queued_at": _time(found.queued_at),
        "answered_at": _time(found.answered_at),
        "ended_at": _time(found.ended_at),
        "ended_by": found.ended_by,
        "cause": found.cause,
        "unseen": found.unseen,
        "rebuilt": found.rebuilt,
    }


def _legs(found: Call) -> list[dict[str, Any]]:
    legs = [("caller", found.channel, "")] + ([("agent", "", found.agent)] if found.agent else [])
    return [
        {
            "speaker": speaker,
            "channel": channel,
            "agent": agent,
            "listening": {
                key: str(found.listening.get(speaker, {}).get(key) or "") for key in ("state", "model", "detail")
            },
        }
        for speaker, channel, agent in legs
    ]


def _utterance(said: Utterance) -> dict[str, Any]:
    return {
        "id": said.id,
        "speaker": said.speaker,
        "tap_id": said.tap_id,
        "number": said.number,
        "at": _time(said.at),
        "text": said.text,
        "start": said.start,
        "end": said.end,
        "confidence": said.confidence,
        "words": [{key: word[key] for key in ("text", "start", "end", "confidence")} for word in said.words],
    }


def _ticket(found: Ticket) -> dict[str, Any]:
    return {
        "id": found.id,
        "serial": found.serial,
        "call_id": found.call_id,
        "jurisdiction": found.jurisdiction,
        "state": found.state,
        "attention": found.attention,
        "attention_text": ATTENTION.get(found.attention, found.attention),
        "version": found.version,
        "created_at": _time(found.created_at),
        "updated_at": _time(found.updated_at),
        "accepted_at": _time(found.accepted_at),
        "accepted_by": found.accepted_by,
        "caller_number": found.caller_number,
        "called_number": found.called_number,
        "fields": found.fields,
        "proposals": found.proposals,
    }


def _change(made: Line) -> dict[str, Any]:
    return {
        "version": made.version,
        "at": _time(made.at),
        "actor": made.actor,
        "action": made.action,
        "field": made.field,
        "before": made.before,
        "after": made.after,
        "why": made.why,
        "rule": made.rule,
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _only(request: web.Request, *names: str) -> None:
    # A parameter that is not known is a mistake that would else go unnoticed: ?sate=draft would give all tickets.
    for name in request.query:
        if name not in names:
            raise web.HTTPBadRequest(text=f"there is no parameter '{name}' here (there are: {', '.join(names) or '-'})")
        if len(request.query.getall(name)) > 1:
            raise web.HTTPBadRequest(text=f"{name}: give it once")


def _flag(request: web.Request, name: str) -> bool | None:
    text = request.query.get(name)
    if text not in (None, "true", "false"):
        raise web.HTTPBadRequest(text=f"{name}: '{text}' is neither true nor false")
    return None if text is None else text == "true"


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= HIGHEST_LIMIT and len(text) < 9):
        raise web.HTTPBadRequest(text=f"limit: '{text}' is not a whole number from 1 to {HIGHEST_LIMIT}")
    return int(text)
