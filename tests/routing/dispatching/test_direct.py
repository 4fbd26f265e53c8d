"""The direct-dispatch list: what goes without an agent, and all that never does (QH-4b)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from routing.dispatching.direct import by_list, dispatch_directly, dispatch_waiting
from routing.dispatching.direct_list import DirectDispatch, Item, load
from routing.dispatching.dispatcher import DirectDispatcher
from routing.storage import Ticket
from settings import ConfigurationError
from tests.routing.dispatching.conftest import yazhous_list
from tests.routing.life.conftest import Office, jurisdiction
from tests.routing.life.reading import history_of, tasks_of
from tests.routing.told import until

LAMP = {"matter": "street_lamp", "event": "路灯坏了三天", "place": "盐灶村口", "intent": "help"}


async def direct(office: Office, ticket: Ticket) -> Ticket | None:
    return await dispatch_directly(office.centre, yazhous_list(), ticket.id, ticket.version)


async def test_an_item_goes_to_its_unit_without_an_agent_and_is_counted_apart(office: Office) -> None:
    ticket = await direct(office, await office.accepted("urban_management", **LAMP))
    assert ticket is not None
    assert (ticket.state, ticket.direct, ticket.lead_unit) == ("dispatched", True, "yz.zhujian")
    (line,) = [one for one in await history_of(office.centre.db, ticket.id) if one.action == "dispatch"]
    assert (line.actor, line.rule) == ("machine", "QH-4b")
    assert "直派清单" in line.why and "推定" in line.why
    by_hand = await office.dispatched(**LAMP)
    assert not by_hand.direct


async def test_an_item_for_the_grid_goes_to_the_unit_of_the_place(office: Office) -> None:
    values = {"matter": "village_affairs", "event": "村务没有公开", "place": "盐灶", "intent": "complaint"}
    ticket = await direct(office, await office.accepted("non_urban_management", **values))
    assert ticket is not None and ticket.lead_unit == "yz.cun.yanzao"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"urgency": "emergency"}, "应急类"),
        ({"place": "某某花园"}, "地点"),
        ({"place": ""}, "地点"),
        ({"matter": "garbage"}, "不在直派清单里"),
        ({"matter": ""}, "事项没有确定"),
        ({"matter": "village_affairs", "place": "崖州区"}, "属地单位不确定"),
    ],
    ids=["emergency", "unknown place", "no place", "not listed", "no matter", "wide place"],
)
async def test_what_needs_a_person_stays_with_people(office: Office, values: dict[str, str], why: str) -> None:
    ticket = await office.accepted("urban_management", **(LAMP | values))
    assert why in (await by_list(office.centre, yazhous_list(), ticket.id)).reason
    assert await direct(office, ticket) is None
    after = await office.ticket(ticket.id)
    assert (after.state, after.version) == ("accepted", ticket.version)


@pytest.mark.parametrize("column", ["identity_secret", "content_secret", "restricted_to"])
async def test_what_is_confidential_stays_with_people(office: Office, column: str) -> None:
    ticket = await office.accepted("urban_management", **LAMP)
    async with office.centre.db.begin() as session:
        setattr(await session.get_one(Ticket, ticket.id), column, "yz.jiwei" if column == "restricted_to" else True)
    assert await direct(office, ticket) is None


async def test_what_may_be_told_a_second_time_stays_with_people(office: Office) -> None:
    first = await office.dispatched(**LAMP)
    ticket = await office.accepted("urban_management", **LAMP)
    assert first.serial in (await by_list(office.centre, yazhous_list(), ticket.id)).reason
    assert await direct(office, ticket) is None


async def test_drafts_and_dispatched_tickets_are_left_alone_and_so_is_everything_without_a_list(office: Office) -> None:
    assert await direct(office, await office.draft(**LAMP)) is None
    ticket = await office.accepted("urban_management", **LAMP)
    assert await dispatch_directly(office.centre, None, ticket.id, ticket.version) is None
    done = await direct(office, ticket)
    assert done is not None
    assert await direct(office, done) is None
    assert len(await tasks_of(office.centre.db, ticket.id)) == 1


async def test_an_inferred_list_is_not_carried_out_by_itself(office: Office) -> None:
    ticket = await office.accepted("urban_management", **LAMP)
    assert await dispatch_waiting(office.centre, yazhous_list()) == []
    await DirectDispatcher(office.centre, yazhous_list(), every_seconds=0.01).run()
    await DirectDispatcher(office.centre, None, every_seconds=0.01).run()
    assert (await office.ticket(ticket.id)).state == "accepted"


async def test_an_issued_list_is_carried_out_while_the_hotline_runs(office: Office) -> None:
    issued = yazhous_list().model_copy(update={"inferred": False})
    listed = await office.accepted("urban_management", **LAMP)
    other = await office.accepted("urban_management", **(LAMP | {"matter": "garbage", "event": "垃圾没人收"}))
    dispatcher = DirectDispatcher(office.centre, issued, every_seconds=0.01)
    running = [asyncio.create_task(one.run()) for one in (dispatcher, dispatcher)]

    async def sent() -> bool:
        return (await office.ticket(listed.id)).state == "dispatched"

    await until(sent)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert dispatcher.trouble == ""
    assert (await office.ticket(other.id)).state == "accepted"
    assert len(await tasks_of(office.centre.db, listed.id)) == 1


def test_an_item_for_a_place_goes_before_one_for_everywhere() -> None:
    everywhere = Item(matter="street_lamp", to="unit", unit="yz.zhujian")
    there = Item(matter="street_lamp", to="grid", places=("保港",))
    found = DirectDispatch(source="x", inferred=True, items=(everywhere, there))
    assert (found.item("street_lamp", "保港"), found.item("street_lamp", "梅山")) == (there, everywhere)
    assert found.item("garbage", "保港") is None


_ITEMS = "lists:\n  yazhou:\n    source: 试\n    inferred: true\n    items:\n      - "


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ("{matter: nothing, to: grid}", "no matter 'nothing'"),
        ("{matter: street_lamp, to: unit}", "'unit' belongs to items"),
        ("{matter: street_lamp, to: grid, unit: yz.zhujian}", "'unit' belongs to items"),
        ("{matter: street_lamp, to: unit, unit: yz.nobody}", "not a member unit"),
        ("{matter: street_lamp, to: unit, unit: sy.municipal.22}", "not a member unit"),
        ("{matter: street_lamp, to: grid, places: [乌有乡]}", "no place '乌有乡'"),
        ("{matter: fire, to: grid}", "emergencies always go through a person"),
        ("{matter: party_discipline, to: unit, unit: yz.jiwei}", "discipline matter"),
        ("{matter: street_lamp, to: grid}\n      - {matter: street_lamp, to: grid}", "listed twice"),
        ("{matter: street_lamp, to: moon}", "'grid' or 'unit'"),
        ("{matter: street_lamp, to: grid, who: me}", "who"),
    ],
    ids=[
        "matter",
        "no unit",
        "unit too",
        "unit",
        "outside unit",
        "place",
        "line",
        "discipline",
        "twice",
        "to",
        "extra",
    ],
)
def test_a_wrong_list_is_refused_with_its_place(tmp_path: Path, item: str, problem: str) -> None:
    file = tmp_path / "direct-dispatch.yaml"
    file.write_text(_ITEMS + item + "\n")
    with pytest.raises(ConfigurationError) as refused:
        load(file, jurisdiction("yazhou"))
    assert problem in str(refused.value) and "direct-dispatch.yaml:" in str(refused.value)


def test_a_jurisdiction_without_a_list_has_none(tmp_path: Path) -> None:
    file = tmp_path / "direct-dispatch.yaml"
    file.write_text("lists: {}\n")
    assert load(file, jurisdiction("yazhou")) is None
