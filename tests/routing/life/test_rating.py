"""Ratings: the scale, Turpan's second rating, Qionghai's exclusions (TP-21 to TP-24, QH-3, invariant 9)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from routing.life import callback, reviewing
from routing.life.changing import THE_MACHINE
from routing.life.errors import BadValue, IllegalTransition, LawError, Missing, NotAllowed, Silent, TooMany
from routing.life.rating import AGENT as BY_AGENT
from routing.life.rating import RESULT, Given, rate
from routing.life.tables import Rating
from routing.storage import Ticket
from tests.routing.life.conftest import AGENT, CLERK, OFFICE, Office
from tests.routing.life.mixed_law import yazhou_with
from tests.routing.life.reading import everything_of, history_of

LEVELS = ("非常满意", "满意", "基本满意", "不满意", "非常不满意")
GOOD = frozenset(LEVELS[:3])


@pytest.fixture
def turpan(open_office: Callable[..., Office]) -> Office:
    return open_office(yazhou_with("turpan", "redo", "satisfaction", "escalations"))


@pytest.fixture
def qionghai(open_office: Callable[..., Office]) -> Office:
    return open_office(yazhou_with("qionghai", "satisfaction"))


async def rated(office: Office, ticket: Ticket, level: str, about: str = RESULT, **more: str) -> Ticket:
    now = await office.ticket(ticket.id)
    return await rate(office.centre, now.id, now.version, AGENT, Given(about, level, **more))


async def ratings_of(office: Office, ticket: Ticket) -> list[tuple[str, int, str]]:
    async with office.centre.db.session() as session:
        found = await session.scalars(select(Rating).where(Rating.ticket_id == ticket.id).order_by(Rating.id))
        return [(one.object, one.round, one.level) for one in found]


@pytest.mark.parametrize("level", LEVELS)
async def test_each_level_for_agent_and_result(office: Office, level: str) -> None:
    ticket = await office.reviewed()
    reason = {} if level in GOOD else {"reason": "没有解决"}
    await rated(office, ticket, level, BY_AGENT)
    await rated(office, ticket, level, RESULT, **reason)
    assert await ratings_of(office, ticket) == [("agent", 1, level), ("result", 1, level)]
    assert (await office.ticket(ticket.id)).state == "reviewed"


@pytest.mark.parametrize(
    ("what", "error", "field"),
    [
        (Given("result", "一般"), BadValue, "level"),
        (Given("result", ""), Missing, "level"),
        (Given("result", "满意" * 400), BadValue, "level"),
        (Given("weather", "满意"), BadValue, "about"),
        (Given("result", "不满意"), Missing, "reason"),
        (Given("result", "不满意", reason="天气不好"), BadValue, "reason"),
        (Given("result", "满意", reason="没有解决"), BadValue, "reason"),
        (Given("result", "满意", evidence="依据某条"), Missing, "exclusion"),
        (Given("result", "不满意", reason="其他", exclusion="E1", evidence="某条"), Silent, ""),
    ],
    ids=["off the scale", "none", "long", "object", "no reason", "reason", "content", "evidence only", "no exclusions"],
)
async def test_a_rating_outside_the_scale_changes_nothing(
    office: Office, what: Given, error: type[LawError], field: str
) -> None:
    ticket = await office.reviewed()
    before = await everything_of(office.centre.db, ticket.id)
    with pytest.raises(error) as refused:
        await rate(office.centre, ticket.id, ticket.version, AGENT, what)
    assert (refused.value.field, bool(refused.value.rule)) == (field, True)
    assert await everything_of(office.centre.db, ticket.id) == before
    assert await ratings_of(office, ticket) == []


async def test_there_is_nothing_to_rate_before_the_review(office: Office) -> None:
    ticket = await office.submitted()
    with pytest.raises(IllegalTransition, match="办结并复核后"):
        await rated(office, ticket, "满意")
    await rated(office, ticket, "满意", BY_AGENT)


async def test_a_round_is_rated_once(office: Office) -> None:
    ticket = await office.reviewed()
    await rated(office, ticket, "满意")
    with pytest.raises(TooMany, match="已经评价过"):
        await rated(office, ticket, "非常满意")


async def test_units_write_no_ratings_down(office: Office) -> None:
    ticket = await office.reviewed()
    for about in (BY_AGENT, RESULT):
        with pytest.raises(NotAllowed):
            await rate(office.centre, ticket.id, ticket.version, CLERK, Given(about, "满意"))


async def test_a_key_pressed_by_the_citizen_is_written_down_by_the_machine(office: Office) -> None:
    ticket = await office.reviewed()
    await rate(office.centre, ticket.id, None, THE_MACHINE, Given(RESULT, "满意"), by_citizen=True)
    async with office.centre.db.session() as session:
        assert (await session.scalars(select(Rating.by))).all() == ["citizen"]


async def test_yazhou_sends_nothing_back_by_a_rating(office: Office) -> None:
    ticket = await rated(office, await office.reviewed(), "非常不满意", reason="没有解决")
    assert (ticket.state, ticket.redos) == ("reviewed", 0)


@pytest.mark.parametrize("level", ["不满意", "非常不满意"])
async def test_turpans_first_bad_rating_sends_it_back_once_and_the_second_is_final(turpan: Office, level: str) -> None:
    ticket = await rated(turpan, await turpan.reviewed(), level, reason="没有解决")
    assert (ticket.state, ticket.redos) == ("redo", 1)
    line = next(one for one in await history_of(turpan.centre.db, ticket.id) if one.action == "order_redo")
    assert (line.actor, line.rule) == ("machine", "TP-22")
    versions = [one.version for one in await history_of(turpan.centre.db, ticket.id)]
    assert versions == sorted(versions) and versions[-1] == ticket.version
    with pytest.raises(IllegalTransition):
        await rated(turpan, ticket, "满意")
    ticket = await turpan.submit(ticket)
    ticket = await reviewing.review_result(turpan.centre, ticket.id, ticket.version, OFFICE, passed=True)
    ticket = await rated(turpan, ticket, level, reason="办得太慢")
    assert (ticket.state, ticket.redos) == ("reviewed", 1)
    assert await ratings_of(turpan, ticket) == [("result", 1, level), ("result", 2, level)]
    with pytest.raises(TooMany):
        await rated(turpan, ticket, "满意")


async def test_a_good_first_rating_in_turpan_leaves_it_done(turpan: Office) -> None:
    ticket = await rated(turpan, await turpan.reviewed(), "基本满意")
    assert (ticket.state, ticket.redos) == ("reviewed", 0)


async def test_a_bad_rating_from_the_archive_is_put_before_a_person(turpan: Office) -> None:
    ticket = await turpan.reviewed()
    ticket = await callback.record(turpan.centre, ticket.id, ticket.version, AGENT, outcome="reached", solved="solved")
    ticket = await reviewing.archive(turpan.centre, ticket.id, ticket.version, AGENT)
    ticket = await rated(turpan, ticket, "不满意", reason="没有解决")
    assert (ticket.state, ticket.attention) == ("archived", "rated_after_archive")


async def test_an_exclusion_needs_its_evidence_in_the_reply(qionghai: Office) -> None:
    ticket = await qionghai.reviewed()  # its form says: 已约谈责任人
    code = qionghai.centre.jurisdiction.law_at(qionghai.clock.at).satisfaction.exclusions[0].code  # type: ignore[union-attr]
    for evidence, error in (("", Missing), ("已按信访程序处理", BadValue), ("责", BadValue)):
        with pytest.raises(error) as refused:
            await rated(qionghai, ticket, "不满意", reason="其他", exclusion=code, evidence=evidence)
        assert (refused.value.rule, refused.value.field) == ("QH-3c", "evidence")
    with pytest.raises(BadValue, match="没有“E9”"):
        await rated(qionghai, ticket, "不满意", reason="其他", exclusion="E9", evidence="已约谈责任人")
    with pytest.raises(BadValue, match="只有办理情况"):
        await rated(qionghai, ticket, "不满意", BY_AGENT, exclusion=code, evidence="已约谈责任人")
    await rated(qionghai, ticket, "不满意", reason="其他", exclusion=code, evidence="已 约谈\n责任人")
    async with qionghai.centre.db.session() as session:
        (kept,) = await session.scalars(select(Rating))
    assert (kept.exclusion, kept.level) == (code, "不满意")
