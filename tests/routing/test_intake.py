"""From the stream into the database: once each, in order, none lost, nobody waits for somebody else's broken event."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy import func, select, text

from ivr.events import STREAM, dump, now
from routing import intake as intake_module
from routing import tickets
from routing.intake import DESK_CHANNEL, GROUP, KEPT, LEASE, REFUSED, Intake
from routing.jurisdiction import Jurisdiction
from routing.storage import Database, ToldEvent
from tests.routing.told import Told, contents, inventory, publish, until

Running = Callable[..., AbstractAsyncContextManager[Intake]]


@pytest.fixture
def running(database: Database, redis: Redis, yazhou: Jurisdiction) -> Running:
    @contextlib.asynccontextmanager
    async def run(consumer: str = "one", client: Redis | None = None) -> AsyncIterator[Intake]:
        intake = Intake(database, client or redis, yazhou, consumer=consumer)
        task = asyncio.create_task(intake.run())
        try:
            yield intake
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run


async def told_events(database: Database) -> int:
    async with database.session() as session:
        return await session.scalar(select(func.count()).select_from(ToldEvent)) or 0


def has_told(database: Database, number: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return await told_events(database) >= number

    return enough


async def all_acknowledged(redis: Redis) -> bool:
    (group,) = await redis.xinfo_groups(STREAM)
    return bool(group["pending"] == 0 and group["lag"] == 0)


async def settled(redis: Redis) -> None:
    await until(lambda: all_acknowledged(redis))


async def test_a_call_becomes_a_ticket(database: Database, redis: Redis, running: Running) -> None:
    await publish(redis, *Told().whole_call())
    async with running() as intake:
        await until(has_told(database, 12))
        await settled(redis)
        assert intake.trouble == ""
    ticket = await tickets.ticket_of_call(database, "c1")
    assert ticket is not None and ticket.fields["functional_unit"]["value"] == "yz.zhujian"
    assert [one.number for one in await tickets.utterances(database, "c1") if one.speaker == "caller"] == [
        1,
        2,
        3,
        4,
        5,
    ]


async def test_the_desk_is_told_after_the_commit(database: Database, redis: Redis, running: Running) -> None:
    async with redis.pubsub() as subscription, running():
        await subscription.subscribe(DESK_CHANNEL)
        await publish(redis, Told().arrived(), Told("c2").arrived(), inventory("c1"))
        told = []
        while len(told) < 3:
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5)
            if message:
                told.append(json.loads(message["data"]))
                assert await tickets.ticket(database, told[-1]["ticket_id"]) is not None
    assert [(one["call_id"], one["kind"]) for one in told] == [
        ("c1", "call_arrived"),
        ("c2", "call_arrived"),
        ("c2", "node_inventory"),
    ]


async def test_each_event_twice_is_each_event_once(database: Database, redis: Redis, running: Running) -> None:
    once, twice = Told("once").whole_call(), Told("twice").whole_call()
    await publish(redis, *once)
    for event in twice:
        await publish(redis, event, event)
    await publish(redis, *twice)
    async with running():
        await until(has_told(database, 24))
        await settled(redis)
    found = await contents(database)
    assert found["calls"]["once"] == found["calls"]["twice"]
    assert found["tickets"]["once"] == found["tickets"]["twice"]
    for kind in ("said", "history"):
        of_once = [line[1:] for line in found[kind] if line[0] == "once" and line[1] != "opened"]
        assert of_once == [line[1:] for line in found[kind] if line[0] == "twice" and line[1] != "opened"]


async def test_what_was_committed_and_not_acknowledged_is_not_applied_again(
    database: Database, redis: Redis, yazhou: Jurisdiction, running: Running
) -> None:
    """A process that died between the two: its entries are delivered again, to another one."""
    events = Told().whole_call()
    await publish(redis, *events)
    await redis.xgroup_create(STREAM, GROUP, id="0")
    dead = Intake(database, redis, yazhou, consumer="dead")
    delivered = await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=8)
    assert delivered
    for event in events[:4]:
        await dead._apply_once(event)  # committed, never acknowledged
    before = await contents(database)
    async with running():
        await until(has_told(database, len(events)))
        await settled(redis)
    after = await contents(database)
    assert after["history"][: len(before["history"])] == before["history"]
    assert [one[2] for one in after["said"] if one[1] == "caller"] == [1, 2, 3, 4, 5]
    assert [line[1] for line in after["history"]].count("opened") == 1


async def test_poison_is_put_aside_and_the_others_go_on(database: Database, redis: Redis, running: Running) -> None:
    c = Told()
    good = json.loads(dump(c.said(1, "保港的路灯坏了")))
    poison: list[dict[str, bytes | str]] = [
        {"something": "else"},
        {"event": b"\xff\xfe"},
        {"event": "{"},
        {"event": json.dumps(good | {"kind": "no_such_kind"})},
        {"event": json.dumps(good | {"number": "one"})},
        {"event": json.dumps(good | {"at": "yesterday"})},
        {"event": json.dumps(good | {"event_id": "huge", "number": 2**70})},
    ]
    refused_before = REGISTRY.get_sample_value("hotline_events_refused_total") or 0
    await publish(redis, c.arrived())
    for entry in poison:
        await redis.xadd(STREAM, entry)  # type: ignore[arg-type]
    await publish(redis, c.said(2, "保港的路灯坏了"))
    async with running() as intake:
        await until(has_told(database, 2))
        await settled(redis)
        assert intake.trouble == ""
    kept = await redis.xrange(REFUSED)
    assert len(kept) == len(poison)
    assert [fields[b"event"] for _, fields in kept[1:]] == [
        entry["event"] if isinstance(entry["event"], bytes) else entry["event"].encode() for entry in poison[1:]
    ]
    assert all(fields[b"problem"] and b"-" in fields[b"id"] for _, fields in kept)
    assert not any("路灯".encode() in fields[b"problem"] for _, fields in kept)
    assert REGISTRY.get_sample_value("hotline_events_refused_total") == refused_before + len(poison)


async def test_a_value_that_the_database_does_not_take_is_put_aside(
    database: Database, redis: Redis, running: Running
) -> None:
    """PostgreSQL takes no numbers beyond 32 bits here, SQLite does; NUL in a text is no trouble once it is sealed."""
    c = Told()
    nul = c.said(1, "保港\x00的路灯坏了")
    large = c.queued().model_copy(update={"position": 2**40})
    await publish(redis, c.arrived(), nul, large, c.said(2, "保港的路灯坏了"))
    async with running() as intake:
        await until(lambda: _has_field(database, "place", "保港"))
        await settled(redis)
        assert intake.trouble == ""
    refused = len(await redis.xrange(REFUSED))
    assert refused == (1 if database.url.startswith("postgresql") else 0)


async def _has_field(database: Database, name: str, value: str) -> bool:
    ticket = await tickets.ticket_of_call(database, "c1")
    return ticket is not None and ticket.fields[name]["value"] == value


async def test_of_two_intakes_one_works_and_the_other_takes_over(
    database: Database, redis: Redis, running: Running
) -> None:
    calls = [Told(f"c{number}") for number in range(6)]
    async with running("first"):
        await until(lambda: _is_held(redis))
        async with running("second"):
            for number in range(1, 6):
                await publish(redis, *(c.said(number, f"第{number}句") for c in calls))
            await until(has_told(database, 20))
            consumers = await redis.xinfo_consumers(STREAM, GROUP)
            assert [one["name"] for one in consumers] == [b"first"]
    await publish(redis, *(c.said(6, "第6句") for c in calls))
    async with running("third"), running("fourth"):
        await until(has_told(database, 36))
        await settled(redis)
    found = await contents(database)
    for c in calls:
        assert [one[2] for one in found["said"] if one[0] == c.call_id] == [1, 2, 3, 4, 5, 6]
    assert len(found["said"]) == 36


async def _is_held(redis: Redis) -> bool:
    return bool(await redis.exists(LEASE))


async def test_an_intake_that_lost_its_lease_stands_by(
    database: Database, redis: Redis, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a long stop of the process: somebody else holds the lease when it wakes up."""
    monkeypatch.setattr(intake_module, "_RENEW_SECONDS", 0.0)
    monkeypatch.setattr(intake_module, "_BLOCK_MILLISECONDS", 100)
    monkeypatch.setattr(intake_module, "_STANDBY_SECONDS", 0.1)
    async with running("stopped"):
        await until(lambda: _is_held(redis))
        await redis.set(LEASE, "somebody else", px=1200)
        await asyncio.sleep(0.3)  # the read that was under way when the lease was taken may still deliver
        await publish(redis, Told().arrived())
        await asyncio.sleep(0.4)
        assert await told_events(database) == 0
        await until(has_told(database, 1))  # the other one's lease ran out


async def test_redis_loses_its_data(database: Database, redis: Redis, running: Running) -> None:
    c = Told()
    async with running() as intake:
        await publish(redis, c.arrived())
        await until(has_told(database, 1))
        await redis.flushall()
        await publish(redis, c.said(1, "保港的路灯坏了"))
        await until(has_told(database, 2))
        await until(lambda: _no_trouble(intake))


async def _no_trouble(intake: Intake) -> bool:
    return intake.trouble == ""


async def test_old_entries_are_trimmed_but_none_that_somebody_needs(
    database: Database, redis: Redis, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "_TRIM_SECONDS", 0.0)
    monkeypatch.setattr(intake_module, "_BLOCK_MILLISECONDS", 100)
    # Redis trims whole nodes of the stream when it may be approximate; small ones make that visible here.
    await redis.config_set("stream-node-max-entries", 10)
    long_ago = int((now() - 2 * KEPT).timestamp() * 1000)
    for number in range(60):
        event = Told().ringing("8001", number)
        await redis.xadd(STREAM, {"event": dump(event)}, id=f"{long_ago + number}-0")
    # Another part's group that has read 40 and acknowledged 30 of them.
    await redis.xgroup_create(STREAM, "another", id="0")
    ((_, read),) = await _pairs(redis, "another", 40)
    await redis.xack(STREAM, "another", *[entry_id for entry_id, _ in read[:30]])
    async with running():
        await until(has_told(database, 60))
        await publish(redis, Told().arrived())
        await until(has_told(database, 61))
        await asyncio.sleep(0.1)
        assert await _is_shorter(redis, 50)
        left = [entry_id for entry_id, _ in await redis.xrange(STREAM)]
        assert {entry_id for entry_id, _ in read[30:]} <= set(left)
        await redis.xack(STREAM, "another", *[entry_id for entry_id, _ in read])
        await redis.xgroup_destroy(STREAM, "another")
        await publish(redis, Told().answered())
        await until(lambda: _is_shorter(redis, 15))


async def _pairs(redis: Redis, group: str, number: int) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
    found = await redis.xreadgroup(group, "x", {STREAM: ">"}, count=number)
    if isinstance(found, dict):
        return [(name, [tuple(entry) for batch in batches for entry in batch]) for name, batches in found.items()]
    return [(name, list(entries)) for name, entries in found]


async def _is_shorter(redis: Redis, than: int) -> bool:
    return bool(await redis.xlen(STREAM) < than)


async def test_a_busy_minute_is_applied_and_counted(database: Database, redis: Redis, running: Running) -> None:
    events = [event for number in range(6) for event in Told(f"c{number}").whole_call()]
    await publish(redis, *events)
    async with running():
        await until(has_told(database, len(events)))
    delay = REGISTRY.get_sample_value("hotline_event_delay_seconds_count")
    assert delay is not None and delay >= len(events)


async def test_deleted_entries_that_were_pending_do_not_stop_it(
    database: Database, redis: Redis, running: Running
) -> None:
    c = Told()
    await publish(redis, c.arrived(), c.queued())
    await redis.xgroup_create(STREAM, GROUP, id="0")
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=2)
    first, _ = await redis.xrange(STREAM)
    await redis.xdel(STREAM, first[0])
    async with running():
        await until(has_told(database, 1))
        await settled_without_lag(redis)
    call = await tickets.call(database, "c1")
    assert call is not None and call.state == "waiting"


async def settled_without_lag(redis: Redis) -> None:
    async def nothing_pending() -> bool:
        (group,) = await redis.xinfo_groups(STREAM)
        return bool(group["pending"] == 0)

    await until(nothing_pending)


async def test_old_ids_are_forgotten(
    database: Database, redis: Redis, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "_TRIM_SECONDS", 0.0)
    async with database.begin() as session:
        session.add(ToldEvent(event_id="long ago", at=now() - 2 * intake_module.TOLD_KEPT))
        await session.execute(text("SELECT 1"))
    async with running():
        await publish(redis, Told().arrived())

        async def forgotten() -> bool:
            async with database.session() as session:
                return await session.get(ToldEvent, "long ago") is None

        await until(forgotten)
        await until(has_told(database, 1))
