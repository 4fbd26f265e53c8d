"""What follows from what happened: proposals, each once, and none lost over a standstill (YZ-22, YZ-37, TP-28)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from routing.centre import Centre
from routing.dispatching.tables import LeaderCall, LeaderSession
from routing.jurisdiction import Jurisdiction, load
from routing.life.tables import Callback, Clock, EscalationRecord, Rating, Task, ViolationRecord
from routing.storage import Database, Ticket
from routing.watch.findings import look_at_events
from routing.watch.inbox import inbox
from routing.watch.tables import WatchMark
from settings import ROOT
from tests.routing.watch.lives import DAY, HOUR, Life, Time, centre_of, write

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
UNIT = "yz.zhifa"


@pytest.fixture
def time() -> Time:
    return Time(START)


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction, time: Time) -> Centre:
    return centre_of(database, yazhou, time)


async def _escalations(centre: Centre) -> list[tuple[str, str]]:
    async with centre.db.session() as session:
        found = await session.scalars(select(EscalationRecord).order_by(EscalationRecord.id))
        return [(one.ticket_id, one.trigger) for one in found]


async def _violations(centre: Centre) -> list[ViolationRecord]:
    async with centre.db.session() as session:
        return list(await session.scalars(select(ViolationRecord).order_by(ViolationRecord.id)))


async def _late(centre: Centre, due: datetime, *, unit: str = UNIT, **values: Any) -> Ticket:
    """A ticket whose limit was missed; `values` are columns of the clock."""
    ticket = await write(centre.db, Life(due - DAY, unit, clocks={"complete": (due - DAY, DAY)}))
    missed = {"state": "missed", "warned": 1.0, "next_look_at": None, "ended_at": due + HOUR} | values
    async with centre.db.begin() as session:
        await session.execute(update(Clock).where(Clock.ticket_id == ticket.id).values(**missed))
    return ticket


async def test_every_report_that_is_dispatched_is_proposed_for_the_leadership_once(centre: Centre, time: Time) -> None:
    report = await write(centre.db, Life(START, columns={"intent": "report"}))
    await write(centre.db, Life(START))
    await write(centre.db, Life(START, columns={"intent": "report", "dispatched_at": None}))
    time.pass_(HOUR)
    assert await look_at_events(centre) == 1
    assert await look_at_events(centre) == 0
    assert await _escalations(centre) == [(report.id, "report")]
    [notice] = await inbox(centre)
    assert report.serial in notice.text


async def test_nothing_is_lost_over_days_of_standstill(centre: Centre, time: Time) -> None:
    await look_at_events(centre)
    reports = []
    for day in range(5):
        reports.append(await write(centre.db, Life(START + day * DAY, columns={"intent": "report"})))
    time.pass_(9 * DAY)
    assert await look_at_events(centre) == 5
    assert await _escalations(centre) == [(one.id, "report") for one in sorted(reports, key=lambda one: one.id)]


async def test_what_is_committed_after_its_own_time_is_still_found(centre: Centre, time: Time) -> None:
    time.pass_(HOUR)
    await look_at_events(centre)
    await write(centre.db, Life(START + HOUR - HOUR / 2, columns={"intent": "report"}))  # half an hour before the look
    time.pass_(HOUR / 60)
    assert await look_at_events(centre) == 1


async def test_two_looks_at_once_propose_once(centre: Centre, time: Time) -> None:
    for _ in range(5):
        await write(centre.db, Life(START, columns={"intent": "report"}))
    time.pass_(HOUR)
    await look_at_events(centre)
    await write(centre.db, Life(START, columns={"intent": "report"}))
    assert sum(await asyncio.gather(*(look_at_events(centre) for _ in range(3)))) == 1
    assert len(await _escalations(centre)) == 6


async def test_a_redo_that_solved_nothing_is_proposed(centre: Centre, time: Time) -> None:
    ticket = await write(centre.db, Life(START))
    async with centre.db.begin() as session:
        for number, (round_, solved) in enumerate([(1, "unsolved"), (2, "solved"), (3, "untreated")], start=1):
            session.add(
                Callback(
                    ticket_id=ticket.id,
                    number=number,
                    round=round_,
                    at=START,
                    by="乙",
                    outcome="reached",
                    solved=solved,
                )
            )
    time.pass_(HOUR)
    assert await look_at_events(centre) == 1
    assert await _escalations(centre) == [(ticket.id, "redo_unsolved")]


def _turpan(database: Database, time: Time) -> Centre:
    return centre_of(database, load(ROOT / "config" / "jurisdictions" / "turpan.yaml"), time)


async def test_turpans_other_triggers(database: Database, time: Time) -> None:
    """TP-28: a leader's key matter, a determined unit that solved nothing; TP-24: a second bad rating."""
    centre = _turpan(database, time)
    life = Life(START, "tp.a", columns={"jurisdiction": "turpan"})
    given, determined, rated, ordinary = [await write(database, life) for _ in range(4)]
    async with database.begin() as session:
        session.add(
            LeaderSession(leader="某领导", unit="tp.a", starts_at=START, ends_at=START + HOUR, at=START, by="甲", id=1)
        )
        await session.flush()
        session.add(LeaderCall(session_id=1, ticket_id=given.id, key_matter=True, at=START, by="甲"))
        session.add(LeaderCall(session_id=1, ticket_id=ordinary.id, key_matter=False, at=START, by="甲"))
        kept = await session.get_one(Ticket, determined.id)
        kept.return_locked, kept.version = True, kept.version + 1
        for ticket in (determined, ordinary):
            session.add(
                Callback(ticket_id=ticket.id, number=1, at=START, by="乙", outcome="reached", solved="unsolved")
            )
        for round_, level in ((1, "不满意"), (2, "非常不满意")):
            session.add(Rating(ticket_id=rated.id, round=round_, object="result", level=level, at=START, by="乙"))
    time.pass_(HOUR)
    assert await look_at_events(centre) == 3
    assert await look_at_events(centre) == 0
    assert sorted(await _escalations(centre)) == sorted(
        [(given.id, "leader_call"), (determined.id, "decided_unsolved"), (rated.id, "second_rating_bad")]
    )


@pytest.mark.parametrize(("redos", "proposed"), [(1, 0), (2, 1), (3, 1)])
async def test_v1_at_the_second_consecutive_redo(centre: Centre, time: Time, redos: int, proposed: int) -> None:
    ticket = await write(centre.db, Life(START, UNIT))
    async with centre.db.begin() as session:
        await session.execute(update(Task).values(redos_in_a_row=redos))
    assert await look_at_events(centre) == proposed
    assert await look_at_events(centre) == 0
    found = [(one.unit, one.violation, one.ticket_id, one.state) for one in await _violations(centre)]
    assert found == [(UNIT, "V1", ticket.id, "proposed")] * proposed


async def test_v2_from_the_second_unexplained_ticket_of_a_month(centre: Centre, time: Time) -> None:
    time.at = datetime(2026, 11, 20, tzinfo=UTC)
    await _late(centre, START)
    await _late(centre, START, why="设备损坏，已说明")
    await _late(centre, datetime(2026, 10, 31, 15, 59, tzinfo=UTC))  # October, in the jurisdiction's time
    assert await look_at_events(centre) == 0
    await _late(centre, datetime(2026, 10, 31, 16, 0, tzinfo=UTC), state="breached")  # November's first moment
    assert await look_at_events(centre) == 1
    [violation] = await _violations(centre)
    assert (violation.unit, violation.violation, violation.occasion, violation.rule) == (
        UNIT,
        "V2",
        "2026-11",
        "YZ-37(2)",
    )
    assert "2 件" in violation.facts
    await _late(centre, START + DAY)
    assert await look_at_events(centre) == 0
    [violation] = await _violations(centre)
    assert "3 件" in violation.facts  # what is not decided yet follows the count


async def test_v2_counts_tickets_not_clocks(centre: Centre, time: Time) -> None:
    time.at = datetime(2026, 11, 20, tzinfo=UTC)
    ticket = await write(centre.db, Life(START, UNIT, clocks={"contact": (START, HOUR), "complete": (START, HOUR)}))
    async with centre.db.begin() as session:
        await session.execute(
            update(Clock).where(Clock.ticket_id == ticket.id).values(state="breached", next_look_at=None, warned=1.0)
        )
    assert await look_at_events(centre) == 0


async def test_v2_of_a_month_in_which_the_watch_stood_still(centre: Centre, time: Time) -> None:
    time.at = datetime(2026, 9, 15, tzinfo=UTC)
    await look_at_events(centre)
    for _ in range(2):
        await _late(centre, datetime(2026, 10, 10, tzinfo=UTC))
    time.at = datetime(2026, 12, 1, tzinfo=UTC)
    assert await look_at_events(centre) == 1
    assert [one.occasion for one in await _violations(centre)] == ["2026-10"]


async def test_v2_of_limits_that_were_found_late_in_a_later_month(centre: Centre, time: Time) -> None:
    """Handed in late at the month's end, and reviewed in the next: the miss counts in the month of the limit."""
    due = datetime(2026, 10, 30, 3, 0, tzinfo=UTC)
    waiting = [await _late(centre, due, state="stopped", ended_at=None) for _ in range(2)]
    time.at = datetime(2026, 10, 31, 3, 0, tzinfo=UTC)
    await look_at_events(centre)
    time.at = datetime(2026, 11, 5, 3, 0, tzinfo=UTC)
    assert await look_at_events(centre) == 0
    async with centre.db.begin() as session:
        await session.execute(update(Clock).values(state="missed", ended_at=due + HOUR))
        await session.execute(update(Ticket).values(updated_at=time.at))
    time.pass_(HOUR / 4)
    assert await look_at_events(centre) == 1
    assert [one.occasion for one in await _violations(centre)] == ["2026-10"]
    assert len(waiting) == 2


async def test_a_v2_whose_reasons_were_given_says_so_while_nobody_has_decided(centre: Centre, time: Time) -> None:
    time.at = datetime(2026, 11, 20, tzinfo=UTC)
    for _ in range(2):
        await _late(centre, START)
    assert await look_at_events(centre) == 1
    async with centre.db.begin() as session:
        await session.execute(update(Clock).values(why="台风"))
        await session.execute(update(Ticket).values(updated_at=time.at))
    time.pass_(HOUR / 4)
    assert await look_at_events(centre) == 0
    [violation] = await _violations(centre)
    assert violation.state == "proposed" and "已不到 2 件" in violation.facts


async def test_what_is_classified_as_a_report_after_a_return_is_proposed_at_its_next_dispatch(
    centre: Centre, time: Time
) -> None:
    ticket = await write(centre.db, Life(START))
    time.pass_(HOUR)
    assert await look_at_events(centre) == 0
    time.pass_(DAY)
    assert await look_at_events(centre) == 0
    time.pass_(DAY)
    async with centre.db.begin() as session:
        await session.execute(update(Ticket).where(Ticket.id == ticket.id).values(intent="report"))
    assert await look_at_events(centre) == 0, "not before it is dispatched as one"
    async with centre.db.begin() as session:
        again = {"unit": "yz.jiwei", "role": "lead", "round": 2, "state": "dispatched", "dispatched_by": "甲"}
        session.add(Task(ticket_id=ticket.id, dispatched_at=time.at, **again))
    assert await look_at_events(centre) == 1
    assert await _escalations(centre) == [(ticket.id, "report")]


async def test_a_dismissed_violation_is_not_proposed_again(centre: Centre, time: Time) -> None:
    time.at = datetime(2026, 11, 20, tzinfo=UTC)
    for _ in range(2):
        await _late(centre, START)
    await look_at_events(centre)
    async with centre.db.begin() as session:
        await session.execute(update(ViolationRecord).values(state="dismissed"))
    await _late(centre, START)
    assert await look_at_events(centre) == 0
    [violation] = await _violations(centre)
    assert (violation.state, "2 件" in violation.facts) == ("dismissed", True)


@pytest.mark.parametrize(("times", "told"), [(2, 0), (3, 1)])
async def test_the_third_criticism_of_a_year_is_told(centre: Centre, time: Time, times: int, told: int) -> None:
    async with centre.db.begin() as session:
        for number in range(times + 1):
            last_year = datetime(2025, 12, 31, 15, 59, tzinfo=UTC)
            session.add(
                ViolationRecord(
                    unit=UNIT,
                    violation="V3",
                    occasion=str(number),
                    rule="YZ-37",
                    facts="",
                    state="confirmed",
                    at=START,
                    by="甲",
                    criticised_at=START if number < times else last_year,
                )
            )
    for _ in range(2):
        await look_at_events(centre)
    assert [notice.kind for notice in await inbox(centre)] == ["criticism"] * told


async def test_a_failed_look_leaves_the_mark_where_it_was(centre: Centre, time: Time) -> None:
    await look_at_events(centre)
    async with centre.db.session() as session:
        before = (await session.get_one(WatchMark, "events")).until
    await write(centre.db, Life(START, columns={"intent": "report"}))
    time.at = datetime(9999, 12, 31, 23, tzinfo=UTC)  # a broken clock: no month follows this one
    with pytest.raises((ValueError, OverflowError)):
        await look_at_events(centre)
    async with centre.db.session() as session:
        assert (await session.get_one(WatchMark, "events")).until == before
    assert await _escalations(centre) == []
