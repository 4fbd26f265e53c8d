"""Which bureau chief is on duty at the centre (局长在线值班, YZ-30): planned, published, shown; whether they came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import or_, select

from routing.centre import Centre
from routing.life import given
from routing.life.errors import BadTime, BadValue, NotAllowed, Silent
from routing.life.states import CENTRE, DECIDES, ROLE_NAMES, role_of
from routing.people.tables import DutyDay
from routing.storage import Ticket
from routing.tickets import Actor

RULE = "YZ-30"
COMPLAINTS = ("complaint", "report")
"""Intents that count as 投诉 here: Art. 14 treats 投诉举报 as one."""
_WEEKDAYS = "一二三四五六日"
_FURTHEST = timedelta(days=366)


@dataclass(frozen=True)
class Duty:
    """One chief on one day."""

    day: date
    unit: str
    chief: str
    title: str = ""
    telephone: str = ""


async def plan(centre: Centre, actor: Actor, duties: Iterable[Duty]) -> list[DutyDay]:
    """Put chiefs on the roster, all of them or (when one cannot be) none.

    For a day and unit that are there already the person changes; what was published must then be published again.
    Raises Silent (the law knows no roster), NotAllowed, Missing, BadValue, BadTime.
    """
    _must_be(centre, actor, DECIDES, "安排局长值班")
    today = centre.calendar.day_of(centre.now())
    made = []
    async with centre.db.begin() as session:
        for one in duties:
            given.unit("unit", one.unit, centre.jurisdiction, rule=RULE)
            chief = given.text("chief", one.chief, rule=RULE, what="值班局长", limit=40)
            title = given.text("title", one.title, rule=RULE, what="职务", required=False, limit=40)
            telephone = given.text("telephone", one.telephone, rule=RULE, what="电话", required=False, limit=40)
            if one.day < today or one.day - today > _FURTHEST:
                raise BadTime(f"值班日期 {one.day} 要在今天和一年以内", rule=RULE, field="day")
            query = select(DutyDay).where(DutyDay.day == one.day, DutyDay.unit == one.unit).with_for_update()
            duty = await session.scalar(query)
            if duty is None:
                duty = DutyDay(day=one.day, unit=one.unit, chief=chief, planned_by=actor.name)
                session.add(duty)
            if (duty.chief, duty.title) != (chief, title):
                duty.published_at, duty.published_by = None, ""
            duty.chief, duty.title, duty.telephone, duty.planned_by = chief, title, telephone, actor.name
            made.append(duty)
    return made


async def publish(centre: Centre, actor: Actor, first: date, last: date) -> str:
    """Mark the roster of these days as published, and give the text for the channels that the law names.

    Telephones are not in it. Raises Silent, NotAllowed, BadTime (an empty or backward period).
    """
    _must_be(centre, actor, DECIDES, "发布值班信息")
    async with centre.db.begin() as session:
        query = select(DutyDay).where(DutyDay.day >= first, DutyDay.day <= last).order_by(DutyDay.day, DutyDay.unit)
        duties = (await session.scalars(query.with_for_update())).all()
        if not duties:
            raise BadTime(f"{first} 至 {last} 没有安排值班", rule=RULE, field="first")
        for duty in duties:
            if duty.published_at is None:
                duty.published_at, duty.published_by = centre.now(), actor.name
    return text_of(centre, duties)


async def roster(centre: Centre, first: date, last: date) -> Sequence[DutyDay]:
    """The roster of these days, both included."""
    async with centre.db.session() as session:
        query = select(DutyDay).where(DutyDay.day >= first, DutyDay.day <= last).order_by(DutyDay.day, DutyDay.unit)
        return (await session.scalars(query)).all()


async def on_duty(centre: Centre) -> Sequence[DutyDay]:
    """Who is on duty today, for the agents' screens: calls of their department can be put through to them."""
    today = centre.calendar.day_of(centre.now())
    return await roster(centre, today, today)


async def attend(
    centre: Centre,
    actor: Actor,
    duty_id: int,
    *,
    arrived_at: datetime | None = None,
    left_at: datetime | None = None,
    note: str = "",
) -> DutyDay:
    """Write down that a chief came or went. Raises NotAllowed, BadValue, BadTime (another day, left before coming)."""
    _must_be(centre, actor, CENTRE, "登记值班到岗")
    async with centre.db.begin() as session:
        duty = await session.get(DutyDay, duty_id, with_for_update=True)
        if duty is None:
            raise BadValue(f"没有编号为 {duty_id} 的值班", rule=RULE, field="duty_id")
        for field, at in (("arrived_at", arrived_at), ("left_at", left_at)):
            if at is None:
                continue
            if at > centre.now() or centre.calendar.day_of(at) not in (duty.day, duty.day + timedelta(days=1)):
                raise BadTime(f"时间要在值班日（{duty.day}）当天或次日凌晨，不能在将来", rule=RULE, field=field)
            setattr(duty, field, at)
        if duty.left_at is not None and (duty.arrived_at is None or duty.left_at < duty.arrived_at):
            raise BadTime("离岗要在到岗以后", rule=RULE, field="left_at")
        duty.note = given.text("note", note, rule=RULE, what="备注", required=False, limit=500) or duty.note
        return duty


async def absences(centre: Centre, first: date) -> Sequence[DutyDay]:
    """Days since `first`, before today, on which nobody was seen to come."""
    today = centre.calendar.day_of(centre.now())
    return [duty for duty in await roster(centre, first, today - timedelta(days=1)) if duty.arrived_at is None]


async def matters_of_the_day(centre: Centre, duty: DutyDay) -> Sequence[Ticket]:
    """What came in on a chief's day for the chief's department: complaints, and sudden events; the newest last.

    Discipline matters are not among them.
    """
    zone = centre.jurisdiction.zone
    begin = datetime.combine(duty.day, time.min, tzinfo=zone)
    end = datetime.combine(duty.day + timedelta(days=1), time.min, tzinfo=zone)
    ordinary = centre.jurisdiction.urgencies[0].id
    query = (
        select(Ticket)
        .where(Ticket.jurisdiction == centre.jurisdiction.id, Ticket.restricted_to == "")
        .where(Ticket.created_at >= begin, Ticket.created_at < end)
        .where(or_(Ticket.functional_unit == duty.unit, Ticket.lead_unit == duty.unit))
        .where(or_(Ticket.intent.in_(COMPLAINTS), Ticket.urgency.not_in(("", ordinary))))
        .order_by(Ticket.created_at, Ticket.id)
    )
    async with centre.db.session() as session:
        return (await session.scalars(query)).all()


def text_of(centre: Centre, duties: Iterable[DutyDay]) -> str:
    """The roster as the public reads it, a line a day and unit."""
    lines = [f"{centre.jurisdiction.centre}局长在线值班安排"]
    for duty in duties:
        unit = centre.jurisdiction.name_of("functional_unit", duty.unit)
        day = f"{duty.day.month}月{duty.day.day}日（星期{_WEEKDAYS[duty.day.weekday()]}）"
        lines.append(f"{day}  {unit}  {duty.chief}{f'（{duty.title}）' if duty.title else ''}")
    return "\n".join(lines)


def _must_be(centre: Centre, actor: Actor, roles: tuple[str, ...], what: str) -> None:
    if centre.jurisdiction.law_at(centre.now()).roster is None:
        raise Silent(f"{centre.jurisdiction.name}的规定没有局长值班", rule=RULE)
    if role_of(actor.role) not in roles or actor.unit:
        raise NotAllowed(f"{what}由{'、'.join(ROLE_NAMES[role] for role in roles)}办理", rule=RULE, field="role")
