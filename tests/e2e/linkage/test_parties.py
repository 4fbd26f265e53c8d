"""The three-line linkage with real telephones: parties that come, leave, and are cut off in every order.

One hotline serves all tests of this file, one after the other; each has a call, and agents, of its own.
"""

from __future__ import annotations

import asyncio
import re
import wave

import pytest

from ivr.commands import CommandRefused, DropLine, EndLinkage, LeaveLinkage, LinkLines
from ivr.events import AgentAnswered, CallEnded, LinkageAsked, LinkageEnded
from tests.e2e.linkage.scene import Linkages, attempts, joined, kinds, left

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_lines_are_added_one_by_one_and_taken_out(linkages: Linkages) -> None:
    call_id = await linkages.talking()
    for count, line in enumerate(("119", "120", "110"), start=1):
        await linkages.ask(LinkLines(call_id=call_id, lines=(line,), who="8001"))
        await linkages.together(call_id, "caller", "8001", *("119", "120", "110")[:count])
    await linkages.ask(DropLine(call_id=call_id, line="120"))
    await linkages.together(call_id, "caller", "8001", "119", "110")
    told = await linkages.until(call_id, lambda told: left(told, "120"))
    assert left(told, "120") == ["taken_out"]
    # It may come back.
    await linkages.ask(LinkLines(call_id=call_id, lines=("120",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119", "120", "110")
    # Taking out what is not there is done already.
    assert (await linkages.ask(DropLine(call_id=call_id, line="122"))).code == "done"


async def test_the_same_button_twice_is_one_line(linkages: Linkages) -> None:
    call_id = await linkages.talking()
    command = LinkLines(call_id=call_id, lines=("119",), who="8001")
    again = LinkLines(call_id=call_id, lines=("119", "119"), who="8001")
    before = len(linkages.station.invites("119"))
    await asyncio.gather(linkages.ask(command), linkages.ask(again))
    await linkages.together(call_id, "caller", "8001", "119")
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    assert len(linkages.station.invites("119")) == before + 1
    assert await linkages.members(call_id) == ["119", "8001", "caller"]


async def test_a_command_is_carried_out_once(linkages: Linkages) -> None:
    call_id = await linkages.talking()
    command = LinkLines(call_id=call_id, lines=("119",), who="8001")
    await linkages.ask(command)
    await linkages.redis.publish("hotline:commands", command.id)  # heard twice
    await linkages.together(call_id, "caller", "8001", "119")
    assert kinds(await linkages.told(call_id)).count("linkage_asked") == 1


@pytest.mark.parametrize(("code", "lines"), [("*119", ["119"]), ("*110*120", ["110", "120"])])
async def test_the_agents_feature_code(linkages: Linkages, code: str, lines: list[str]) -> None:
    agent = await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    for one in code.split("*")[1:]:
        await agent.press("*" + one)
        # A code is taken in the call, the next one in the conference.
        await linkages.until(call_id, lambda told, one=one: joined(told, one))  # type: ignore[misc]
    await linkages.together(call_id, "caller", "8001", *lines)
    asked = [event for event in await linkages.told(call_id) if isinstance(event, LinkageAsked)]
    assert [(list(e.lines), e.by, e.via, e.who) for e in asked] == [
        ([n], "agent", "feature_code", "8001") for n in lines
    ]


async def test_the_caller_hangs_up_first_and_nobody_is_left(linkages: Linkages) -> None:
    call_id = await linkages.talking()
    await linkages.ask(LinkLines(call_id=call_id, lines=("119", "120"), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119", "120")
    linkages.call.cancel()
    told = await linkages.until(call_id, lambda told: "call_ended" in kinds(told) and left(told, "120"))
    await linkages.all_gone(call_id)
    assert left(told, linkages.caller) == ["ended"] and left(told, "119") == ["ended"]
    (ended,) = [event for event in told if isinstance(event, CallEnded)]
    assert ended.by == "caller"
    (over,) = [event for event in told if isinstance(event, LinkageEnded)]
    recording = linkages.instance.data / "recordings" / over.recording
    with wave.open(str(recording), "rb") as file:
        assert file.getnframes() > 0


async def test_the_caller_hangs_up_while_the_line_still_rings(linkages: Linkages) -> None:
    await linkages.dials("119", "119183")
    call_id = await linkages.talking()
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.until(call_id, lambda told: "line_attempt" in kinds(told))
    linkages.call.cancel()
    told = await linkages.until(call_id, lambda told: attempts(told, "119")[-1:] == [("119183", "cancelled")])
    await linkages.all_gone(call_id)
    assert "linkage_ended" in kinds(told)


async def test_the_agent_is_cut_off_and_another_one_is_rung_to_caller_and_line(linkages: Linkages) -> None:
    agent = await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119")
    await agent.stop()
    await linkages.scene.agent("8002", says=None)
    await linkages.together(call_id, "caller", "8002", "119")
    told = await linkages.told(call_id)
    assert left(told, "8001") == ["dropped"]
    assert [event.agent for event in told if isinstance(event, AgentAnswered)] == ["8001", "8002"]
    assert not linkages.call.done()
    # The second one gets on like the first.
    linkages.call.cancel()
    told = await linkages.until(call_id, lambda told: "call_ended" in kinds(told))
    assert [event.by for event in told if isinstance(event, CallEnded)] == ["caller"]
    await linkages.all_gone(call_id)


@pytest.mark.parametrize("how", ["desk", "telephone"])
async def test_the_agent_leaves_and_caller_and_line_stay(linkages: Linkages, how: str) -> None:
    agent = await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119")
    if how == "desk":
        await linkages.ask(LeaveLinkage(call_id=call_id, who="8001"))
    else:
        await agent.press("*#")
    await linkages.together(call_id, "caller", "119")
    await agent.wait_until_idle(20)
    told = await linkages.told(call_id)
    assert left(told, "8001") == ["left"]
    assert (await linkages.members(call_id)) == ["119", "caller"]  # nobody else was rung
    with pytest.raises(CommandRefused) as refused:
        await linkages.ask(LeaveLinkage(call_id=call_id, who="8001"))
    assert refused.value.code == "agent_needed"


async def test_the_line_ends_after_the_agent_has_left_and_the_caller_gets_an_agent(linkages: Linkages) -> None:
    agent = await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    await linkages.ask(LinkLines(call_id=call_id, lines=("120",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "120")
    await linkages.ask(LeaveLinkage(call_id=call_id))
    await linkages.together(call_id, "caller", "120")
    await agent.stop()
    await linkages.scene.agent("8002", says=None)
    await linkages.ask(DropLine(call_id=call_id, line="120"))
    await linkages.together(call_id, "caller", "8002")


async def test_the_agent_hangs_up_when_the_lines_are_gone_and_the_caller_hears_the_farewell(linkages: Linkages) -> None:
    agent = await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    await linkages.ask(LinkLines(call_id=call_id, lines=("120",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "120")
    await linkages.ask(DropLine(call_id=call_id, line="120"))
    await linkages.together(call_id, "caller", "8001")
    await agent.hangup()
    result = await asyncio.wait_for(linkages.call, 30)
    assert result.connected and result.ended_by == "hotline"
    told = await linkages.until(call_id, lambda told: "call_ended" in kinds(told))
    assert [event.by for event in told if isinstance(event, CallEnded)] == ["agent"]


async def test_ended_for_all(linkages: Linkages) -> None:
    agent = await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    with pytest.raises(CommandRefused) as refused:
        await linkages.ask(EndLinkage(call_id=call_id, who="8001"))
    assert refused.value.code == "no_linkage"
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119")
    await linkages.ask(EndLinkage(call_id=call_id, who="8001"))
    result = await asyncio.wait_for(linkages.call, 30)
    assert result.ended_by == "hotline"
    # The citizen's carrier has noticed nothing of all that: no re-INVITE, nobody else's number.
    assert not re.search(r"message received [^\n]*\n\s*INVITE ", result.log.read_text(errors="replace"))
    assert "sip:8001@" not in result.log.read_text(errors="replace")
    await agent.wait_until_idle(20)
    await linkages.all_gone(call_id)


async def test_two_linkages_at_once_do_not_mix(linkages: Linkages) -> None:
    first = await linkages.talking(caller="13800138001", agent="8001")
    one = linkages.call
    second = await linkages.talking(caller="13800138002", agent="8002")
    await asyncio.gather(
        linkages.ask(LinkLines(call_id=first, lines=("119", "120"), who="8001")),
        linkages.ask(LinkLines(call_id=second, lines=("119",), who="8002")),
    )
    talkers = {first: await _agent_of(linkages, first), second: await _agent_of(linkages, second)}
    assert set(talkers.values()) == {"8001", "8002"}
    await linkages.together(first, "caller", talkers[first], "119", "120")
    await linkages.together(second, "caller", talkers[second], "119")
    one.cancel()
    await linkages.all_gone(first)
    assert await linkages.members(second) == sorted(["caller", talkers[second], "119"])


async def _agent_of(linkages: Linkages, call_id: str) -> str:
    return next(event.agent for event in await linkages.told(call_id) if isinstance(event, AgentAnswered))


async def test_asked_for_as_the_caller_hangs_up(linkages: Linkages) -> None:
    agent = await linkages.scene.agent("8001", says=None)
    for number in range(3):
        call_id = await linkages.calling(caller=f"1380013810{number}", state="talking")
        asking = asyncio.create_task(linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001")))
        await asyncio.sleep(number * 0.003)  # whichever comes first, all of it must end
        linkages.call.cancel()
        try:
            await asking
        except CommandRefused as refused:
            assert refused.code == "no_such_call"
        await linkages.until(call_id, lambda told: "call_ended" in kinds(told))
        await linkages.all_gone(call_id)
        await agent.wait_until_idle(20)
        if "linkage_asked" in kinds(await linkages.told(call_id)):
            await linkages.until(call_id, lambda told: "linkage_ended" in kinds(told))
