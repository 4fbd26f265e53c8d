"""Rounds over the clocks: each is told of once, in time, by however many watches, and after a standstill too."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.life.tables import Clock, EscalationRecord, ViolationRecord
from routing.storage import Database, Ticket, TicketChange
from routing.tickets import Actor
from routing.watch.inbox import NoSuchNotice, acknowledge, inbox
from routing.watch.notices import CENTRE
from routing.watch.rounds import Round, look_at_clocks
from routing.watch.tables import Notice
from tests.routing.watch.lives import DAY, HOUR, Life, Time, centre_of, write

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
UNIT = "yz.zhifa"


@pytest.fixture
def time() -> Time:
    return Time(START)


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction, time: Time) -> Centre:
    return centre_of(database, yazhou, time)


async def _one_clock(centre: Centre, kind: str = "complete", limit: timedelta = 10 * HOUR) -> Ticket:
    return await write(centre.db, Life(START, UNIT, clocks={kind: (START, limit)}))


async def _clock(centre: Centre) -> Clock:
    async with centre.db.session() as session:
        return (await session.scalars(select(Clock))).one()


async def _lines(centre: Centre) -> list[tuple[str, str]]:
    async with centre.db.session() as session:
        return [(line.action, line.field) for line in await session.scalars(select(TicketChange).order_by("id"))]


async def test_nothing_is_said_before_the_first_fraction(centre: Centre, time: Time) -> None:
    await _one_clock(centre)
    time.at = START + 5 * HOUR - timedelta(microseconds=1)
    assert await look_at_clocks(centre) == Round()
    assert await inbox(centre, UNIT) == []


async def test_a_warning_at_each_fraction_then_the_breach(centre: Centre, time: Time) -> None:
    ticket = await _one_clock(centre)
    steps = [
        (5 * HOUR, Round(1, warned=1), 0.5, 8 * HOUR, "running"),
        (8 * HOUR, Round(1, warned=1), 0.8, 10 * HOUR, "running"),
        (10 * HOUR, Round(1, overdue=1), 1.0, None, "breached"),
    ]
    for after, seen, warned, next_look, state in steps:
        time.at = START + after
        assert await look_at_clocks(centre) == seen
        assert await look_at_clocks(centre) == Round()  # told once
        clock = await _clock(centre)
        assert (clock.warned, clock.state) == (warned, state)
        assert clock.next_look_at == (START + next_look if next_look else None)
        assert len(await inbox(centre, UNIT)) == 1
    assert await _lines(centre) == [("warned", "complete"), ("warned", "complete"), ("overdue", "complete")]
    assert [notice.kind for notice in await inbox(centre, CENTRE)] == ["overdue", "proposal"]
    async with centre.db.session() as session:
        kept = await session.get_one(Ticket, ticket.id)
        assert kept.version == ticket.version  # nobody's form is taken away


async def test_after_days_of_standstill_each_clock_is_told_of_once(centre: Centre, time: Time) -> None:
    for kind in ("contact", "accept", "complete"):
        await _one_clock(centre, kind)
    time.at = START + 9 * DAY
    assert await look_at_clocks(centre, batch=2) == Round(3, overdue=3)
    assert [notice.kind for notice in await inbox(centre, UNIT)] == ["overdue"] * 3
    assert sorted(await _lines(centre)) == [("overdue", kind) for kind in ("accept", "complete", "contact")]


async def test_what_was_passed_meanwhile_is_one_warning(centre: Centre, time: Time) -> None:
    await _one_clock(centre)
    time.at = START + 9 * HOUR
    assert await look_at_clocks(centre) == Round(1, warned=1)
    assert (await _clock(centre)).warned == 0.8


async def test_a_clock_that_stopped_meanwhile_is_not_told_of(centre: Centre, time: Time) -> None:
    await _one_clock(centre)
    async with centre.db.begin() as session:
        (await session.scalars(select(Clock))).one().state = "stopped"
    time.at = START + DAY
    assert await look_at_clocks(centre) == Round(1)
    assert (await _clock(centre)).next_look_at is None
    assert await inbox(centre, UNIT) == []


async def test_what_was_done_late_before_the_watch_came_by_is_still_told(centre: Centre, time: Time) -> None:
    await _one_clock(centre)
    async with centre.db.begin() as session:
        clock = (await session.scalars(select(Clock))).one()
        clock.state, clock.ended_at, clock.next_look_at = "missed", START + 11 * HOUR, None
    time.at = START + DAY
    assert await look_at_clocks(centre) == Round(1, overdue=1)
    assert await look_at_clocks(centre) == Round()
    assert (await _clock(centre)).ended_at == START + 11 * HOUR
    assert "请说明原因" in (await inbox(centre, UNIT))[0].text
    async with centre.db.session() as session:
        assert (await session.scalars(select(EscalationRecord.trigger))).all() == ["overdue"]


async def test_an_overdue_ticket_is_proposed_for_supervision_once(centre: Centre, time: Time) -> None:
    ticket = await _one_clock(centre)
    time.at = START + DAY
    await look_at_clocks(centre)
    async with centre.db.begin() as session:
        # As after a new limit that was missed again.
        clock = (await session.scalars(select(Clock))).one()
        clock.state, clock.warned, clock.next_look_at = "running", 0.0, clock.due_at
    await look_at_clocks(centre)
    async with centre.db.session() as session:
        record = (await session.scalars(select(EscalationRecord))).one()
    assert (record.ticket_id, record.trigger, record.state, record.rule) == (ticket.id, "overdue", "proposed", "YZ-22")
    assert record.supervise
    assert record.leadership


async def test_units_that_idle_in_a_joint_ticket_are_proposed_for_v7(centre: Centre, time: Time) -> None:
    await write(centre.db, Life(START, UNIT, ("yz.huanwei",), clocks={"complete": (START, HOUR)}))
    await write(centre.db, Life(START, UNIT, clocks={"complete": (START, HOUR)}))  # not joint: V2 counts it, V7 not
    time.at = START + DAY
    await look_at_clocks(centre)
    async with centre.db.session() as session:
        found = (await session.scalars(select(ViolationRecord).order_by(ViolationRecord.unit))).all()
    assert [(one.unit, one.violation, one.state) for one in found] == [
        ("yz.huanwei", "V7", "proposed"),
        (UNIT, "V7", "proposed"),
    ]


async def test_notices_name_no_citizen_and_leave_the_inbox_with_their_clock(centre: Centre, time: Time) -> None:
    ticket = await write(
        centre.db, Life(START, UNIT, clocks={"complete": (START, HOUR)}, columns={"caller_number": "13876543210"})
    )
    time.at = START + DAY
    await look_at_clocks(centre)
    [notice] = await inbox(centre, UNIT)
    assert ticket.serial in notice.text
    assert "13876543210" not in notice.text
    async with centre.db.begin() as session:
        (await session.scalars(select(Clock))).one().state = "met"
    assert await inbox(centre, UNIT) == []


async def test_a_notice_is_acknowledged_by_its_reader_only(centre: Centre, time: Time) -> None:
    await _one_clock(centre)
    time.at = START + 5 * HOUR
    await look_at_clocks(centre)
    [notice] = await inbox(centre, UNIT)
    with pytest.raises(NoSuchNotice):
        await acknowledge(centre, notice.id, Actor("别人", "unit_clerk", "yz.huanwei"))
    with pytest.raises(NoSuchNotice):
        await acknowledge(centre, notice.id, Actor("坐席", "agent"))
    assert (await acknowledge(centre, notice.id, Actor("采编员", "unit_clerk", UNIT))).acknowledged_by == "采编员"
    assert await inbox(centre, UNIT) == []
    time.at = START + 8 * HOUR
    await look_at_clocks(centre)
    assert len(await inbox(centre, UNIT)) == 1  # the next warning is news again


async def test_several_watches_at_once_tell_each_clock_once(centre: Centre, time: Time) -> None:
    for _ in range(60):
        await write(centre.db, Life(START, UNIT, clocks={"complete": (START, HOUR), "accept": (START, HOUR)}))
    time.at = START + DAY
    rounds = await asyncio.gather(*(look_at_clocks(centre, batch=7) for _ in range(4)))
    rounds.append(await look_at_clocks(centre))  # what one passed over because another held it
    total = Round()
    for one in rounds:
        total += one
    assert total == Round(120, overdue=120)
    assert sorted(await _lines(centre)) == [("overdue", "accept")] * 60 + [("overdue", "complete")] * 60
    async with centre.db.session() as session:
        assert len((await session.scalars(select(Notice.id).where(Notice.unit == UNIT))).all()) == 120
        assert len((await session.scalars(select(EscalationRecord.id))).all()) == 60


@pytest.mark.parametrize("migrated", ["postgresql"], indirect=True)
async def test_a_clerk_at_work_is_not_waited_for(centre: Centre, time: Time) -> None:
    """On PostgreSQL; SQLite has one writer at a time, and there the watch waits its turn."""
    held = await _one_clock(centre)
    await _one_clock(centre)
    time.at = START + DAY
    async with centre.db.begin() as clerk:
        await clerk.get_one(Ticket, held.id, with_for_update=True)
        assert await asyncio.wait_for(look_at_clocks(centre), 20) == Round(1, overdue=1)
        # The clerk's own statement meets no lock of the watch.
        for clock in await clerk.scalars(select(Clock).where(Clock.ticket_id == held.id)):
            clock.state, clock.ended_at, clock.next_look_at, clock.warned = "missed", time.at, None, 1.0
    assert await look_at_clocks(centre) == Round()
