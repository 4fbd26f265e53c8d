"""Who may do what to a linkage, and how it is done: requests checked, commands sent to the bridge."""

from __future__ import annotations

import json
from typing import TypeVar

import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.exceptions import RedisError

from desk.access import Acting
from desk.refused import Refused
from desk.state import DESK, Desk
from ivr.commands import AnyCommand, CommandRefused, ask
from routing import tickets
from routing.intake import DESK_CHANNEL
from routing.linkage import reading
from routing.linkage.errors import LinkageError
from routing.linkage.reading import LinkageView
from routing.storage import Call

log = structlog.get_logger(__name__)

COMMAND_SECONDS = 3.0
"""How long a command may take before it is withdrawn."""

_LARGEST_BODY = 16 * 1024
_STATUS = {
    "no_such_call": 404,
    "no_such_alarm": 404,
    "no_such_proposal": 404,
    "no_linkage": 409,
    "not_in_linkage": 409,
    "agent_needed": 409,
    "agent_there": 409,
    "declined": 409,
    "unknown_line": 400,
    "unknown_extension": 400,
    "malformed": 400,
    "bad_duty": 400,
    "asterisk_refused": 502,
    "bridge_unreachable": 503,
    "no_answer": 504,
}
_UNANSWERED = ("arriving", "waiting")


class Body(BaseModel):
    """The JSON of a request; what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NoBody(Body):
    """Requests that need none; an empty one, or {}."""


BodyT = TypeVar("BodyT", bound=Body)


async def body_of(request: web.Request, model: type[BodyT]) -> BodyT:
    """The request's JSON, checked. Raises Refused (malformed)."""
    data = await request.read()
    if len(data) > _LARGEST_BODY:
        raise Refused(413, "malformed", f"请求内容太大，最多 {_LARGEST_BODY} 字节")
    if data.strip() and request.content_type != "application/json":
        raise Refused(415, "malformed", "请求内容必须是 JSON（Content-Type: application/json）")
    try:
        return model.model_validate_json(data if data.strip() else b"{}")
    except ValidationError as problem:
        raise malformed(problem) from problem


def malformed(problem: ValidationError) -> Refused:
    """What is wrong with a request, without quoting it."""
    first = problem.errors(include_input=False, include_url=False)[0]
    field = ".".join(str(step) for step in first["loc"])
    return Refused(400, "malformed", f"{field or '请求'} 不正确：{first['msg']}", field=field)


async def call_of(request: web.Request) -> Call:
    """The call of the request's path. Raises Refused (no_such_call)."""
    call = await tickets.call(request.app[DESK].database, request.match_info["call_id"])
    if call is None:
        raise Refused(404, "no_such_call", "没有这通电话", field="call_id")
    return call


def has_part(
    role: str, extension: str, call: Call, view: LinkageView | None, *, afterwards: bool = False, asks: bool = False
) -> bool:
    """Whether somebody may act in the call: a supervisor in every one, an agent in their own and in one into whose
    conference they were rung.

    `afterwards`: for what may be done when the call has ended. `asks`: for asking for lines: because a life may
    depend on it, any agent may in a call that nobody has answered; ending or muting it is another matter.
    """
    if role == "supervisor":
        return True
    if not extension:
        return False
    own = call.agent == extension and (afterwards or call.state in ("ringing", "talking"))
    in_conference = view is not None and any(one.party == "agent" and one.name == extension for one in view.present)
    return own or in_conference or (asks and call.state in _UNANSWERED)


async def refuse_strangers(
    desk: Desk, who: Acting, call: Call, *, afterwards: bool = False, asks: bool = False
) -> None:
    """Raises 403 for those who have no part in the call."""
    view = await reading.linkage_of(desk.database, call.call_id) if who.extension else None
    if not has_part(who.role, who.extension, call, view, afterwards=afterwards, asks=asks):
        raise Refused(403, "forbidden", "只有这通电话的坐席和班长可以操作")


def known_line(desk: Desk, line: str) -> str:
    """The line, if it is configured. Raises Refused (unknown_line): nobody dials anything else through us."""
    lines = [one.line for one in desk.settings.lines.emergency_lines]
    if line not in lines:
        raise Refused(400, "unknown_line", f"没有这条专线（有：{'、'.join(lines) or '无'}）", field="lines")
    return line


async def carry_out(desk: Desk, command: AnyCommand) -> None:
    """Have the bridge do it. Raises Refused with the bridge's code."""
    try:
        await ask(desk.redis, command, COMMAND_SECONDS)
    except CommandRefused as problem:
        log.warning("a command was not carried out", kind=command.kind, code=problem.code)
        message = problem.message or "没有执行"
        raise Refused(_STATUS.get(problem.code, 500), problem.code, message, field=problem.field) from problem


def refused(problem: LinkageError) -> Refused:
    """The answer to an error of the services."""
    return Refused(_STATUS.get(problem.code, 400), problem.code, str(problem), field=problem.field)


async def tell_desks(desk: Desk, call_id: str, kind: str) -> None:
    """Tell all desks that something changed."""
    try:
        await desk.redis.publish(DESK_CHANNEL, json.dumps({"call_id": call_id, "kind": kind}))
    except (RedisError, OSError) as problem:
        # The change is kept; the others see it when they poll.
        log.warning("a change of a linkage was not told to the other desks", kind=kind, problem=str(problem))
