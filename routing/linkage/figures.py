"""Figures of linkages over a period: per line, and the month's linkages with 110 (QH-6)."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from statistics import mean, quantiles
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from routing.linkage.tables import LineAttempt, Linkage, LinkageLine
from routing.storage import Call, Database


@dataclass(frozen=True)
class LineFigures:
    """One line over the period. `asked`: calls in which it was asked for; `outcomes`: its attempts by their outcome."""

    line: str
    asked: int = 0
    answered: int = 0
    exhausted: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    answer_seconds_mean: float | None = None
    answer_seconds_p95: float | None = None


@dataclass(frozen=True)
class Figures:
    """All of a period. `handed_over`: calls that a line handed to the hotline, by line (YL-3)."""

    since: datetime
    until: datetime
    linkages: int
    by: dict[str, int]
    """Linkages by who asked first: agent, caller, hotline, trunk."""
    without_line: int
    """Linkages in which no line ever answered."""
    rebuilt: int
    lines: list[LineFigures]
    handed_over: dict[str, int]
    duty: dict[str, int]
    """Linkages by what was said about whose matter it is: clear, unclear, empty for nothing."""

    def with_line(self, line: str) -> int:
        """Linkages with this line in both directions: it was asked for, or it handed the call over (QH-6, YL-3)."""
        asked = next((one.asked for one in self.lines if one.line == line), 0)
        return asked + self.handed_over.get(line, 0)


def month_of(text: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of a month such as 2026-11, and of the next. Raises ValueError."""
    first = datetime.strptime(text, "%Y-%m").replace(tzinfo=zone)
    following = (
        first.replace(year=first.year + 1, month=1) if first.month == 12 else first.replace(month=first.month + 1)
    )
    return first, following


def day_of(at: datetime, zone: ZoneInfo) -> datetime:
    """The first moment of the day that `at` lies in."""
    return at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


async def figures(db: Database, since: datetime, until: datetime) -> Figures:
    """Count what was asked for in [since, until)."""
    async with db.session() as session:
        rows = list(await session.scalars(select(Linkage).where(Linkage.asked_at >= since, Linkage.asked_at < until)))
        lines = list(
            await session.scalars(
                select(LinkageLine)
                .join(Linkage, Linkage.call_id == LinkageLine.call_id)
                .where(Linkage.asked_at >= since, Linkage.asked_at < until)
            )
        )
        outcomes: defaultdict[str, dict[str, int]] = defaultdict(dict)
        counted = (
            select(LineAttempt.line, LineAttempt.outcome, func.count())
            .join(Linkage, Linkage.call_id == LineAttempt.call_id)
            .where(Linkage.asked_at >= since, Linkage.asked_at < until)
            .group_by(LineAttempt.line, LineAttempt.outcome)
            .order_by(LineAttempt.line, LineAttempt.outcome)
        )
        for line, outcome, count in await session.execute(counted):
            outcomes[line][outcome] = count
        sources = (
            select(Call.source, func.count())
            .where(Call.source != "", Call.arrived_at >= since, Call.arrived_at < until)
            .group_by(Call.source)
        )
        handed_over = {row[0]: row[1] for row in await session.execute(sources)}
    names = sorted({line.line for line in lines})
    return Figures(
        since=since,
        until=until,
        linkages=len(rows),
        by=dict(sorted(Counter(row.by or "unknown" for row in rows).items())),
        without_line=sum(1 for row in rows if row.line_at is None),
        rebuilt=sum(1 for row in rows if row.rebuilt),
        lines=[_line(name, [line for line in lines if line.line == name], outcomes[name]) for name in names],
        handed_over=handed_over,
        duty=dict(sorted(Counter(row.duty for row in rows).items())),
    )


def as_json(month: str, found: Figures) -> dict[str, Any]:
    """The figures of a month as the API and the command line show them."""
    return {
        "month": month,
        "linkages": found.linkages,
        "linkages_with_110": found.with_line("110"),
        "by": found.by,
        "without_line": found.without_line,
        "rebuilt": found.rebuilt,
        "handed_over": found.handed_over,
        "duty": {name or "open": count for name, count in found.duty.items()},
        "lines": [
            {
                "line": one.line,
                "asked": one.asked,
                "answered": one.answered,
                "exhausted": one.exhausted,
                "outcomes": one.outcomes,
                "answer_seconds_mean": one.answer_seconds_mean,
                "answer_seconds_p95": one.answer_seconds_p95,
            }
            for one in found.lines
        ],
    }


def _line(name: str, rows: list[LinkageLine], outcomes: dict[str, int]) -> LineFigures:
    waits = [(row.answered_at - row.asked_at).total_seconds() for row in rows if row.answered_at is not None]
    return LineFigures(
        line=name,
        asked=len(rows),
        answered=len(waits),
        exhausted=sum(1 for row in rows if row.exhausted_at is not None),
        outcomes=outcomes,
        answer_seconds_mean=round(mean(waits), 1) if waits else None,
        answer_seconds_p95=round(quantiles(waits, n=20, method="inclusive")[-1], 1) if len(waits) > 1 else None,
    )
