"""One round over the clocks: what has come due is told once, to those whose duty it is, and marked.

Two processes may go round at once. Each takes clocks that nobody holds (PostgreSQL: rows are locked, locked ones are
passed over; SQLite: one writer at a time) and moves their next look into the future in the same transaction in which
it tells of them, so that none is told twice, and none is lost when a process dies. A clerk who is at work on a ticket
is not waited for: the next round finds the clock as the clerk left it. The ticket's version stays as it is, so that a
warning takes nobody's form away.

After a standstill each clock is told of once: where it stands now, not what would have been said on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Table, TextClause, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.history import MACHINE
from routing.law.clocks import looks
from routing.life.tables import Clock, Task
from routing.storage import Ticket, TicketChange
from routing.watch.notices import CENTRE, Concerned, Said, Suspected, propose_escalations, propose_violations, say
from routing.watch.tables import UNTOLD

CLOCK_NAMES = {
    "contact": "联系诉求人和中心",
    "start": "启动应急处理",
    "safety": "现场安全防护",
    "sign": "签收",
    "accept": "受理",
    "return": "退单",
    "complete": "办结",
    "redo": "重办",
    "return_review": "审核退单",
    "result_review": "复核办理结果",
    "callback": "回访",
    "citizen": "答复诉求人",
}
"""Kinds of clocks, as people read them."""

COMPLETION = ("complete", "redo")
"""The clocks whose breach makes the ticket itself overdue (逾期件)."""

_IDLE = ("dispatched", "accepted", "returning", "redo")
"""States of a task in which its unit has handed in nothing."""

_NOT_ITS_DUTY = ("returned", "withdrawn")

_BATCH = 500
"""Clocks in one transaction: some tens of milliseconds, for which a writer on SQLite has to wait."""

_OVER = ("breached", "missed")

_Condition = ColumnElement[bool] | TextClause

_CLOCKS = cast(Table, Clock.__table__)
_HISTORY = cast(Table, TicketChange.__table__)


@dataclass(frozen=True)
class Round:
    """What a round did: clocks looked at, and how many of them were warned of and were over."""

    looked: int = 0
    warned: int = 0
    overdue: int = 0

    def __add__(self, other: Round) -> Round:
        return Round(self.looked + other.looked, self.warned + other.warned, self.overdue + other.overdue)


class _Due(NamedTuple):
    """A clock that has to be looked at, in the order of the columns that `_claimed` reads."""

    id: int
    ticket_id: str
    unit: str
    kind: str
    state: str
    started_at: datetime
    due_at: datetime
    warned: float
    rule: str
    article: str
    serial: str
    version: int

    @property
    def subject(self) -> str:
        return f"clock:{self.id}"

    @property
    def name(self) -> str:
        return CLOCK_NAMES.get(self.kind, self.kind)


@dataclass(frozen=True)
class _Seen:
    """What is to be done about a clock. `told`: warned, overdue, or empty."""

    clock: _Due
    told: str
    state: str
    warned: float
    next_look_at: datetime | None


def unit_name(centre: Centre, unit: str) -> str:
    """The short name of a unit, as people say it."""
    return centre.jurisdiction.units[unit].short if unit in centre.jurisdiction.units else unit


async def look_at_clocks(centre: Centre, *, batch: int = _BATCH) -> Round:
    """Look at every clock that is due to be looked at, in transactions of `batch` clocks each.

    Raises what the database raises; what was committed by then is done, the rest is found again.
    """
    due = await _look(centre, lambda now: Clock.next_look_at <= now, batch)
    return due + await _look(centre, lambda now: UNTOLD, batch)


async def _look(centre: Centre, which: Callable[[datetime], _Condition], batch: int) -> Round:
    done = Round()
    while True:
        async with centre.db.begin() as session:
            now = centre.now()
            claimed = await _claimed(session, centre, which(now), batch)
            warn_at = centre.jurisdiction.law_at(now).warn_at
            seen = [_seen(clock, warn_at, now) for clock in claimed]
            await _mark(session, seen)
            await _tell(session, centre, seen, now)
            await _propose(session, centre, [one.clock for one in seen if one.told == "overdue"], now)
        told = [one.told for one in seen]
        done += Round(len(seen), told.count("warned"), told.count("overdue"))
        if len(claimed) < batch:
            return done


async def _claimed(session: AsyncSession, centre: Centre, which: _Condition, batch: int) -> list[_Due]:
    # The ticket's row is locked too: the history's foreign key needs it, and whoever changes a ticket locks first its
    # row, then its clocks. Waiting for it with the clock in hand would be a deadlock.
    due = (
        select(
            *(Clock.id, Clock.ticket_id, Clock.unit, Clock.kind, Clock.state, Clock.started_at, Clock.due_at),
            *(Clock.warned, Clock.rule, Clock.article, Ticket.serial, Ticket.version),
        )
        .join(Ticket, Ticket.id == Clock.ticket_id)
        .where(which, Ticket.jurisdiction == centre.jurisdiction.id)
        .limit(batch)
        .with_for_update(of=[Clock, Ticket], skip_locked=True, key_share=True)
    )
    return [_Due._make(row) for row in await session.execute(due)]


def _seen(clock: _Due, warn_at: Sequence[float], now: datetime) -> _Seen:
    all_looks = looks(clock.started_at, clock.due_at, warn_at)
    passed = max((fraction for fraction, at in all_looks if at <= now), default=0.0)
    next_look_at = min((at for _, at in all_looks if at > now), default=None)
    if clock.state in _OVER:
        return _Seen(clock, "overdue", clock.state, 1.0, None)
    if clock.state != "running":
        return _Seen(clock, "", clock.state, clock.warned, None)
    if now >= clock.due_at:
        return _Seen(clock, "overdue", "breached", 1.0, None)
    told = "warned" if passed > clock.warned else ""
    return _Seen(clock, told, clock.state, max(passed, clock.warned), next_look_at)


async def _mark(session: AsyncSession, seen: Sequence[_Seen]) -> None:
    if not seen:
        return
    marking = (
        update(_CLOCKS)
        .where(_CLOCKS.c.id == bindparam("of"))
        .values(
            state=bindparam("to"),
            warned=bindparam("until"),
            next_look_at=bindparam("then"),
        )
    )
    marks = [
        {
            "of": one.clock.id,
            "to": one.state,
            "until": one.warned,
            "then": one.next_look_at,
        }
        for one in seen
    ]
    await session.execute(marking, marks)


async def _tell(session: AsyncSession, centre: Centre, seen: Sequence[_Seen], now: datetime) -> None:
    lines: list[dict[str, Any]] = []
    said: list[Said] = []
    for one in seen:
        if one.told == "warned":
            lines.append(_line(one.clock, now, one.told))
            said.append(_warning(centre, one.clock))
        elif one.told == "overdue":
            lines.append(_line(one.clock, now, one.told))
            said += [_overdue(centre, one.clock, reader) for reader in dict.fromkeys((one.clock.unit, CENTRE))]
    if lines:
        await session.execute(insert(_HISTORY), lines)
        await say(session, said, now)


def _line(clock: _Due, now: datetime, action: str) -> dict[str, Any]:
    return {
        "ticket_id": clock.ticket_id,
        "version": clock.version,
        "at": now,
        "actor": MACHINE,
        "action": action,
        "field": clock.kind,
        "before": "",
        "after": clock.due_at.isoformat(timespec="seconds"),
        "why": clock.unit,
        "rule": clock.rule,
    }


def _warning(centre: Centre, clock: _Due) -> Said:
    text = f"工单 {clock.serial}：{clock.name}的期限是{_local(centre, clock.due_at)}（{clock.article}），请抓紧"
    return Said(clock.subject, clock.unit, "warning", text, clock.rule, clock.ticket_id, clock.id)


def _overdue(centre: Centre, clock: _Due, reader: str) -> Said:
    whose = "" if reader == clock.unit else unit_name(centre, clock.unit)
    what = "逾期才完成" if clock.state == "missed" else "已逾期"
    text = f"工单 {clock.serial}：{whose}{clock.name}{what}，期限是{_local(centre, clock.due_at)}（{clock.article}）"
    if reader and reader == clock.unit:
        text += "，请说明原因" if clock.state == "missed" else "，请立即办理并说明原因"
    return Said(clock.subject, reader, "overdue", text, clock.rule, clock.ticket_id, clock.id)


def _local(centre: Centre, at: datetime) -> str:
    return f"{at.astimezone(centre.jurisdiction.zone):%Y年%m月%d日 %H:%M}"


async def _propose(session: AsyncSession, centre: Centre, overdue: Sequence[_Due], now: datetime) -> None:
    """What the law has for tickets that are overdue now: supervision, the leadership, and V7 for joint ones."""
    tickets = {clock.ticket_id: clock for clock in overdue if clock.kind in COMPLETION}
    if not tickets:
        return
    law = centre.jurisdiction.law_at(now)
    concerned = [Concerned(clock.ticket_id, clock.serial, "overdue", clock.subject) for clock in tickets.values()]
    await propose_escalations(session, concerned, law.escalations, now)
    of_joint_handling = next((one for one in law.violations if one.id == "V7"), None)
    if of_joint_handling is not None:
        suspected = await _idle_in_joint_tickets(session, centre, tickets, of_joint_handling.rule)
        await propose_violations(session, suspected, now)


async def _idle_in_joint_tickets(
    session: AsyncSession, centre: Centre, tickets: Mapping[str, _Due], rule: str
) -> list[Suspected]:
    """The units of jointly handled tickets that have not handed in anything, lead and assisting alike."""
    query = select(Task.ticket_id, Task.unit, Task.state, Task.role).where(Task.ticket_id.in_(list(tickets)))
    tasks = (await session.execute(query)).all()
    joint = {task.ticket_id for task in tasks if task.role == "assist" and task.state not in _NOT_ITS_DUTY}
    suspected = []
    for task in tasks:
        if task.ticket_id in joint and task.state in _IDLE:
            clock, unit = tickets[task.ticket_id], unit_name(centre, task.unit)
            facts = f"联合办理的工单 {clock.serial} 逾期，{unit}没有提交办理结果"
            suspected.append(Suspected(task.unit, "V7", clock.subject, facts, rule, task.ticket_id))
    return suspected
