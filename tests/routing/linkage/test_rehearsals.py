"""Rehearsals: on schedule, by one of several servers, with an alarm when a line fails; what was never tried is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy import select, update

from ivr.commands import RehearseLine
from routing.linkage.alarms import open_alarms
from routing.linkage.configuration import RehearsalPlan
from routing.linkage.rehearsals import Rehearsals, in_words, recent, rehearse, scheduled_before, standings
from routing.linkage.tables import LineRehearsal
from routing.storage import Database
from settings import EmergencyLine, Target
from tests.desk.answering_bridge import AnsweringBridge, answering_bridge

SANYA = ZoneInfo("Asia/Shanghai")
PLAN = RehearsalPlan(daily_at=time(3, 30), retry_minutes=10, stale_hours=36)


def line(number: str) -> EmergencyLine:
    return EmergencyLine(line=number, name="专线", targets=[Target(number=number, trunks=["carrier"])], ring_seconds=3)


LINES = [line("110"), line("119")]


@pytest.fixture
async def bridge(redis: Redis) -> AsyncIterator[AnsweringBridge]:
    async with answering_bridge(redis) as answering:
        answering.detail = {"number": "0898119", "trunk": "carrier", "outcome": "answered"}
        yield answering


def a_morning() -> datetime:
    """Tomorrow's 03:29 in Sanya: before the scheduled moment, and after the start of every server in these tests."""
    tomorrow = datetime.now(SANYA) + timedelta(days=1)
    return tomorrow.replace(hour=3, minute=29, second=0, microsecond=0).astimezone(UTC)


async def results(database: Database) -> list[tuple[str, str, str]]:
    return [(one.line, one.result, one.code) for one in reversed(await recent(database))]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-22T03:30:00+08:00", "2026-11-22T03:30:00+08:00"),
        ("2026-11-22T03:29:59+08:00", "2026-11-21T03:30:00+08:00"),
        ("2026-11-21T20:00:00+00:00", "2026-11-22T03:30:00+08:00"),
        ("2027-01-01T00:00:00+08:00", "2026-12-31T03:30:00+08:00"),
    ],
    ids=["the_moment", "a_second_before", "utc", "new_year"],
)
def test_the_last_scheduled_moment(at: str, expected: str) -> None:
    assert scheduled_before(datetime.fromisoformat(at), PLAN, SANYA) == datetime.fromisoformat(expected)
    assert scheduled_before(datetime.fromisoformat(at), RehearsalPlan(daily_at=None), SANYA) is None


async def test_one_that_a_person_asks_for(database: Database, redis: Redis, bridge: AnsweringBridge) -> None:
    done = await rehearse(database, redis, line("119"), by="8004")
    assert done is not None
    assert (done.result, done.number, done.trunk, done.by) == ("connected", "0898119", "carrier", "8004")
    assert [command.line for command in bridge.taken if isinstance(command, RehearseLine)] == ["119"]
    assert await open_alarms(database) == []


async def test_a_failure_raises_an_alarm(database: Database, redis: Redis, bridge: AnsweringBridge) -> None:
    bridge.code, bridge.message = "rehearsal_failed", "对方忙"
    bridge.detail = {"number": "0898119", "trunk": "carrier", "outcome": "busy", "sip": "486"}
    done = await rehearse(database, redis, line("119"), by="8004")
    assert done is not None and (done.result, done.code) == ("failed", "rehearsal_failed")
    assert done.detail == "对方忙（busy 486）"
    assert [(one.kind, one.line) for one in await open_alarms(database)] == [("rehearsal_failed", "119")]
    found = await standings(database, LINES, 36)
    assert [one.standing for one in found] == ["never", "failed"]
    assert in_words(found) == "119 演练没有接通；110 从未演练"


async def test_our_own_echo_proves_nothing(database: Database, redis: Redis, bridge: AnsweringBridge) -> None:
    bridge.detail = {"number": "echo", "trunk": "", "outcome": "answered"}
    server = Rehearsals(database, redis, [line("119")], PLAN, SANYA)
    (done,) = await server.rehearse_due(a_morning() + timedelta(minutes=2))
    assert (done.result, done.number) == ("connected", "echo")
    (found,) = await standings(database, [line("119")], 36)
    assert (found.standing, found.worked_at) == ("untested", None)
    assert server.trouble == "119 没有测试号码，从未真正呼叫过"
    assert REGISTRY.get_sample_value("hotline_line_rehearsed", {"line": "119"}) == 0
    bridge.detail = {"number": "0898119", "trunk": "carrier", "outcome": "answered"}
    await rehearse(database, redis, line("119"), by="8004")
    assert [one.standing for one in await standings(database, [line("119")], 36)] == ["works"]


async def test_without_a_bridge_it_has_failed(database: Database, redis: Redis) -> None:
    done = await rehearse(database, redis, line("119"), by="8004")
    assert done is not None and (done.result, done.code) == ("failed", "bridge_unreachable")


async def test_on_schedule_each_line_once(database: Database, redis: Redis, bridge: AnsweringBridge) -> None:
    servers = [Rehearsals(database, redis, LINES, PLAN, SANYA) for _ in range(2)]
    before = a_morning()
    for server in servers:
        assert await server.rehearse_due(before) == [], "nobody is called before the first scheduled moment"
    assert servers[0].trouble == "110、119 从未演练"
    made = [done for server in servers for done in await server.rehearse_due(before + timedelta(minutes=2))]
    assert sorted(done.line for done in made) == ["110", "119"] and len(bridge.taken) == 2
    assert all(done.by == "schedule" for done in made)
    await _date_back(database, before + timedelta(minutes=2))
    for server in servers:
        assert await server.rehearse_due(before + timedelta(minutes=3)) == []
        assert await server.rehearse_due(before + timedelta(hours=20)) == []
    assert servers[0].trouble == ""
    made = await servers[1].rehearse_due(before + timedelta(days=1, minutes=1))
    assert [done.line for done in made] == ["110", "119"]


async def _date_back(database: Database, at: datetime) -> None:
    """The rehearsals of this test took place then: their rows carry the machine's own time."""
    async with database.begin() as session:
        await session.execute(update(LineRehearsal).values(at=at, ended_at=at + timedelta(seconds=5)))


async def test_a_failed_one_is_tried_once_more(database: Database, redis: Redis, bridge: AnsweringBridge) -> None:
    server = Rehearsals(database, redis, [line("119")], PLAN, SANYA)
    at = a_morning() + timedelta(minutes=2)
    bridge.code = "rehearsal_failed"
    await server.rehearse_due(at)
    await _date_back(database, at)
    assert await server.rehearse_due(at + timedelta(minutes=5)) == []
    assert server.trouble == "119 演练没有接通"
    bridge.code = "done"
    assert len(await open_alarms(database)) == 1
    again = await server.rehearse_due(at + timedelta(minutes=11))
    assert [one.result for one in again] == ["connected"]
    assert await open_alarms(database) == [], "it has connected since"
    assert server.trouble == "" and len(bridge.taken) == 2
    bridge.code = "rehearsal_failed"
    assert await server.rehearse_due(at + timedelta(minutes=40)) == []


async def test_what_was_missed_is_made_up_for(database: Database, redis: Redis, bridge: AnsweringBridge) -> None:
    at = a_morning()
    row = LineRehearsal(
        line="119", occasion="old", by="schedule", at=at - timedelta(days=3), ended_at=at, result="connected"
    )
    async with database.begin() as session:
        session.add(row)
    server = Rehearsals(database, redis, [line("119")], PLAN, SANYA)
    found = await standings(database, [line("119")], 36, at)
    assert found[0].standing == "stale" and in_words(found) == "119 很久没有演练"
    assert len(await server.rehearse_due(at)) == 1


async def test_one_that_was_cut_off(database: Database, redis: Redis, bridge: AnsweringBridge) -> None:
    at = a_morning() + timedelta(minutes=30)
    begun = at - timedelta(minutes=20)
    async with database.begin() as session:
        session.add(LineRehearsal(line="119", occasion="schedule:cut", by="schedule", at=begun))
    server = Rehearsals(database, redis, [line("119")], RehearsalPlan(daily_at=None), SANYA)
    await server.rehearse_due(at)
    await server.rehearse_due(at)
    async with database.session() as session:
        row = (await session.scalars(select(LineRehearsal))).one()
    assert (row.result, row.code) == ("interrupted", "interrupted")
    assert [one.kind for one in await open_alarms(database)] == ["rehearsal_failed"]
    assert server.trouble == "119 演练没有接通" and bridge.taken == []
