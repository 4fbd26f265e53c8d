"""Head, deputy and clerks of a unit (YZ-10): dated, complete or not, and every change reported in time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from routing.centre import Centre
from routing.life.errors import BadTime, BadValue, LawError, Missing, NotAllowed
from routing.people import contacts
from routing.people.contacts import Appointment
from routing.tickets import Actor
from tests.routing.people.conftest import CLERK, OFFICE, OTHER, WANG, Clockwork

UNIT = "yz.zhujian"
FRIDAY = date(2026, 11, 20)
THREE = [
    Appointment(UNIT, "head", "王局长", FRIDAY, "0898-1"),
    Appointment(UNIT, "deputy", "李副局长", FRIDAY),
    Appointment(UNIT, "clerk", "符采编", FRIDAY),
]


async def _named(centre: Centre, day: date | None = None) -> list[tuple[str, str]]:
    return [(one.position, one.name) for one in await contacts.people_of(centre, UNIT, day)]


async def test_a_unit_is_complete_with_a_head_one_deputy_and_a_clerk(centre: Centre) -> None:
    missing = {one.unit: one.missing for one in await contacts.incomplete(centre)}
    assert len(missing) == 103
    assert missing[UNIT] == "一把手缺 1 名；分管领导缺 1 名；信息采编员缺 1 名"
    await contacts.appoint(centre, CLERK, THREE)
    assert await _named(centre) == [("head", "王局长"), ("deputy", "李副局长"), ("clerk", "符采编")]
    assert UNIT not in {one.unit for one in await contacts.incomplete(centre)}


async def test_whoever_is_named_takes_the_place_of_the_one_before_from_that_day(centre: Centre) -> None:
    await contacts.appoint(centre, CLERK, THREE)
    monday = FRIDAY + timedelta(days=3)
    (change,) = await contacts.appoint(centre, OFFICE, [Appointment(UNIT, "deputy", "陈副局长", monday)])
    assert (change.before, change.after, change.changed_on) == ("李副局长", "陈副局长", monday)
    await contacts.appoint(centre, CLERK, [Appointment(UNIT, "clerk", "黎采编", monday)])
    assert ("deputy", "李副局长") in await _named(centre, monday - timedelta(days=1))
    assert await _named(centre, monday) == [
        ("head", "王局长"),
        ("deputy", "陈副局长"),
        ("clerk", "符采编"),
        ("clerk", "黎采编"),
    ]
    left = await contacts.dismiss(centre, CLERK, UNIT, "clerk", "符采编", until=monday + timedelta(days=1))
    assert (left.before, left.after) == ("符采编", "")
    assert ("clerk", "符采编") not in await _named(centre, monday + timedelta(days=1))
    assert len(await contacts.history(centre, UNIT)) == 6


async def test_the_same_person_again_is_no_change_but_for_the_telephone(centre: Centre) -> None:
    await contacts.appoint(centre, CLERK, THREE)
    assert await contacts.appoint(centre, CLERK, [Appointment(UNIT, "head", "王局长", FRIDAY, "0898-2")]) == []
    (head, *_) = await contacts.people_of(centre, UNIT)
    assert (head.telephone, head.since) == ("0898-2", FRIDAY)


async def test_a_change_is_to_be_reported_within_two_working_days(centre: Centre, clockwork: Clockwork) -> None:
    """A Friday's change: Monday and Tuesday are the two working days, and Tuesday counts to its end (S12)."""
    (change,) = await contacts.appoint(centre, CLERK, THREE[:1])
    (waiting,) = await contacts.changes_to_report(centre)
    assert waiting.due_at == datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    assert (waiting.change.id, waiting.overdue) == (change.id, False)
    clockwork.at = waiting.due_at - timedelta(microseconds=1)
    assert not (await contacts.changes_to_report(centre))[0].overdue
    clockwork.at = waiting.due_at
    assert (await contacts.changes_to_report(centre))[0].overdue
    with pytest.raises(NotAllowed):
        await contacts.report(centre, OTHER, change.id)
    reported = await contacts.report(centre, CLERK, change.id)
    assert (reported.reported_at, reported.reported_by) == (clockwork.at, CLERK.name)
    assert await contacts.changes_to_report(centre) == []
    with pytest.raises(BadValue, match="已由"):
        await contacts.report(centre, CLERK, change.id)


async def test_a_change_that_is_yet_to_come_is_not_to_be_reported_yet(centre: Centre, clockwork: Clockwork) -> None:
    await contacts.appoint(centre, CLERK, [Appointment(UNIT, "head", "王局长", FRIDAY + timedelta(days=3))])
    assert await contacts.changes_to_report(centre) == []
    clockwork.passes(timedelta(days=3))
    assert len(await contacts.changes_to_report(centre)) == 1


@pytest.mark.parametrize(
    ("actor", "wrong", "problem", "field"),
    [
        (OTHER, THREE[0], NotAllowed, "unit"),
        (Actor("x", "auditor"), THREE[0], NotAllowed, "unit"),
        (Actor("x", "agent", "yz.zhujian"), THREE[0], NotAllowed, "unit"),
        (WANG, Appointment("yz.nobody", "head", "x", FRIDAY), BadValue, "unit"),
        (WANG, Appointment(UNIT, "boss", "x", FRIDAY), BadValue, "position"),
        (WANG, Appointment(UNIT, "head", " ", FRIDAY), Missing, "name"),
        (WANG, Appointment(UNIT, "head", "x" * 41, FRIDAY), BadValue, "name"),
        (WANG, Appointment(UNIT, "head", "a\x07b", FRIDAY), BadValue, "name"),
        (WANG, Appointment(UNIT, "head", "x", date(2062, 1, 1)), BadTime, "since"),
        (WANG, Appointment(UNIT, "clerk", "x", FRIDAY, "1" * 41), BadValue, "telephone"),
    ],
    ids=range(10),
)
async def test_nonsense_names_nobody(
    centre: Centre, actor: Actor, wrong: Appointment, problem: type[LawError], field: str
) -> None:
    good = Appointment(UNIT, "deputy", "李副局长", FRIDAY)
    with pytest.raises(problem) as refused:
        await contacts.appoint(centre, actor, [good, wrong] if actor is WANG else [wrong])
    assert (refused.value.field, refused.value.rule) == (field, "YZ-10")
    assert await contacts.everybody(centre) == []


async def test_dates_run_forward_and_only_those_there_can_leave(centre: Centre) -> None:
    await contacts.appoint(centre, CLERK, THREE)
    with pytest.raises(BadTime, match="前任到任"):
        await contacts.appoint(centre, CLERK, [Appointment(UNIT, "head", "陈局长", FRIDAY)])
    with pytest.raises(BadTime):
        await contacts.dismiss(centre, CLERK, UNIT, "head", "王局长", until=FRIDAY)
    with pytest.raises(BadValue, match="现在是：王局长"):
        await contacts.dismiss(centre, CLERK, UNIT, "head", "陈局长", until=FRIDAY)
    assert len(await contacts.history(centre, UNIT)) == 3
