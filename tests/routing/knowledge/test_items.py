"""Knowledge is written by its unit, published by the centre, dated, counted, and never changed unnoticed."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from routing.centre import Centre
from routing.knowledge import items
from routing.knowledge.items import Text
from routing.knowledge.tables import KnowledgeItem
from routing.life.errors import BadTime, BadValue, IllegalTransition, LawError, Missing, NotAllowed
from routing.storage import Ticket
from routing.tickets import Actor, NoSuchTicket, TicketChanged
from tests.routing.knowledge.conftest import CLERK, MANAGER, NEXT_YEAR, OFFICE, OTHER, WANG, Clockwork, publish

PLAIN = Text("社保卡补办", "带身份证到服务网点", "社保卡", review_by=NEXT_YEAR)


async def _states(centre: Centre, item_id: int) -> list[str]:
    return [one.state for one in (await items.versions(centre, item_id))[1]]


async def test_from_the_units_draft_to_the_centres_publication(centre: Centre) -> None:
    item = await items.draft(centre, CLERK, PLAIN, submit=False)
    assert (item.owner_unit, item.state, await _states(centre, item.id)) == ("yz.renshe", "draft", ["draft"])
    item = await items.submit(centre, item.id, item.version, CLERK)
    item = await items.review(centre, item.id, item.version, OFFICE, publish=True)
    assert (item.state, item.published, item.review_by) == ("published", 1, NEXT_YEAR)
    _, (version,) = await items.versions(centre, item.id)
    assert (version.state, version.written_by, version.decided_by) == ("published", CLERK.name, OFFICE.name)
    assert version.valid_from == date(2026, 11, 20)


async def test_what_was_published_stays_readable_word_for_word(centre: Centre) -> None:
    item = await publish(centre, PLAIN)
    changed = Text("社保卡补办", "可以网上办", review_by=NEXT_YEAR)
    item = await items.revise(centre, item.id, item.version, CLERK, changed)
    assert (item.published, item.latest) == (1, 2)
    item = await items.review(centre, item.id, item.version, MANAGER, publish=False, why="请写明网址")
    assert await _states(centre, item.id) == ["published", "rejected"]
    item = await items.revise(centre, item.id, item.version, CLERK, changed)
    item = await items.review(centre, item.id, item.version, MANAGER, publish=True)
    assert await _states(centre, item.id) == ["superseded", "rejected", "published"]
    assert [one.body for one in (await items.versions(centre, item.id))[1]] == [PLAIN.body, "可以网上办", "可以网上办"]


async def test_who_may_write_and_who_may_review(centre: Centre) -> None:
    item = await items.draft(centre, CLERK, PLAIN)
    refused = [
        items.revise(centre, item.id, item.version, OTHER, PLAIN),
        items.review(centre, item.id, item.version, CLERK, publish=True),
        items.review(centre, item.id, item.version, WANG, publish=True),
        items.draft(centre, Actor("x", "unit_clerk"), PLAIN),
        items.draft(centre, Actor("x", "unit_clerk", "yz.nobody"), PLAIN),
        items.draft(centre, Actor("x", "auditor"), PLAIN),
        items.draft(centre, Actor("x", "agent", "yz.renshe"), PLAIN),
        items.withdraw(centre, item.id, item.version, OTHER, why="x"),
        items.answered_from(centre, item.id, CLERK),
    ]
    for one in refused:
        with pytest.raises((NotAllowed, BadValue, Missing)):
            await one
    own = await items.draft(centre, OFFICE, PLAIN)
    with pytest.raises(NotAllowed, match="不能审核自己写的"):
        await items.review(centre, own.id, own.version, OFFICE, publish=True)
    assert (await items.versions(centre, item.id))[0].version == item.version


TODAY = date(2026, 11, 20)


@pytest.mark.parametrize(
    ("text", "problem", "field"),
    [
        (Text("", "x", review_by=NEXT_YEAR), Missing, "title"),
        (Text("x", " ", review_by=NEXT_YEAR), Missing, "body"),
        (Text("x", "x"), Missing, "review_by"),
        (Text("x" * 201, "x", review_by=NEXT_YEAR), BadValue, "title"),
        (Text("x", "长" * 1_000_000, review_by=NEXT_YEAR), BadValue, "body"),
        (Text("x", "a\x00b", review_by=NEXT_YEAR), BadValue, "body"),
        (Text("x", "x", matter="flying_saucers", review_by=NEXT_YEAR), BadValue, "matter"),
        (Text("x", "x", review_by=TODAY - timedelta(days=1)), BadTime, "review_by"),
        (Text("x", "x", valid_from=NEXT_YEAR, review_by=TODAY), BadTime, "review_by"),
        (Text("x", "x", valid_until=TODAY - timedelta(days=1), review_by=NEXT_YEAR), BadTime, "valid_until"),
    ],
    ids=range(10),
)
async def test_nonsense_is_refused(centre: Centre, text: Text, problem: type[LawError], field: str) -> None:
    with pytest.raises(problem) as refused:
        await items.draft(centre, CLERK, text)
    assert (refused.value.field, refused.value.rule) == (field, "YZ-34")
    assert await items.items(centre) == []


async def test_steps_out_of_order_are_refused(centre: Centre) -> None:
    item = await items.draft(centre, CLERK, PLAIN, submit=False)
    with pytest.raises(IllegalTransition, match="草稿"):
        await items.review(centre, item.id, item.version, OFFICE, publish=True)
    with pytest.raises(IllegalTransition, match="没有发布"):
        await items.answered_from(centre, item.id, WANG)
    with pytest.raises(IllegalTransition):
        await items.confirm_still_true(centre, item.id, item.version, CLERK, review_by=NEXT_YEAR)
    with pytest.raises(BadValue, match="没有编号"):
        await items.submit(centre, item.id + 1, 1, CLERK)
    item = await items.withdraw(centre, item.id, item.version, CLERK, why="写错了")
    for again in (
        items.withdraw(centre, item.id, item.version, OFFICE, why="x"),
        items.revise(centre, item.id, item.version, CLERK, PLAIN),
    ):
        with pytest.raises(IllegalTransition):
            await again
    with pytest.raises(Missing):
        await items.review(centre, (await items.draft(centre, CLERK, PLAIN)).id, 1, OFFICE, publish=False)


async def test_a_version_of_tomorrow_does_not_take_todays_away(centre: Centre, clockwork: Clockwork) -> None:
    item = await publish(centre, PLAIN)
    coming = Text("社保卡补办", "自十二月起免费", valid_from=date(2026, 12, 1), review_by=NEXT_YEAR)
    item = await items.revise(centre, item.id, item.version, CLERK, coming)
    with pytest.raises(BadTime, match="自 2026-12-01 起生效"):
        await items.review(centre, item.id, item.version, OFFICE, publish=True)
    clockwork.passes(timedelta(days=11))
    item = await items.review(centre, item.id, item.version, OFFICE, publish=True)
    assert item.published == 2


async def test_of_two_editors_at_once_one_wins_and_the_other_is_told(centre: Centre) -> None:
    item = await publish(centre, PLAIN)
    texts = [Text("社保卡补办", f"第{number}稿", review_by=NEXT_YEAR) for number in range(6)]
    done = await asyncio.gather(
        *(items.revise(centre, item.id, item.version, CLERK, text) for text in texts), return_exceptions=True
    )
    assert sum(isinstance(one, KnowledgeItem) for one in done) == 1
    assert sum(isinstance(one, TicketChanged) for one in done) == 5
    assert await _states(centre, item.id) == ["published", "submitted"]


async def test_use_is_counted_once_for_a_ticket_and_linked_to_it(centre: Centre) -> None:
    item = await publish(centre, PLAIN)
    async with centre.db.begin() as session:
        ticket = Ticket(serial="YZ1", jurisdiction="yazhou", created_at=centre.now(), updated_at=centre.now())
        session.add(ticket)
    assert await items.answered_from(centre, item.id, WANG, ticket_id=ticket.id) == 1
    assert await items.answered_from(centre, item.id, WANG, ticket_id=ticket.id) == 1
    assert await items.answered_from(centre, item.id, WANG) == 2
    with pytest.raises(NoSuchTicket):
        await items.answered_from(centre, item.id, WANG, ticket_id="nobody's")
    counted, _ = await items.versions(centre, item.id)
    assert (counted.used, counted.version, counted.last_used_at) == (2, item.version, centre.now())
    assert [(one.ticket_id, one.number, one.by) for one in await items.uses(centre, item.id)] == [
        (ticket.id, 1, WANG.name),
        (None, 1, WANG.name),
    ]


async def test_what_nobody_looked_at_in_time_is_stale_until_somebody_does(centre: Centre, clockwork: Clockwork) -> None:
    await publish(centre, PLAIN)
    soon = await publish(centre, Text("开放时间", "周一至周五", review_by=date(2026, 11, 21)))
    assert await items.stale_items(centre) == []
    clockwork.passes(timedelta(days=1))
    assert await items.stale_items(centre) == []
    clockwork.passes(timedelta(days=1))
    ((stale, version),) = await items.stale_items(centre)
    assert (stale.id, stale.owner_unit, version.title) == (soon.id, "yz.renshe", "开放时间")
    with pytest.raises(BadTime):
        await items.confirm_still_true(centre, soon.id, stale.version, CLERK, review_by=date(2026, 11, 21))
    await items.confirm_still_true(centre, soon.id, stale.version, CLERK, review_by=NEXT_YEAR)
    assert await items.stale_items(centre) == []
    assert await _states(centre, soon.id) == ["superseded", "published"]
