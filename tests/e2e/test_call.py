"""A citizen's call becomes a ticket, with every part real."""

from __future__ import annotations

import asyncio

import aiohttp

from tests.e2e.conftest import LIGHTS, WATER, Scene, scene


async def test_a_call_becomes_a_ticket(hotline: Scene) -> None:
    await hotline.agent("8001")
    calling = hotline.call(LIGHTS, caller="13876543210", seconds=26)
    talking = await hotline.call_when(state="talking", caller_number="13876543210")
    assert talking["agent"] == "8001" and talking["queue"] == "general"
    await hotline.transcript_when(talking["call_id"], "路灯")
    await hotline.transcript_when(talking["call_id"], "请问", speaker="agent")
    assert (await calling).connected
    ended = await hotline.call_when(state="ended")
    assert ended["ended_by"] == "caller"

    ticket = await hotline.ticket_of(talking["call_id"])
    assert (
        ticket["state"] == "draft" and ticket["caller_number"] == "13876543210" and ticket["called_number"] == "12345"
    )
    fields = ticket["fields"]
    assert "保港" in fields["place"]["value"] and fields["place"]["source"] == "machine"
    assert fields["functional_unit"]["value"] == "yz.zhujian"
    assert fields["territorial_unit"]["value"] == "yz.dsq.baogang"
    assert fields["matter"]["value"] and fields["matter"]["words"]
    assert "[unk]" not in str(fields)


async def test_the_agent_hangs_up_first_and_the_caller_hears_a_farewell(hotline: Scene) -> None:
    agent = await hotline.agent("8002")
    calling = hotline.call(WATER, seconds=60)
    await hotline.call_when(state="talking")
    await asyncio.sleep(1)
    await agent.hangup()
    result = await calling
    assert result.connected and result.ended_by == "hotline"
    assert (await hotline.call_when(state="ended"))["ended_by"] == "agent"


async def test_a_caller_who_waits_is_heard_and_keeps_waiting_until_an_agent_comes(hotline: Scene) -> None:
    hotline.call(WATER, seconds=60)
    waiting = await hotline.call_when(state="waiting")
    await hotline.transcript_when(waiting["call_id"], "停水")  # before anybody has answered
    await hotline.agent("8003")
    talking = await hotline.call_when(state="talking")
    assert talking["call_id"] == waiting["call_id"]


async def test_a_caller_who_was_missed_goes_first(hotline: Scene) -> None:
    first = hotline.call(WATER, caller="13900000001", seconds=9)
    assert (await first).connected
    await hotline.call_when(state="ended", caller_number="13900000001")
    hotline.call(WATER, caller="13900000002", seconds=60)
    await hotline.call_when(state="waiting", caller_number="13900000002")
    hotline.call(WATER, caller="13900000001", seconds=60)
    await hotline.call_when(state="waiting", caller_number="13900000001")
    await hotline.agent("8001")
    assert (await hotline.call_when(state="talking"))["caller_number"] == "13900000001"


async def test_a_number_that_is_not_ours_is_not_found(hotline: Scene) -> None:
    for number in ("110", "8001", "0085212345678", "*110", "12346"):
        result = await hotline.call(called=number, seconds=3)
        assert (result.outcome, result.sip_code) == ("rejected", 404), number
    assert await hotline.calls() == []


async def test_without_a_speech_model_the_call_runs_and_the_desk_says_so() -> None:
    async with scene({"listening.model": "vosk-model-small-cn-0.22"}) as hotline:
        await hotline.agent("8001")
        calling = hotline.call(LIGHTS, seconds=20)
        talking = await hotline.call_when(state="talking")
        assert (await calling).connected
        async with aiohttp.ClientSession() as session, session.get(hotline.instance.web + "/healthz") as answer:
            assert answer.status == 200  # calls can be taken and tickets kept
            assert (await answer.json())["parts"]["speech"] == "no_model"
        call = await hotline.instance.api(f"/api/calls/{talking['call_id']}")
        assert call["transcript"] == []
        assert {leg["listening"]["state"] for leg in call["legs"]} == {"no_model"}
        assert "server.py models install" in str(call["legs"])
        assert (await hotline.ticket_of(talking["call_id"]))["caller_number"] == "13800138000"


async def test_the_counters_of_all_processes_are_shown(hotline: Scene) -> None:
    assert (await hotline.call(WATER, seconds=18)).connected
    await hotline.call_when(state="ended")
    async with aiohttp.ClientSession() as session, session.get(hotline.instance.web + "/metrics") as answer:
        lines = (await answer.text()).split("\n")
    shown = dict(line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    assert float(shown["hotline_ami_connected"]) == 1  # of the server
    assert float(shown['hotline_fastagi_sessions_total{flow="welcome",outcome="done"}']) == 1
    assert float(shown["hotline_listening_decoded_seconds_total"]) > 0  # of the listening process


async def test_an_agent_leaves_the_queue_by_telephone_and_comes_back(hotline: Scene) -> None:
    """*0 and *1 need no Python: the dialplan alone does it."""
    agent = await hotline.agent("8001")
    await agent.dial("*0")
    await agent.wait_until_idle(20)
    hotline.call(WATER, seconds=60)
    waiting = await hotline.call_when(state="waiting")
    assert "8001" in (paused := await hotline.console("queue show q-general")) and "paused:agent" in paused
    assert (await hotline.calls(call_id=waiting["call_id"]))[0]["state"] == "waiting"
    await agent.dial("*1")
    talking = await hotline.call_when(state="talking")
    assert talking["call_id"] == waiting["call_id"] and talking["agent"] == "8001"
