"""The assessment of units and towns over a month or a year: indicators, their mean, and places (YZ-36, QH-2b, TP-33).

Which indicators count is the document's. How much each weighs stands in annexes that none of the documents brings
along, so each weighs the same, and what earns a bonus (TP-34) is shown as a fact, without points. A unit without a
single figure is not ranked; equal scores share a place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.knowledge.tables import KnowledgeItem
from routing.life.appeals import excluded
from routing.statistics.figures import Figures, figures
from routing.statistics.periods import Period
from routing.statistics.rates import NOTHING, Rate
from routing.storage import Ticket

Of = Literal["unit", "town"]

KNOWLEDGE = "knowledge"

INDICATORS = {
    "办理及时性": "timeliness",
    "按时办结率": "on_time",
    "市民满意率": "satisfied",
    "响应率": "responded",
    "解决率": "solved",
    "满意率": "satisfied",
    "满意度": "satisfied",
    "办理情况": "on_time",
    "热线知识库建设更新情况": KNOWLEDGE,
}
"""What the documents call an indicator, and what it is here. 满意率 of an assessment is the 实际参评满意率 (QH-3b)."""


@dataclass(frozen=True)
class Bonus:
    """What a document rewards (TP-34), as facts: the part of their limits that its tickets left unused, and of the
    matters that it had a year before those that have come up less often now."""

    limit_unused: float | None
    matters_fallen: Rate


@dataclass(frozen=True)
class Standing:
    """One unit or town. Indicators lie between 0 and 1, None: nothing to judge by. `place` None: not ranked."""

    id: str
    name: str
    figures: Figures
    indicators: dict[str, float | None]
    score: float | None
    place: int | None
    bonus: Bonus | None


async def assessment(centre: Centre, period: Period, *, of: Of = "unit") -> list[Standing]:
    """All units (or towns) that had anything to do in `period`, the best first, those that are not ranked last.

    Tickets and units that granted appeals take out (QH-3a) are left out.
    """
    _, end = period.bounds(centre.jurisdiction.zone)
    law = centre.jurisdiction.law_at(min(centre.now(), end - timedelta(microseconds=1))).scoring
    if law is not None and law.of != "units":
        law = None  # Yangling's is about those who operate the hotline, and people judge them (YL-20)
    names = law.indicators if law is not None and law.indicators else ("按时办结率",)
    async with centre.db.session() as session:
        taken_out = await excluded(centre, session, period.name)
        knowledge = await _knowledge(centre, session) if KNOWLEDGE in map(INDICATORS.get, names) else {}
        bonuses = await _bonuses(centre, session, period, of) if law is not None and law.bonus else None
    of_period = await figures(centre, period, by=of, without=taken_out.tickets)
    rows = []
    for key, of_one in of_period.items():
        if not key or key in taken_out.units:
            continue
        indicators = {name: _indicator(name, of_one, knowledge.get(key, NOTHING)) for name in names}
        known = [Fraction(value).limit_denominator(10**9) for value in indicators.values() if value is not None]
        score = sum(known, Fraction()) / len(known) if known else None
        bonus = None
        if bonuses is not None:
            unused = None if of_one.timeliness is None else max(0.0, 1 - of_one.timeliness)
            bonus = Bonus(unused, bonuses.get(key, NOTHING))
        rows.append((score, key, of_one, indicators, bonus))
    rows.sort(key=lambda row: (row[0] is None, -(row[0] or 0), row[1]))
    scores = [row[0] for row in rows]
    return [
        Standing(
            id=key,
            name=centre.jurisdiction.name_of("functional_unit", key),
            figures=of_one,
            indicators=indicators,
            score=None if score is None else float(score),
            place=None if score is None else scores.index(score) + 1,
            bonus=bonus,
        )
        for score, key, of_one, indicators, bonus in rows
    ]


def _indicator(name: str, of_one: Figures, knowledge: Rate) -> float | None:
    match INDICATORS.get(name):
        case "timeliness":
            return None if of_one.timeliness is None else max(0.0, 1 - of_one.timeliness)
        case "on_time":
            return of_one.on_time.value
        case "satisfied":
            return of_one.satisfied_counted.value
        case "responded":
            return of_one.responded.value
        case "solved":
            return of_one.solved.value
        case "knowledge":
            return knowledge.value
    return None  # an indicator that people judge


async def _knowledge(centre: Centre, session: AsyncSession) -> dict[str, Rate]:
    """Of each unit's published knowledge, what is not past its day of review now."""
    today = centre.calendar.day_of(centre.now())
    fresh = func.count(case((KnowledgeItem.review_by >= today, 1)))
    query = (
        select(KnowledgeItem.owner_unit, fresh, func.count())
        .where(KnowledgeItem.state == "published")
        .group_by(KnowledgeItem.owner_unit)
    )
    return {unit: Rate(part, whole) for unit, part, whole in await session.execute(query)}


async def _bonuses(centre: Centre, session: AsyncSession, period: Period, of: Of) -> dict[str, Rate]:
    """Matters dispatched to each unit in this period and a year before, and how many of them have become fewer."""
    now = await _matters(centre, session, period.bounds(centre.jurisdiction.zone), of)
    before = await _matters(centre, session, period.a_year_earlier().bounds(centre.jurisdiction.zone), of)
    found: dict[str, Rate] = {}
    for (unit, matter), count in before.items():
        fewer = int(now.get((unit, matter), 0) < count)
        found[unit] = found.get(unit, NOTHING) + Rate(fewer, 1)
    return found


async def _matters(
    centre: Centre, session: AsyncSession, bounds: tuple[datetime, datetime], of: Of
) -> Mapping[tuple[str, str], int]:
    column = Ticket.lead_unit if of == "unit" else Ticket.territorial_unit
    query = (
        select(column, Ticket.matter, func.count())
        .where(
            Ticket.dispatched_at >= bounds[0],
            Ticket.dispatched_at < bounds[1],
            Ticket.jurisdiction == centre.jurisdiction.id,
        )
        .group_by(column, Ticket.matter)
    )
    return {(unit, matter): count for unit, matter, count in await session.execute(query)}
