"""What cases call the people of the units, and the bureau chiefs on duty."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import select

from routing.law.cases import CaseError
from routing.law.playing.stage import Given, Play, act, check
from routing.people import contacts, roster
from routing.people.tables import ContactChange, DutyDay
from routing.tickets import Actor

_POSITIONS = {"一把手": "head", "分管领导": "deputy", "采编员": "clerk"}


@act("任命")
async def appoint(play: Play, actor: Actor, given: Given) -> None:
    """Somebody takes a position of a unit from a day on."""
    position = given.text("职务")
    await contacts.appoint(
        play.centre,
        actor,
        [
            contacts.Appointment(
                unit=given.unit("单位"),
                position=_POSITIONS.get(position, position),
                name=given.text("人"),
                since=_day(given, "自"),
            )
        ],
    )


@act("备案")
async def report(play: Play, actor: Actor, given: Given) -> None:
    """The first change that is not reported yet is."""
    async with play.db.session() as session:
        number = await session.scalar(
            select(ContactChange.id).where(ContactChange.reported_at.is_(None)).order_by(ContactChange.id)
        )
    await contacts.report(play.centre, actor, number or 0)


@check("待备案")
async def to_report(play: Play, expected: Any) -> Any:
    """[{单位, 人, 期限, 逾期}] of changes that have to be reported."""
    return [
        {
            "单位": play.jurisdiction.units[one.change.unit].short,
            "人": one.change.after,
            "期限": play.local(one.due_at) if one.due_at else "没有",
            "逾期": "是" if one.overdue else "否",
        }
        for one in await contacts.changes_to_report(play.centre)
    ]


@check("人员不齐")
async def incomplete(play: Play, expected: Any) -> Any:
    """{单位: 是/否}: whether a unit has not named whom the law demands."""
    missing = {one.unit for one in await contacts.incomplete(play.centre)}
    there = {unit.short: unit.id in missing for unit in play.jurisdiction.units.values()}
    return {unit: "是" if there.get(unit) else "否" for unit in expected}


@act("排班")
async def plan(play: Play, actor: Actor, given: Given) -> None:
    """A bureau chief is put on the roster."""
    await roster.plan(
        play.centre,
        actor,
        [roster.Duty(day=_day(given, "日期"), unit=given.unit("单位"), chief=given.text("局长"))],
    )


@act("发布值班")
async def publish(play: Play, actor: Actor, given: Given) -> None:
    """The roster of some days is published; its text is kept for the check."""
    play.kept["roster"] = await roster.publish(play.centre, actor, _day(given, "自"), _day(given, "至"))


@act("值班到岗")
async def attend(play: Play, actor: Actor, given: Given) -> None:
    """A chief came."""
    async with play.db.session() as session:
        number = await session.scalar(select(DutyDay.id).order_by(DutyDay.id))
    await roster.attend(play.centre, actor, number or 0, arrived_at=given.time("时间点") or play.at)


@check("值班公告含")
async def published(play: Play, expected: Any) -> Any:
    """Words that the published text holds."""
    text = play.kept.get("roster", "")
    return [word if word in text else f"没有：{word}" for word in expected]


@check("今日值班")
async def on_duty(play: Play, expected: Any) -> Any:
    """{单位: 局长} of today."""
    return {play.jurisdiction.units[one.unit].short: one.chief for one in await roster.on_duty(play.centre)}


@check("值班局长当日事项")
async def matters(play: Play, expected: Any) -> Any:
    """The names of tickets that are the chief's of today."""
    names = {id_: name for name, id_ in play.tickets.items()}
    return [
        names[ticket.id]
        for duty in await roster.on_duty(play.centre)
        for ticket in await roster.matters_of_the_day(play.centre, duty)
    ]


@check("未到岗")
async def absences(play: Play, expected: Any) -> Any:
    """Chiefs whom nobody saw come, since the day of the first duty."""
    async with play.db.session() as session:
        first = await session.scalar(select(DutyDay.day).order_by(DutyDay.day))
    return [one.chief for one in await roster.absences(play.centre, first)] if first else []


def _day(given: Given, name: str) -> date:
    said = given.any(name)
    if not isinstance(said, date):
        raise CaseError(f"“{name}”写成日期，例如 2026-03-02")
    return said
