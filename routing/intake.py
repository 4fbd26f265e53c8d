"""Events of the telephone side become calls and tickets: each applied once, in the order of the stream, none lost.

The stream is read through a consumer group. An entry is acknowledged after its effects and its id are committed in
one transaction; whatever dies in between, it is delivered again, found in `told_events`, and acknowledged.

Several processes may run an intake; one of them works, the others stand by (a lease in Redis). Whoever takes over
first takes all entries that were delivered and not acknowledged, then new ones. So the order holds across a takeover,
which a group whose members share the entries could not promise. If a holder wakes up after its lease has run out, both
work through the same entries in the same order for a moment, and the database lets each event in once.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg
import structlog
from prometheus_client import Counter, Gauge, Histogram
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.lock import Lock
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import LockError, RedisError, ResponseError
from sqlalchemy import delete, select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm.exc import StaleDataError

from ivr.events import STREAM, Event, NodeInventory, load, now
from routing.call_record import Touched, apply
from routing.jurisdiction import Jurisdiction
from routing.reading.elements import ready
from routing.storage import Database, Ticket, ToldEvent

log = structlog.get_logger(__name__)

GROUP = "routing"
"""The consumer group of this part."""

REFUSED = "hotline:events:refused"
"""Redis stream of entries that could not be applied: `event` (as it was), `id` (in the stream), `problem`."""

DESK_CHANNEL = "hotline:desk"
"""Redis publish/subscribe channel that tells the desk what was committed: {"call_id", "ticket_id", "kind"}."""

LEASE = "hotline:routing:active"
"""Redis key of whoever is applying events now."""

KEPT = timedelta(days=7)
"""How long applied entries stay in the stream: long enough to look into a week that went wrong, or to fill a database
that was restored from a backup; short enough for Redis's memory (a busy day is some 200 000 entries, about 100 MB)."""

TOLD_KEPT = timedelta(days=30)
"""How long ids of applied events are remembered: longer than any stream or spool file that could tell them again."""

_BATCH = 50
_BLOCK_MILLISECONDS = 1000
_LEASE_SECONDS = 5.0
_RENEW_SECONDS = 1.0
_STANDBY_SECONDS = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_TRIM_SECONDS = 600.0
_RACES = 5
"""How often a conflict with another writer is tried again before the entry itself is taken to be the cause."""
_REFUSED_KEPT = 10_000
_STOP_SECONDS = 10.0
"""How long a stop waits for the transaction under way; one event takes milliseconds."""

_applied = Counter("hotline_events_applied_total", "Events applied to calls and tickets", ["kind"])
_repeated = Counter("hotline_events_repeated_total", "Events that were told again and skipped", ["kind"])
_refused = Counter("hotline_events_refused_total", "Entries that could not be applied and were put aside")
_delay = Histogram(
    "hotline_event_delay_seconds",
    "From the event on the telephone side to its commit",
    buckets=(0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
_in_trouble = Gauge("hotline_intake_trouble", "1 while Redis or the database is away", multiprocess_mode="livemax")

_DATABASE_AWAY = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What trouble with the database looks like; asyncpg's own errors come through while a connection is being made."""

ResultT = TypeVar("ResultT")
Entry = tuple[bytes | str, dict[bytes | str, bytes | str] | None]
"""An entry's id and its fields; no fields: it was deleted while it was pending."""


class _LeaseLost(Exception):
    """Another intake works now; ours stands by."""


class Intake:
    """Applies events until cancelled. `consumer` names this process in the group and must be its own."""

    def __init__(self, database: Database, redis: Redis, jurisdiction: Jurisdiction, *, consumer: str) -> None:
        self._database = database
        self._redis = redis
        self._jurisdiction = jurisdiction
        self._consumer = consumer
        self._lease: Lock = redis.lock(LEASE, timeout=_LEASE_SECONDS, blocking=False, thread_local=False)
        self._active = False
        self._renewed = 0.0
        self._trimmed = 0.0
        self._redis_trouble = ""
        self._database_trouble = ""

    @property
    def trouble(self) -> str:
        """What is wrong now, for people to read; empty when all is well."""
        return self._database_trouble or self._redis_trouble

    async def run(self) -> None:
        """Apply events until cancelled; outlives any absence of Redis or the database."""
        pause = _FIRST_PAUSE
        await asyncio.to_thread(ready, self._jurisdiction)
        try:
            while True:
                heed_cancellation()
                try:
                    await self._turn()
                    pause = _FIRST_PAUSE
                    self._note(redis="")
                except _LeaseLost:
                    log.warning("another intake has taken over", consumer=self._consumer)
                    self._active = False
                except (RedisError, OSError) as problem:
                    # Also NOGROUP, when Redis came back without its data: the next turn makes the group again.
                    self._active = False
                    self._note(redis=f"Redis 不可用，来电事件在排队：{problem}")
                    log.warning("events wait: redis is away", problem=str(problem), pause=pause)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            await self._let_go()

    async def _turn(self) -> None:
        if not self._active:
            if not await self._hold():
                await asyncio.sleep(_STANDBY_SECONDS)
                return
            await self._take_over()
            self._active = True
        await self._renew()
        found = await self._redis.xreadgroup(
            GROUP, self._consumer, {STREAM: ">"}, count=_BATCH, block=_BLOCK_MILLISECONDS
        )
        for entry in entries(found):
            await self._take(*entry)
        if time.monotonic() - self._trimmed > _TRIM_SECONDS:
            await self._tidy()
            self._trimmed = time.monotonic()

    async def _hold(self) -> bool:
        """Whether the lease is ours: still (Redis was only away for a moment), or now."""
        try:
            held: bool = await self._lease.reacquire()
        except LockError:
            held = await self._lease.acquire()
        self._renewed = time.monotonic()
        return held

    async def _renew(self) -> None:
        heed_cancellation()
        if time.monotonic() - self._renewed < _RENEW_SECONDS:
            return
        try:
            await self._lease.reacquire()
        except LockError as lost:
            raise _LeaseLost from lost
        except OSError as problem:
            # As Redis's trouble, not the database's and not the event's, whoever called.
            raise RedisConnectionError(str(problem)) from problem
        self._renewed = time.monotonic()

    async def _let_go(self) -> None:
        self._active = False
        try:
            await asyncio.wait_for(self._lease.release(), 2)
        except (RedisError, OSError) as problem:
            # Not ours, or Redis is away; and what cannot be given back runs out by itself.
            log.info("no lease was given back", problem=str(problem), runs_out_after=_LEASE_SECONDS)

    async def _take_over(self) -> None:
        """Make the group if need be; apply what was delivered to anybody and not acknowledged, oldest first."""
        try:
            await self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as problem:
            if not str(problem).startswith("BUSYGROUP"):
                raise
        start: bytes | str = "0-0"
        while True:
            # No idle time is asked for: whoever held these entries before has lost the lease.
            claimed: list[Any] = await self._redis.xautoclaim(
                STREAM, GROUP, self._consumer, min_idle_time=0, start_id=start, count=1000, justid=False
            )
            start = claimed[0]
            if start in (b"0-0", "0-0"):
                break
        last: bytes | str = "0"
        while pending := entries(await self._redis.xreadgroup(GROUP, self._consumer, {STREAM: last}, count=_BATCH)):
            for entry in pending:
                await self._take(*entry)
                last = entry[0]

    async def _take(self, entry_id: bytes | str, fields: dict[bytes | str, bytes | str] | None) -> None:
        await self._renew()
        data = (fields or {}).get(b"event", (fields or {}).get("event"))
        if data is None:
            # Deleted from the stream while it was pending, or written by something that is no bridge.
            await self._refuse(entry_id, b"", "the entry has no field 'event'")
            return
        try:
            event = load(data)
        except ValueError as problem:
            await self._refuse(entry_id, data, f"not an event: {_without_input(problem)}")
            return
        try:
            touched = await self._apply(event)
        except (RedisError, _LeaseLost):
            raise
        except Exception as problem:
            # Whatever it is, it is this entry's: other calls must not wait for it. It is kept, and can be told again.
            log.exception("an event could not be applied", entry=entry_id, kind=event.kind)
            await self._refuse(entry_id, data, repr(problem))
            return
        await self._redis.xack(STREAM, GROUP, entry_id)
        for one in touched:
            told = {"call_id": one.call_id, "ticket_id": one.ticket_id, "kind": event.kind}
            await self._redis.publish(DESK_CHANNEL, json.dumps(told))

    async def _apply(self, event: Event) -> list[Touched]:
        """Apply and commit, however long the database is away. Raises what makes this event impossible."""
        pause, races = _FIRST_PAUSE, 0
        while True:
            try:
                touched = await _to_its_end(self._apply_once(event))
            except (IntegrityError, StaleDataError):
                # Another writer was faster (a holder that woke up late, an agent who saved): look again.
                races += 1
                if races > _RACES:
                    raise
                await asyncio.sleep(0.02 * races)
            except _DATABASE_AWAY as problem:
                if _is_the_events_fault(problem):
                    raise
                self._note(database=f"数据库不可用，来电事件在排队：{_in_short(problem)}")
                log.warning("events wait: the database is away", problem=_in_short(problem), pause=pause)
                await asyncio.sleep(pause)
                await self._renew()
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._note(database="")
                return touched

    async def _apply_once(self, event: Event) -> list[Touched]:
        async with self._database.begin() as session:
            if await session.get(ToldEvent, event.event_id) is not None:
                _repeated.labels(event.kind).inc()
                if isinstance(event, NodeInventory):
                    return []
                # The desk may not have been told the first time.
                ticket = await session.scalar(select(Ticket.id).where(Ticket.call_id == event.call_id))
                return [Touched(event.call_id, ticket or "")]
            touched = await apply(session, event, self._jurisdiction)
            session.add(ToldEvent(event_id=event.event_id, at=now()))
        _applied.labels(event.kind).inc()
        _delay.observe(max(0.0, (now() - event.at).total_seconds()))
        return touched

    async def _refuse(self, entry_id: bytes | str, data: bytes | str, problem: str) -> None:
        log.error("an entry was refused", entry=entry_id, problem=problem[:500], kept_in=REFUSED)
        async with self._redis.pipeline(transaction=True) as both:
            aside: dict[Any, Any] = {"event": data, "id": entry_id, "problem": problem[:500]}
            both.xadd(REFUSED, aside, maxlen=_REFUSED_KEPT, approximate=True)
            both.xack(STREAM, GROUP, entry_id)
            await both.execute()
        _refused.inc()

    async def _tidy(self) -> None:
        """Trim the stream, and forget ids that can no longer be told again."""
        oldest = (int((now() - KEPT).timestamp() * 1000), 0)
        for group in await self._redis.xinfo_groups(STREAM):
            # Any group counts, also one that another part has made: nobody's unread entries are taken away.
            oldest = min(oldest, await self._first_needed(group))
        await self._redis.xtrim(STREAM, minid=f"{oldest[0]}-{oldest[1]}", approximate=True)
        try:
            await _to_its_end(self._forget_old_ids())
        except _DATABASE_AWAY as problem:
            log.warning("old event ids are left for the next time", problem=_in_short(problem))

    async def _forget_old_ids(self) -> None:
        async with self._database.begin() as session:
            await session.execute(delete(ToldEvent).where(ToldEvent.at < now() - TOLD_KEPT))

    async def _first_needed(self, group: dict[str, Any]) -> tuple[int, int]:
        if group["pending"]:
            waiting = await self._redis.xpending(STREAM, group["name"])
            if waiting["pending"]:
                return _parts(waiting["min"])
        return _parts(group["last-delivered-id"])

    def _note(self, *, redis: str | None = None, database: str | None = None) -> None:
        before = self.trouble
        if redis is not None:
            self._redis_trouble = redis
        if database is not None:
            self._database_trouble = database
        if before and not self.trouble:
            log.info("events are applied again", trouble=before)
        _in_trouble.set(1 if self.trouble else 0)


async def _to_its_end(transaction: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Finish what has begun before a cancellation is heeded.

    A statement that is abandoned in the middle can keep SQLite's write lock until the garbage collector finds it
    (sqlite3_close_v2 waits for open statements), and whoever comes next would wait for that.
    """
    task = asyncio.ensure_future(transaction)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_STOP_SECONDS)
        if not task.cancel() and not task.cancelled() and (problem := task.exception()):
            log.info("stopped in the middle of trouble; the entry stays pending", problem=_in_short(problem))
        raise


def heed_cancellation() -> None:
    """redis-py can swallow a cancellation that comes while it connects; the task still knows that it was asked."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def entries(found: Any) -> Sequence[Entry]:
    """The entries of the one stream that was read: redis-py answers with a list of pairs (RESP2) or a dict (RESP3)."""
    if not found:
        return []
    if isinstance(found, dict):
        batches = next(iter(found.values()))
        return [tuple(entry) for batch in batches for entry in batch]
    return [(entry[0], entry[1]) for entry in found[0][1]]


def _parts(entry_id: bytes | str) -> tuple[int, int]:
    text = entry_id.decode() if isinstance(entry_id, bytes) else entry_id
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)


def _in_short(problem: BaseException) -> str:
    """The driver's own words, without the statement and its parameters: those hold what citizens said."""
    cause = problem.orig if isinstance(problem, DBAPIError) and problem.orig is not None else problem
    return f"{type(cause).__name__}: {cause}"[:300]


def _without_input(problem: ValueError) -> str:
    """Where an entry is no event; pydantic's own text would quote what citizens said into the log."""
    if not isinstance(problem, ValidationError):
        return type(problem).__name__
    mistakes = problem.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, mistake['loc']))}: {mistake['type']}" for mistake in mistakes[:5])


def _is_the_events_fault(problem: BaseException) -> bool:
    """Whether the database is there and says no to a value: it would say so for ever."""
    if isinstance(problem, DataError):
        return True
    if not isinstance(problem, DBAPIError):
        return False
    driver: BaseException | None = problem.orig
    while driver is not None:
        # SQLSTATE class 22 is "data exception"; asyncpg's own DataError is a value that does not fit its type.
        state = getattr(driver, "sqlstate", None)
        if isinstance(driver, asyncpg.DataError) or (isinstance(state, str) and state.startswith("22")):
            return True
        driver = driver.__cause__
    return False
