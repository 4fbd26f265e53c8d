"""Merging what several callers tell; every caller stays, nothing is lost, and it can be undone (国办函〔2025〕66号)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from routing.dispatching import merging
from routing.dispatching.merging import candidates
from routing.life import dispatch
from routing.life.errors import BadValue, IllegalTransition, LawError, Missing, NotAllowed
from routing.life.parts import opened, parts_of, whole_of
from routing.life.tables import TicketLink
from routing.storage import Ticket
from routing.tickets import NoSuchTicket, TicketChanged
from tests.routing.dispatching.conftest import of_caller
from tests.routing.life.conftest import AGENT, CLERK, MANAGER, ZHUJIAN, Office
from tests.routing.life.mixed_law import yazhou_with
from tests.routing.life.reading import everything_of, history_of

LAMP = {"matter": "street_lamp", "event": "路灯坏了三天", "place": "盐灶村口"}


async def test_an_open_ticket_of_the_same_matter_and_place_is_found_by_its_sound(office: Office) -> None:
    open_one = await office.dispatched(**LAMP)
    await office.dispatched(**(LAMP | {"place": "保港"}))
    await office.dispatched(**(LAMP | {"matter": "garbage", "event": "垃圾没人收"}))
    new = await office.draft(**(LAMP | {"place": "严造村口", "event": "村口路灯不亮"}))
    (found,) = await candidates(office.centre, new.id)
    assert (found.ticket_id, found.serial, found.lead_unit) == (open_one.id, open_one.serial, ZHUJIAN)
    assert any("盐灶村" in reason for reason in found.reasons)


@pytest.mark.parametrize("end", ["reviewed", "draft", "restricted"])
async def test_what_is_done_or_hidden_is_not_offered(office: Office, end: str) -> None:
    if end == "reviewed":
        await office.reviewed(**LAMP)
    elif end == "draft":
        await office.draft(**LAMP)
    else:
        ticket = await office.dispatched(**LAMP)
        async with office.centre.db.begin() as session:
            (await session.get_one(Ticket, ticket.id)).restricted_to = "yz.jiwei"
    assert await candidates(office.centre, (await office.draft(**LAMP)).id) == []


async def test_a_merged_ticket_keeps_its_caller_and_both_histories_say_so(office: Office) -> None:
    whole = await office.dispatched(**LAMP)
    part = await of_caller(office, await office.draft(**LAMP), "caller-b")
    merged = await merging.merge(office.centre, part.id, part.version, whole.id, AGENT)
    assert (merged.state, merged.caller_key, merged.matter, merged.place) == (
        "merged",
        "caller-b",
        "street_lamp",
        "盐灶村",
    )
    after = await office.ticket(whole.id)
    assert (after.state, after.version) == (whole.state, whole.version + 1)
    (line,) = [one for one in await history_of(office.centre.db, part.id) if one.action == "merge"]
    assert (line.before, line.after) == ("draft", "merged") and "国办函〔2025〕66号" in line.why
    (line,) = [one for one in await history_of(office.centre.db, whole.id) if one.action == "link"]
    assert (line.field, line.after) == ("merged", part.serial)
    async with office.centre.db.session() as session:
        assert [one.id for one in await parts_of(session, whole.id)] == [part.id]
        assert await whole_of(session, part.id) == whole.id


async def test_what_was_merged_into_a_part_belongs_to_the_whole(office: Office) -> None:
    first, second, third = await office.accepted(**LAMP), await office.accepted(**LAMP), await office.draft(**LAMP)
    await merging.merge(office.centre, third.id, third.version, second.id, AGENT)
    second = await office.ticket(second.id)
    await merging.merge(office.centre, second.id, second.version, first.id, AGENT)
    async with office.centre.db.session() as session:
        assert {one.id for one in await parts_of(session, first.id)} == {second.id, third.id}
        assert await whole_of(session, third.id) == first.id


async def test_merging_can_be_undone(office: Office) -> None:
    whole, part = await office.dispatched(**LAMP), await office.accepted(**LAMP)
    part = await merging.merge(office.centre, part.id, part.version, whole.id, AGENT)
    with pytest.raises(Missing):
        await merging.unmerge(office.centre, part.id, part.version, AGENT, why="")
    part = await merging.unmerge(office.centre, part.id, part.version, AGENT, why="是另一盏灯")
    assert part.state == "accepted"
    part = await dispatch.dispatch(office.centre, part.id, part.version, AGENT, lead=ZHUJIAN)
    async with office.centre.db.session() as session:
        assert await parts_of(session, whole.id) == []
        assert await session.scalar(select(func.count()).select_from(TicketLink)) == 0
    lines = [(one.field, one.after) for one in await history_of(office.centre.db, whole.id) if one.action == "link"]
    assert lines == [("merged", part.serial), ("unmerged", part.serial)]
    with pytest.raises(IllegalTransition):
        await merging.unmerge(office.centre, part.id, part.version, AGENT, why="再来一次")


async def test_the_same_caller_in_turpan_gets_no_second_ticket(open_office: Callable[..., Office]) -> None:
    office = open_office(yazhou_with("turpan", "repeats"))
    whole = await of_caller(office, await office.dispatched(**LAMP), "a")
    again = await of_caller(office, await office.draft(**(LAMP | {"place": ""})), "a")
    (found,) = await candidates(office.centre, again.id)
    assert (found.ticket_id, found.same_caller) == (whole.id, True)
    await merging.merge(office.centre, again.id, again.version, whole.id, AGENT)
    (line,) = [one for one in await history_of(office.centre.db, again.id) if one.action == "merge"]
    assert (line.rule, line.why) == ("TP-10(7)", "同一诉求人的同一事项正在办理")


async def test_nothing_is_merged_into_what_is_closed(office: Office) -> None:
    whole, part = await office.reviewed(**LAMP), await office.draft(**LAMP)
    before = await everything_of(office.centre.db, part.id)
    with pytest.raises(IllegalTransition, match="不能并入"):
        await merging.merge(office.centre, part.id, part.version, whole.id, AGENT)
    assert await everything_of(office.centre.db, part.id) == before
    working = await office.dispatched(**LAMP)
    with pytest.raises(IllegalTransition, match="不能“并入另一工单”"):
        await merging.merge(office.centre, working.id, working.version, (await office.dispatched(**LAMP)).id, AGENT)


@pytest.mark.parametrize(
    ("values", "column", "rule"),
    [
        ({"urgency": "emergency"}, None, "YZ-14(4)"),
        ({"intent": "report"}, None, "YZ-22"),
        ({}, ("content_secret", True), "YZ-26"),
        ({}, ("restricted_to", "yz.jiwei"), "YZ-14(5)"),
    ],
    ids=["emergency", "report", "secret", "discipline"],
)
async def test_a_merge_that_would_lose_something_is_refused(
    office: Office, values: dict[str, str], column: tuple[str, object] | None, rule: str
) -> None:
    whole, part = await office.dispatched(**LAMP), await office.draft(**(LAMP | values))
    if column is not None:
        async with office.centre.db.begin() as session:
            row = await session.get_one(Ticket, part.id)
            setattr(row, *column)
            row.accepted_by = AGENT.name  # a discipline matter exists for whoever took it in, and for no other agent
    with pytest.raises(BadValue) as refused:
        await merging.merge(office.centre, part.id, part.version, whole.id, AGENT)
    assert (refused.value.rule, refused.value.field) == (rule, "into_id")
    assert (await office.ticket(part.id)).state == "draft"


async def test_who_may_not_and_what_is_not_there(office: Office) -> None:
    whole, part = await office.dispatched(**LAMP), await office.draft(**LAMP)
    errors: list[tuple[type[Exception], object]] = [
        (NotAllowed, merging.merge(office.centre, part.id, part.version, whole.id, CLERK)),
        (NoSuchTicket, merging.merge(office.centre, part.id, part.version, "nowhere", AGENT)),
        (NoSuchTicket, merging.merge(office.centre, "nowhere", 1, whole.id, AGENT)),
        (BadValue, merging.merge(office.centre, whole.id, whole.version, whole.id, AGENT)),
        (TicketChanged, merging.merge(office.centre, part.id, part.version - 1, whole.id, AGENT)),
        (BadValue, merging.merge(office.centre, part.id, part.version, whole.id, AGENT, why="x" * 1_000_000)),
        (BadValue, merging.merge(office.centre, part.id, part.version, whole.id, AGENT, why="a\x07b")),
        (BadValue, merging.link(office.centre, part.id, part.version, whole.id, AGENT, kind="married")),
        (NoSuchTicket, candidates(office.centre, "nowhere")),
    ]
    for error, attempt in errors:
        with pytest.raises(error):
            await attempt  # type: ignore[misc]
    assert (await office.ticket(part.id)).version == part.version


async def test_of_two_who_merge_at_once_one_wins(office: Office) -> None:
    first, second, part = (await office.dispatched(**LAMP), await office.dispatched(**LAMP), await office.draft(**LAMP))
    results = await asyncio.gather(
        merging.merge(office.centre, part.id, part.version, first.id, AGENT),
        merging.merge(office.centre, part.id, part.version, second.id, MANAGER),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in results) == ["Ticket", "TicketChanged"]
    async with office.centre.db.session() as session:
        assert await session.scalar(select(func.count()).select_from(TicketLink)) == 1


async def test_merging_each_into_the_other_at_once_makes_no_circle(office: Office) -> None:
    one, other = await office.accepted(**LAMP), await office.accepted(**LAMP)
    results = await asyncio.gather(
        merging.merge(office.centre, one.id, one.version, other.id, AGENT),
        merging.merge(office.centre, other.id, other.version, one.id, MANAGER),
        return_exceptions=True,
    )
    assert sum(isinstance(result, Ticket) for result in results) == 1
    assert sum(isinstance(result, LawError | TicketChanged) for result in results) == 1
    states = {(await office.ticket(ticket.id)).state for ticket in (one, other)}
    assert states == {"accepted", "merged"}


async def test_two_that_both_go_on_are_linked_once(office: Office) -> None:
    one, other = await office.dispatched(**LAMP), await office.dispatched(**LAMP)
    linked = await merging.link(office.centre, one.id, one.version, other.id, AGENT, why="同一事项已分别派单")
    again = await merging.link(office.centre, one.id, linked.version, other.id, AGENT)
    assert again.version == linked.version
    async with office.centre.db.session() as session:
        (link,) = await session.scalars(select(TicketLink))
        assert (link.kind, link.by) == ("repeats", AGENT.name)
    async with opened(office.centre, one.id, again.version, AGENT) as (part, whole):
        assert part is whole
