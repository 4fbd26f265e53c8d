"""Rehearsals: a line that nobody has tried is not a line. On a schedule, and when somebody asks.

Of several servers one rehearses: the scheduled moment is the rehearsal's key. One that was cut off (the server died in
the middle) is told as interrupted, and the line counts as not rehearsed.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import asyncpg
import structlog
from redis.asyncio import Redis
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ivr.commands import CommandRefused, RehearseLine, ask
from ivr.events import now
from routing.linkage import metrics
from routing.linkage.alarms import raise_alarm, settle_line
from routing.linkage.configuration import RehearsalPlan
from routing.linkage.metrics import once_committed
from routing.linkage.tables import LineRehearsal
from routing.storage import Database
from settings import EmergencyLine

log = structlog.get_logger(__name__)

SCHEDULE = "schedule"
"""`by` of rehearsals that nobody asked for."""

_LOOK_SECONDS = 20.0
_MARGIN_SECONDS = 15.0
"""How much longer than the line's ring time a rehearsal may take, dialling and playing included."""
_INTERRUPTED_AFTER = timedelta(minutes=15)
_DATABASE_AWAY = (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)

ECHO = "echo"
"""`number` of a rehearsal of a line without `test:`: our own echo answered, nobody has called the line."""

Standing = Literal["works", "untested", "failed", "stale", "never"]


@dataclass(frozen=True)
class LineStanding:
    """What is known of a line from its rehearsals. `newest`: the newest that has ended; `worked_at`: the last success.

    `standing`: works; untested (only our own echo was called); failed (the newest did); stale (the last is too long
    ago); never (none has ended).
    """

    line: str
    standing: Standing
    newest: LineRehearsal | None
    worked_at: datetime | None


async def rehearse(
    db: Database, redis: Redis, line: EmergencyLine, *, by: str, occasion: str | None = None
) -> LineRehearsal | None:
    """Have the bridge call the line's test number, and write down what came of it; a failure raises an alarm.

    Takes up to the line's ring time and some seconds. None: this occasion is another process's.
    """
    key = occasion or f"{by}:{uuid.uuid4()}"
    try:
        async with db.begin() as session:
            begun = LineRehearsal(line=line.line, occasion=key, by=by, at=now())
            session.add(begun)
    except IntegrityError:
        return None
    attempts = len(line.test.trunks) if line.test else 1
    try:
        reply = await ask(redis, RehearseLine(line=line.line), line.ring_seconds * attempts + _MARGIN_SECONDS)
    except CommandRefused as refused:
        facts, code, detail = refused.detail, str(refused.code), refused.message
    else:
        facts, code, detail = reply.detail, "", reply.message
    async with db.begin() as session:
        done = await session.get_one(LineRehearsal, begun.id, with_for_update=True)
        done.ended_at = now()
        done.result = "failed" if code else "connected"
        done.number, done.trunk = facts.get("number", ""), facts.get("trunk", "")
        done.code = code
        more = " ".join(facts[name] for name in ("outcome", "sip") if facts.get(name) and facts[name] not in detail)
        done.detail = f"{detail}（{more}）" if code and more else detail
        await settle_line(session, line.line, done.ended_at, by)
        if code:
            await raise_alarm(
                session,
                "rehearsal_failed",
                f"rehearsal:{line.line}:{key}",
                done.ended_at,
                line=line.line,
                detail=done.detail,
            )
        once_committed(session, metrics.rehearsals.labels(line.line, done.result).inc)
    log.info("line rehearsed", line=line.line, result=done.result, code=code, number=done.number, trunk=done.trunk)
    return done


async def standings(
    db: Database, lines: Sequence[EmergencyLine], stale_hours: float, at: datetime | None = None
) -> list[LineStanding]:
    """What is known of each line, in the order given."""
    oldest = (at or now()) - timedelta(hours=stale_hours)
    names = [line.line for line in lines]
    async with db.session() as session:
        last = (
            select(LineRehearsal.line, func.max(LineRehearsal.id).label("id"))
            .where(LineRehearsal.line.in_(names), LineRehearsal.result != "running")
            .group_by(LineRehearsal.line)
            .subquery()
        )
        newest = {
            row.line: row
            for row in await session.scalars(select(LineRehearsal).join(last, LineRehearsal.id == last.c.id))
        }
        last_success = (
            select(LineRehearsal.line, func.max(LineRehearsal.ended_at))
            .where(LineRehearsal.line.in_(names), LineRehearsal.result == "connected", LineRehearsal.number != ECHO)
            .group_by(LineRehearsal.line)
        )
        worked = {row[0]: row[1] for row in await session.execute(last_success)}
    made: list[LineStanding] = []
    for name in names:
        row = newest.get(name)
        standing: Standing = (
            "never"
            if row is None
            else "failed"
            if row.result != "connected"
            else "untested"
            if row.number == ECHO
            else "stale"
            if row.at < oldest
            else "works"
        )
        made.append(LineStanding(name, standing, row, worked.get(name)))
    return made


async def recent(db: Database, limit: int = 50) -> list[LineRehearsal]:
    """Rehearsals, the newest first."""
    async with db.session() as session:
        return list(await session.scalars(select(LineRehearsal).order_by(LineRehearsal.id.desc()).limit(limit)))


def scheduled_before(at: datetime, plan: RehearsalPlan, zone: ZoneInfo) -> datetime | None:
    """The last scheduled moment up to `at`; None: nothing is scheduled."""
    if plan.daily_at is None:
        return None
    local = at.astimezone(zone)
    today = local.replace(hour=plan.daily_at.hour, minute=plan.daily_at.minute, second=0, microsecond=0)
    return today if today <= local else today - timedelta(days=1)


class Rehearsals:
    """Rehearses each line on its schedule until cancelled."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        lines: Sequence[EmergencyLine],
        plan: RehearsalPlan,
        zone: ZoneInfo,
        *,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        self._database = database
        self._redis = redis
        self._lines = lines
        self._plan = plan
        self._zone = zone
        self._look_seconds = look_seconds
        self._since = now()
        self.trouble = ""
        """Which lines failed, or nobody has tried, for people to read; empty when all work."""

    async def run(self) -> None:
        """Look now and then whether a rehearsal is due; outlives any absence of Redis and the database."""
        while True:
            try:
                await self.rehearse_due(now())
            except _DATABASE_AWAY as problem:
                log.warning("lines are not rehearsed: the database is away", problem=str(problem)[:300])
            await asyncio.sleep(self._look_seconds)

    async def rehearse_due(self, at: datetime) -> list[LineRehearsal]:
        """Rehearse what is due at `at`, one line after the other, and see how all lines stand; what was rehearsed."""
        await self._tell_interrupted(at)
        made: list[LineRehearsal] = []
        for line in self._lines:
            if occasion := await self._occasion(line.line, at):
                done = await rehearse(self._database, self._redis, line, by=SCHEDULE, occasion=occasion)
                made += [done] if done else []
        await self._look(at)
        return made

    async def _occasion(self, line: str, at: datetime) -> str:
        """The key of the rehearsal that is due, or empty.

        What fell due while no server ran is made up for, except where the line has never been rehearsed: a hotline
        that is being set up must not call anybody before its first scheduled moment.
        """
        due = scheduled_before(at, self._plan, self._zone)
        if due is None:
            return ""
        key = f"{SCHEDULE}:{due.isoformat()}"
        async with self._database.session() as session:
            query = select(LineRehearsal).where(LineRehearsal.line == line).order_by(LineRehearsal.id.desc()).limit(1)
            last = await session.scalar(query)
        if last is None:
            return key if due > self._since else ""
        if last.at < due:
            return key
        again = f"{key}:again"
        may_retry = last.occasion == key and last.result in ("failed", "interrupted") and last.ended_at is not None
        is_time = may_retry and at >= (last.ended_at or at) + timedelta(minutes=self._plan.retry_minutes)
        return again if is_time else ""

    async def _tell_interrupted(self, at: datetime) -> None:
        async with self._database.begin() as session:
            query = select(LineRehearsal).where(
                LineRehearsal.result == "running", LineRehearsal.at < at - _INTERRUPTED_AFTER
            )
            for cut_off in list(await session.scalars(query)):
                await session.execute(
                    update(LineRehearsal)
                    .where(LineRehearsal.id == cut_off.id, LineRehearsal.result == "running")
                    .values(result="interrupted", ended_at=at, code="interrupted", detail="演练中断，服务器当时停止了")
                    .execution_options(synchronize_session=False)
                )
                await raise_alarm(
                    session,
                    "rehearsal_failed",
                    f"rehearsal:{cut_off.line}:{cut_off.occasion}",
                    at,
                    line=cut_off.line,
                    detail="演练中断，服务器当时停止了",
                )

    async def _look(self, at: datetime) -> None:
        found = await standings(self._database, self._lines, self._plan.stale_hours, at)
        for one in found:
            metrics.line_rehearsed.labels(one.line).set(one.standing == "works")
            metrics.line_rehearsed_at.labels(one.line).set(one.worked_at.timestamp() if one.worked_at else 0)
        self.trouble = in_words(found)


def in_words(found: Sequence[LineStanding]) -> str:
    """What is wrong with the lines, in a sentence; empty when all work."""
    told = {
        "failed": "演练没有接通",
        "untested": "没有测试号码，从未真正呼叫过",
        "stale": "很久没有演练",
        "never": "从未演练",
    }
    groups = [
        f"{'、'.join(one.line for one in found if one.standing == standing)} {words}"
        for standing, words in told.items()
        if any(one.standing == standing for one in found)
    ]
    return "；".join(groups)
