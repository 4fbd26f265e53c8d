"""What the day brings: said once for its occasion, to those who have to act."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import update

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction, load
from routing.knowledge.items import Text, draft, review
from routing.people.contacts import Appointment, appoint, changes_to_report, report
from routing.people.tables import ContactChange
from routing.storage import Database
from routing.tickets import Actor
from routing.watch.alerts import look_around
from routing.watch.decisions import violations
from routing.watch.inbox import inbox
from settings import ROOT
from tests.routing.watch.lives import DAY, HOUR, Life, Time, centre_of, write

UNIT = "yz.zhifa"
OCTOBER = datetime(2026, 10, 12, 2, 0, tzinfo=UTC)


@pytest.fixture
def time() -> Time:
    return Time(datetime(2026, 3, 10, 2, 0, tzinfo=UTC))


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction, time: Time) -> Centre:
    return centre_of(database, yazhou, time)


async def _kinds(centre: Centre, unit: str = "") -> list[str]:
    return sorted(notice.kind for notice in await inbox(centre, unit))


async def _told(centre: Centre, kind: str, unit: str = "") -> list[str]:
    return [notice.text for notice in await inbox(centre, unit) if notice.kind == kind]


async def test_the_calendars_end_is_told_ninety_days_before(centre: Centre, time: Time) -> None:
    time.at = datetime(2026, 10, 2, 15, 59, tzinfo=UTC)  # 2 October, 23:59 there: 90 days before the last one
    await look_around(centre)
    assert not any("只到" in text for text in await _told(centre, "calendar"))
    time.pass_(timedelta(minutes=1))
    await look_around(centre)
    assert next(text for text in await _told(centre, "calendar") if "只到" in text).count("2027") == 1
    before = await _kinds(centre)
    time.pass_(DAY)
    await look_around(centre)
    assert await _kinds(centre) == before  # once


async def _consults(centre: Centre, answered: int, dispatched: int) -> None:
    at_once = {"intent": "consult", "state": "answered", "dispatched_at": None, "completed_at": OCTOBER}
    for _ in range(answered):
        await write(centre.db, Life(OCTOBER, UNIT, columns=at_once))
    for _ in range(dispatched):
        await write(centre.db, Life(OCTOBER, UNIT, columns={"intent": "consult"}))


@pytest.mark.parametrize(("answered", "dispatched", "told"), [(4, 1, 0), (3, 1, 1), (0, 1, 1), (5, 0, 0)])
async def test_experts_below_eighty_in_a_hundred(
    centre: Centre, time: Time, answered: int, dispatched: int, told: int
) -> None:
    await _consults(centre, answered, dispatched)
    time.at = OCTOBER + DAY
    await look_around(centre)
    assert await _told(centre, "experts") == []  # the month is not over
    time.at = datetime(2026, 11, 2, tzinfo=UTC)
    await look_around(centre)
    assert len(await _told(centre, "experts", UNIT)) == len(await _told(centre, "experts")) == told


async def _publish(centre: Centre, review_by: date) -> None:
    clerk, office = Actor("采编员", "unit_clerk", UNIT), Actor("主任", "center_office")
    text = Text(title="垃圾几点收", body="每天早上六点和晚上八点。", review_by=review_by)
    item = await draft(centre, clerk, text)
    await review(centre, item.id, item.version, office, publish=True)


async def test_stale_knowledge_is_told_to_its_owner_and_after_a_month_proposed_as_v8(
    centre: Centre, time: Time
) -> None:
    await _publish(centre, date(2026, 3, 31))
    time.at = datetime(2026, 3, 31, 15, 0, tzinfo=UTC)
    await look_around(centre)
    assert await _told(centre, "knowledge", UNIT) == []
    time.pass_(2 * HOUR)  # 1 April there
    await look_around(centre)
    assert len(await _told(centre, "knowledge", UNIT)) == 1
    assert await violations(centre) == []
    time.at = datetime(2026, 5, 2, tzinfo=UTC)
    for _ in range(2):
        await look_around(centre)
        time.pass_(DAY)
    assert [(one.unit, one.violation) for one in await violations(centre)] == [(UNIT, "V8")]
    assert len(await _told(centre, "knowledge", UNIT)) == 1


@pytest.mark.parametrize(("months", "told"), [(5, 0), (6, 1)])
async def test_six_months_of_the_same_matter_in_turpan(database: Database, months: int, told: int) -> None:
    turpan = load(ROOT / "config" / "jurisdictions" / "turpan.yaml")
    time = Time(datetime(2026, 8, 3, tzinfo=UTC))
    centre = centre_of(database, turpan, time)
    for month in range(8 - months, 8):
        at = datetime(2026, month, 10, tzinfo=UTC)
        columns = {"jurisdiction": "turpan", "matter": "noise", "place": "老城", "intent": "complaint"}
        await write(database, Life(at, "tp.x", columns=columns))
    await look_around(centre)
    assert len(await _told(centre, "cluster")) == told


async def test_a_changed_contact_is_to_be_reported_within_two_working_days(centre: Centre, time: Time) -> None:
    office = Actor("主任", "center_office")
    await appoint(centre, office, [Appointment(UNIT, "deputy", "甲", date(2026, 3, 1))])
    time.at = datetime(2026, 3, 13, 2, 0, tzinfo=UTC)  # a Friday
    [change] = await appoint(
        centre, Actor("采编员", "unit_clerk", UNIT), [Appointment(UNIT, "deputy", "乙", date(2026, 3, 13))]
    )
    for first in await changes_to_report(centre):
        if first.change.id != change.id:
            await report(centre, office, first.change.id)
    await look_around(centre)
    [told] = await _told(centre, "contacts", UNIT)
    assert "2026年03月18日 00:00" in told  # the end of Tuesday
    time.at = datetime(2026, 3, 17, 15, 59, tzinfo=UTC)
    await look_around(centre)
    assert await _told(centre, "contacts") == []
    time.pass_(HOUR)
    await look_around(centre)
    assert "逾期" in (await _told(centre, "contacts"))[0]
    assert len(await _told(centre, "contacts", UNIT)) == 2
    assert "分管领导已变动（乙）" in told


async def test_a_change_at_the_years_end_is_told_although_its_limit_lies_beyond_the_calendar(
    centre: Centre, time: Time
) -> None:
    time.at = datetime(2026, 12, 30, 2, 0, tzinfo=UTC)
    clerk = Actor("采编员", "unit_clerk", UNIT)
    await appoint(centre, clerk, [Appointment(UNIT, "deputy", "甲", date(2026, 12, 30))])
    [waiting] = await changes_to_report(centre)
    assert (waiting.due_at, waiting.overdue, waiting.beyond) == (None, False, 2027)
    assert await look_around(centre) > 0
    assert any("2027 年" in text for text in await _told(centre, "contacts", UNIT))
    time.at = datetime(2027, 1, 4, 2, 0, tzinfo=UTC)
    await look_around(centre)  # in the year that nobody has entered
    assert len(await _told(centre, "contacts", UNIT)) == 1


async def test_a_subject_that_cannot_be_looked_at_keeps_no_other_from_being_said(centre: Centre, time: Time) -> None:
    await _publish(centre, date(2026, 3, 31))
    clerk = Actor("采编员", "unit_clerk", UNIT)
    [change] = await appoint(centre, clerk, [Appointment(UNIT, "deputy", "甲", date(2026, 3, 9))])
    await _position(centre, change.id, "damaged")
    time.at = datetime(2026, 4, 1, 2, 0, tzinfo=UTC)
    for _ in range(2):  # the day is not done with, and is looked at again
        with pytest.raises(KeyError, match="damaged"):
            await look_around(centre)
    assert len(await _told(centre, "knowledge", UNIT)) == 1
    await _position(centre, change.id, "deputy")
    assert await look_around(centre) > 0
    assert len(await _told(centre, "contacts", UNIT)) == 1


async def _position(centre: Centre, change_id: int, position: str) -> None:
    async with centre.db.begin() as session:
        await session.execute(update(ContactChange).where(ContactChange.id == change_id).values(position=position))


async def test_training_is_told_once_in_each_span_and_the_reminder_once_a_day_from_its_hour(
    database: Database,
) -> None:
    """QH-1: every day after the shift at 18:00, and every two weeks; a watch that stood still says it late."""
    time = Time(datetime(2026, 3, 11, 9, 59, tzinfo=UTC))  # 17:59 there
    centre = centre_of(database, load(ROOT / "config" / "jurisdictions" / "qionghai.yaml"), time)
    for _ in range(2):
        await look_around(centre)
    assert [text[:11] for text in await _told(centre, "training")] == ["2026年03月09日"]
    time.pass_(timedelta(minutes=1))
    for _ in range(2):
        await look_around(centre)
    assert len(await _told(centre, "training")) == 2
    time.pass_(timedelta(hours=23, minutes=59))
    await look_around(centre)
    assert len(await _told(centre, "training")) == 2
    time.pass_(timedelta(minutes=1))
    await look_around(centre)
    assert len(await _told(centre, "training")) == 3


async def test_a_day_is_looked_at_once_whoever_looks(centre: Centre, time: Time) -> None:
    await _consults(centre, 0, 2)
    time.at = datetime(2026, 11, 2, tzinfo=UTC)
    assert await look_around(centre) > 0
    assert await look_around(centre) == 0
