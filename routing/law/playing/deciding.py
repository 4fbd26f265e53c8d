"""What cases call the centre's other decisions: what belongs together, opinions, leaders' calls, direct lists."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from routing.dispatching import clusters, direct, direct_list, leader_calls, merging, opinions, owners, repeats
from routing.dispatching.tables import FinalOpinion, LeaderSession
from routing.law.cases import CaseError
from routing.law.playing.looking import yes
from routing.law.playing.stage import Given, Play, act, check
from routing.law.playing.taking_in import class_of, values
from routing.tickets import Actor

_EFFECTS = {"no_new_ticket": "不再形成新的工单", "explain": "做好解释工作"}
_ROLES = {"主要负责人": "unit_head", "分管领导": "unit_leader"}


@act("并入", "关联")
async def merge(play: Play, actor: Actor, given: Given) -> None:
    """The ticket becomes part of another one (并入), or is linked to it (关联: `怎样`: 重复 or 以前答复过)."""
    to = play.tickets.get(given.text("到"))
    if to is None:
        raise CaseError(f"没有叫“{given.text('到')}”的工单")
    ticket = await play.ticket()
    if play.verb == "并入":
        await merging.merge(play.centre, ticket.id, ticket.version, to, actor, why=given.text("说明"))
        return
    kinds = {"重复": "repeats", "以前答复过": "answered_before"}
    kind = kinds.get(given.text("怎样", "重复"), given.text("怎样"))
    await merging.link(play.centre, ticket.id, ticket.version, to, actor, kind=kind, why=given.text("说明"))


@act("取消并入")
async def unmerge(play: Play, actor: Actor, given: Given) -> None:
    """It gets its own handling again."""
    ticket = await play.ticket()
    await merging.unmerge(play.centre, ticket.id, ticket.version, actor, why=given.text("理由"))


@check("可能重复")
async def candidates(play: Play, expected: Any) -> Any:
    """The names of open tickets that may be the same matter."""
    ticket = await play.ticket()
    names = {id_: name for name, id_ in play.tickets.items()}
    found = await merging.candidates(play.centre, ticket.id)
    return [names[one.ticket_id] for one in found if one.ticket_id in names]


@check("答复次数")
async def repetition(play: Play, expected: Any) -> Any:
    """{算数: how many answers of this caller about this issue count, 可不再受理: 是/否}."""
    ticket = await play.ticket()
    found = await repeats.repetition(play.centre, ticket.id)
    there = {"算数": found.counted, "可不再受理": yes(found.may_refuse), "依据": found.rule}
    return {name: there.get(name) for name in expected}


@act("因重复不再受理")
async def refuse_repeat(play: Play, actor: Actor, given: Given) -> None:
    """A person refuses what has been answered often enough."""
    ticket = await play.ticket()
    await repeats.refuse_repeat(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        no_new_facts=given.yes("没有新事实"),
        told=given.yes("已告知", default=True),
        why=given.text("理由"),
    )


@act("出具意见")
async def file_opinion(play: Play, actor: Actor, given: Given) -> None:
    """The unit's final opinion; a document for it is made in the case's own folder."""
    document = play.folder / "opinion.pdf"
    document.write_bytes(b"%PDF-1.4 " + given.text("意见").encode())
    role = given.text("签发人身份", "主要负责人")
    ticket = await play.ticket()
    made = await opinions.file_opinion(
        play.centre,
        ticket.id,
        ticket.version,
        actor,
        opinions.Given(
            text=given.text("意见"),
            basis=given.text("依据"),
            grounds=tuple(given.list("情形")),
            signed_by=given.text("签发人", "王某"),
            signed_role=_ROLES.get(role, role),
            file=document if given.yes("盖章文件", default=True) else play.folder / "missing.pdf",
        ),
        folder=play.folder / "opinions",
    )
    play.kept["opinion"] = made.id


@act("审核意见")
async def review_opinion(play: Play, actor: Actor, given: Given) -> None:
    """The centre's decision about the opinion that was filed last."""
    ticket = await play.ticket()
    await opinions.review_opinion(
        play.centre,
        await _opinion(play),
        ticket.version,
        actor,
        accept=given.yes("同意", default=True),
        for_everyone=given.yes("对所有人"),
        why=given.text("理由"),
    )


@act("按意见登记", "按意见解释")
async def close_under(play: Play, actor: Actor, given: Given) -> None:
    """A later call about the matter: logged and linked, or dispatched for explanation."""
    ticket = await play.ticket()
    number = await _opinion(play)
    if play.verb == "按意见解释":
        await opinions.explain_under(play.centre, ticket.id, ticket.version, number, actor)
        return
    await opinions.close_under(
        play.centre,
        ticket.id,
        ticket.version,
        number,
        actor,
        no_new_facts=given.yes("没有新事实", default=True),
        told=given.yes("已告知", default=True),
    )


async def _opinion(play: Play) -> int:
    async with play.db.session() as session:
        found = await session.scalar(select(FinalOpinion.id).order_by(FinalOpinion.id.desc()))
    if found is None:
        raise CaseError("还没有出具意见")
    return found


@check("适用意见")
async def applying(play: Play, expected: Any) -> Any:
    """What accepted opinions say about this ticket."""
    ticket = await play.ticket()
    return [_EFFECTS[one.effect] for one in await opinions.applying(play.centre, ticket.id)]


@act("安排领导接听")
async def plan_leader(play: Play, actor: Actor, given: Given) -> None:
    """A session in which a leader answers calls."""
    starts, ends = given.time("开始"), given.time("结束")
    if starts is None or ends is None:
        raise CaseError("请写明开始和结束的时间")
    await leader_calls.plan(
        play.centre, actor, leader=given.text("领导"), unit=given.unit("接电单位"), starts_at=starts, ends_at=ends
    )


@act("登记领导接听")
async def take_leader(play: Play, actor: Actor, given: Given) -> None:
    """The ticket was taken by the leader of the last session."""
    async with play.db.session() as session:
        number = await session.scalar(select(LeaderSession.id).order_by(LeaderSession.id.desc()))
    ticket = await play.ticket()
    await leader_calls.take(play.centre, ticket.id, ticket.version, number or 0, actor, key_matter=given.yes("包案"))


@check("领导接听")
async def leader_unit(play: Play, expected: Any) -> Any:
    """The unit of the leader who took the ticket."""
    unit = await leader_calls.unit_of(play.centre, (await play.ticket()).id)
    return play.jurisdiction.units[unit].short if unit else "没有"


@act("按直派清单派单")
async def by_list(play: Play, actor: Actor, given: Given) -> None:
    """The machine dispatches by the list; of config/, or of the case (`清单`)."""
    said = given.any("清单")
    if said is None:
        found = direct_list.load(play.config / "direct-dispatch.yaml", play.jurisdiction)
    else:
        items = tuple(direct_list.Item.model_validate(_item(play, one)) for one in said)
        found = direct_list.DirectDispatch(source="案例", inferred=False, items=items)
    ticket = await play.ticket()
    await direct.dispatch_directly(play.centre, found, ticket.id, ticket.version)


def _item(play: Play, said: dict[str, Any]) -> dict[str, Any]:
    words = Given(said, play.jurisdiction)
    item: dict[str, Any] = {"matter": words.text("事项"), "to": {"网格": "grid", "单位": "unit"}[words.text("派往")]}
    item["matter"] = next((one.id for one in play.jurisdiction.matters if one.name == item["matter"]), item["matter"])
    if words.has("单位"):
        item["unit"] = words.unit("单位")
    words.nothing_left("清单")
    return item


@check("派单建议")
async def proposal(play: Play, expected: Any) -> Any:
    """Who should handle what is described: `按` holds the facts; then 主办, 协办, 依据, 专线, 只派, 不予受理, 要问."""
    words = Given(expected.get("按", {}), play.jurisdiction)
    told = values(play.jurisdiction, words)
    facts = owners.Facts(
        matter=told.get("matter", ""),
        place=told.get("place", ""),
        intent=told.get("intent", ""),
        urgency=told.get("urgency", ""),
        handling_class=class_of(play.jurisdiction, words.text("办理类别")),
        named=words.units("指名"),
        gave_back=words.units("退过单"),
        discipline=words.yes("违纪"),
        leader_unit=words.unit("领导单位"),
    )
    words.nothing_left("按")
    found = owners.owners_of(play.jurisdiction, facts, play.calendar.day_of(play.at))
    units = play.jurisdiction.units
    there: dict[str, Any] = {
        "按": expected.get("按", {}),
        "主办": units[found.lead.unit].short if found.lead else "没有",
        "协办": [units[one.unit].short for one in found.owners if one.role == "assist"],
        "依据": found.lead.rule if found.lead else "没有",
        "理由含": _holding(found.lead.reason if found.lead else "", expected.get("理由含", "")),
        "只派": units[found.restricted_to].short if found.restricted_to else "没有",
        "不予受理": found.ground or "没有",
        "专线": found.line or "没有",
        "要问": yes(bool(found.questions)),
        "要问含": _holding("；".join(found.questions), expected.get("要问含", "")),
        "平台": found.lead.platform if found.lead else "",
    }
    if unknown := [name for name in expected if name not in there]:
        raise CaseError(f"派单建议没有“{'、'.join(unknown)}”（有：{'、'.join(there)}）")
    return {name: there[name] for name in expected}


def _holding(text: str, words: str) -> str:
    return words if words and words in text else text


@check("长期没有效果")
async def without_effect(play: Play, expected: Any) -> Any:
    """Matters told in each of so many months."""
    return [
        {"地点": one.place, "每月": list(one.told), "依据": one.rule} for one in await clusters.clusters(play.centre)
    ]
