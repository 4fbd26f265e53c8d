"""Figures: the month's linkages per line, those with 110 in both directions (QH-6), in the jurisdiction's months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ivr.events import CallArrived
from routing.call_record import apply
from routing.jurisdiction import Jurisdiction
from routing.linkage import figures
from routing.linkage.duty import record_duty
from routing.linkage.tables import Linkage
from routing.storage import Database
from routing.tickets import Actor
from tests.routing.linkage.told_linkage import ToldLinkage
from tests.routing.told import at

SANYA = ZoneInfo("Asia/Shanghai")


async def tell(database: Database, law: Jurisdiction, *events: object) -> None:
    for event in events:
        async with database.begin() as session:
            await apply(session, event, law)  # type: ignore[arg-type]


async def test_a_month(database: Database, yazhou: Jurisdiction) -> None:
    waits = [2, 4, 6]
    for number, wait in enumerate(waits):
        c = ToldLinkage(f"c{number}")
        await tell(database, yazhou, c.arrived(), c.asked("110", "119", seconds=10))
        await tell(database, yazhou, c.attempt("110", 1, "answered", 10 + wait), c.attempt("119", 1, "busy", 12))
        await tell(database, yazhou, c.exhausted("119", 30), c.ended(40))
    handed = ToldLinkage("c9")
    await tell(database, yazhou, CallArrived.model_validate(handed.arrived().model_dump() | {"source": "110"}))
    alone = ToldLinkage("c8")
    await tell(database, yazhou, alone.arrived(), alone.asked("120", by="caller", via="digit", who=""), alone.ended(20))
    await record_duty(database, "c0", accepted_by=None, note="", actor=Actor("坐席一 8001", "agent"))

    since, until = figures.month_of("2026-11", SANYA)
    found = await figures.figures(database, since, until)
    assert (found.linkages, found.without_line, found.by) == (4, 1, {"agent": 3, "caller": 1})
    assert found.handed_over == {"110": 1} and found.with_line("110") == 4 and found.with_line("119") == 3
    assert found.duty == {"": 3, "unclear": 1}
    police, fire, medical = found.lines
    assert (police.line, police.asked, police.answered, police.exhausted) == ("110", 3, 3, 0)
    assert (police.answer_seconds_mean, police.answer_seconds_p95) == (4.0, 5.8)
    assert (fire.line, fire.asked, fire.answered, fire.exhausted, fire.outcomes) == ("119", 3, 0, 3, {"busy": 3})
    assert fire.answer_seconds_mean is None
    assert (medical.line, medical.asked, medical.outcomes) == ("120", 1, {})
    body = figures.as_json("2026-11", found)
    assert body["linkages_with_110"] == 4 and body["duty"] == {"open": 3, "unclear": 1}
    empty = await figures.figures(database, until, until + timedelta(days=30))
    assert empty.linkages == 0 and empty.lines == []


async def test_a_linkage_belongs_to_the_month_of_the_jurisdiction(database: Database, yazhou: Jurisdiction) -> None:
    c = ToldLinkage()
    await tell(database, yazhou, c.arrived(), c.asked("110"))
    async with database.begin() as session:
        linkage = await session.get_one(Linkage, "c1")
        linkage.asked_at = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)  # midnight in Sanya
    for month, expected in (("2026-11", 0), ("2026-12", 1)):
        assert (await figures.figures(database, *figures.month_of(month, SANYA))).linkages == expected


@pytest.mark.parametrize("text", ["2026-13", "2026", "", "x", "2026-1-1"], ids=["13", "year", "empty", "x", "day"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        figures.month_of(text, SANYA)


def test_the_months_of_a_year() -> None:
    starts = [figures.month_of(f"2026-{month:02}", SANYA) for month in range(1, 13)]
    assert all(until == starts[index + 1][0] for index, (_, until) in enumerate(starts[:-1]))
    assert starts[-1][1].isoformat() == "2027-01-01T00:00:00+08:00"
    assert figures.day_of(at(0), SANYA).isoformat() == "2026-11-21T00:00:00+08:00"
