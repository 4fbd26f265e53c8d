"""The figures: what counts where and when, per unit, town and matter, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.life.tables import Callback, Clock, Rating, Task, ViolationRecord
from routing.statistics.figures import WHOLE, Figures, figures
from routing.statistics.periods import parsed
from routing.statistics.rates import NOTHING, Rate
from routing.storage import Call, Database, Ticket
from tests.routing.watch.lives import DAY, HOUR, Life, Time, centre_of, write

NOVEMBER = parsed("2026-11")
BEGIN = datetime(2026, 10, 31, 16, 0, tzinfo=UTC)
END = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
A, B = "yz.zhifa", "yz.huanwei"
TICK = timedelta(microseconds=1)


@pytest.fixture
def time() -> Time:
    return Time(END + 10 * DAY)


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction, time: Time) -> Centre:
    return centre_of(database, yazhou, time)


async def _completed(centre: Centre, at: datetime, *, due: datetime, unit: str = A, **columns: Any) -> Ticket:
    done = {"state": "archived", "completed_at": at, "due_at": due, "late": at > due}
    return await write(centre.db, Life(BEGIN + HOUR, unit, columns=done | columns, task={"state": "completed"}))


async def _whole(centre: Centre) -> Figures:
    return (await figures(centre, NOVEMBER))[WHOLE]


async def test_an_empty_period_has_figures_of_nothing(centre: Centre) -> None:
    assert await figures(centre, NOVEMBER) == {WHOLE: Figures()}
    assert await figures(centre, NOVEMBER, by="unit") == {}


async def test_a_period_begins_and_ends_at_the_jurisdictions_midnight(centre: Centre) -> None:
    async with centre.db.begin() as session:
        for number, at in enumerate((BEGIN - TICK, BEGIN, END - TICK, END)):
            session.add(Call(call_id=f"c{number}", arrived_at=at))
    for at in (BEGIN - TICK, BEGIN, END - TICK, END):
        await write(centre.db, Life(at, columns={"completed_at": at, "due_at": at, "late": False}))
    whole = await _whole(centre)
    assert (whole.calls, whole.accepted, whole.dispatched, whole.completed) == (2, 2, 2, 2)
    assert whole.on_time == Rate(2, 2)


async def test_in_time_is_of_those_whose_limit_fell_into_the_period(centre: Centre) -> None:
    for _ in range(3):
        await _completed(centre, BEGIN + 2 * DAY, due=BEGIN + 3 * DAY)
    await _completed(centre, BEGIN + 4 * DAY, due=BEGIN + 3 * DAY)  # late
    await _completed(centre, BEGIN + 5 * DAY, due=END + DAY)  # December's
    whole = await _whole(centre)
    assert whole.on_time == Rate(3, 4)
    assert whole.on_time.percent() == "75.00%"
    assert whole.completed == 5


async def test_overdue_are_those_open_at_the_end_of_the_period_whenever_it_is_asked(centre: Centre, time: Time) -> None:
    open_still = await write(centre.db, Life(BEGIN, clocks={"complete": (BEGIN, DAY)}, columns={"due_at": BEGIN + DAY}))
    done_later = await write(centre.db, Life(BEGIN, clocks={"complete": (BEGIN, DAY)}, columns={"due_at": BEGIN + DAY}))
    done_before = await write(centre.db, Life(BEGIN, clocks={"redo": (BEGIN, DAY)}, columns={"due_at": BEGIN + DAY}))
    async with centre.db.begin() as session:
        for ticket, state, ended in (
            (open_still, "breached", None),
            (done_later, "missed", END + DAY),
            (done_before, "missed", END - DAY),
        ):
            clock = (await session.scalars(select(Clock).where(Clock.ticket_id == ticket.id))).one()
            clock.state, clock.ended_at, clock.next_look_at = state, ended, None
        for ticket, at in ((done_later, END + DAY), (done_before, END - DAY)):
            kept = await session.get_one(Ticket, ticket.id)
            kept.late, kept.completed_at, kept.version = True, at, 4
    whole = await _whole(centre)
    assert whole.overdue_open == 2
    assert whole.on_time == Rate(0, 3)
    time.at = BEGIN + 12 * HOUR
    whole = await _whole(centre)
    assert (whole.overdue_open, whole.on_time) == (0, NOTHING)  # nothing was due yet


async def test_a_breach_that_the_watch_has_not_seen_yet_is_overdue_all_the_same(centre: Centre) -> None:
    await write(centre.db, Life(BEGIN, clocks={"complete": (BEGIN, DAY)}, columns={"due_at": BEGIN + DAY}))
    whole = await _whole(centre)
    assert (whole.overdue_open, whole.on_time) == (1, Rate(0, 1))


async def test_a_result_under_review_is_neither_in_time_nor_overdue(centre: Centre) -> None:
    await write(centre.db, Life(BEGIN, columns={"due_at": BEGIN + DAY, "state": "under_review"}))
    whole = await _whole(centre)
    assert (whole.on_time, whole.overdue_open) == (NOTHING, 0)


async def test_extended_and_direct_ones_are_counted_apart(centre: Centre) -> None:
    await _completed(centre, BEGIN + DAY, due=BEGIN + 2 * DAY, extensions=1)
    await _completed(centre, BEGIN + DAY, due=BEGIN + 2 * DAY, direct=True)
    await _completed(centre, BEGIN + DAY, due=BEGIN + 2 * DAY, unit="yz.t1", direct=True, territorial_unit="yz.t1")
    whole = await _whole(centre)
    assert (whole.completed, whole.completed_extended) == (3, 1)
    assert (whole.dispatched, whole.direct_dispatched, whole.direct_to_grid) == (3, 2, 1)
    grid = (await figures(centre, NOVEMBER, by="unit"))["yz.t1"]
    assert (grid.direct_dispatched, grid.direct_to_grid) == (1, 1)


async def test_timeliness_is_the_part_of_the_limits_that_was_used(centre: Centre) -> None:
    await _completed(centre, BEGIN + 11 * HOUR, due=BEGIN + 21 * HOUR)  # 10 of 20 hours
    await _completed(centre, BEGIN + 31 * HOUR, due=BEGIN + 21 * HOUR)  # 30 of 20
    whole = await _whole(centre)
    assert (whole.used_hours, whole.allowed_hours, whole.timeliness) == (40, 40, 1.0)


async def test_consults_answered_at_once(centre: Centre) -> None:
    answered = {"intent": "consult", "state": "answered", "dispatched_at": None, "completed_at": BEGIN + HOUR}
    for _ in range(4):
        await write(centre.db, Life(BEGIN, A, columns=answered))
    await write(centre.db, Life(BEGIN, A, columns={"intent": "consult"}))
    await write(centre.db, Life(BEGIN, B, columns={"intent": "consult"}))
    await write(centre.db, Life(BEGIN, B, columns={"state": "refused", "intent": "consult"}))
    of_units = await figures(centre, NOVEMBER, by="unit")
    assert of_units[A].first_answers == Rate(4, 5)
    assert of_units[B].first_answers == Rate(0, 1)
    assert (await _whole(centre)).first_answers == Rate(4, 6)


async def test_response_is_an_answer_in_time(centre: Centre) -> None:
    for contacted, state in ((BEGIN + HOUR, "met"), (BEGIN + DAY, "missed"), (None, "breached"), (None, "running")):
        ticket = await write(
            centre.db, Life(BEGIN, clocks={"contact": (BEGIN, HOUR)}, task={"contacted_at": contacted})
        )
        async with centre.db.begin() as session:
            (await session.scalars(select(Clock).where(Clock.ticket_id == ticket.id))).one().state = state
    assert (await _whole(centre)).responded == Rate(1, 3)  # who still has time is not asked yet


async def test_solved_is_what_the_citizen_said_last(centre: Centre) -> None:
    said = (["unsolved", "solved"], ["unsolved"], ["solved", ""], [""])
    for answers in said:
        ticket = await _completed(centre, BEGIN + DAY, due=BEGIN + 2 * DAY)
        async with centre.db.begin() as session:
            for number, solved in enumerate(answers, start=1):
                session.add(
                    Callback(
                        ticket_id=ticket.id,
                        number=number,
                        at=BEGIN + number * DAY,
                        by="乙",
                        outcome="reached",
                        solved=solved,
                    )
                )
    assert (await _whole(centre)).solved == Rate(2, 3)


async def test_excluded_ratings_leave_the_second_figure_only(centre: Centre) -> None:
    """Invariant 17: 满意率 keeps every rating, 实际参评满意率 leaves out what an exclusion takes out."""
    rated = (("满意", ""), ("满意", ""), ("不满意", ""), ("不满意", "E1"), ("非常不满意", "E3"))
    for level, exclusion in rated:
        ticket = await _completed(centre, BEGIN + DAY, due=BEGIN + 2 * DAY)
        async with centre.db.begin() as session:
            for what in ("result", "agent"):
                session.add(
                    Rating(
                        ticket_id=ticket.id,
                        round=1,
                        object=what,
                        level=level if what == "result" else "满意",
                        at=BEGIN + 2 * DAY,
                        by="乙",
                        exclusion=exclusion if what == "result" else "",
                    )
                )
    whole = await _whole(centre)
    assert whole.satisfied == Rate(2, 5)
    assert whole.satisfied_counted == Rate(2, 3)
    assert whole.agents_satisfied == Rate(5, 5)


async def test_of_two_ratings_the_second_counts(centre: Centre) -> None:
    ticket = await _completed(centre, BEGIN + DAY, due=BEGIN + 2 * DAY)
    async with centre.db.begin() as session:
        for number, level in ((1, "不满意"), (2, "满意")):
            session.add(
                Rating(
                    ticket_id=ticket.id, round=number, object="result", level=level, at=BEGIN + number * DAY, by="乙"
                )
            )
    assert (await _whole(centre)).satisfied == Rate(1, 1)


async def test_units_towns_and_matters(centre: Centre) -> None:
    await _completed(centre, BEGIN + DAY, due=BEGIN + 2 * DAY, territorial_unit="yz.t1", matter="noise")
    await _completed(centre, BEGIN + DAY, due=BEGIN + HOUR, unit=B, territorial_unit="yz.t1", matter="rubbish")
    await _completed(centre, BEGIN + DAY, due=BEGIN + 2 * DAY, unit=B, matter="rubbish")
    units = await figures(centre, NOVEMBER, by="unit")
    assert {unit: one.on_time for unit, one in units.items()} == {A: Rate(1, 1), B: Rate(1, 2)}
    towns = await figures(centre, NOVEMBER, by="town")
    assert {town: one.completed for town, one in towns.items()} == {WHOLE: 1, "yz.t1": 2}
    matters = await figures(centre, NOVEMBER, by="matter")
    assert {matter: one.dispatched for matter, one in matters.items()} == {"noise": 1, "rubbish": 2}
    whole = await _whole(centre)
    assert whole.completed == sum(one.completed for one in matters.values()) == 3


async def test_a_unit_is_counted_for_each_of_its_tasks(centre: Centre) -> None:
    await write(centre.db, Life(BEGIN, A, assisting=(B,)))
    units = await figures(centre, NOVEMBER, by="unit")
    assert {unit: one.dispatched for unit, one in units.items()} == {A: 1, B: 1}
    assert (await _whole(centre)).dispatched == 1


async def test_confirmed_violations_and_criticisms_of_units(centre: Centre) -> None:
    async with centre.db.begin() as session:
        for number, state in enumerate(("confirmed", "proposed", "dismissed")):
            session.add(
                ViolationRecord(
                    unit=A,
                    violation="V2",
                    occasion=str(number),
                    rule="YZ-37",
                    facts="",
                    state=state,
                    at=BEGIN,
                    by="machine",
                    criticised_at=BEGIN + DAY if state == "confirmed" else None,
                )
            )
    units = await figures(centre, NOVEMBER, by="unit")
    assert {unit: (one.violations, one.criticisms) for unit, one in units.items()} == {A: (1, 1)}


async def test_another_jurisdictions_tickets_are_not_ours(centre: Centre) -> None:
    await write(centre.db, Life(BEGIN, columns={"jurisdiction": "sanya"}))
    assert await _whole(centre) == Figures()


async def test_tasks_of_a_period_are_those_dispatched_in_it(centre: Centre) -> None:
    ticket = await write(centre.db, Life(BEGIN - DAY, A))
    async with centre.db.begin() as session:
        session.add(
            Task(ticket_id=ticket.id, unit=B, role="lead", round=2, dispatched_at=BEGIN + DAY, dispatched_by="甲")
        )
    units = await figures(centre, NOVEMBER, by="unit")
    assert {unit: one.dispatched for unit, one in units.items()} == {B: 1}
