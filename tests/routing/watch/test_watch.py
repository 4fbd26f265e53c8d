"""The watch at work: it goes on through an outage of the database, and stops when it is told to."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.life.tables import Clock
from routing.people.tables import ContactChange
from routing.storage import Database, migrate
from routing.watch.watch import Watch, heed_calendar
from tests.routing.watch.lives import DAY, HOUR, Life, Time, centre_of, write
from tests.services import PostgresServer

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(90):
        while not await condition():
            await asyncio.sleep(0.05)


async def _states(centre: Centre) -> list[str]:
    async with centre.db.session() as session:
        return list(await session.scalars(select(Clock.state).order_by(Clock.id)))


async def test_it_goes_its_rounds_until_it_is_stopped(database: Database, yazhou: Jurisdiction) -> None:
    time = Time(START)
    centre = centre_of(database, yazhou, time)
    await write(database, Life(START, clocks={"complete": (START, HOUR)}))
    working = asyncio.create_task(Watch(centre, every_seconds=0.05).run())
    time.pass_(DAY)

    async def breached() -> bool:
        return await _states(centre) == ["breached"]

    await _until(breached)
    await write(database, Life(START, clocks={"complete": (START, HOUR)}))

    async def both() -> bool:
        return await _states(centre) == ["breached", "breached"]

    await _until(both)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working


@pytest.fixture
async def own_server() -> AsyncIterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = PostgresServer(Path(folder))
        server.create()
        server.start()
        yield server
        server.close()


async def test_an_outage_of_the_database_is_told_and_caught_up_with(
    own_server: PostgresServer, yazhou: Jurisdiction
) -> None:
    await migrate(own_server.url())
    database = Database(own_server.url())
    time = Time(START)
    centre = centre_of(database, yazhou, time)
    for _ in range(3):
        await write(database, Life(START, clocks={"complete": (START, HOUR)}))
    watch = Watch(centre, every_seconds=0.05)
    own_server.stop()
    working = asyncio.create_task(watch.run())

    async def in_trouble() -> bool:
        return "数据库不可用" in watch.trouble

    async def well() -> bool:
        return watch.trouble == ""

    await _until(in_trouble)
    time.pass_(9 * DAY)
    own_server.start()
    await _until(well)
    assert await _states(centre) == ["breached"] * 3
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    await database.close()


async def test_a_look_that_fails_is_told_and_the_others_go_on(database: Database, yazhou: Jurisdiction) -> None:
    time = Time(START)
    centre = centre_of(database, yazhou, time)
    async with database.begin() as session:
        damaged = {"position": "damaged", "changed_on": START.date(), "noted_at": START, "noted_by": "甲"}
        session.add(ContactChange(unit="yz.zhifa", **damaged))
    await write(database, Life(START, clocks={"complete": (START, HOUR)}))
    time.pass_(DAY)
    watch = Watch(centre, every_seconds=60)
    assert (await watch.go_round()).overdue == 1
    assert "当日事项" in watch.trouble and "damaged" in watch.trouble
    assert (await watch.go_round()).overdue == 0
    again = Watch(centre, every_seconds=60)
    async with database.begin() as session:
        await session.execute(update(ContactChange).values(position="deputy"))
    await again.go_round()
    assert again.trouble == ""


async def test_open_limits_are_brought_to_a_new_calendar(database: Database, yazhou: Jurisdiction) -> None:
    centre = centre_of(database, yazhou, Time(START + HOUR))
    ticket = await write(database, Life(START, clocks={"complete": (START, 9 * DAY)}))
    async with database.begin() as session:
        await session.execute(update(Clock).values(amount=5, amount_unit="working_day"))
    await heed_calendar(centre)
    async with database.session() as session:
        clock = (await session.scalars(select(Clock).where(Clock.ticket_id == ticket.id))).one()
    assert clock.calendar_version == centre.calendar.version
    assert clock.due_at == datetime(2026, 11, 9, 16, tzinfo=UTC)  # the end of the fifth working day after the 2nd
    assert clock.next_look_at == START + (clock.due_at - START) * 0.5
    assert clock.next_look_at - START > timedelta(days=3)
