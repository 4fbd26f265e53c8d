"""A new calendar moves open limits only, says so, and does nothing the second time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from routing.law.calendar import Calendar
from routing.law.provisions import Amount
from routing.life import extending
from routing.life.recalculation import Recalculated, recalculate
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


async def test_a_limit_beyond_the_calendar_holds_up_no_other(office: Office) -> None:
    first, second = [await office.in_hand("non_urban_management") for _ in range(2)]
    old = office.centre.calendar
    short = Calendar(ZoneInfo("Asia/Shanghai"), old.first_year, 2025, {}, local={})
    made = await recalculate(replace(office.centre, calendar=short))
    assert sorted(made.beyond) == sorted([first.id, second.id])
    assert (await office.ticket(first.id)).due_at == first.due_at
