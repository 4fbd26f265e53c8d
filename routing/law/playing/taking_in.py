"""What cases call the taking in of a matter, and the tickets with which a case begins."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from routing.jurisdiction import Jurisdiction
from routing.law.cases import CaseError
from routing.law.playing.stage import Given, Play, act, actor_of
from routing.life import dispatch, handling, intake
from routing.storage import Ticket
from routing.tickets import Actor

_FIELD_WORDS = {
    "时间": "time",
    "地点": "place",
    "人物": "person",
    "事件": "event",
    "要求": "demand",
    "回拨号码": "callback_number",
    "诉求": "intent",
    "紧急程度": "urgency",
    "事项": "matter",
    "职能单位": "functional_unit",
    "属地单位": "territorial_unit",
}
"""How cases call the fields of a ticket."""

_BEGINNINGS = ("草稿", "已受理", "已派单", "办理中")
"""Where a ticket may stand when a case begins; it comes there by the services."""

_AGENT = "坐席"


async def set_up(play: Play, given: Given) -> None:
    """What is given: `工单`, one or several, each with a name (名) where there are several."""
    said = given.any("工单", [])
    for words in said if isinstance(said, list) else [said]:
        if not isinstance(words, dict):
            raise CaseError("工单写成“名称: 内容”，例如 {诉求: 投诉, 事项: ...}")
        of_ticket = Given(words, play.jurisdiction)
        await _begin(play, of_ticket)
        of_ticket.nothing_left("工单")
    if said:
        play.current = next(iter(play.tickets))


async def _begin(play: Play, given: Given) -> None:
    agent = actor_of(play.jurisdiction, _AGENT)
    stands = given.text("已经", "已受理")
    if stands not in _BEGINNINGS:
        raise CaseError(f"工单不能从“{stands}”开始（可以：{'、'.join(_BEGINNINGS)}）")
    await open_ticket(play, agent, given)
    accepting = {
        "scope": given.text("受理范围"),
        "handling_class": class_of(play.jurisdiction, given.text("办理类别")),
        "reminded": given.yes("已提醒", default=True),
    }
    lead, assisting = given.unit("主办"), given.units("协办")
    if stands == "草稿":
        return
    ticket = await play.ticket()
    await intake.accept_draft(play.centre, ticket.id, ticket.version, agent, **accepting)  # type: ignore[arg-type]
    if stands == "已受理":
        return
    await _through_pre_review(play)
    ticket = await play.ticket()
    await dispatch.dispatch(play.centre, ticket.id, ticket.version, agent, lead=lead, assisting=assisting)
    if stands == "办理中":
        for unit in (lead, *assisting):
            clerk = Actor(f"{unit} 采编员", "unit_clerk", unit)
            ticket = await play.ticket()
            await handling.sign(play.centre, ticket.id, ticket.version, clerk)


async def _through_pre_review(play: Play) -> None:
    """A case that begins after dispatch takes the step before it for granted."""
    ticket = await play.ticket()
    law = play.jurisdiction.law_at(play.at).pre_review
    if law is None or not law.applies.covers(ticket.intent, ticket.handling_class, ticket.urgency):
        return
    agent = actor_of(play.jurisdiction, _AGENT)
    submitted = await intake.submit_for_pre_review(
        play.centre, ticket.id, ticket.version, agent, opinion="职责清楚，建议派单"
    )
    reviewer = Actor("预审人", law.reviewer)
    await intake.decide_first_opinion(play.centre, submitted.id, submitted.version, reviewer, agreed=True)


@act("开单")
async def open_ticket(play: Play, actor: Actor, given: Given) -> None:
    """A draft, with what the caller says."""
    name = given.text("名") or given.text("工单名") or f"工单{len(play.tickets) + 1}"
    if name in play.tickets:
        raise CaseError(f"已经有叫“{name}”的工单")
    law = play.jurisdiction.law_at(play.at)
    channel = given.text("渠道") or (law.channels.names[0] if law.channels and law.channels.names else "电话")
    ticket = await intake.open_ticket(
        play.centre,
        actor,
        channel=channel,
        values=values(play.jurisdiction, given),
        external_id=given.text("上级平台编号"),
        anonymous=given.yes("匿名"),
    )
    play.tickets[name] = ticket.id
    play.current = name
    if number := given.text("来电号码"):
        await _rings(play, ticket.id, number)


async def _rings(play: Play, ticket_id: str, number: str) -> None:
    """The number that the telephone side would have written down when the call came in."""
    async with play.db.begin() as session:
        ticket = (await session.scalars(select(Ticket).where(Ticket.id == ticket_id))).one()
        ticket.caller_number = number
        ticket.version += 1


def values(jurisdiction: Jurisdiction, given: Given) -> dict[str, str]:
    """The fields of a ticket that are said, with ids for names."""
    told: dict[str, str] = {}
    for word, name in _FIELD_WORDS.items():
        if given.has(word):
            told[name] = given.unit(word) if name.endswith("_unit") else _id(jurisdiction, name, given.text(word))
    return told


def _id(jurisdiction: Jurisdiction, name: str, said: str) -> str:
    """The id behind a name of the catalogue; what is no name is left as it is said, for the services to refuse."""
    lists: dict[str, tuple[Any, ...]] = {
        "intent": jurisdiction.intents,
        "urgency": jurisdiction.urgencies,
        "matter": jurisdiction.matters,
    }
    return next((one.id for one in lists.get(name, ()) if said == one.name), said)


def class_of(jurisdiction: Jurisdiction, said: str) -> str:
    """The id of a handling class; what is no name is left as it is said."""
    return next((one.id for one in jurisdiction.handling_classes if said == one.name), said)


@act("受理")
async def accept(play: Play, actor: Actor, given: Given) -> None:
    """Accepted under an item of the intake scope."""
    ticket = await play.ticket()
    await intake.accept_draft(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        values=values(play.jurisdiction, given),
        scope=given.text("受理范围"),
        handling_class=class_of(play.jurisdiction, given.text("办理类别")),
        reminded=given.yes("已提醒"),
        anonymous=given.yes("匿名") if given.has("匿名") else None,
    )


@act("更正分类")
async def classify(play: Play, actor: Actor, given: Given) -> None:
    """What it is about is corrected before dispatch; an emergency is declared so (C4)."""
    ticket = await play.ticket()
    await intake.classify(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        values=values(play.jurisdiction, given),
        scope=given.text("受理范围"),
        handling_class=class_of(play.jurisdiction, given.text("办理类别")),
        reminded=given.yes("已提醒"),
        why=given.text("理由"),
    )


@act("不予受理")
async def refuse(play: Play, actor: Actor, given: Given) -> None:
    """Refused on a ground."""
    ticket = await play.ticket()
    await intake.refuse(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        ground=given.text("情形"),
        notice=given.text("告知"),
        basis=given.text("依据"),
        why=given.text("说明"),
    )


@act("当场答复")
async def answer(play: Play, actor: Actor, given: Given) -> None:
    """Answered while the caller is on the line."""
    ticket = await play.ticket()
    await intake.answer_on_the_spot(
        play.centre, ticket.id, ticket.version, actor, answer=given.text("答复"), scope=given.text("受理范围")
    )


@act("引导转出")
async def refer(play: Play, actor: Actor, given: Given) -> None:
    """Referred to somebody else: 114, 区外, 纪检."""
    ticket = await play.ticket()
    to = {"114": "directory", "区外": "out_of_area", "纪检": intake.DISCIPLINE}
    await intake.refer(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        to=to.get(given.text("去向"), given.text("去向")),
        note=given.text("告知"),
        line_number=given.text("号码"),
    )


@act("三线联动")
async def guide(play: Play, actor: Actor, given: Given) -> None:
    """Told the lines and connected to them."""
    await intake.guide(play.centre, play.named(""), given.list("专线"), actor, note=given.text("说明"))


@act("提交预审")
async def submit_for_pre_review(play: Play, actor: Actor, given: Given) -> None:
    """A first opinion goes to the host."""
    ticket = await play.ticket()
    await intake.submit_for_pre_review(play.centre, ticket.id, ticket.version, actor, opinion=given.text("初步意见"))


@act("预审同意")
async def agree(play: Play, actor: Actor, given: Given) -> None:
    """The host agrees."""
    ticket = await play.ticket()
    await intake.decide_first_opinion(
        play.centre, ticket.id, ticket.version, actor, agreed=True, why=given.text("理由")
    )


@act("预审不同意")
async def disagree(play: Play, actor: Actor, given: Given) -> None:
    """The host does not agree."""
    ticket = await play.ticket()
    await intake.decide_first_opinion(
        play.centre, ticket.id, ticket.version, actor, agreed=False, why=given.text("理由")
    )


@act("登记上级平台编号")
async def note_external_id(play: Play, actor: Actor, given: Given) -> None:
    """The id on the platform above."""
    ticket = await play.ticket()
    await intake.note_external_id(play.centre, ticket.id, ticket.version, actor, given.text("编号"))
