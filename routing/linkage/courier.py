"""Tells stations by webhook: what is written down (routing.linkage.notices) is sent until the station has it.

Each message is a POST of JSON with three headers: `Hotline-Notice-Id` (the same at every attempt, so that a station
that has it already can say 409), `Hotline-Timestamp` (Unix seconds of this attempt) and `Hotline-Signature`: `v1=` and
the hexadecimal HMAC-SHA256, under the shared secret, of the timestamp, a full stop and the body.

Messages about one call to one station go in their order; those of other calls and stations do not wait for them.
Several processes may run a courier: whoever moves a notice's `next_at` into the future has it until then.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta

import aiohttp
import asyncpg
import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ivr.events import now
from routing.jurisdiction import Jurisdiction
from routing.linkage import metrics
from routing.linkage.alarms import raise_alarm
from routing.linkage.configuration import Station
from routing.linkage.notices import write_due
from routing.linkage.tables import StationNotice
from routing.storage import Database

log = structlog.get_logger(__name__)

ID_HEADER = "Hotline-Notice-Id"
TIMESTAMP_HEADER = "Hotline-Timestamp"
SIGNATURE_HEADER = "Hotline-Signature"

_PASS_SECONDS = 1.0
_AT_ONCE = 8
"""Messages that are under way to one station at the same time."""
_CLAIM_MARGIN = timedelta(seconds=10)
_LONGEST_PROBLEM = 300
_HAS_IT = (409,)
"""Answers besides 2xx that mean: this id was received before."""
_ALARM_AFTER_ATTEMPTS = 5
_DATABASE_AWAY = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What `Hotline-Signature` holds for this attempt."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Courier:
    """Sends until cancelled. `pass_seconds`: how often it looks for what is to be told."""

    def __init__(
        self,
        database: Database,
        law: Jurisdiction,
        stations: Sequence[Station],
        *,
        pass_seconds: float = _PASS_SECONDS,
    ) -> None:
        self._database = database
        self._law = law
        self._stations = stations
        self._pass_seconds = pass_seconds
        self.trouble = ""
        """What is wrong now, for people to read; empty when all is well."""

    async def run(self) -> None:
        """Send until cancelled; outlives any absence of the database and of the stations."""
        if not self._stations:
            return
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as stations:
            for station in self._stations:
                stations.create_task(self._serve(http, station), name=f"courier {station.entry.name}")

    async def _serve(self, http: aiohttp.ClientSession, station: Station) -> None:
        while True:
            try:
                await self._pass(http, station)
                self.trouble = ""
            except IntegrityError:
                # Another process wrote the same notice down; the next pass finds it there.
                log.info("a notice was written down twice at once", station=station.entry.name)
            except _DATABASE_AWAY as problem:
                self.trouble = f"stations are not told, the database is away: {type(problem).__name__}"
                log.warning("stations are not told: the database is away", problem=str(problem)[:_LONGEST_PROBLEM])
            await asyncio.sleep(self._pass_seconds)

    async def _pass(self, http: aiohttp.ClientSession, station: Station) -> None:
        async with self._database.begin() as session:
            await write_due(session, station, self._law)
        while due := await self._due(station):
            done = await asyncio.gather(*(self._send(http, station, one) for one in due), return_exceptions=True)
            for problem in done:
                if isinstance(problem, BaseException):
                    raise problem
        async with self._database.session() as session:
            waiting = select(func.count()).select_from(StationNotice).where(StationNotice.state == "waiting")
            metrics.notices_waiting.set(await session.scalar(waiting) or 0)

    async def _due(self, station: Station) -> list[StationNotice]:
        """The oldest waiting notice of each call, as far as it is due and nobody else has it; now ours."""
        waiting = (
            StationNotice.station == station.entry.name,
            StationNotice.state == "waiting",
        )
        at = now()
        until = at + timedelta(seconds=station.entry.timeout_seconds) + _CLAIM_MARGIN
        async with self._database.begin() as session:
            oldest = (
                select(StationNotice.call_id, func.min(StationNotice.created_at).label("first"))
                .where(*waiting)
                .group_by(StationNotice.call_id)
                .subquery()
            )
            query = (
                select(StationNotice)
                .join(oldest, StationNotice.call_id == oldest.c.call_id)
                .where(*waiting, StationNotice.created_at == oldest.c.first, StationNotice.next_at <= at)
                .order_by(StationNotice.created_at)
                .limit(_AT_ONCE)
            )
            claimed = []
            for notice in list(await session.scalars(query)):
                ours = await session.execute(
                    update(StationNotice)
                    .where(StationNotice.id == notice.id, StationNotice.next_at == notice.next_at)
                    .values(next_at=until, attempts=StationNotice.attempts + 1)
                    .execution_options(synchronize_session=False)
                )
                if ours.rowcount == 1:  # type: ignore[attr-defined]
                    claimed.append(notice)
            return claimed

    async def _send(self, http: aiohttp.ClientSession, station: Station, notice: StationNotice) -> None:
        entry = station.entry
        body = notice.body.encode()
        timestamp = str(int(now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            ID_HEADER: notice.id,
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: signature(station.secret, timestamp, body),
        }
        problem = ""
        try:
            limit = aiohttp.ClientTimeout(total=entry.timeout_seconds)
            # No redirects: callers' data go to the address that the operator has given, and to no other.
            async with http.post(entry.url, data=body, headers=headers, timeout=limit, allow_redirects=False) as answer:
                if not 200 <= answer.status < 300 and answer.status not in _HAS_IT:
                    problem = f"HTTP {answer.status}"
        except TimeoutError:
            problem = f"no answer within {entry.timeout_seconds:g} s"
        except (aiohttp.ClientError, OSError) as away:
            problem = f"{type(away).__name__}: {away}"[:_LONGEST_PROBLEM]
        await self._note(station, notice, problem)

    async def _note(self, station: Station, notice: StationNotice, problem: str) -> None:
        at = now()
        async with self._database.begin() as session:
            kept = await session.get_one(StationNotice, notice.id, with_for_update=True)
            if kept.state != "waiting":
                return
            kept.problem = problem
            if not problem:
                kept.state, kept.done_at, kept.body = "delivered", at, ""
            elif at >= kept.created_at + timedelta(hours=station.entry.give_up_hours):
                kept.state, kept.done_at, kept.body = "given_up", at, ""
            else:
                kept.next_at = at + timedelta(seconds=_pause(station, kept.attempts))
            if problem and (kept.attempts >= _ALARM_AFTER_ATTEMPTS or kept.state == "given_up"):
                occasion = f"notice:{station.entry.name}:{kept.call_id}"
                detail = f"{station.entry.name}: {problem}"
                await raise_alarm(
                    session, "notice_failed", occasion, at, call_id=kept.call_id, line=kept.line, detail=detail
                )
            result = "delivered" if not problem else "given_up" if kept.state == "given_up" else "failed"
            metrics.once_committed(session, metrics.notices.labels(station.entry.name, result).inc)
        if problem:
            log.warning(
                "a station was not reached", station=station.entry.name, notice=notice.id, kind=notice.kind, why=problem
            )


def _pause(station: Station, attempts: int) -> float:
    pauses = station.entry.retry_seconds
    return pauses[min(max(attempts, 1), len(pauses)) - 1]


async def notices_of_call(database: Database, call_id: str) -> list[StationNotice]:
    """What stations were or will be told of a call, the oldest first."""
    query = select(StationNotice).where(StationNotice.call_id == call_id).order_by(StationNotice.created_at)
    async with database.session() as session:
        return list(await session.scalars(query))
