"""A new calendar moves open limits only, says so, and does nothing the second time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import Table, select, update

from routing.law.calendar import Calendar
from routing.law.provisions import Amount
from routing.life import extending
from routing.life.recalculation import Recalculated, recalculate
from routing.life.tables import Clock
from routing.secrecy.keys import SEALED
from routing.storage import Ticket
from tests.routing.life.conftest import CHINA, CLERK, OFFICE, Office
from tests.routing.life.reading import clocks_of, everything_of, history_of

_FRIDAY = date(2026, 3, 6)


def _with_a_day_off(office: Office) -> Office:
    old = office.centre.calendar
    other = Calendar(
        ZoneInfo("Asia/Shanghai"),
        old.first_year,
        old.last_year,
        old._differing | {_FRIDAY: False},
        local={name: frozenset() for name in old.names[1:]},
    )
    assert other.version != old.version
    return Office(replace(office.centre, calendar=other), office.clock)


async def test_open_limits_move_and_closed_ones_stay(office: Office) -> None:
    done = await office.reviewed("non_urban_management")
    ticket = await office.in_hand("non_urban_management")
    urban = await office.in_hand()
    ticket = await extending.ask_extension(
        office.centre, ticket.id, ticket.version, CLERK, amount=Amount(value=1, unit="working_day"), reason="等配件"
    )
    ticket = await extending.decide_extension(office.centre, ticket.id, ticket.version, OFFICE, granted=True)
    assert ticket.due_at == datetime(2026, 3, 11, tzinfo=CHINA)
    assert await recalculate(office.centre) == Recalculated(0, 0, ())
    closed = [one.due_at for one in await clocks_of(office.centre.db, done.id) if one.kind == "complete"]

    anew = _with_a_day_off(office)
    made = await recalculate(anew.centre)
    assert made.beyond == () and made.tickets >= 2
    ticket = await anew.ticket(ticket.id)
    assert ticket.due_at == datetime(2026, 3, 12, tzinfo=CHINA), "five days and the extension, over the new day off"
    assert {one.due_at for one in await clocks_of(anew.centre.db, ticket.id) if one.kind == "citizen"} == {
        datetime(2026, 3, 11, tzinfo=CHINA)
    }
    moves = [line for line in await history_of(anew.centre.db, ticket.id) if line.action == "recalculate"]
    assert {line.field for line in moves} == {"clock citizen", "clock complete"}
    assert all(anew.centre.calendar.version in line.why and line.actor == "machine" for line in moves)
    assert [one.due_at for one in await clocks_of(anew.centre.db, done.id) if one.kind == "complete"] == closed
    assert (await anew.ticket(urban.id)).version == urban.version, "hours run around the clock"

    before = [await everything_of(anew.centre.db, one) for one in (done.id, ticket.id, urban.id)]
    assert await recalculate(anew.centre) == Recalculated(0, 0, ())
    assert [await everything_of(anew.centre.db, one) for one in (done.id, ticket.id, urban.id)] == before


async def _written(office: Office, table: type[Clock] | type[Ticket], ticket_id: str, **values: str) -> None:
    named = Clock.ticket_id if table is Clock else Ticket.id
    async with office.centre.db.begin() as session:
        await session.execute(update(table).where(named == ticket_id).values(values))


async def test_tickets_that_cannot_be_changed_are_named_and_hold_up_no_other(office: Office) -> None:
    bad_unit, bad_state, damaged, from_the_future, good = [
        await office.in_hand("non_urban_management") for _ in range(5)
    ]
    await _written(office, Clock, bad_unit.id, amount_unit="fortnight")
    await _written(office, Ticket, bad_state.id, state="confirmed")
    async with office.centre.db.begin() as session:
        await session.execute(
            update(Ticket)
            .where(Ticket.id == from_the_future.id)
            .values(created_at=office.clock.at + timedelta(minutes=5))
        )
        kept = cast(Table, Ticket.__table__)
        number = await session.scalar(select(kept.c.caller_number).where(kept.c.id == good.id))
        await session.execute(
            update(kept).where(kept.c.id == damaged.id).values(caller_number=number or SEALED + "x:y")
        )
    anew = _with_a_day_off(office)
    made = await recalculate(anew.centre)
    assert sorted(made.failed) == sorted(one.id for one in (bad_unit, bad_state, damaged, from_the_future))
    assert "fortnight" in made.failed[bad_unit.id] and "BadTime" in made.failed[from_the_future.id]
    assert made.tickets == 5 and made.moved > 0
    assert (await anew.ticket(good.id)).due_at != good.due_at


async def test_a_limit_beyond_the_calendar_holds_up_no_other(office: Office) -> None:
    first, second = [await office.in_hand("non_urban_management") for _ in range(2)]
    old = office.centre.calendar
    short = Calendar(ZoneInfo("Asia/Shanghai"), old.first_year, 2025, {}, local={})
    made = await recalculate(replace(office.centre, calendar=short))
    assert sorted(made.beyond) == sorted([first.id, second.id])
    assert (await office.ticket(first.id)).due_at == first.due_at
