"""The pages for people: the agent's desk, its pieces that are fetched again as things happen, the supervisor's page."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp_jinja2
import structlog
from aiohttp import web
from redis.exceptions import RedisError

from desk import access, confidential, health, live, queries, suggestions, view, wording
from desk.access import PERSON
from desk.accounts import Account
from desk.linkage import panel, report
from desk.state import DESK, Desk
from routing import corrections, tickets
from routing.further_matter import call_of
from routing.intake import DESK_CHANNEL
from routing.linkage.reading import active_linkages
from routing.secrecy.view import Line
from routing.storage import FIELDS, Call, Ticket
from routing.tickets import Actor

log = structlog.get_logger(__name__)

_Act = Callable[..., Awaitable[Ticket]]

CALLS_SHOWN = 100
DRAFTS_SHOWN = 50
_DESK_PARTS = ("banners", "alarms", "calls", "drafts", "linkage", "transcript", "suggestions", "ticket")
_SUPERVISOR_PARTS = ("banners", "alarms", "attention", "overview", "linkages")


@dataclass(frozen=True)
class Opened:
    """What the desk has open; `query` opens the same again."""

    call: Call | None
    ticket: Ticket | None
    query: str


@access.page("agent", "supervisor")
async def desk_page(request: web.Request) -> web.StreamResponse:
    """The agent's desk, with the call or ticket of the query, else with the agent's own call."""
    desk, person = request.app[DESK], request[PERSON]
    opened = await _opened(desk, request)
    if not opened.query and person.extension:
        own = await queries.talking_call(desk.database, person.extension)
        if own:
            opened = await _opened_call(desk, own, person)
    return await _desk_page(request, opened)


@access.page("agent", "supervisor")
async def parts(request: web.Request) -> web.StreamResponse:
    """The pieces that the query's `want` names (comma-separated), for desk.js to put in place."""
    desk = request.app[DESK]
    wanted = [part for part in request.query.get("want", "").split(",") if part]
    known = _DESK_PARTS + (_SUPERVISOR_PARTS if request[PERSON].role == "supervisor" else ())
    if not wanted or any(part not in known for part in wanted):
        raise web.HTTPBadRequest(text="want: " + ", ".join(known))
    context = await _context(request, await _opened(desk, request), wanted)
    return aiohttp_jinja2.render_template("parts.html", request, context)


@access.page("supervisor")
async def supervisor_page(request: web.Request) -> web.StreamResponse:
    """Tickets that somebody should look at, and all live calls."""
    context = await _context(request, Opened(None, None, ""), ("banners", "alarms", "attention", "overview"))
    return aiohttp_jinja2.render_template("supervisor.html", request, context)


@access.page("supervisor")
async def linkages_page(request: web.Request) -> web.StreamResponse:
    """Linkages of today and of the month, failures, rehearsals."""
    context = await _context(request, Opened(None, None, ""), ("banners", "alarms", "linkages"))
    return aiohttp_jinja2.render_template("linkages.html", request, context)


@access.page("agent", "supervisor")
async def edit(request: web.Request) -> web.StreamResponse:
    """Save the fields that the agent touched."""
    return await _write(request, tickets.edit, "ticket_edited")


@access.page("agent", "supervisor")
async def confirm(request: web.Request) -> web.StreamResponse:
    """Save the fields that the agent touched and confirm the ticket."""
    return await _write(request, tickets.confirm, "ticket_confirmed")


@access.page("agent", "supervisor")
async def suggestion(request: web.Request) -> web.StreamResponse:
    """Take what the machine suggests about a draft, or (no `value`) wave it away."""
    desk, person = request.app[DESK], request[PERSON]
    form = await access.checked_form(request)
    ticket_id = request.match_info["ticket_id"]
    if (await _opened_ticket(desk, ticket_id, person)).ticket is None:
        raise web.HTTPNotFound(text=f"没有编号为 {ticket_id} 的工单")
    kind, chosen, status, message = form.text("kind") or "", form.text("chosen") or "", 200, ""
    try:
        decided = await suggestions.act(desk, ticket_id, kind, chosen, form.text("value"), access.actor(person))
        await _tell(desk, decided, "suggestion_decided")
    except tickets.TicketError as problem:
        status, message = 409, str(problem)
    opened = await _opened_ticket(desk, ticket_id, person)
    if opened.ticket is None:  # handed to a unit that alone sees it
        raise web.HTTPNotFound(text="工单已转出，本台不再显示")
    context = await _context(request, opened, ["ticket"])
    context["suggestions"] = await suggestions.suggestions(desk, opened.ticket, message)
    context["wanted"] = ["suggestions", "ticket"]
    return aiohttp_jinja2.render_template("parts.html", request, context, status=status)


@access.page("supervisor")
async def clear_attention(request: web.Request) -> web.StreamResponse:
    """Take a ticket off the list of those that somebody should look at."""
    desk = request.app[DESK]
    form = await access.checked_form(request)
    ticket_id = request.match_info["ticket_id"]
    try:
        ticket = await tickets.clear_attention(
            desk.database, ticket_id, _version(form), access.actor(request[PERSON]), why="班长已处理"
        )
    except tickets.NoSuchTicket as problem:
        raise web.HTTPNotFound(text=str(problem)) from problem
    except tickets.TicketChanged as problem:
        raise web.HTTPConflict(text=str(problem)) from problem
    await _tell(desk, ticket, "attention_cleared")
    raise web.HTTPSeeOther("/supervisor")


@access.page("agent", "supervisor")
async def live_feed(request: web.Request) -> web.StreamResponse:
    """What happens, as server-sent events: `change`, `redis`, and `interim` texts of the call in the query."""
    desk = request.app[DESK]
    call_id = request.query.get("call", "")

    async def first() -> AsyncIterator[live.Message]:
        yield live.Message("redis", json.dumps({"ok": desk.live.problem is None}))

    async def still_allowed() -> bool:
        return await access.person_of(request) is not None

    def wants(message: live.Message) -> bool:
        return message.event != "interim" or message.call_id == call_id

    mask = confidential.EventMask(desk.database, access.actor(request[PERSON]))
    with desk.live.desk.listen(wants) as listener:
        return await live.send(request, listener, first(), still_allowed, mask)


async def _write(request: web.Request, act: _Act, kind: str) -> web.StreamResponse:
    desk, person = request.app[DESK], request[PERSON]
    form = await access.checked_form(request)
    ticket_id, version = request.match_info["ticket_id"], _version(form)
    if (await _opened_ticket(desk, ticket_id, person)).ticket is None:
        raise web.HTTPNotFound(text=f"没有编号为 {ticket_id} 的工单")
    typed = _touched(form)
    values, errors = _in_ids(desk, typed)
    saved: Ticket | None = None
    status, message = 200, ""
    try:
        more = {"reminded": form.text("reminded") == "yes", "scope": form.text("scope") or ""}
        saved = await _save(desk, act, ticket_id, version, values, errors, access.actor(person), more)
    except tickets.NoSuchTicket as problem:
        raise web.HTTPNotFound(text=str(problem)) from problem
    except tickets.AlreadyConfirmed as problem:
        status, message = 409, str(problem)
    except tickets.TicketChanged:
        status, message = 409, "工单刚刚在别处有了修改。您输入的内容都还在，请核对后再保存一次"
    if errors and status == 200:
        elsewhere = (text for name, text in errors.items() if name not in FIELDS)
        status, message = 400, next(elsewhere, "有内容不能保存，请看标红的字段")
    if saved:
        await _tell(desk, saved, kind)
        if act is tickets.confirm:
            await _keep_corrections(desk, saved)
        typed = {name: text for name, text in typed.items() if name in errors}
        if not errors and access.FRAGMENT_HEADER not in request.headers:
            raise web.HTTPSeeOther(f"/?call={saved.call_id}" if saved.call_id else f"/?ticket={saved.id}")
    opened = await _opened_ticket(desk, ticket_id, person)
    if opened.ticket is None:
        raise web.HTTPNotFound(text=f"没有编号为 {ticket_id} 的工单")
    changes = await _changes_by_others(desk, person, ticket_id, version) if status == 409 else []
    shown = view.ticket_form(desk, opened.ticket, typed=typed, errors=errors, message=message, changes=changes)
    if access.FRAGMENT_HEADER in request.headers:
        context = _base(request) | {"wanted": ["ticket"], "form": shown, "opened": opened}
        return aiohttp_jinja2.render_template("parts.html", request, context, status=status)
    return await _desk_page(request, opened, form=shown, status=status)


async def _keep_corrections(desk: Desk, ticket: Ticket) -> None:
    if not desk.settings.hotline.listening.keep_corrections:
        return
    try:
        await corrections.keep(desk.database, desk.jurisdiction, ticket.id, desk.settings.data_dir / "corrections")
    except OSError as problem:
        # The ticket is confirmed; a full disk must not say otherwise.
        log.warning("a confirmed call was not kept for the evaluation", ticket=ticket.id, problem=str(problem))


async def _save(
    desk: Desk,
    act: _Act,
    ticket_id: str,
    version: int,
    values: dict[str, str],
    errors: dict[str, str],
    actor: Actor,
    more: dict[str, Any],
) -> Ticket | None:
    """Save what can be saved, and note in `errors` what cannot; None when nothing was.

    A value that cannot be kept holds up a confirmation, but not the saving of the others. `more` is for confirming.
    """
    is_confirmation = act is tickets.confirm
    more = more if is_confirmation else {}
    while is_confirmation or values:
        if is_confirmation and errors:
            return None
        try:
            return await act(desk.database, ticket_id, version, values, actor, jurisdiction=desk.jurisdiction, **more)
        except tickets.BadField as problem:
            errors[problem.field] = str(problem)
            values = {name: value for name, value in values.items() if name != problem.field}
    return None


def _in_ids(desk: Desk, typed: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """What was typed with names replaced by ids; and per field, what is wrong with it."""
    values: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, text in typed.items():
        try:
            values[name] = desk.catalogue.id(name, text)
        except tickets.BadField as problem:
            errors[name] = str(problem)
    return values, errors


async def _changes_by_others(desk: Desk, person: Account, ticket_id: str, version: int) -> list[Line]:
    """The newest change of each field since `version` that `person` has not made, as this person may see it."""
    own = access.actor(person).name
    lines = await confidential.told(desk.database, ticket_id, access.actor(person), desk.jurisdiction)
    made = [line for line in lines if line.version > version]
    return list({line.field: line for line in made if line.field in FIELDS and line.actor != own}.values())


async def _desk_page(
    request: web.Request, opened: Opened, *, form: view.TicketForm | None = None, status: int = 200
) -> web.StreamResponse:
    context = await _context(request, opened, _DESK_PARTS)
    if form:
        context["form"] = form
    catalogue = request.app[DESK].catalogue
    context["choice_lists"] = {"matter": catalogue.choices("matter"), "unit": catalogue.choices("functional_unit")}
    return aiohttp_jinja2.render_template("desk.html", request, context, status=status)


def _base(request: web.Request) -> dict[str, Any]:
    desk, person = request.app[DESK], request[PERSON]
    return {
        "hotline": desk.settings.hotline.name,
        "me": person,
        "my_role": wording.ROLE_NAMES.get(person.role, person.role),
        "my_signature": access.actor(person).name,
        "form_token": access.form_token(request),
    }


async def _context(request: web.Request, opened: Opened, wanted: list[str] | tuple[str, ...]) -> dict[str, Any]:
    desk, person = request.app[DESK], request[PERSON]
    context = _base(request) | {"wanted": list(wanted), "opened": opened, "form": None}
    if "banners" in wanted:
        found = await desk.health.parts()
        if desk.live.problem and found.get("redis", health.OK) == health.OK:
            found["redis"] = "桌面收不到实时事件，正在重连"
        context["banners"] = health.banners(found, opened.call)
        if person.role == "supervisor" and found.get(health.LINES, health.OK) != health.OK:
            context["banners"].append(health.Banner("notice", f"应急专线：{found[health.LINES]}"))
    if "alarms" in wanted:
        context["alarms"] = await panel.alarm_rows(desk, person)
    if "linkage" in wanted:
        context["linkage"] = await panel.panel(desk, person, opened.call) if opened.call else None
    if "linkages" in wanted:
        context["overview_of_lines"] = await report.overview(desk, request.query.get("month", ""), access.actor(person))
    if "calls" in wanted or "overview" in wanted:
        await _add_calls(context, desk, person)
    if "drafts" in wanted:
        drafts = await queries.open_drafts(desk.database, person.extension, DRAFTS_SHOWN)
        context["drafts"] = await _draft_rows(desk, drafts, person)
    if "transcript" in wanted and opened.call:
        context["call"] = view.call_row(desk, opened.call, person.extension)
        context["ended"] = _ending(desk, opened.call)
        context["deaf"] = _deaf_legs(opened.call)
        context["audible"] = desk.settings.hotline.call.record and opened.ticket is not None
        spoken = await tickets.utterances(desk.database, opened.call.call_id)
        context["said"] = view.transcript(
            desk, await confidential.said(desk.database, opened.call, spoken, access.actor(person))
        )
    if "suggestions" in wanted:
        context["suggestions"] = await suggestions.suggestions(desk, opened.ticket) if opened.ticket else None
    if "ticket" in wanted and opened.ticket:
        context["form"] = view.ticket_form(desk, opened.ticket)
    if "attention" in wanted:
        found_tickets = await tickets.tickets(desk.database, attention=True, limit=CALLS_SHOWN)
        rows = await queries.with_calls(desk.database, found_tickets)
        context["attention"] = await _draft_rows(desk, rows, person)
    if "overview" in wanted:
        context["draft_count"] = await queries.draft_count(desk.database)
    return context


async def _draft_rows(desk: Desk, rows: list[tuple[Ticket, Call | None]], person: Account) -> list[view.DraftRow]:
    calls = {ticket.id: call for ticket, call in rows}
    shown = await confidential.listed(desk.database, [ticket for ticket, _ in rows], access.actor(person))
    return [view.draft_row(desk, ticket, calls[ticket.id], person.extension) for ticket in shown]


async def _add_calls(context: dict[str, Any], desk: Desk, person: Account) -> None:
    found = await tickets.calls(desk.database, live=True, limit=CALLS_SHOWN)
    linked = await active_linkages(desk.database, [call.call_id for call in found])
    found = await confidential.called(desk.database, found, access.actor(person))
    rows = view.call_rows(desk, found, person.extension, linked)
    waiting = [row.seconds for row in rows if row.state in ("arriving", "waiting", "ringing")]
    context["calls"] = rows
    context["own_call"] = next((row.call_id for row in rows if row.mine and row.state == "talking"), "")
    context["waiting"] = len(waiting)
    context["longest_wait"] = wording.duration(max(waiting, default=0))
    context["talking"] = sum(1 for row in rows if row.state == "talking")
    context["more_calls"] = len(found) == CALLS_SHOWN


async def _opened(desk: Desk, request: web.Request) -> Opened:
    if call_id := request.query.get("call"):
        call = await tickets.call(desk.database, call_id)
        if call is None:
            raise web.HTTPNotFound(text="没有这通电话")
        return await _opened_call(desk, call, request[PERSON])
    if ticket_id := request.query.get("ticket"):
        opened = await _opened_ticket(desk, ticket_id, request[PERSON])
        if opened.ticket is None:
            raise web.HTTPNotFound(text="没有这张工单")
        return opened
    return Opened(None, None, "")


async def _opened_call(desk: Desk, call: Call, person: Account) -> Opened:
    """A call and its ticket as this person may see them."""
    actor = access.actor(person)
    ticket = await tickets.ticket_of_call(desk.database, call.call_id)
    seen = await confidential.opened(desk.database, ticket, actor) if ticket else None
    if ticket and seen is None:
        raise web.HTTPNotFound(text="没有这通电话")
    (shown,) = await confidential.called(desk.database, [call], actor)
    return Opened(shown, seen, f"call={call.call_id}")


async def _opened_ticket(desk: Desk, ticket_id: str, person: Account) -> Opened:
    """A ticket and its call as this person may see them; without a ticket when it does not exist for this person."""
    ticket, actor = await tickets.ticket(desk.database, ticket_id), access.actor(person)
    call = await call_of(desk.database, ticket) if ticket else None
    if call and ticket and ticket.call_id:
        return await _opened_call(desk, call, person)
    seen = await confidential.opened(desk.database, ticket, actor) if ticket else None
    shown = await confidential.called(desk.database, [call], actor) if call and seen else [None]
    return Opened(shown[0], seen, f"ticket={ticket_id}")


def _ending(desk: Desk, call: Call) -> str:
    if call.state != "ended":
        return ""
    how = "系统中断期间结束" if call.unseen else wording.ENDED_BY.get(call.ended_by, call.ended_by)
    return f"{wording.clock(call.ended_at, desk.timezone)} {how}".strip()


def _deaf_legs(call: Call) -> list[str]:
    who = {"caller": "来电人", "agent": "坐席"}
    return [
        f"{who.get(speaker, speaker)}的话没有转写：{wording.LISTENING_TROUBLE[leg['state']]}"
        for speaker, leg in sorted(call.listening.items())
        if leg.get("state") in wording.LISTENING_TROUBLE
    ]


def _version(form: access.Form) -> int:
    text = form.text("version") or ""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise web.HTTPBadRequest(text="version: 必须是数字")
    return int(text)


def _touched(form: access.Form) -> dict[str, str]:
    touched: dict[str, str] = {}
    for name in FIELDS:
        text, was = form.text(name), form.text(f"was_{name}")
        # A form field's line ends are CR LF, whatever was typed.
        if text is not None and (was is None or text.replace("\r\n", "\n") != was.replace("\r\n", "\n")):
            touched[name] = text.replace("\r\n", "\n")
    return touched


async def _tell(desk: Desk, ticket: Ticket, kind: str) -> None:
    body = {"call_id": ticket.call_id, "ticket_id": ticket.id, "kind": kind}
    try:
        await desk.redis.publish(DESK_CHANNEL, json.dumps(body))
    except (RedisError, OSError) as problem:
        # The change is kept; the others see it when they poll.
        log.warning("a change of a ticket was not told to the other desks", ticket=ticket.id, problem=str(problem))
