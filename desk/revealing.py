"""Reading what is masked, from the desk: a page and an API request, both with a reason that is written down."""

from __future__ import annotations

import aiohttp_jinja2
from aiohttp import web

from desk import access, wording
from desk.access import ACTING, PERSON
from desk.linkage.acting import Body, body_of
from desk.refused import Refused
from desk.state import DESK
from routing.life.errors import LawError
from routing.secrecy.errors import RevealRefused
from routing.secrecy.hearing import RECORDING, hear
from routing.secrecy.reading import reveal
from routing.secrecy.rights import KIND_OF
from routing.tickets import Actor, NoSuchTicket

LABELS = {field: wording.FIELD_LABELS.get(field, "") for field in KIND_OF} | {
    "caller_number": "来电号码",
    "result": "办理结果",
    "transcript": "通话转写",
    RECORDING: "通话录音",
}


class _Wanted(Body):
    field: str
    reason: str


@access.page("agent", "supervisor")
async def reveal_page(request: web.Request) -> web.StreamResponse:
    """The form that asks for the field and the reason; posted, the same page with the value."""
    field, value, problem, status = "", "", "", 200
    ticket_id = request.match_info["ticket_id"]
    if request.method == "POST":
        form = await access.checked_form(request)
        field, reason = form.text("field") or "", form.text("reason") or ""
        centre, actor = request.app[DESK].centre, access.actor(request[PERSON])
        try:
            if field == RECORDING:
                await hear(centre, ticket_id, actor, reason)
            else:
                value = await reveal(centre, ticket_id, field, actor, reason)
        except NoSuchTicket as refused:
            raise web.HTTPNotFound(text=str(refused)) from refused
        except LawError as refused:
            problem, status = str(refused), 403 if isinstance(refused, RevealRefused) else 400
    context = {
        "hotline": request.app[DESK].settings.hotline.name,
        "form_token": access.form_token(request),
        "ticket_id": ticket_id,
        "labels": LABELS,
        "field": field,
        "value": value,
        "problem": problem,
        "done": request.method == "POST" and not problem,
    }
    return aiohttp_jinja2.render_template("reveal.html", request, context, status=status)


@access.api_acts("agent", "supervisor", "auditor")
async def reveal_field(request: web.Request) -> web.StreamResponse:
    """The value of a masked field, after who read it and why has been written down."""
    wanted = await body_of(request, _Wanted)
    acting = request[ACTING]
    actor = Actor(name=acting.signature, role=acting.role)
    try:
        value = await reveal(
            request.app[DESK].centre, request.match_info["ticket_id"], wanted.field, actor, wanted.reason
        )
    except NoSuchTicket as refused:
        raise Refused(404, refused.code, str(refused)) from refused
    except LawError as refused:
        status = 403 if isinstance(refused, RevealRefused) else 400
        raise Refused(status, refused.code, str(refused), field=refused.field) from refused
    return web.json_response({"field": wanted.field, "value": value})
