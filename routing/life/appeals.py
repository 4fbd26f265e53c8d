"""Appeals of units (申诉): against a dissatisfied ticket, a month's assessment, the figures, or a criticism.

A unit files with its evidence, the centre decides with its reasons and tells the unit. What a granted appeal does is
the document's: `excluded` takes the ticket, or the unit's month, out of the assessment (QH-3a); `investigated` has the
figures checked and answered (TP-35); `by_law` leads to other laws (YZ-38). The ratings themselves stay as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.law.provisions import Appeal as Provision
from routing.life import given
from routing.life.changing import check_actor
from routing.life.errors import BadValue, IllegalTransition, Missing, NotAllowed, Silent, TooLate, TooMany
from routing.life.states import CENTRE, DECIDES, UNIT_ROLES, role_of
from routing.life.tables import Appeal, Rating, Task, ViolationRecord
from routing.storage import Ticket
from routing.ticket_errors import quoted
from routing.tickets import Actor, NoSuchTicket

SUBJECTS = {
    "archived_dissatisfied": "不满意办结归档工单",
    "monthly_assessment": "月度考核结果",
    "data": "数据归集",
    "statistics": "统计结果",
    "assessment": "考核结果",
    "criticism": "通报批评",
}

_PERIOD = re.compile(r"^20[0-9]{2}(-(0[1-9]|1[0-2]))?$")


@dataclass(frozen=True)
class Evidence:
    """A document by its name and hash."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Excluded:
    """What granted appeals take out of a period's assessment: tickets, and whole units."""

    tickets: frozenset[str]
    units: frozenset[str]


async def file(
    centre: Centre,
    actor: Actor,
    subject: str,
    *,
    grounds: str,
    evidence: Sequence[Evidence] = (),
    ticket_id: str | None = None,
    violation_id: int | None = None,
    period: str = "",
) -> Appeal:
    """File an appeal for the actor's unit.

    Raises Silent where the document knows no such appeal, NotAllowed for anybody but the unit concerned, Missing,
    BadValue, IllegalTransition (the ticket is not archived, or nobody was dissatisfied), TooLate, TooMany.
    """
    check_actor(actor, centre.jurisdiction)
    provision = _provision(centre, subject)
    rule = provision.rule
    if role_of(actor.role) not in UNIT_ROLES:
        raise NotAllowed("申诉由承办单位提出", rule=rule, field="role")
    text = given.text("grounds", grounds, rule=rule, what="申诉的理由")
    kept = [_document(one, rule) for one in evidence]
    if not kept:
        raise Missing("请附上佐证材料（名称和 SHA-256）", rule=rule, field="evidence")
    now = centre.now()
    try:
        async with centre.db.begin() as session:
            if subject == "archived_dissatisfied":
                period, since = await _of_ticket(session, centre, ticket_id, actor.unit, rule)
                occasion = str(ticket_id)
            elif subject == "criticism":
                period, since = await _of_criticism(session, centre, violation_id, actor.unit, rule)
                occasion = f"violation {violation_id}"
            else:
                since = _end_of(centre, period, now, rule)
                occasion = period
            if provision.within is not None and now > centre.calendar.add(since, provision.within):
                raise TooLate(f"申诉的期限已过（{provision.article}）", rule=rule)
            made = Appeal(
                subject=subject,
                unit=actor.unit,
                occasion=occasion,
                ticket_id=ticket_id if subject == "archived_dissatisfied" else None,
                violation_id=violation_id if subject == "criticism" else None,
                period=period,
                grounds=text,
                evidence=kept,
                rule=rule,
                filed_at=now,
                filed_by=actor.name,
            )
            session.add(made)
    except IntegrityError as twice:
        raise TooMany("同一事由已经申诉过，请等待或查看决定", rule=rule) from twice
    return made


async def decide(centre: Centre, appeal_id: int, actor: Actor, *, grant: bool, why: str) -> Appeal:
    """The centre's decision after its inquiry. Raises BadValue, Missing, NotAllowed, IllegalTransition."""
    check_actor(actor, centre.jurisdiction)
    async with centre.db.begin() as session:
        found = await _found(session, appeal_id)
        reason = given.text("why", why, rule=found.rule, what="调查核实的结果和理由")
        if role_of(actor.role) not in DECIDES:
            raise NotAllowed("申诉由当班管理岗或中心管理办公室决定", rule=found.rule, field="role")
        if found.decision:
            raise IllegalTransition("这件申诉已经决定过", rule=found.rule)
        found.decision = "granted" if grant else "rejected"
        found.decided_at, found.decided_by, found.why = centre.now(), actor.name, reason
        if found.violation_id is not None:
            violation = await session.get_one(ViolationRecord, found.violation_id)
            violation.objection = f"{SUBJECTS['criticism']}申诉{'成立' if grant else '不成立'}：{reason}"
    return found


async def tell(centre: Centre, appeal_id: int, actor: Actor) -> Appeal:
    """Note that the unit has been given the answer (及时反馈). Raises BadValue, NotAllowed, IllegalTransition."""
    check_actor(actor, centre.jurisdiction)
    async with centre.db.begin() as session:
        found = await _found(session, appeal_id)
        if role_of(actor.role) not in CENTRE:
            raise NotAllowed("申诉结果由指挥中心反馈", rule=found.rule, field="role")
        if not found.decision:
            raise IllegalTransition("这件申诉还没有决定，不能反馈", rule=found.rule)
        if found.told_at is None:
            found.told_at = centre.now()
    return found


async def waiting(centre: Centre) -> list[Appeal]:
    """Appeals that wait for the decision, or whose unit has not been told yet; the oldest first."""
    query = select(Appeal).where(Appeal.told_at.is_(None)).order_by(Appeal.id)
    async with centre.db.session() as session:
        return list(await session.scalars(query))


async def excluded(centre: Centre, session: AsyncSession, period: str) -> Excluded:
    """What granted appeals take out of the assessment of a month (2026-11), where the document lets them."""
    effects: dict[str, str] = {one.subject: one.effect for one in centre.jurisdiction.law_at(centre.now()).appeals}
    tickets: set[str] = set()
    units: set[str] = set()
    query = select(Appeal).where(Appeal.period == period, Appeal.decision == "granted")
    for appeal in await session.scalars(query):
        if effects.get(appeal.subject) != "excluded":
            continue
        if appeal.ticket_id is not None:
            tickets.add(appeal.ticket_id)
        else:
            units.add(appeal.unit)
    return Excluded(frozenset(tickets), frozenset(units))


def evidence_of(file: Path) -> Evidence:
    """A document as evidence: its name and the hash of what is in it. Raises Missing when it cannot be read."""
    try:
        return Evidence(file.name, hashlib.sha256(file.read_bytes()).hexdigest())
    except OSError as problem:
        raise Missing(f"读不到佐证材料 {file.name}：{problem.strerror}", rule="QH-3a", field="evidence") from problem


async def _of_ticket(
    session: AsyncSession, centre: Centre, ticket_id: str | None, unit: str, rule: str
) -> tuple[str, datetime]:
    """The month of the rating that is appealed against, and when it was given."""
    if ticket_id is None:
        raise Missing("请写明是哪张工单", rule=rule, field="ticket_id")
    ticket = await session.get(Ticket, ticket_id)
    if ticket is None:
        raise NoSuchTicket(f"没有编号为 {quoted(ticket_id)} 的工单")
    part = await session.scalar(
        select(Task.id).where(Task.ticket_id == ticket_id, Task.unit == unit, Task.state == "completed").limit(1)
    )
    if part is None:
        raise NotAllowed(f"工单 {ticket.serial} 不是本单位办结的", rule=rule, field="unit")
    if ticket.state != "archived":
        raise IllegalTransition(f"工单 {ticket.serial} 还没有归档，不能申诉", rule=rule)
    rating = await session.scalar(
        select(Rating).where(Rating.ticket_id == ticket_id, Rating.object == "result").order_by(Rating.round.desc())
    )
    satisfaction = centre.jurisdiction.law_at(centre.now()).satisfaction
    if rating is None or satisfaction is None or rating.level in satisfaction.satisfied:
        raise IllegalTransition(f"工单 {ticket.serial} 没有不满意的评价，不必申诉", rule=rule)
    return f"{rating.at.astimezone(centre.jurisdiction.zone):%Y-%m}", rating.at


async def _of_criticism(
    session: AsyncSession, centre: Centre, violation_id: int | None, unit: str, rule: str
) -> tuple[str, datetime]:
    if violation_id is None:
        raise Missing("请写明是哪一次通报", rule=rule, field="violation_id")
    found = await session.get(ViolationRecord, violation_id)
    if found is None:
        raise BadValue(f"没有编号为 {violation_id} 的通报", rule=rule, field="violation_id")
    if found.unit != unit:
        raise NotAllowed("只能对本单位的通报提出异议", rule=rule, field="unit")
    if found.criticised_at is None:
        raise IllegalTransition("这一条还没有通报，不能提出异议", rule=rule)
    return f"{found.criticised_at.astimezone(centre.jurisdiction.zone):%Y}", found.criticised_at


def _end_of(centre: Centre, period: str, now: datetime, rule: str) -> datetime:
    """The end of the month or year that the appeal is about; it must be over."""
    if not _PERIOD.match(period):
        raise BadValue(f"“{period[:20]}”不是月份或年份，请写成 2026-11 或 2026", rule=rule, field="period")
    year, _, month = period.partition("-")
    first = (int(year) + 1, 1) if not month or month == "12" else (int(year), int(month) + 1)
    end = datetime(*first, 1, tzinfo=centre.jurisdiction.zone)
    if end > now:
        raise IllegalTransition(f"{period} 还没有结束，还没有可以申诉的结果", rule=rule)
    return end


def _document(one: Evidence, rule: str) -> dict[str, str]:
    name = given.text("evidence", one.name, rule=rule, what="佐证材料的名称", limit=200)
    if not re.fullmatch(r"[0-9a-f]{64}", one.sha256):
        raise BadValue(f"“{name}”的 SHA-256 应是 64 位十六进制小写字符", rule=rule, field="evidence")
    return {"name": name, "sha256": one.sha256}


def _provision(centre: Centre, subject: str) -> Provision:
    law = centre.jurisdiction.law_at(centre.now())
    given.one_of("subject", subject, SUBJECTS, rule="QH-3a", what="申诉的种类")
    found = next((one for one in law.appeals if one.subject == subject), None)
    if found is None:
        raise Silent(f"{centre.jurisdiction.name}的规定没有对“{SUBJECTS[subject]}”的申诉", rule="QH-3a")
    return found


async def _found(session: AsyncSession, appeal_id: int) -> Appeal:
    found = await session.get(Appeal, appeal_id, with_for_update=True)
    if found is None:
        raise BadValue(f"没有编号为 {appeal_id} 的申诉", rule="QH-3a", field="appeal_id")
    return found
