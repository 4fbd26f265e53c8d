"""Linkages as people look at them: each line's state, its attempts, who is in the conference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.linkage.record import UNSUCCESSFUL
from routing.linkage.tables import LineAttempt, Linkage, LinkageLine, LinkagePresence
from routing.storage import Call, Database

LineState = Literal[
    "asked", "dialling", "ringing", "connected", "next_number", "redialling", "exhausted", "taken_out", "ended"
]
"""asked: nothing has been dialled yet; next_number: the last attempt found nobody, the next number follows;
redialling: it had answered and dropped; exhausted: no number is left; ended: the linkage is over, or the line has
hung up after all had been said."""

_DIALLED = ("dialling", "ringing")


@dataclass(frozen=True)
class LineView:
    """One line of a linkage. `attempts`: the oldest first."""

    row: LinkageLine
    state: LineState
    attempts: list[LineAttempt]
    muted: bool

    @property
    def answer_seconds(self) -> float | None:
        """From asking to the first answer; None: it has not answered."""
        return None if self.row.answered_at is None else _seconds(self.row.asked_at, self.row.answered_at)


@dataclass(frozen=True)
class LinkageView:
    """One linkage. `stays`: who was in the conference from when to when; `present`: those who are there now."""

    row: Linkage
    lines: list[LineView]
    stays: list[LinkagePresence]
    present: list[LinkagePresence]

    @property
    def active(self) -> bool:
        """It goes on."""
        return self.row.ended_at is None

    @property
    def voice_seconds(self) -> float | None:
        """How long the caller waited for a voice, an agent's or a line's; None: there has been none."""
        heard = [at for at in (self.row.agent_at, self.row.line_at) if at is not None]
        return _seconds(self.row.asked_at, min(heard)) if heard else None

    @property
    def caller_without_agent(self) -> bool:
        """The caller is in the conference, and no agent is."""
        parties = {stay.party for stay in self.present}
        return self.active and "caller" in parties and "agent" not in parties


async def linkage_of(db: Database, call_id: str) -> LinkageView | None:
    """The linkage of a call, or None."""
    async with db.session() as session:
        row = await session.get(Linkage, call_id)
        return (await _views(session, [row]))[0] if row else None


async def active_linkages(db: Database, call_ids: Sequence[str]) -> dict[str, LinkageView]:
    """Those of these calls that are in a linkage now, by call id."""
    if not call_ids:
        return {}
    query = select(Linkage).where(Linkage.call_id.in_(call_ids), Linkage.ended_at.is_(None))
    async with db.session() as session:
        return {view.row.call_id: view for view in await _views(session, list(await session.scalars(query)))}


async def linkages(db: Database, since: datetime, until: datetime, limit: int = 200) -> list[tuple[LinkageView, Call]]:
    """Linkages that were asked for in [since, until), the newest first, each with its call."""
    query = (
        select(Linkage, Call)
        .join(Call, Call.call_id == Linkage.call_id)
        .where(Linkage.asked_at >= since, Linkage.asked_at < until)
        .order_by(Linkage.asked_at.desc(), Linkage.call_id)
        .limit(limit)
    )
    async with db.session() as session:
        found = [(row, call) for row, call in await session.execute(query)]
        views = await _views(session, [row for row, _ in found])
    return [(view, call) for view, (_, call) in zip(views, found, strict=True)]


async def _views(session: AsyncSession, rows: list[Linkage]) -> list[LinkageView]:
    if not rows:
        return []
    ids = [row.call_id for row in rows]
    lines: defaultdict[str, list[LinkageLine]] = defaultdict(list)
    for line in await session.scalars(
        select(LinkageLine).where(LinkageLine.call_id.in_(ids)).order_by(LinkageLine.asked_at, LinkageLine.id)
    ):
        lines[line.call_id].append(line)
    attempts: defaultdict[tuple[str, str], list[LineAttempt]] = defaultdict(list)
    for attempt in await session.scalars(
        select(LineAttempt)
        .where(LineAttempt.call_id.in_(ids))
        .order_by(LineAttempt.began_at, LineAttempt.attempt, LineAttempt.id)
    ):
        attempts[attempt.call_id, attempt.line].append(attempt)
    stays: defaultdict[str, list[LinkagePresence]] = defaultdict(list)
    for stay in await session.scalars(
        select(LinkagePresence).where(LinkagePresence.call_id.in_(ids)).order_by(LinkagePresence.id)
    ):
        stays[stay.call_id].append(stay)
    return [_view(row, lines[row.call_id], attempts, stays[row.call_id]) for row in rows]


def _view(
    row: Linkage,
    lines: list[LinkageLine],
    attempts: Mapping[tuple[str, str], list[LineAttempt]],
    stays: list[LinkagePresence],
) -> LinkageView:
    present = [stay for stay in stays if stay.left_at is None] if row.ended_at is None else []
    shown: list[LineView] = []
    for line in lines:
        here = [stay for stay in present if stay.party == "line" and stay.name == line.line]
        out = [stay for stay in stays if stay.party == "line" and stay.name == line.line and stay.left_at is not None]
        tried = attempts.get((row.call_id, line.line), [])
        state = line_state(row, line, tried, is_present=bool(here), last_stay=out[-1] if out else None)
        shown.append(LineView(line, state, tried, any(stay.muted for stay in here)))
    return LinkageView(row, shown, stays, present)


def line_state(
    linkage: Linkage,
    line: LinkageLine,
    attempts: Sequence[LineAttempt],
    *,
    is_present: bool,
    last_stay: LinkagePresence | None,
) -> LineState:
    """The state of one line, from what is known of it; `attempts` in the order in which they began."""
    if linkage.ended_at is not None:
        return "ended"
    if is_present:
        return "connected"
    newest = attempts[-1] if attempts else None
    asked_since = line.asked_again_at
    if newest is None or (asked_since and newest.ended_at and newest.ended_at < asked_since):
        return "asked"
    if line.exhausted_dialling == newest.dialling:
        return "exhausted" if line.told_caller else "ended"
    taken_out = last_stay is not None and last_stay.reason == "taken_out" and newest.outcome not in _DIALLED
    ended_by_us = newest.outcome == "cancelled" or (newest.outcome == "answered" and newest.ended_at is not None)
    if taken_out or ended_by_us:
        return "taken_out"
    if newest.outcome in UNSUCCESSFUL:
        return "next_number"
    if newest.outcome == "dropped":
        return "redialling"
    if newest.outcome == "ringing":
        return "ringing"
    return "connected" if newest.outcome == "answered" else "dialling"


def _seconds(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds())
