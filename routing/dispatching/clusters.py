"""Matters that come back month after month without effect (TP-31): the same matter at the same place.

What is counted is told matters, not tickets that were handled: a merged ticket is one more citizen who complained.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from routing.centre import Centre
from routing.storage import Ticket

COUNTED = ("complaint", "report")
"""反复投诉举报: asking and suggesting again is no failure to act."""


@dataclass(frozen=True)
class Cluster:
    """One matter at one place: how often it was told in each of the months, the oldest first."""

    matter: str
    place: str
    told: tuple[int, ...]
    months: tuple[str, ...]
    """Such as 2026-06, as many as `told`."""
    rule: str
    to: str


async def clusters(centre: Centre) -> list[Cluster]:
    """Matters told in each of the last full months that the document names, the most often told first.

    Empty where the document has no such rule. A pass reads the tickets of these months once each, by their index.
    """
    provision = centre.jurisdiction.law_at(centre.now()).cluster
    if provision is None:
        return []
    beginnings = _beginnings(centre.now().astimezone(centre.jurisdiction.zone), provision.months)
    counts: list[dict[tuple[str, str], int]] = []
    async with centre.db.session() as session:
        for since, until in itertools.pairwise(beginnings):
            counts.append(await _counted(session, centre.jurisdiction.id, since, until))
            if not counts[-1]:
                return []
    lasting = set(counts[0]).intersection(*counts[1:])
    months = tuple(f"{since:%Y-%m}" for since in beginnings[:-1])
    found = [
        Cluster(matter, place, tuple(count[matter, place] for count in counts), months, provision.rule, provision.to)
        for matter, place in lasting
    ]
    return sorted(found, key=lambda one: (-sum(one.told), one.matter, one.place))


def _beginnings(now: datetime, months: int) -> Sequence[datetime]:
    """The first moments of the last `months` full months and of the present one, in the jurisdiction's time."""
    assert isinstance(now.tzinfo, ZoneInfo)  # noqa: S101 - the zone decides where a month begins
    year, month = now.year, now.month
    found = [datetime(year, month, 1, tzinfo=now.tzinfo)]
    for _ in range(months):
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
        found.append(datetime(year, month, 1, tzinfo=now.tzinfo))
    return found[::-1]


async def _counted(
    session: AsyncSession, jurisdiction: str, since: datetime, until: datetime
) -> dict[tuple[str, str], int]:
    query = (
        select(Ticket.matter, Ticket.place, func.count())
        .where(
            Ticket.created_at >= since,
            Ticket.created_at < until,
            Ticket.jurisdiction == jurisdiction,
            Ticket.intent.in_(COUNTED),
            Ticket.matter != "",
            Ticket.place != "",
            Ticket.restricted_to == "",
        )
        .group_by(Ticket.matter, Ticket.place)
    )
    return {(matter, place): count for matter, place, count in (await session.execute(query))}
