"""Alarms: what every desk must notice until somebody acknowledges it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ivr.events import now
from routing.linkage.errors import NoSuchAlarm
from routing.linkage.metrics import alarms as counted
from routing.linkage.metrics import once_committed
from routing.linkage.tables import Alarm
from routing.storage import Database

Kind = Literal[
    "caller_linkage", "emergency_key", "line_exhausted", "agent_dropped", "rehearsal_failed", "notice_failed"
]
"""caller_linkage: asked for by the caller (a digit, spoken words), not by an agent; emergency_key: the caller pressed
the key for help and was gone before anybody was there; line_exhausted: no number of the line could be reached;
agent_dropped: the caller is with the lines alone; rehearsal_failed; notice_failed: a station's webhook was not
reached."""


async def raise_alarm(
    session: AsyncSession,
    kind: Kind,
    occasion: str,
    at: datetime,
    *,
    call_id: str | None = None,
    line: str = "",
    detail: str = "",
) -> None:
    """Raise an alarm as part of the session's transaction; an occasion that has been raised changes nothing."""
    if await session.scalar(select(Alarm.id).where(Alarm.occasion == occasion)) is not None:
        return
    session.add(Alarm(kind=kind, occasion=occasion, call_id=call_id, line=line, at=at, detail=detail))
    once_committed(session, counted.labels(kind).inc)


async def settle_line(session: AsyncSession, line: str, at: datetime, by: str) -> None:
    """The line has been rehearsed again: what was told of it before is past."""
    query = select(Alarm).where(Alarm.kind == "rehearsal_failed", Alarm.line == line, Alarm.acknowledged_at.is_(None))
    for alarm in await session.scalars(query):
        alarm.acknowledged_at, alarm.acknowledged_by = at, by


async def settle_call(session: AsyncSession, call_id: str, at: datetime, by: str) -> None:
    """An agent is with the caller: nobody need be called to them any more."""
    query = select(Alarm).where(
        Alarm.call_id == call_id,
        Alarm.kind.in_(("caller_linkage", "agent_dropped")),
        Alarm.at <= at,
        Alarm.acknowledged_at.is_(None),
    )
    for alarm in await session.scalars(query):
        alarm.acknowledged_at, alarm.acknowledged_by = at, by


async def open_alarms(db: Database, limit: int = 50) -> list[Alarm]:
    """Alarms that nobody has acknowledged, the newest first."""
    query = select(Alarm).where(Alarm.acknowledged_at.is_(None)).order_by(Alarm.at.desc(), Alarm.id.desc()).limit(limit)
    async with db.session() as session:
        return list(await session.scalars(query))


async def acknowledge(db: Database, alarm_id: int, who: str) -> Alarm:
    """Note that `who` has seen it; whoever comes second changes nothing. Raises NoSuchAlarm."""
    async with db.begin() as session:
        alarm = await session.get(Alarm, alarm_id, with_for_update=True)
        if alarm is None:
            raise NoSuchAlarm(f"没有编号为 {alarm_id} 的告警")
        if alarm.acknowledged_at is None:
            alarm.acknowledged_at = now()
            alarm.acknowledged_by = who
    return alarm
