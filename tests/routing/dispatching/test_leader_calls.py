"""Leaders answer calls themselves: marked, and given to the leader's unit (TP-11)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from routing.dispatching import leader_calls
from routing.dispatching.tables import LeaderSession
from routing.life.errors import BadTime, BadValue, IllegalTransition, Missing, NotAllowed, Silent
from tests.routing.life.conftest import AGENT, CLERK, MONDAY, OFFICE, ZHIFA, Office
from tests.routing.life.mixed_law import yazhou_with
from tests.routing.life.reading import history_of


@pytest.fixture
def turpan(open_office: Callable[..., Office]) -> Office:
    return open_office(yazhou_with("turpan", "leader_sessions"))


async def planned(office: Office, **more: object) -> LeaderSession:
    given = {"leader": "陈副市长", "unit": ZHIFA, "starts_at": MONDAY, "ends_at": MONDAY + timedelta(hours=2)} | more
    return await leader_calls.plan(office.centre, given.pop("actor", OFFICE), **given)  # type: ignore[arg-type]


async def test_what_a_leader_takes_goes_to_the_leaders_unit(turpan: Office) -> None:
    session = await planned(turpan)
    ticket = await turpan.draft()
    ticket = await leader_calls.take(turpan.centre, ticket.id, ticket.version, session.id, AGENT)
    (line,) = [one for one in await history_of(turpan.centre.db, ticket.id) if one.field == "leader_call"]
    assert (line.rule, line.after) == ("TP-11", ZHIFA)
    assert await leader_calls.unit_of(turpan.centre, ticket.id) == ZHIFA
    (taken,) = await leader_calls.taken(turpan.centre, MONDAY, MONDAY + timedelta(days=1))
    assert (taken.ticket_id, taken.leader, taken.key_matter) == (ticket.id, "陈副市长", False)
    assert await leader_calls.taken(turpan.centre, MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)) == []
    with pytest.raises(IllegalTransition, match="已登记"):
        await leader_calls.take(turpan.centre, ticket.id, ticket.version, session.id, AGENT)


async def test_other_calls_only_as_a_key_matter(turpan: Office) -> None:
    session = await planned(turpan)
    turpan.clock.forward(hours=5)
    ticket = await turpan.draft()
    with pytest.raises(IllegalTransition, match="不在这次活动的时间里"):
        await leader_calls.take(turpan.centre, ticket.id, ticket.version, session.id, AGENT)
    await leader_calls.take(turpan.centre, ticket.id, ticket.version, session.id, AGENT, key_matter=True)
    assert await leader_calls.unit_of(turpan.centre, (await turpan.draft()).id) == ""


@pytest.mark.parametrize(
    ("more", "error", "field"),
    [
        ({"leader": ""}, Missing, "leader"),
        ({"unit": "nobody"}, BadValue, "unit"),
        ({"ends_at": MONDAY}, BadTime, "ends_at"),
        ({"starts_at": datetime(2026, 3, 2, 9)}, BadTime, "starts_at"),
        ({"actor": AGENT}, NotAllowed, "role"),
        ({"actor": CLERK}, NotAllowed, "role"),
    ],
    ids=["leader", "unit", "end", "zone", "agent", "clerk"],
)
async def test_a_wrong_session_is_refused(
    turpan: Office, more: dict[str, object], error: type[Exception], field: str
) -> None:
    with pytest.raises(error) as refused:
        await planned(turpan, **more)
    assert getattr(refused.value, "field", "") == field
    ticket = await turpan.draft()
    with pytest.raises(BadValue):
        await leader_calls.take(turpan.centre, ticket.id, ticket.version, 1, AGENT)


async def test_yazhou_has_none(office: Office) -> None:
    with pytest.raises(Silent):
        await planned(office)
