"""A caller who waits and speaks of danger: the line is named, and called unless they press *; nobody else is moved.

The recogniser is the demonstration model, so these callers speak in a synthetic voice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from front.station import Station
from ivr.events import LinkageAsked, OfferDeclined
from tests.e2e.conftest import Scene
from tests.e2e.linkage_scene import Linkages, joined, linked_hotline

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRE = "着火了着火了"
LAMPS = "保港的路灯坏了没有着火"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[tuple[Scene, Station]]:
    async with linked_hotline({"listening.enabled": "true"}) as hotline:
        yield hotline


@pytest_asyncio.fixture(loop_scope="module")
async def it(running: tuple[Scene, Station]) -> AsyncIterator[Linkages]:
    scene, station = running
    async with AsyncExitStack() as stack:
        yield Linkages(scene.instance, station, stack)


async def test_the_line_is_called_when_the_caller_does_not_say_no(it: Linkages) -> None:
    call_id = await it.calling(say=FIRE, pause=4)
    told = await it.until(call_id, lambda told: joined(told, "119"), seconds=90)
    asked = [event for event in told if isinstance(event, LinkageAsked)]
    assert [(event.by, event.via) for event in asked] == [("caller", "speech")]
    await it.together(call_id, "caller", "119")
    # And an agent is rung into it, before all others.
    await it.scene.agent("8001", says=None)
    await it.together(call_id, "8001", "caller", "119", seconds=60)
    ticket = await it.scene.ticket_of(call_id)
    assert ticket["fields"]["urgency"]["value"] == "guide"


async def test_who_says_no_goes_on_waiting(it: Linkages) -> None:
    phone = await it.citizen("13700000001", says="你好我想反映一下" + FIRE)
    call_id = str((await it.scene.call_when(caller_number="13700000001"))["call_id"])

    async def offered() -> bool:
        return "119" in await it.scene.console(f"database get linked/{call_id} offer")

    await it.scene.eventually(offered, 90)
    await phone.press("*")
    told = await it.until(call_id, lambda told: any(isinstance(event, OfferDeclined) for event in told))
    assert not any(isinstance(event, LinkageAsked) for event in told)
    assert await it.scene.call_when(call_id=call_id, state="waiting")


async def test_an_agent_who_answers_decides(it: Linkages) -> None:
    agent = await it.scene.agent("8001", says=None)
    call_id = await it.calling(say=FIRE, pause=4, state="talking")
    await it.scene.transcript_when(call_id, "着火")
    ticket = await it.scene.ticket_of(call_id)
    assert [line["id"] for line in ticket["proposals"]["emergency_line"]][:1] == ["119"]
    assert not any(isinstance(event, LinkageAsked) for event in await it.told(call_id))
    await agent.hangup()


async def test_no_fire_calls_nobody(it: Linkages) -> None:
    call_id = await it.calling(say=LAMPS, pause=4)
    await it.scene.transcript_when(call_id, "路灯")
    assert not any(isinstance(event, LinkageAsked) for event in await it.told(call_id))
    assert "offer" not in await it.scene.console(f"database show linked/{call_id}")
