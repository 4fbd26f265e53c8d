"""One call that tells of two matters becomes two tickets (TP-12(3))."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select

from routing.dispatching import splitting
from routing.life import dispatch, intake
from routing.life.errors import Missing, NotAllowed
from routing.life.tables import TicketLink
from routing.storage import Ticket
from routing.tickets import Actor, BadField, NoSuchTicket
from tests.routing.dispatching.conftest import of_caller
from tests.routing.life.conftest import AGENT, CLERK, Office
from tests.routing.life.mixed_law import yazhou_with
from tests.routing.life.reading import history_of

GARBAGE = {"event": "垃圾没人收", "matter": "garbage", "intent": "complaint"}


async def test_the_second_matter_gets_a_ticket_and_keeps_the_caller(open_office: Callable[..., Office]) -> None:
    office = open_office(yazhou_with("turpan", "joint"))
    first = await of_caller(office, await office.draft(matter="street_lamp", person="符先生"), "a")
    async with office.centre.db.begin() as session:
        (await session.get_one(Ticket, first.id)).identity_secret = True
    made = await splitting.split(office.centre, first.id, first.version, AGENT, GARBAGE)
    assert (made.state, made.caller_key, made.identity_secret) == ("draft", "a", True)
    values = {name: made.fields[name]["value"] for name in ("event", "place", "person", "matter")}
    assert values == {"event": "垃圾没人收", "place": "保港", "person": "符先生", "matter": "garbage"}
    async with office.centre.db.session() as session:
        (link,) = await session.scalars(select(TicketLink))
    assert (link.ticket_id, link.to_ticket_id, link.kind) == (made.id, first.id, "split")
    (line,) = [one for one in await history_of(office.centre.db, first.id) if one.action == "link"]
    assert line.after == made.serial and line.rule.startswith("TP-12")
    for ticket, lead in ((await office.ticket(first.id), "yz.zhujian"), (made, "yz.huanwei")):
        taken = await intake.accept_draft(office.centre, ticket.id, ticket.version, AGENT)
        sent = await dispatch.dispatch(office.centre, taken.id, taken.version, AGENT, lead=lead)
        assert sent.state == "dispatched"


async def test_a_discipline_matter_is_split_by_whoever_took_it_in_and_stays_one(office: Office) -> None:
    first = await office.accepted()
    async with office.centre.db.begin() as session:
        (await session.get_one(Ticket, first.id)).restricted_to = "yz.jiwei"
    other = Actor("李坐席", "agent")
    with pytest.raises(NoSuchTicket) as refused:
        await splitting.split(office.centre, first.id, first.version, other, GARBAGE)
    with pytest.raises(NoSuchTicket) as unknown:
        await splitting.split(office.centre, "x" * 36, first.version, other, GARBAGE)
    assert str(refused.value).replace(first.id, "") == str(unknown.value).replace("x" * 36, "")
    made = await splitting.split(office.centre, first.id, first.version, AGENT, GARBAGE)
    assert made.restricted_to == "yz.jiwei"


async def test_nonsense_makes_no_ticket(office: Office) -> None:
    first = await office.draft()
    for values, error in (({}, Missing), ({"event": " "}, Missing), (GARBAGE | {"matter": "nothing"}, BadField)):
        with pytest.raises(error):
            await splitting.split(office.centre, first.id, first.version, AGENT, values)
    with pytest.raises(NotAllowed):
        await splitting.split(office.centre, first.id, first.version, CLERK, GARBAGE)
    async with office.centre.db.session() as session:
        assert len((await session.scalars(select(Ticket.id))).all()) == 1
