"""A unit's work list, and that what is looked for every few seconds is found by an index, not by reading everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event, update

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.life.tables import Task
from routing.storage import Database
from routing.watch.findings import look_at_events
from routing.watch.inbox import inbox
from routing.watch.rounds import look_at_clocks
from routing.watch.work import unit_work
from tests.routing.watch.lives import DAY, HOUR, Life, Time, centre_of, write

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
UNIT = "yz.zhifa"


@pytest.fixture
def centre(database: Database, yazhou: Jurisdiction) -> Centre:
    return centre_of(database, yazhou, Time(START + DAY))


async def test_the_most_urgent_first_those_without_a_limit_last(centre: Centre) -> None:
    soon, later, never = START + HOUR, START + DAY, None
    tickets = {due: await write(centre.db, Life(START, UNIT, task={"due_at": due})) for due in (later, never, soon)}
    listed = await unit_work(centre, UNIT)
    assert [one.ticket_id for one in listed] == [tickets[due].id for due in (soon, later, never)]
    assert [one.due_at for one in await unit_work(centre, UNIT, limit=2)] == [soon, later]


async def test_only_the_units_own_unfinished_tasks(centre: Centre) -> None:
    for state in ("dispatched", "accepted", "returning", "submitted", "redo"):
        await write(centre.db, Life(START, UNIT, task={"state": state, "due_at": START}))
    for state in ("approved", "completed", "returned", "withdrawn"):
        await write(centre.db, Life(START, UNIT, task={"state": state, "due_at": START}))
    await write(centre.db, Life(START, "yz.huanwei", task={"due_at": START}))
    await write(centre.db, Life(START, UNIT, columns={"jurisdiction": "sanya"}))
    listed = await unit_work(centre, UNIT)
    assert sorted(one.state for one in listed) == ["accepted", "dispatched", "redo", "returning", "submitted"]


async def test_an_assisting_unit_has_its_own_task(centre: Centre) -> None:
    await write(centre.db, Life(START, UNIT, ("yz.huanwei",)))
    async with centre.db.begin() as session:
        await session.execute(update(Task).values(due_at=START + DAY))
    assert [one.role for one in await unit_work(centre, "yz.huanwei")] == ["assist"]


@pytest.mark.parametrize(
    "look",
    [look_at_clocks, look_at_events, inbox, lambda centre: unit_work(centre, UNIT)],
    ids=["clocks", "events", "inbox", "work"],
)
@pytest.mark.parametrize("migrated", ["sqlite"], indirect=True)
async def test_no_look_reads_whole_tables(centre: Centre, look: Callable[[Centre], Awaitable[Any]]) -> None:
    """On SQLite: PostgreSQL rightly reads a table of a few rows as a whole; bench/law.py shows its plans."""
    await look_at_events(centre)  # the first one of a new hotline reads all that there is
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await look(centre)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert seen
    async with centre.db.session() as session:
        connection = await session.connection()
        for statement, parameters in seen:
            plan = [str(row) for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
            whole = [line for line in plan if "SCAN" in line and "USING" not in line]
            assert whole == [], statement
