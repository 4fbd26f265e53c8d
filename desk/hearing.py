"""Hearing what was said: one line of the transcript, the words that a field came from, or the whole call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from aiohttp import web

from desk import access
from desk.access import PERSON
from desk.sound import NoSound, Recording, recording_of
from desk.state import DESK, Desk
from ivr.events import now
from routing import tickets
from routing.further_matter import call_of
from routing.life.errors import LawError
from routing.secrecy.errors import RevealRefused
from routing.secrecy.hearing import hear
from routing.storage import FIELDS, Call, FieldValue, Ticket, Utterance
from routing.tickets import NoSuchTicket

_BEFORE, _AFTER = timedelta(seconds=0.4), timedelta(seconds=0.6)
"""What is played around the words, so that none is cut."""

_LONGEST = timedelta(seconds=30)
"""Of one utterance."""

Span = tuple[float, float]
"""Seconds of a leg's audio, from and to."""


@access.page("agent", "supervisor")
async def line_sound(request: web.Request) -> web.StreamResponse:
    """One line of the transcript, as WAV."""
    desk = request.app[DESK]
    call, ticket = await _heard(request)
    said = await tickets.utterances(desk.database, call.call_id)
    one = next((each for each in said if str(each.id) == request.match_info["utterance_id"]), None)
    if one is None:
        raise web.HTTPNotFound(text=f"工单 {ticket.serial} 的通话里没有这一句")
    return _answer(_clip(desk, call, said, [(one, (one.start, one.end))]))


@access.page("agent", "supervisor")
async def field_sound(request: web.Request) -> web.StreamResponse:
    """The words that the value of a field came from, as WAV."""
    desk, name = request.app[DESK], request.match_info["field"]
    call, ticket = await _heard(request)
    if name not in FIELDS:
        raise web.HTTPNotFound(text=f"没有“{name[:60]}”这个字段")
    said = await tickets.utterances(desk.database, call.call_id)
    spans = evidence(ticket.fields[name], said)
    if not spans:
        raise web.HTTPNotFound(text="这一项没有记下依据的原话")
    return _answer(_clip(desk, call, said, spans))


@access.page("agent", "supervisor")
async def call_sound(request: web.Request) -> web.StreamResponse:
    """The recording of an ended call, whole."""
    desk = request.app[DESK]
    call, _ = await _heard(request)
    if call.state != "ended":
        raise web.HTTPConflict(text="通话还没有结束，整段录音要等通话结束")
    recording = _recording(desk, call)
    return web.FileResponse(recording.path, headers={"Content-Type": "audio/wav"})


def evidence(value: FieldValue, said: Sequence[Utterance]) -> list[tuple[Utterance, Span]]:
    """The utterances that a value came from, each with the seconds in which its words were spoken."""
    return [(one, _span(one, value["words"])) for one in said if one.id in value["utterances"]]


def _span(said: Utterance, words: Sequence[str]) -> Span:
    """From the first to the last of `words`; the whole utterance when none is found in it as it was heard."""
    heard = "".join(str(word["text"]) for word in said.words)
    covered: set[int] = set()
    for wanted in words:
        at = heard.find(wanted.replace(" ", "")) if wanted else -1
        if at >= 0:
            covered.update(range(at, at + len(wanted.replace(" ", ""))))
    found, at = [], 0
    for word in said.words:
        length = len(str(word["text"]))
        if covered & set(range(at, at + length)):
            found.append((float(word["start"]), float(word["end"])))
        at += length
    return (found[0][0], found[-1][1]) if found else (said.start, said.end)


def tap_began(call: Call, one: Utterance, said: Sequence[Utterance]) -> datetime:
    """When the audio began in which `one` was said.

    For calls of before this was noted: the earliest moment that its utterances allow, told soon after they were spoken.
    """
    noted = call.listening.get(one.speaker, {}).get("taps", {}).get(one.tap_id)
    if noted:
        return datetime.fromisoformat(noted)
    return min(each.at - timedelta(seconds=each.end) for each in said if each.tap_id == one.tap_id)


def _clip(desk: Desk, call: Call, said: Sequence[Utterance], spans: Sequence[tuple[Utterance, Span]]) -> bytes:
    recording = _recording(desk, call)
    stretches = []
    for one, (start, end) in spans:
        began = tap_began(call, one, said)
        since, until = began + timedelta(seconds=start) - _BEFORE, began + timedelta(seconds=end) + _AFTER
        stretches.append((since, min(until, since + _LONGEST)))
    try:
        return recording.wav(stretches)
    except NoSound as none:
        raise web.HTTPNotFound(text=str(none)) from none


async def _heard(request: web.Request) -> tuple[Call, Ticket]:
    """The call of the request's ticket, when this person may hear it now."""
    desk, actor = request.app[DESK], access.actor(request[PERSON])
    try:
        ticket = await hear(desk.centre, request.match_info["ticket_id"], actor)
        call = await call_of(desk.database, ticket)
        first = await tickets.ticket_of_call(desk.database, call.call_id) if call else None
        if first and first.id != ticket.id:
            await hear(desk.centre, first.id, actor)  # a further ticket opens nothing that the call's own keeps
    except NoSuchTicket as problem:
        raise web.HTTPNotFound(text=str(problem)) from problem
    except RevealRefused as problem:
        raise web.HTTPForbidden(text=str(problem)) from problem
    except LawError as problem:
        raise web.HTTPForbidden(text=f"{problem}（工单下方“查阅保密内容”）") from problem
    if call is None:
        raise web.HTTPNotFound(text=f"工单 {ticket.serial} 不是来电工单，没有录音")
    return call, ticket


def _recording(desk: Desk, call: Call) -> Recording:
    try:
        return recording_of(call, desk.settings.recordings_dir, now())
    except NoSound as none:
        raise web.HTTPNotFound(text=str(none)) from none


def _answer(wav: bytes) -> web.Response:
    return web.Response(body=wav, content_type="audio/wav")
