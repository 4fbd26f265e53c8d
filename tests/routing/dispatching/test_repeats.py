"""More than three timely and accurate answers to the same person, and nothing new; only a person refuses (YZ-35)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from routing.dispatching import merging
from routing.dispatching.repeats import refuse_repeat, repetition
from routing.life import reviewing
from routing.life.changing import THE_MACHINE
from routing.life.errors import IllegalTransition, LawError, Missing, NotAllowed, Silent
from routing.life.tables import TicketLink
from routing.storage import Ticket
from tests.routing.dispatching.conftest import of_caller
from tests.routing.life.conftest import AGENT, CLERK, OFFICE, Office, jurisdiction
from tests.routing.life.mixed_law import yazhou_with

LAMP = {"matter": "street_lamp", "event": "路灯坏了三天", "place": "盐灶村口"}


async def answered(office: Office, times: int, caller: str = "a", **values: str) -> None:
    for _ in range(times):
        await of_caller(office, await office.reviewed(**(LAMP | values)), caller)


async def told_again(office: Office, caller: str = "a", **values: str) -> Ticket:
    return await of_caller(office, await office.draft(**(LAMP | values)), caller)


async def refuse(office: Office, ticket: Ticket, **more: object) -> Ticket:
    given = {"no_new_facts": True, "told": True, "why": "询问后没有新的事实"} | more
    actor = given.pop("actor", AGENT)
    return await refuse_repeat(office.centre, ticket.id, ticket.version, actor, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("times", "may"), [(3, False), (4, True)])
async def test_strictly_more_than_three(office: Office, times: int, may: bool) -> None:
    await answered(office, times)
    ticket = await told_again(office)
    found = await repetition(office.centre, ticket.id)
    assert (found.counted, found.limit, found.may_refuse, found.rule) == (times, 3, may, "YZ-35")
    if not may:
        assert "仍应耐心答复" in found.reason
        with pytest.raises(IllegalTransition, match="耐心") as refused:
            await refuse(office, ticket)
        assert refused.value.rule == "YZ-35"
        return
    refused_ticket = await refuse(office, ticket)
    assert (refused_ticket.state, refused_ticket.ground) == ("refused", "YZ-35")
    async with office.centre.db.session() as session:
        links = (await session.scalars(select(TicketLink).where(TicketLink.ticket_id == ticket.id))).all()
    assert [link.kind for link in links] == ["answered_before"] * 4


async def test_the_number_is_configuration(open_office: Callable[..., Office]) -> None:
    law = jurisdiction("yazhou").law
    changed = tuple(one.model_copy(update={"answered": 0}) for one in law.repeats)
    office = open_office(yazhou_with("yazhou", repeats=changed))
    await answered(office, 1)
    assert (await repetition(office.centre, (await told_again(office)).id)).may_refuse


async def test_only_the_same_person_and_the_same_issue_count(office: Office) -> None:
    await answered(office, 2)
    await answered(office, 1, caller="b")
    await answered(office, 1, place="保港")
    await answered(office, 1, matter="garbage", event="垃圾没人收")
    found = await repetition(office.centre, (await told_again(office)).id)
    assert (found.counted, found.may_refuse) == (2, False)


async def test_a_late_answer_does_not_count(office: Office) -> None:
    for _ in range(4):
        ticket = await office.in_hand(**LAMP)
        office.clock.forward(days=3)
        ticket = await office.submit(ticket)
        ticket = await reviewing.review_result(office.centre, ticket.id, ticket.version, OFFICE, passed=True)
        assert ticket.late
        await of_caller(office, ticket, "a")
    found = await repetition(office.centre, (await told_again(office)).id)
    assert (found.counted, {answer.why_not for answer in found.answers}) == (0, {"答复逾期"})


async def test_an_answer_to_a_merged_ticket_counts_once(office: Office) -> None:
    whole = await office.dispatched(**LAMP)
    for _ in range(2):
        part = await of_caller(office, await office.draft(**LAMP), "a")
        await merging.merge(office.centre, part.id, part.version, whole.id, AGENT)
    new = await told_again(office)
    assert len((await repetition(office.centre, new.id)).in_progress) == 1
    async with office.centre.db.begin() as session:
        row = await session.get_one(Ticket, whole.id)
        row.completed_at, row.state, row.late = office.clock.at, "archived", False
    found = await repetition(office.centre, new.id)
    assert (found.counted, [answer.ticket_id for answer in found.answers]) == (1, [whole.id])


async def test_who_is_not_known_is_never_counted(office: Office) -> None:
    await answered(office, 4, caller="")
    ticket = await told_again(office, caller="")
    found = await repetition(office.centre, ticket.id)
    assert (found.counted, found.may_refuse) == (0, False)
    assert "不知道是不是同一个人" in found.reason
    with pytest.raises(IllegalTransition):
        await refuse(office, ticket)


@pytest.mark.parametrize(
    ("more", "error", "field"),
    [
        ({"no_new_facts": False}, Missing, "no_new_facts"),
        ({"told": False}, Missing, "told"),
        ({"why": " "}, Missing, "why"),
        ({"actor": THE_MACHINE}, NotAllowed, "role"),
        ({"actor": CLERK}, NotAllowed, "role"),
    ],
    ids=["new facts", "not told", "no reason", "machine", "unit"],
)
async def test_only_a_person_of_the_centre_refuses_with_all_that_is_asked(
    office: Office, more: dict[str, object], error: type[LawError], field: str
) -> None:
    await answered(office, 4)
    ticket = await told_again(office)
    with pytest.raises(error) as refused:
        await refuse(office, ticket, **more)
    assert refused.value.field == field
    assert (await office.ticket(ticket.id)).state == "draft"


async def test_in_turpan_one_answer_is_enough(open_office: Callable[..., Office]) -> None:
    office = open_office(yazhou_with("turpan", "repeats"))
    ticket = await told_again(office)
    assert not (await repetition(office.centre, ticket.id)).may_refuse
    await answered(office, 1)
    found = await repetition(office.centre, ticket.id)
    assert (found.may_refuse, found.limit, found.rule) == (True, None, "TP-10(7)")


async def test_a_document_without_the_rule_refuses_nobody(open_office: Callable[..., Office]) -> None:
    office = open_office(yazhou_with("yazhou", repeats=()))
    await answered(office, 4)
    ticket = await told_again(office)
    assert not (await repetition(office.centre, ticket.id)).may_refuse
    with pytest.raises(Silent):
        await refuse(office, ticket)
