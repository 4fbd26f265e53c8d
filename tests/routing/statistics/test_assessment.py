"""The assessment: indicators of the document, places, appeals that take tickets and units out (QH-2b, QH-3, TP-34)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from routing.centre import Centre
from routing.jurisdiction import Jurisdiction, load
from routing.life.tables import Appeal, Rating
from routing.statistics.assessment import INDICATORS, assessment
from routing.statistics.figures import figures
from routing.statistics.periods import parsed
from routing.statistics.rates import Rate
from routing.storage import Database, Ticket
from settings import ROOT
from tests.routing.watch.lives import DAY, HOUR, Life, Time, centre_of, write

OCTOBER = parsed("2026-10")
AT = datetime(2026, 10, 10, 2, 0, tzinfo=UTC)
A, B, C = "yz.zhifa", "yz.huanwei", "yz.zhujian"


def _of(database: Database, name: str) -> Centre:
    jurisdiction = load(ROOT / "config" / "jurisdictions" / f"{name}.yaml")
    return centre_of(database, jurisdiction, Time(datetime(2026, 11, 5, tzinfo=UTC)))


async def _done(centre: Centre, unit: str, *, late: bool = False, at: datetime = AT, **columns: Any) -> Ticket:
    done = {"state": "archived", "completed_at": at + DAY, "due_at": at + (HOUR if late else 2 * DAY), "late": late}
    jurisdiction = {"jurisdiction": centre.jurisdiction.id}
    return await write(
        centre.db, Life(at, unit, columns=done | jurisdiction | columns, task={"contacted_at": at + HOUR})
    )


async def _rated(centre: Centre, ticket: Ticket, level: str, exclusion: str = "") -> None:
    async with centre.db.begin() as session:
        session.add(
            Rating(
                ticket_id=ticket.id,
                round=1,
                object="result",
                level=level,
                at=AT + 2 * DAY,
                by="乙",
                exclusion=exclusion,
            )
        )


async def test_yazhous_three_indicators_and_shared_places(database: Database, yazhou: Jurisdiction) -> None:
    centre = _of(database, "yazhou")
    for unit, late in ((A, False), (B, False), (C, True)):
        await _rated(centre, await _done(centre, unit, late=late), "满意")
    standings = await assessment(centre, OCTOBER)
    assert [(one.id, one.place) for one in standings] == [(B, 1), (A, 1), (C, 3)]
    best, last = standings[0], standings[2]
    assert best.indicators == {"办理及时性": 0.5, "按时办结率": 1.0, "市民满意率": 1.0}
    assert last.indicators == {"办理及时性": 0.0, "按时办结率": 0.0, "市民满意率": 1.0}
    assert best.score == pytest.approx(2.5 / 3)
    assert best.bonus is None  # Yazhou's document rewards nothing


async def test_a_unit_without_figures_is_not_ranked(database: Database) -> None:
    centre = _of(database, "yazhou")
    await write(centre.db, Life(AT, A))
    [only] = await assessment(centre, OCTOBER)
    assert (only.place, only.score) == (None, None)


async def test_qionghai_leaves_excluded_ratings_and_appealed_tickets_out(database: Database) -> None:
    centre = _of(database, "qionghai")
    rated = [("满意", ""), ("不满意", "E1"), ("不满意", "")]
    tickets = [await _done(centre, "qh.a") for _ in rated]
    for ticket, (level, exclusion) in zip(tickets, rated, strict=True):
        await _rated(centre, ticket, level, exclusion)
    [before] = await assessment(centre, OCTOBER)
    assert before.indicators["满意率"] == 0.5  # 实际参评: one of two
    await _grant(centre, "archived_dissatisfied", ticket_id=tickets[2].id)
    [after] = await assessment(centre, OCTOBER)
    assert after.indicators["满意率"] == 1.0
    published = (await figures(centre, OCTOBER, by="unit"))["qh.a"]
    assert published.satisfied == Rate(1, 3)  # what is published keeps them all


async def test_a_month_that_a_granted_appeal_takes_out(database: Database) -> None:
    centre = _of(database, "qionghai")
    await _done(centre, "qh.a")
    await _done(centre, "qh.b")
    await _grant(centre, "monthly_assessment", unit="qh.a")
    assert [one.id for one in await assessment(centre, OCTOBER)] == ["qh.b"]


async def _grant(centre: Centre, subject: str, *, unit: str = "qh.a", ticket_id: str | None = None) -> None:
    async with centre.db.begin() as session:
        session.add(
            Appeal(
                subject=subject,
                occasion=ticket_id or OCTOBER.name,
                unit=unit,
                ticket_id=ticket_id,
                period=OCTOBER.name,
                grounds="有依据",
                rule="QH-3a",
                filed_at=AT,
                filed_by="采编员",
                decision="granted",
                decided_at=AT,
                decided_by="主任",
            )
        )


async def test_turpans_bonus_is_shown_as_facts(database: Database) -> None:
    centre = _of(database, "turpan")
    last_year = datetime(2025, 10, 10, 2, 0, tzinfo=UTC)
    for matter, before, now in (("noise", 2, 1), ("rubbish", 1, 1), ("water", 1, 0)):
        for at, count in ((last_year, before), (AT, now)):
            for _ in range(count):
                await _done(centre, "tp.a", at=at, matter=matter)
    [only] = await assessment(centre, OCTOBER)
    assert only.bonus is not None
    assert only.bonus.limit_unused == 0.5
    assert only.bonus.matters_fallen == Rate(2, 3)


async def test_towns_are_assessed_like_units(database: Database) -> None:
    centre = _of(database, "yazhou")
    for town, late in (("yz.t1", True), ("yz.t2", False), ("", False)):
        await _done(centre, A, late=late, territorial_unit=town)
    assert [(one.id, one.place) for one in await assessment(centre, OCTOBER, of="town")] == [("yz.t2", 1), ("yz.t1", 2)]


@pytest.mark.parametrize("name", ["yazhou", "sanya", "yangling", "qionghai", "turpan"])
def test_every_indicator_of_the_documents_is_known(name: str) -> None:
    law = load(ROOT / "config" / "jurisdictions" / f"{name}.yaml").law_at(datetime(2026, 10, 1, tzinfo=UTC)).scoring
    if law is None or law.of != "units":
        return
    assert set(law.indicators) <= set(INDICATORS)
