"""The people that a unit names: its head, the deputy in charge, its clerks (YZ-10), since when and until when.

Every change is kept, and has to be reported to the centre within the time that the law sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal

from sqlalchemy import Select, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.law.calendar import BeyondCalendar
from routing.law.provisions import Contacts
from routing.life import given
from routing.life.errors import BadTime, BadValue, NotAllowed
from routing.life.states import CENTRE, ROLE_NAMES, UNIT, role_of
from routing.people.tables import ContactChange, UnitContact
from routing.tickets import Actor

RULE = "YZ-10"
Position = Literal["head", "deputy", "clerk"]
POSITIONS: dict[str, str] = {"head": "一把手", "deputy": "分管领导", "clerk": "信息采编员"}
_ONE_EACH = ("head", "deputy")
"""Whoever is named takes the place of the one before; of clerks there may be several."""

_FURTHEST = timedelta(days=366)
"""A date further away than a year is a slip of the finger."""


@dataclass(frozen=True)
class Appointment:
    """A person named for a position, from the day `since`."""

    unit: str
    position: str
    name: str
    since: date
    telephone: str = ""


@dataclass(frozen=True)
class ToReport:
    """A change that has not been reported. `due_at` (UTC) None: the document sets no time, or it lies in the year
    `beyond`, whose working days nobody has entered."""

    change: ContactChange
    due_at: datetime | None
    overdue: bool
    beyond: int | None = None


@dataclass(frozen=True)
class Incomplete:
    """A unit that has not named whom the law demands. `missing`: for people."""

    unit: str
    missing: str


async def appoint(centre: Centre, actor: Actor, appointments: Iterable[Appointment]) -> list[ContactChange]:
    """Name people, all of them or (when one cannot be named) none; gives the changes that have to be reported.

    Somebody who holds the position already is no change, but for a new telephone. Raises NotAllowed, Missing,
    BadValue, BadTime.
    """
    async with centre.db.begin() as session:
        made = [await _appoint(session, centre, actor, one) for one in appointments]
    return [change for change in made if change is not None]


async def dismiss(centre: Centre, actor: Actor, unit: str, position: str, name: str, *, until: date) -> ContactChange:
    """Somebody leaves a position without a successor; `until`: the first day without. Raises as `appoint`."""
    _may(actor, unit, centre)
    async with centre.db.begin() as session:
        held = await _holders(session, unit, position)
        person = next((one for one in held if one.name == name.strip()), None)
        if person is None:
            there = "、".join(one.name for one in held) or "没有人"
            raise BadValue(
                f"{name}不是{_unit(centre, unit)}的{_position(position)}（现在是：{there}）", rule=RULE, field="name"
            )
        _sensible(centre, until, since=person.since, field="until")
        person.until = until
        return _note(session, centre, actor, unit, position, person.name, "", until)


async def people_of(centre: Centre, unit: str, day: date | None = None) -> Sequence[UnitContact]:
    """Who holds which position of a unit on a day (today): head, deputy, then clerks by how long they have been."""
    on = day or centre.calendar.day_of(centre.now())
    async with centre.db.session() as session:
        found = await session.scalars(_in_office(on).where(UnitContact.unit == unit))
        return sorted(found, key=lambda one: (list(POSITIONS).index(one.position), one.since, one.id))


async def everybody(centre: Centre, day: date | None = None) -> Sequence[UnitContact]:
    """All people of all units on a day (today), by unit and position."""
    on = day or centre.calendar.day_of(centre.now())
    async with centre.db.session() as session:
        found = await session.scalars(_in_office(on))
        return sorted(found, key=lambda one: (one.unit, list(POSITIONS).index(one.position), one.since, one.id))


async def history(centre: Centre, unit: str) -> Sequence[ContactChange]:
    """All changes of a unit's people, the oldest first."""
    async with centre.db.session() as session:
        query = select(ContactChange).where(ContactChange.unit == unit).order_by(ContactChange.id)
        return (await session.scalars(query)).all()


async def changes_to_report(centre: Centre) -> list[ToReport]:
    """Changes that have taken place and are not reported yet, the most urgent first. For the watch and the units."""
    today = centre.calendar.day_of(centre.now())
    async with centre.db.session() as session:
        query = select(ContactChange).where(ContactChange.reported_at.is_(None), ContactChange.changed_on <= today)
        open_changes = (await session.scalars(query)).all()
    found = []
    for change in open_changes:
        try:
            due_at = _due(centre, change)
        except BeyondCalendar as problem:
            found.append(ToReport(change, None, overdue=False, beyond=problem.year))
            continue
        found.append(ToReport(change, due_at, overdue=due_at is not None and centre.now() >= due_at))
    return sorted(found, key=lambda one: (one.due_at is None, one.due_at or centre.now(), one.change.id))


async def report(centre: Centre, actor: Actor, change_id: int) -> ContactChange:
    """The change was reported to the centre (备案). Raises NotAllowed, BadValue (no such change, reported already)."""
    async with centre.db.begin() as session:
        change = await session.get(ContactChange, change_id, with_for_update=True)
        if change is None:
            raise BadValue(f"没有编号为 {change_id} 的人员变动", rule=RULE, field="change_id")
        _may(actor, change.unit, centre)
        if change.reported_at is not None:
            raise BadValue(f"这次变动已由 {change.reported_by} 报备", rule=RULE, field="change_id")
        change.reported_at, change.reported_by = centre.now(), actor.name
        return change


async def incomplete(centre: Centre) -> list[Incomplete]:
    """Member units that have not named as many people as the law demands today; none where the law is silent."""
    law = centre.jurisdiction.law_at(centre.now()).contacts
    if law is None:
        return []
    named: dict[str, list[str]] = {}
    for person in await everybody(centre):
        named.setdefault(person.unit, []).append(person.position)
    members = [unit.id for group in centre.jurisdiction.unit_groups for unit in group.units]
    found = [Incomplete(unit, _missing(law, named.get(unit, []))) for unit in members]
    return [one for one in found if one.missing]


async def _appoint(session: AsyncSession, centre: Centre, actor: Actor, one: Appointment) -> ContactChange | None:
    given.unit("unit", one.unit, centre.jurisdiction, rule=RULE)
    _may(actor, one.unit, centre)
    given.one_of("position", one.position, POSITIONS, rule=RULE, what="职务")
    name = given.text("name", one.name, rule=RULE, what="姓名", limit=40)
    telephone = given.text("telephone", one.telephone, rule=RULE, what="电话", required=False, limit=40)
    held = await _holders(session, one.unit, one.position)
    same = next((person for person in held if person.name == name), None)
    if same is not None:
        same.telephone = telephone or same.telephone
        return None
    before = held[0] if held and one.position in _ONE_EACH else None
    _sensible(centre, one.since, since=before.since if before else None, field="since")
    if before:
        before.until = one.since
    session.add(UnitContact(unit=one.unit, position=one.position, name=name, telephone=telephone, since=one.since))
    return _note(session, centre, actor, one.unit, one.position, before.name if before else "", name, one.since)


def _note(
    session: AsyncSession, centre: Centre, actor: Actor, unit: str, position: str, before: str, after: str, on: date
) -> ContactChange:
    change = ContactChange(
        unit=unit,
        position=position,
        before=before,
        after=after,
        changed_on=on,
        noted_at=centre.now(),
        noted_by=actor.name,
    )
    session.add(change)
    return change


async def _holders(session: AsyncSession, unit: str, position: str) -> Sequence[UnitContact]:
    """Those who hold a position with no end in sight; whoever has been given an end is already replaced."""
    query = select(UnitContact).where(
        UnitContact.unit == unit, UnitContact.position == position, UnitContact.until.is_(None)
    )
    return (await session.scalars(query.order_by(UnitContact.since).with_for_update())).all()


def _in_office(day: date) -> Select[UnitContact]:
    return select(UnitContact).where(
        UnitContact.since <= day, or_(UnitContact.until.is_(None), UnitContact.until > day)
    )


def _due(centre: Centre, change: ContactChange) -> datetime | None:
    """By the law of the day of the change, from the beginning of that day."""
    begin = datetime.combine(change.changed_on, time.min, tzinfo=centre.jurisdiction.zone)
    law = centre.jurisdiction.law_at(begin).contacts
    if law is None or law.report_within is None:
        return None
    return centre.calendar.add(begin, law.report_within)


def _missing(law: Contacts, positions: list[str]) -> str:
    wanted = {"head": (law.heads, law.heads), "deputy": (law.deputies, law.deputies), "clerk": (law.clerks_min, None)}
    missing = []
    for position, (least, most) in wanted.items():
        there = positions.count(position)
        if there < least:
            missing.append(f"{POSITIONS[position]}缺 {least - there} 名")
        elif most is not None and least and there > most:
            missing.append(f"{POSITIONS[position]}有 {there} 名，应为 {most} 名")
    return "；".join(missing)


def _sensible(centre: Centre, day: date, *, since: date | None, field: str) -> None:
    today = centre.calendar.day_of(centre.now())
    if since is not None and day <= since:
        raise BadTime(f"日期要在前任到任（{since}）以后", rule=RULE, field=field)
    if abs(day - today) > _FURTHEST:
        raise BadTime(f"日期 {day} 离今天超过一年，请核对", rule=RULE, field=field)


def _may(actor: Actor, unit: str, centre: Centre) -> None:
    role = role_of(actor.role)
    if role in CENTRE and not actor.unit:
        return
    if role not in UNIT or actor.unit != unit:
        names = "、".join(ROLE_NAMES[one] for one in CENTRE)
        raise NotAllowed(f"{_unit(centre, unit)}的人员由本单位或{names}登记", rule=RULE, field="unit")


def _unit(centre: Centre, unit: str) -> str:
    return centre.jurisdiction.name_of("functional_unit", unit)


def _position(position: str) -> str:
    return POSITIONS.get(position, position)
