"""A caller who waits and speaks of danger: the line is named, and called unless they press *; nobody else is moved.

The recogniser is the demonstration model, so these callers speak in a synthetic voice.
"""

from __future__ import annotations

import pytest

from ivr.events import LinkageAsked, OfferDeclined
from tests.e2e.linkage.scene import Linkages, joined

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"listening.enabled": "true"}
FIRE = "着火了着火了"
LAMPS = "保港的路灯坏了没有着火"


async def test_the_line_is_called_when_the_caller_does_not_say_no(linkages: Linkages) -> None:
    call_id = await linkages.calling(say=FIRE, pause=4)
    told = await linkages.until(call_id, lambda told: joined(told, "119"), seconds=90)
    asked = [event for event in told if isinstance(event, LinkageAsked)]
    assert [(event.by, event.via) for event in asked] == [("caller", "speech")]
    await linkages.together(call_id, "caller", "119")
    # And an agent is rung into it, before all others.
    await linkages.scene.agent("8001", says=None)
    await linkages.together(call_id, "8001", "caller", "119", seconds=60)
    ticket = await linkages.scene.ticket_of(call_id)
    assert ticket["fields"]["urgency"]["value"] == "guide"


async def test_who_says_no_goes_on_waiting(linkages: Linkages) -> None:
    phone = await linkages.citizen("13700000001", says="你好我想反映一下" + FIRE)
    call_id = str((await linkages.scene.call_when(caller_number="13700000001"))["call_id"])

    async def offered() -> bool:
        return "119" in await linkages.scene.console(f"database get linked/{call_id} offer")

    await linkages.scene.eventually(offered, 90)
    await phone.press("*")
    told = await linkages.until(call_id, lambda told: any(isinstance(event, OfferDeclined) for event in told))
    assert not any(isinstance(event, LinkageAsked) for event in told)
    assert await linkages.scene.call_when(call_id=call_id, state="waiting")


async def test_an_agent_who_answers_decides(linkages: Linkages) -> None:
    agent = await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(say=FIRE, pause=4, state="talking")
    await linkages.scene.transcript_when(call_id, "着火")
    ticket = await linkages.scene.ticket_of(call_id)
    assert [line["id"] for line in ticket["proposals"]["emergency_line"]][:1] == ["119"]
    assert not any(isinstance(event, LinkageAsked) for event in await linkages.told(call_id))
    await agent.hangup()


async def test_no_fire_calls_nobody(linkages: Linkages) -> None:
    call_id = await linkages.calling(say=LAMPS, pause=4)
    await linkages.scene.transcript_when(call_id, "路灯")
    assert not any(isinstance(event, LinkageAsked) for event in await linkages.told(call_id))
    assert "offer" not in await linkages.scene.console(f"database show linked/{call_id}")
