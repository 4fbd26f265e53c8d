"""What cases call confidentiality: marking, who sees what, reading what is masked, taking data out."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from routing.law.cases import CaseError
from routing.law.playing.stage import Given, Play, act, actor_of, check
from routing.secrecy import marking, reading, releases, view
from routing.secrecy.tables import Release
from routing.tickets import Actor, NoSuchTicket

_FIELDS = {
    "时间": "time",
    "地点": "place",
    "人物": "person",
    "事件": "event",
    "要求": "demand",
    "回拨号码": "callback_number",
    "来电号码": "caller_number",
    "结果": "result",
    "通话转写": "transcript",
}
_SIGHTS = {"shown": "可见", "on_request": "说明理由可查", "hidden": "不可见"}
_KINDS = {"统计": "statistics", "工单": "tickets", "录音": "recordings", "转写": "transcripts"}


@act("设定保密")
async def set_secrecy(play: Play, actor: Actor, given: Given) -> None:
    """What of the ticket is confidential from now on."""
    ticket = await play.ticket()
    await marking.set_secrecy(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        identity=given.yes("身份"),
        content=given.yes("内容"),
        why=given.text("理由"),
        category=given.text("类别"),
        tracker=given.text("跟踪人"),
    )


@check("看见")
async def sights(play: Play, expected: Any) -> Any:
    """{谁: {字段: 可见 / 说明理由可查 / 不可见}}; 没有这张工单 for whom it does not exist."""
    ticket = await play.ticket()
    found: dict[str, Any] = {}
    for who, fields in expected.items():
        actor = actor_of(play.jurisdiction, who)
        try:
            seen = await view.view(play.centre, ticket.id, actor)
        except NoSuchTicket:
            found[who] = "没有这张工单"
            continue
        there = {**seen.fields, **seen.result, "caller_number": seen.caller_number}
        if isinstance(fields, dict):
            found[who] = {name: _SIGHTS[there[_field(name)].sight] for name in fields}
        else:
            found[who] = "看得见"
    return found


@check("显示")
async def texts(play: Play, expected: Any) -> Any:
    """{谁: {字段: 看到的字}}."""
    ticket = await play.ticket()
    found = {}
    for who, fields in expected.items():
        seen = await view.view(play.centre, ticket.id, actor_of(play.jurisdiction, who))
        there = {**seen.fields, "caller_number": seen.caller_number}
        found[who] = {name: there[_field(name)].text for name in fields}
    return found


@check("看到的履历")
async def staff(play: Play, expected: Any) -> Any:
    """{谁: [names that this person sees in the history]}, each once, in order."""
    ticket = await play.ticket()
    found = {}
    for who in expected:
        seen = await view.view(play.centre, ticket.id, actor_of(play.jurisdiction, who))
        found[who] = list(dict.fromkeys(line.actor for line in seen.history))
    return found


def _field(name: str) -> str:
    if name not in _FIELDS:
        raise CaseError(f"没有“{name}”这一项（有：{'、'.join(_FIELDS)}）")
    return _FIELDS[name]


@act("查阅")
async def reveal(play: Play, actor: Actor, given: Given) -> None:
    """Somebody reads a masked field, giving a reason."""
    await reading.reveal(play.centre, play.named(""), _field(given.text("字段")), actor, given.text("理由"))


@check("查阅记录")
async def readings(play: Play, expected: Any) -> Any:
    """[{谁, 字段, 结果}] of the access log of the ticket."""
    fields = {code: name for name, code in _FIELDS.items()}
    outcomes = {"shown": "看了", "refused": "拒绝"}
    return [
        {"谁": one.actor, "字段": fields[one.field], "结果": outcomes[one.outcome]}
        for one in await reading.readings(play.centre, ticket_id=play.named(""))
    ]


@act("申请导出")
async def ask_release(play: Play, actor: Actor, given: Given) -> None:
    """Data is to be taken out."""
    kind = _KINDS.get(given.text("种类"), given.text("种类"))
    await releases.ask(play.centre, actor, kind=kind, scope=given.text("范围"), purpose=given.text("用途"))


@act("批准导出", "不批准导出")
async def decide_release(play: Play, actor: Actor, given: Given) -> None:
    """Another person decides."""
    await releases.decide(
        play.centre, await _release(play), actor, approved=play.verb == "批准导出", why=given.text("理由")
    )


@act("导出")
async def use_release(play: Play, actor: Actor, given: Given) -> None:
    """What was approved is taken, once."""
    kind = _KINDS.get(given.text("种类"), given.text("种类"))
    await releases.use(play.centre, await _release(play), actor, kind=kind, scope=given.text("范围"))


async def _release(play: Play) -> int:
    async with play.db.session() as session:
        found = await session.scalar(select(Release.id).order_by(Release.id.desc()))
    return found or 0
