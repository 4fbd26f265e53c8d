"""Appeals of units: filed with evidence, decided, told, and what they do to the month (QH-3a, TP-35, YZ-38)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from routing.law.provisions import Amount
from routing.life import appeals, callback, reviewing
from routing.life.appeals import Evidence
from routing.life.errors import BadValue, IllegalTransition, LawError, Missing, NotAllowed, Silent, TooLate, TooMany
from routing.life.rating import Given
from routing.life.tables import Appeal, Rating, ViolationRecord
from routing.storage import Ticket
from tests.routing.life.conftest import AGENT, CLERK, LEADER, MANAGER, OFFICE, OTHER_CLERK, ZHUJIAN, Office
from tests.routing.life.mixed_law import yazhou_with

PROOF = [Evidence("现场照片.pdf", "a" * 64)]


@pytest.fixture
def qionghai(open_office: Callable[..., Office]) -> Office:
    return open_office(yazhou_with("qionghai", "satisfaction", "appeals"))


async def dissatisfied(office: Office, level: str = "不满意") -> Ticket:
    """An archived ticket whose caller was not satisfied."""
    ticket = await office.reviewed()
    rating = Given("result", level, reason="没有解决" if level == "不满意" else "")
    ticket = await callback.record(
        office.centre, ticket.id, ticket.version, AGENT, outcome="reached", solved="solved", ratings=[rating]
    )
    return await reviewing.archive(office.centre, ticket.id, ticket.version, AGENT)


async def file(office: Office, ticket: Ticket, **more: object) -> Appeal:
    given = {"grounds": "诉求超出职责", "evidence": PROOF, "ticket_id": ticket.id} | more
    actor = given.pop("actor", CLERK)
    return await appeals.file(office.centre, actor, "archived_dissatisfied", **given)  # type: ignore[arg-type]


async def test_a_granted_appeal_takes_the_ticket_out_of_the_month_and_leaves_the_rating(qionghai: Office) -> None:
    ticket = await dissatisfied(qionghai)
    filed = await file(qionghai, ticket)
    assert (filed.period, filed.rule, filed.decision) == ("2026-03", "QH-3a", "")
    assert [one.id for one in await appeals.waiting(qionghai.centre)] == [filed.id]
    async with qionghai.centre.db.session() as session:
        assert not (await appeals.excluded(qionghai.centre, session, "2026-03")).tickets
    decided = await appeals.decide(qionghai.centre, filed.id, MANAGER, grant=True, why="核实，超出职责")
    assert decided.decision == "granted"
    async with qionghai.centre.db.session() as session:
        found = await appeals.excluded(qionghai.centre, session, "2026-03")
        assert (found.tickets, found.units) == (frozenset({ticket.id}), frozenset())
        assert not (await appeals.excluded(qionghai.centre, session, "2026-04")).tickets
        assert (await session.scalars(select(Rating.level))).all() == ["不满意"]
    told = await appeals.tell(qionghai.centre, filed.id, AGENT)
    assert told.told_at is not None and await appeals.waiting(qionghai.centre) == []


async def test_a_rejected_appeal_changes_nothing(qionghai: Office) -> None:
    filed = await file(qionghai, await dissatisfied(qionghai))
    await appeals.decide(qionghai.centre, filed.id, OFFICE, grant=False, why="属于职责范围")
    async with qionghai.centre.db.session() as session:
        assert not (await appeals.excluded(qionghai.centre, session, "2026-03")).tickets
    with pytest.raises(IllegalTransition, match="已经决定过"):
        await appeals.decide(qionghai.centre, filed.id, OFFICE, grant=True, why="再想想")


async def test_a_month_is_appealed_against_when_it_is_over(qionghai: Office) -> None:
    async def month(period: str) -> Appeal:
        return await appeals.file(
            qionghai.centre, LEADER, "monthly_assessment", grounds="统计有误", evidence=PROOF, period=period
        )

    for bad in ("2026-13", "202603", "", "9999-12", "2026-3", "二〇二六"):
        with pytest.raises(BadValue) as refused:
            await month(bad)
        assert refused.value.field == "period"
    with pytest.raises(IllegalTransition, match="还没有结束"):
        await month("2026-03")
    filed = await month("2026-02")
    await appeals.decide(qionghai.centre, filed.id, OFFICE, grant=True, why="核实")
    async with qionghai.centre.db.session() as session:
        assert (await appeals.excluded(qionghai.centre, session, "2026-02")).units == {ZHUJIAN}


@pytest.mark.parametrize(
    ("more", "error", "field"),
    [
        ({"grounds": "  "}, Missing, "grounds"),
        ({"grounds": "理" * 100_000}, BadValue, "grounds"),
        ({"evidence": []}, Missing, "evidence"),
        ({"evidence": [Evidence("照片", "abc")]}, BadValue, "evidence"),
        ({"ticket_id": None}, Missing, "ticket_id"),
        ({"actor": AGENT}, NotAllowed, "role"),
        ({"actor": OTHER_CLERK}, NotAllowed, "unit"),
    ],
    ids=["no grounds", "long", "no evidence", "hash", "no ticket", "agent", "another unit"],
)
async def test_a_wrong_appeal_is_refused(
    qionghai: Office, more: dict[str, object], error: type[LawError], field: str
) -> None:
    ticket = await dissatisfied(qionghai)
    with pytest.raises(error) as refused:
        await file(qionghai, ticket, **more)
    assert (refused.value.field, refused.value.rule) == (field, "QH-3a")
    assert await _filed(qionghai) == 0


async def test_only_an_archived_and_badly_rated_ticket_is_appealed_against(qionghai: Office) -> None:
    with pytest.raises(IllegalTransition, match="还没有归档"):
        await file(qionghai, await qionghai.reviewed())
    with pytest.raises(IllegalTransition, match="没有不满意的评价"):
        await file(qionghai, await dissatisfied(qionghai, "满意"))


async def test_the_same_is_appealed_against_once_also_by_two_at_once(qionghai: Office) -> None:
    ticket = await dissatisfied(qionghai)
    results = await asyncio.gather(*(file(qionghai, ticket) for _ in range(3)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["Appeal", "TooMany", "TooMany"]
    with pytest.raises(TooMany):
        await file(qionghai, ticket)
    assert await _filed(qionghai) == 1


async def test_who_decides_and_who_tells(qionghai: Office) -> None:
    filed = await file(qionghai, await dissatisfied(qionghai))
    with pytest.raises(IllegalTransition, match="还没有决定"):
        await appeals.tell(qionghai.centre, filed.id, AGENT)
    for actor in (AGENT, CLERK):
        with pytest.raises(NotAllowed):
            await appeals.decide(qionghai.centre, filed.id, actor, grant=True, why="核实")
    with pytest.raises(Missing):
        await appeals.decide(qionghai.centre, filed.id, MANAGER, grant=True, why="")
    with pytest.raises(BadValue, match="没有编号为 99"):
        await appeals.decide(qionghai.centre, 99, MANAGER, grant=True, why="核实")


async def test_a_document_that_gives_a_time_is_kept_to(open_office: Callable[..., Office]) -> None:
    law = yazhou_with("qionghai", "satisfaction", "appeals").law.appeals
    within = tuple(one.model_copy(update={"within": Amount(value=5, unit="working_day")}) for one in law)
    office = open_office(yazhou_with("qionghai", "satisfaction", appeals=within))
    early, late = await dissatisfied(office), await dissatisfied(office)
    office.clock.at += timedelta(days=7)  # Monday to Monday: five working days, the last one ends at midnight
    await file(office, early)
    office.clock.at += timedelta(days=1)
    with pytest.raises(TooLate):
        await file(office, late)


async def test_yazhou_knows_only_the_objection_to_a_criticism(office: Office) -> None:
    ticket = await dissatisfied(office)
    with pytest.raises(Silent):
        await file(office, ticket)
    async with office.centre.db.begin() as session:
        for number, criticised in enumerate((None, office.clock.at), start=1):
            session.add(
                ViolationRecord(
                    id=number,
                    unit=ZHUJIAN,
                    violation="V2",
                    occasion=f"2026-0{number}",
                    rule="YZ-37(2)",
                    facts="两次逾期",
                    at=office.clock.at,
                    by="machine",
                    criticised_at=criticised,
                )
            )

    async def object_to(violation: int, actor: object = CLERK) -> Appeal:
        return await appeals.file(
            office.centre,
            actor,  # type: ignore[arg-type]
            "criticism",
            grounds="逾期有原因",
            evidence=PROOF,
            violation_id=violation,
        )

    with pytest.raises(IllegalTransition, match="还没有通报"):
        await object_to(1)
    with pytest.raises(NotAllowed, match="本单位"):
        await object_to(2, OTHER_CLERK)
    with pytest.raises(BadValue):
        await object_to(3)
    filed = await object_to(2)
    assert (filed.rule, filed.period) == ("YZ-38", "2026")
    await appeals.decide(office.centre, filed.id, OFFICE, grant=False, why="按公务员法办理")
    async with office.centre.db.session() as session:
        kept = await session.get_one(ViolationRecord, 2)
        assert "不成立" in kept.objection and kept.state == "proposed"
        assert not (await appeals.excluded(office.centre, session, "2026")).units


async def _filed(office: Office) -> int:
    async with office.centre.db.session() as session:
        return await session.scalar(select(func.count()).select_from(Appeal)) or 0
