"""What cases look at: the ticket, its units' tasks, its clocks, its history."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from routing.law.cases import CaseError
from routing.law.playing.stage import Play, check, unit_of
from routing.life.states import STATE_NAMES, TASK_STATE_NAMES
from routing.life.tables import Clock, Task
from routing.storage import TicketChange

CLOCKS = {
    "联系": "contact",
    "启动": "start",
    "防护": "safety",
    "签收": "sign",
    "受理": "accept",
    "退单": "return",
    "办结": "complete",
    "重办": "redo",
    "审核退单": "return_review",
    "复核": "result_review",
    "回访": "callback",
    "诉求人": "citizen",
}
"""How cases call the clocks."""

_CLOCK_STATES = {
    "running": "在走",
    "stopped": "停",
    "met": "按时",
    "breached": "逾期未办",
    "missed": "逾期办",
    "cancelled": "取消",
}


def yes(truth: bool) -> str:
    """是 or 否, as cases write it."""
    return "是" if truth else "否"


@check("状态")
async def state(play: Play, expected: Any) -> Any:
    """The ticket's state; of several tickets: {名: 状态}."""
    if isinstance(expected, dict):
        return {name: STATE_NAMES[(await play.ticket(name)).state] for name in expected}
    return STATE_NAMES[(await play.ticket()).state]


@check("时限")
async def limits(play: Play, expected: Any) -> Any:
    """When each clock is over, as it stands now; 没有 for one that never ran. `全部: 是` wants all that run."""
    found = {word: play.local(clock.due_at) for word, clock in (await _clocks(play)).items()}
    if "只有" in expected:
        return {"只有": found}
    return {word: found.get(_known(word), "没有") for word in expected}


@check("时钟")
async def clock_states(play: Play, expected: Any) -> Any:
    """Whether each clock runs, stands, was kept or missed."""
    clocks = await _clocks(play)
    return {word: _CLOCK_STATES[clocks[word].state] if _known(word) in clocks else "没有" for word in expected}


def _known(word: str) -> str:
    if word not in CLOCKS:
        raise CaseError(f"没有“{word}”这种时限（有：{'、'.join(CLOCKS)}）")
    return word


async def _clocks(play: Play) -> dict[str, Clock]:
    """The newest clock of each kind; those of the lead unit, the centre and the citizen, in the order of the law."""
    ticket = await play.ticket()
    async with play.db.session() as session:
        tasks = {task.id: task for task in await session.scalars(select(Task).where(Task.ticket_id == ticket.id))}
        clocks = list(await session.scalars(select(Clock).where(Clock.ticket_id == ticket.id).order_by(Clock.id)))
    mine = [one for one in clocks if one.task_id is None or tasks[one.task_id].role == "lead"]
    newest = {one.kind: one for one in mine}
    return {word: newest[kind] for word, kind in CLOCKS.items() if kind in newest}


@check("协办时限")
async def assisting_limits(play: Play, expected: Any) -> Any:
    """{单位: {时限: 时间}} of assisting units."""
    ticket = await play.ticket()
    found: dict[str, dict[str, str]] = {}
    async with play.db.session() as session:
        for unit, words in expected.items():
            query = (
                select(Clock)
                .join(Task, Task.id == Clock.task_id)
                .where(Task.ticket_id == ticket.id, Task.unit == unit_of(play.jurisdiction, unit))
                .order_by(Clock.id)
            )
            kinds = {one.kind: play.local(one.due_at) for one in await session.scalars(query)}
            found[unit] = {word: kinds.get(CLOCKS[_known(word)], "没有") for word in words}
    return found


@check("任务")
async def tasks(play: Play, expected: Any) -> Any:
    """{单位: 状态} of the units' tasks, the newest of each."""
    ticket = await play.ticket()
    async with play.db.session() as session:
        found = {
            task.unit: TASK_STATE_NAMES[task.state]
            for task in await session.scalars(select(Task).where(Task.ticket_id == ticket.id).order_by(Task.id))
        }
    return {unit: found.get(unit_of(play.jurisdiction, unit), "没有") for unit in expected}


@check("工单")
async def columns(play: Play, expected: Any) -> Any:
    """What stands on the ticket."""
    ticket = await play.ticket()
    short = play.jurisdiction.name_of
    there: dict[str, Any] = {
        "渠道": ticket.channel,
        "受理范围": ticket.scope,
        "情形": ticket.ground,
        "诉求": short("intent", ticket.intent),
        "紧急程度": short("urgency", ticket.urgency),
        "办理类别": next(
            (one.name for one in play.jurisdiction.handling_classes if one.id == ticket.handling_class), ""
        ),
        "主办": play.jurisdiction.units[ticket.lead_unit].short if ticket.lead_unit else "没有",
        "上级平台编号": ticket.external_id,
        "只有该单位可见": play.jurisdiction.units[ticket.restricted_to].short if ticket.restricted_to else "没有",
        "督办": yes(ticket.supervised),
        "直派": yes(ticket.direct),
        "身份保密": yes(ticket.identity_secret),
        "内容保密": yes(ticket.content_secret),
        "延期次数": ticket.extensions,
        "重办次数": ticket.redos,
        "逾期": "未定" if ticket.late is None else yes(ticket.late),
        "提醒": ticket.attention or "没有",
        "签收人": await _receiver(play, ticket.id),
    }
    if unknown := [name for name in expected if name not in there]:
        raise CaseError(f"工单没有“{'、'.join(unknown)}”（有：{'、'.join(there)}）")
    return {name: there[name] for name in expected}


async def _receiver(play: Play, ticket_id: str) -> str:
    async with play.db.session() as session:
        query = select(Task.received_by).where(Task.ticket_id == ticket_id).order_by(Task.role.desc(), Task.id.desc())
        return await session.scalar(query) or "没有"


@check("履历")
async def history(play: Play, expected: Any) -> Any:
    """Lines that must be in the history, each told by some of: 做 (action), 谁, 依据, 含 (words of the line)."""
    ticket = await play.ticket()
    async with play.db.session() as session:
        lines = list(
            await session.scalars(
                select(TicketChange).where(TicketChange.ticket_id == ticket.id).order_by(TicketChange.id)
            )
        )
    return [one if any(_tells(line, one) for line in lines) else f"没有这一行：{one}" for one in expected]


def _tells(line: TicketChange, told: dict[str, Any]) -> bool:
    words = f"{line.field} {line.before} {line.after} {line.why}"
    return (
        told.get("做", line.action) == line.action
        and told.get("谁", line.actor) == line.actor
        and told.get("依据", line.rule) == line.rule
        and str(told.get("含", "")) in words
    )


@check("规定")
async def provisions(play: Play, expected: Any) -> Any:
    """What the configuration says on the day of the story, by the keys of the jurisdiction's file; of a list, the
    key of every entry.
    """
    return {path: _plain(_at(play, path)) for path in expected}


@check("数量")
async def numbers(play: Play, expected: Any) -> Any:
    """How many there are at a key of the jurisdiction's file."""
    found = {path: _at(play, path) for path in expected}
    return {path: len(there) if isinstance(there, list | tuple) else 0 for path, there in found.items()}


def _at(play: Play, path: str) -> Any:
    there: Any = play.jurisdiction
    for step in path.split("."):
        if there is play.jurisdiction and step == "law":
            there = play.jurisdiction.law_at(play.at)
        elif isinstance(there, list | tuple):
            there = _together([_one(one, step, path) for one in there])
        else:
            there = _one(there, step, path)
    return there


def _one(there: Any, step: str, path: str) -> Any:
    if there is None:
        return None
    if not hasattr(there, step):
        raise CaseError(f"配置里没有“{path}”（“{step}”这一级）")
    return getattr(there, step)


def _together(found: list[Any]) -> list[Any]:
    if all(isinstance(one, list | tuple) for one in found):
        return [inner for one in found for inner in one]
    return found


def _plain(there: Any) -> Any:
    if isinstance(there, bool):
        return yes(there)
    if isinstance(there, list | tuple):
        return [_plain(one) for one in there]
    if hasattr(there, "model_dump"):
        return there.model_dump(mode="json", exclude_defaults=True)
    return "没有" if there is None else there
