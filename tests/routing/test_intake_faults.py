"""Whatever dies under the intake, and comes back: no event is lost, none is applied twice, the order is kept."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis

from ivr.outbox import Outbox
from routing import intake as intake_module
from routing.intake import LEASE, Intake
from routing.jurisdiction import Jurisdiction
from routing.storage import Database, migrate
from settings import ROOT
from tests.routing.conftest import YAZHOU, Empty, connect
from tests.routing.test_intake import has_told, settled, told_events
from tests.routing.told import Told, contents, publish, until
from tests.services import RedisServer

SENTENCES = 40


@contextlib.asynccontextmanager
async def intake_on(database: Database, redis: Redis, yazhou: Jurisdiction) -> AsyncIterator[Intake]:
    intake = Intake(database, redis, yazhou, consumer="one")
    task = asyncio.create_task(intake.run())
    try:
        yield intake
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def in_trouble(intake: Intake, word: str) -> bool:
    return word in intake.trouble


async def well(intake: Intake) -> bool:
    return intake.trouble == ""


async def assert_complete(database: Database, calls: list[Told], number: int) -> None:
    """Every sentence of every call is there, once, in the order in which it was said."""
    found = await contents(database)
    for c in calls:
        assert [one[2] for one in found["said"] if one[0] == c.call_id] == list(range(1, number + 1))
    opened = [line[0] for line in found["history"] if line[1] == "opened"]
    assert sorted(opened) == sorted(c.call_id for c in calls)


async def test_the_process_is_killed(
    database: Database, redis: Redis, redis_of_session: RedisServer, yazhou: Jurisdiction
) -> None:
    calls = [Told(f"c{number}") for number in range(3)]
    script = (
        "import asyncio\n"
        "from pathlib import Path\n"
        "from redis.asyncio import Redis\n"
        "from routing.intake import Intake\n"
        "from routing.jurisdiction import load\n"
        "from routing.storage import Database\n"
        f"intake = Intake(Database({database.url!r}), Redis.from_url({redis_of_session.url!r}),\n"
        f"                load(Path({str(YAZHOU)!r})), consumer='one')\n"
        "asyncio.run(intake.run())\n"
    )
    for number in range(1, SENTENCES + 1):
        await publish(redis, *(c.said(number, f"保港的路灯坏了{number}") for c in calls))
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    try:
        await until(has_told(database, 10), seconds=30)
    finally:
        process.kill()
        process.wait()
    assert await told_events(database) < 3 * SENTENCES
    # As if the dead one's lease had run out; how long that takes is not the subject here.
    await redis.delete(LEASE)
    async with intake_on(database, redis, yazhou):
        await until(has_told(database, 3 * SENTENCES))
        await settled(redis)
    await assert_complete(database, calls, SENTENCES)


async def test_redis_is_killed_and_comes_back(database: Database, yazhou: Jurisdiction, tmp_path: Path) -> None:
    """The bridge's outbox spools what it cannot send; the intake waits; nothing is lost on either side."""
    server = RedisServer(tmp_path / "redis", durable=True)
    server.start()
    client, listener = connect(server.url), connect(server.url)
    outbox = Outbox(client, tmp_path / "spool" / "bridge.jsonl")
    outbox.start()
    c = Told()
    try:
        async with intake_on(database, listener, yazhou) as intake:
            for number in range(1, SENTENCES + 1):
                outbox.publish(c.said(number, f"第{number}句"))
                if number in (10, 25):
                    await until(has_told(database, 5))
                    server.kill()
                    await until(lambda: in_trouble(intake, "Redis"))
                if number in (20, 35):
                    server.start()
                    await until(lambda: well(intake))
                await asyncio.sleep(0.005)
            await until(has_told(database, SENTENCES))
            await until(lambda: well(intake))
    finally:
        await outbox.close()
        await client.aclose()
        await listener.aclose()
        server.close()
    await assert_complete(database, [c], SENTENCES)


@contextlib.asynccontextmanager
async def unusable(migrated: Empty) -> AsyncIterator[None]:
    """SQLite: another connection holds the file for itself. PostgreSQL: the server is stopped."""
    if migrated.server is None:
        assert migrated.file is not None
        other = sqlite3.connect(migrated.file, isolation_level=None, check_same_thread=False)
        with contextlib.closing(other):
            # In a thread: it waits for a transaction that this one's event loop has to finish.
            await asyncio.to_thread(other.execute, "BEGIN EXCLUSIVE")
            yield
        return
    migrated.server.stop()
    try:
        yield
    finally:
        migrated.server.start()


async def test_the_database_is_away_for_a_while(migrated: Empty, redis: Redis, yazhou: Jurisdiction) -> None:
    calls = [Told(f"c{number}") for number in range(2)]
    database = Database(migrated.url, busy_seconds=0.2)
    async with intake_on(database, redis, yazhou) as intake:
        for number in range(1, 6):
            await publish(redis, *(c.said(number, f"第{number}句") for c in calls))
        await until(has_told(database, 4))
        async with unusable(migrated):
            for number in range(6, 16):
                await publish(redis, *(c.said(number, f"第{number}句") for c in calls))
            await until(lambda: in_trouble(intake, "数据库"))
            await asyncio.sleep(0.5)
            assert "第" not in intake.trouble  # says what is wrong, not what citizens said
        await until(has_told(database, 30))
        await until(lambda: well(intake))
        await settled(redis)
    await database.close()
    fresh = Database(migrated.url)
    await assert_complete(fresh, calls, 15)
    await fresh.close()


async def test_the_database_cuts_the_connection_in_the_middle(
    migrated: Empty, redis: Redis, yazhou: Jurisdiction
) -> None:
    if migrated.server is None:
        return  # SQLite has no connections that could be cut
    c = Told()
    database = Database(migrated.url)
    async with intake_on(database, redis, yazhou):
        for number in range(1, SENTENCES + 1):
            await publish(redis, c.said(number, f"保港的路灯坏了{number}"))
            if number % 10 == 0:
                await _cut_all(migrated)
        await until(has_told(database, SENTENCES))
    await assert_complete(database, [c], SENTENCES)
    assert await told_events(database) == SENTENCES
    await database.close()


async def _cut_all(migrated: Empty) -> None:
    assert migrated.server is not None
    connection = await asyncpg.connect(migrated.server.dsn)
    try:
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test_%'")
    finally:
        await connection.close()


async def test_the_schema_is_missing(empty: Empty, redis: Redis, yazhou: Jurisdiction) -> None:
    """Not the event's fault: it waits until somebody has migrated."""
    database = Database(empty.url)
    await publish(redis, Told().arrived())
    async with intake_on(database, redis, yazhou) as intake:
        await until(lambda: in_trouble(intake, "数据库"))
        await migrate(empty.url)
        await until(has_told(database, 1))
    await database.close()


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05])
async def test_it_is_stopped_at_any_moment(
    seconds: float, database: Database, redis: Redis, yazhou: Jurisdiction, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stopped while it takes the lease it may leave it behind.
    monkeypatch.setattr(intake_module, "_LEASE_SECONDS", 0.5)
    monkeypatch.setattr(intake_module, "_RENEW_SECONDS", 0.1)
    monkeypatch.setattr(intake_module, "_STANDBY_SECONDS", 0.1)
    c = Told()
    await publish(redis, *(c.said(number, f"保港的路灯坏了{number}") for number in range(1, 21)))
    for _ in range(12):
        async with intake_on(database, redis, yazhou):
            await asyncio.sleep(seconds)
    async with intake_on(database, redis, yazhou):
        await until(has_told(database, 20))
        await settled(redis)
    await assert_complete(database, [c], 20)
