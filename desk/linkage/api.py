"""Three-line linkage over the API: ask for lines, take them out, mute, whisper, leave, end; its state and its record.

Every act is a command to the bridge that holds the call (ivr.commands): carried out at most once, within seconds or not
at all. When no bridge is reached, the answer tells the agent to use the feature code on the telephone.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from pydantic import Field, ValidationError

from desk import access
from desk.access import ACTING, Acting
from desk.linkage.acting import (
    Body,
    BodyT,
    NoBody,
    body_of,
    call_of,
    carry_out,
    known_line,
    malformed,
    refuse_strangers,
    refused,
    tell_desks,
)
from desk.linkage.bodies import described, line_asked, time_of, told_of
from desk.refused import Refused
from desk.state import DESK
from ivr.commands import AnyCommand, DropLine, EndLinkage, LeaveLinkage, LinkLines, Mute, Unmute, Whisper
from ivr.events import now
from routing.life import intake
from routing.linkage import alarms, duty, figures, proposals, reading, rehearsals
from routing.linkage.errors import LinkageError
from routing.ticket_errors import TicketError
from routing.tickets import Actor

ACTORS = ("agent", "supervisor")
READERS = ("agent", "supervisor", "auditor")

DATABASE_AWAY = "数据库暂时不可用，可能没有执行。请看通话状态，或在话机上按 * 加专线号码（如 *119）"
"""Said also when only the answer could not be put together: asking for a line twice does no harm."""


class _LinesBody(Body):
    lines: list[str] = Field(min_length=1, max_length=8)


class _PartyBody(Body):
    party: str
    line: str | None = None


class _WhisperBody(Body):
    extension: str | None = None


class _GuideBody(Body):
    note: str = ""


class _DutyBody(Body):
    accepted_by: str | None
    note: str = ""


def routes() -> list[web.RouteDef]:
    """All routes of this capability in the API."""
    one = "/api/calls/{call_id}/linkage"
    return [
        web.get(one, state),
        web.post(one, link),
        web.delete(one + "/{line}", drop),
        web.post(one + "/leave", leave),
        web.post(one + "/end", end),
        web.post(one + "/mute", mute),
        web.post(one + "/unmute", unmute),
        web.post(one + "/whisper", whisper),
        web.post(one + "/duty", record_duty),
        web.post(one + "/guide", guide),
        web.get("/api/linkage/lines", lines),
        web.get("/api/linkage/figures", month),
        web.get("/api/linkage/alarms", open_alarms),
        web.post("/api/linkage/alarms/{alarm_id}/acknowledge", acknowledge),
        web.post("/api/linkage/proposals/{proposal_id}/dismiss", dismiss),
    ]


def is_command(request: web.Request) -> bool:
    """Whether the request asks a bridge to do something, for which there is another way when we cannot."""
    return request.method != "GET" and request.path.startswith("/api/calls/") and "/linkage" in request.path


@access.api(*READERS)
async def state(request: web.Request) -> web.StreamResponse:
    """The linkage of a call: its lines, who is in it, what to read out."""
    call = await call_of(request)
    return web.json_response(await described(request.app[DESK], call, await access.reader(request)))


@access.api_acts(*ACTORS)
async def link(request: web.Request) -> web.StreamResponse:
    """Bring lines into the call. Those that are in it or being dialled stay as they are."""
    desk, who = request.app[DESK], request[ACTING]
    call = await call_of(request)
    asked = (await body_of(request, _LinesBody)).lines
    await refuse_strangers(desk, who, call, asks=True)
    wanted = tuple(known_line(desk, line) for line in dict.fromkeys(asked))
    told = await told_of(desk, call)
    try:
        command = LinkLines(call_id=call.call_id, who=who.username, lines=wanted, address=told.address[:200])
    except ValidationError as problem:
        raise malformed(problem) from problem
    await carry_out(desk, command)
    body = await described(desk, call, await access.reader(request))
    there = {line["line"] for line in body["lines"]}
    # What was asked for this moment is in the record as soon as the bridge has told of it.
    body["lines"] += [line_asked(line) for line in wanted if line not in there]
    return web.json_response(body, status=202)


@access.api_acts(*ACTORS)
async def drop(request: web.Request) -> web.StreamResponse:
    """Take a line out, or stop dialling it."""
    line = known_line(request.app[DESK], request.match_info["line"])
    return await _command(request, NoBody, lambda call, who, _: DropLine(call_id=call, who=who.username, line=line))


@access.api_acts(*ACTORS)
async def leave(request: web.Request) -> web.StreamResponse:
    """The agent leaves; caller and lines stay together."""
    return await _command(request, NoBody, lambda call, who, _: LeaveLinkage(call_id=call, who=who.username))


@access.api_acts(*ACTORS)
async def end(request: web.Request) -> web.StreamResponse:
    """End it for all."""
    return await _command(request, NoBody, lambda call, who, _: EndLinkage(call_id=call, who=who.username))


@access.api_acts(*ACTORS)
async def mute(request: web.Request) -> web.StreamResponse:
    """A party is no longer heard."""
    return await _command(request, _PartyBody, lambda call, who, body: _muting(Mute, call, who, body))


@access.api_acts(*ACTORS)
async def unmute(request: web.Request) -> web.StreamResponse:
    """A party is heard again."""
    return await _command(request, _PartyBody, lambda call, who, body: _muting(Unmute, call, who, body))


@access.api_acts("supervisor")
async def whisper(request: web.Request) -> web.StreamResponse:
    """Ring a telephone that then hears the call and is heard by the agent only; the supervisor's own by default."""

    def command(call: str, who: Acting, body: _WhisperBody) -> AnyCommand:
        extension = body.extension or who.extension
        if not extension:
            raise Refused(400, "unknown_extension", "请给出要接通的分机号，如8004", field="extension")
        return Whisper(call_id=call, who=who.username, extension=extension)

    return await _command(request, _WhisperBody, command)


@access.api_acts(*ACTORS)
async def record_duty(request: web.Request) -> web.StreamResponse:
    """Note who accepted the matter; unclear (null): the one that received it first."""
    desk, who = request.app[DESK], request[ACTING]
    call = await call_of(request)
    body = await body_of(request, _DutyBody)
    await refuse_strangers(desk, who, call, afterwards=True)
    try:
        await duty.record_duty(
            desk.database,
            call.call_id,
            accepted_by=body.accepted_by,
            note=body.note,
            actor=Actor(name=who.signature, role=who.role),
        )
    except LinkageError as problem:
        raise refused(problem) from problem
    await tell_desks(desk, call.call_id, "linkage_duty")
    return web.json_response(await described(desk, call, await access.reader(request)))


@access.api_acts(*ACTORS)
async def guide(request: web.Request) -> web.StreamResponse:
    """File the call's ticket as one of guide class (指引类): the caller was told the lines and connected to them."""
    desk, who = request.app[DESK], request[ACTING]
    call = await call_of(request)
    body = await body_of(request, _GuideBody)
    await refuse_strangers(desk, who, call, afterwards=True)
    view = await reading.linkage_of(desk.database, call.call_id)
    if view is None:
        raise Refused(409, "no_linkage", "这通电话没有三线联动", field="call_id")
    known = {line.number for line in desk.jurisdiction.lines}
    numbers = [line.row.line for line in view.lines if line.row.line in known]
    actor = Actor(name=who.signature, role=who.role)
    try:
        ticket = await intake.guide(desk.centre, view.row.ticket_id, numbers, actor, note=body.note)
    except TicketError as problem:
        raise Refused(409, problem.code, str(problem), field=problem.field) from problem
    await tell_desks(desk, call.call_id, "ticket_guided")
    return web.json_response({"ticket_id": ticket.id, "state": ticket.state, "lines": numbers})


@access.api(*READERS)
async def lines(request: web.Request) -> web.StreamResponse:
    """The lines that can be asked for, and how their rehearsals went."""
    desk = request.app[DESK]
    configured = desk.settings.lines.emergency_lines
    found = await rehearsals.standings(desk.database, configured, desk.linkage.rehearsal.stale_hours)
    body = [
        {
            "line": line.line,
            "name": line.name,
            "standing": one.standing,
            "rehearsed_at": time_of(one.newest.at) if one.newest else None,
            "worked_at": time_of(one.worked_at),
            "problem": one.newest.detail if one.newest and one.standing == "failed" else "",
        }
        for line, one in zip(configured, found, strict=True)
    ]
    return web.json_response({"lines": body})


@access.api("supervisor", "auditor")
async def month(request: web.Request) -> web.StreamResponse:
    """Figures of a month; of the one that it is now, when none is given."""
    desk = request.app[DESK]
    text = request.query.get("month") or now().astimezone(desk.timezone).strftime("%Y-%m")
    try:
        since, until = figures.month_of(text, desk.timezone)
    except ValueError as problem:
        raise Refused(400, "bad_request", f"month: '{text}' is not a month such as 2026-11", field="month") from problem
    found = await figures.figures(desk.database, since, until)
    return web.json_response(figures.as_json(text, found))


@access.api(*ACTORS)
async def open_alarms(request: web.Request) -> web.StreamResponse:
    """Alarms that nobody has acknowledged, and proposals that nobody has decided about."""
    desk = request.app[DESK]
    return web.json_response(
        {
            "alarms": [
                {
                    "id": one.id,
                    "kind": one.kind,
                    "call_id": one.call_id,
                    "line": one.line,
                    "at": time_of(one.at),
                    "detail": one.detail,
                }
                for one in await alarms.open_alarms(desk.database)
            ],
            "proposals": [
                {"id": one.id, "call_id": one.call_id, "lines": one.lines, "words": one.words, "at": time_of(one.at)}
                for one in await proposals.open_proposals(desk.database)
            ],
        }
    )


@access.api_acts(*ACTORS)
async def acknowledge(request: web.Request) -> web.StreamResponse:
    """Note that somebody has seen an alarm."""
    desk, who = request.app[DESK], request[ACTING]
    await body_of(request, NoBody)
    try:
        alarm = await alarms.acknowledge(desk.database, _row_id(request, "alarm_id"), who.signature)
    except LinkageError as problem:
        raise refused(problem) from problem
    await tell_desks(desk, alarm.call_id or "", "alarm_acknowledged")
    return web.json_response(
        {"id": alarm.id, "acknowledged_at": time_of(alarm.acknowledged_at), "acknowledged_by": alarm.acknowledged_by}
    )


@access.api_acts(*ACTORS)
async def dismiss(request: web.Request) -> web.StreamResponse:
    """Decide that what was proposed from the caller's words is no emergency."""
    desk, who = request.app[DESK], request[ACTING]
    await body_of(request, NoBody)
    try:
        proposal = await proposals.dismiss(desk.database, _row_id(request, "proposal_id"), who.signature)
    except LinkageError as problem:
        raise refused(problem) from problem
    await tell_desks(desk, proposal.call_id, "linkage_dismissed")
    return web.json_response({"id": proposal.id, "state": proposal.state, "decided_by": proposal.decided_by})


async def _command(
    request: web.Request, model: type[BodyT], command: Callable[[str, Acting, BodyT], AnyCommand]
) -> web.StreamResponse:
    desk, who = request.app[DESK], request[ACTING]
    call = await call_of(request)
    body = await body_of(request, model)
    await refuse_strangers(desk, who, call)
    try:
        made = command(call.call_id, who, body)
    except ValidationError as problem:
        raise malformed(problem) from problem
    await carry_out(desk, made)
    return web.json_response(await described(desk, call, await access.reader(request)))


def _muting(command: type[Mute] | type[Unmute], call: str, who: Acting, body: _PartyBody) -> AnyCommand:
    # Checked by the command itself, whose parties these are.
    return command.model_validate({"call_id": call, "who": who.username, "party": body.party, "line": body.line})


def _row_id(request: web.Request, name: str) -> int:
    text = request.match_info[name]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused(404, f"no_such_{name.removesuffix('_id')}", f"没有编号为 {text[:20]} 的记录", field=name)
    return int(text)
