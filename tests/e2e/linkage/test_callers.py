"""The three-line linkage with real telephones: callers who wait, what they hear and may press, what goes along.

One hotline serves all tests of this file, one after the other; each has a call, and agents, of its own.
"""

from __future__ import annotations

import asyncio
import html
import re
import wave
from pathlib import Path

import pytest

from front.station import tone_level
from ivr import voice
from ivr.commands import CommandRefused, LeaveLinkage, LinkLines, Mute, OfferLines, RehearseLine, Unmute, Whisper
from ivr.events import CallArrived, CallQueued, LinkageAsked, PartyMuted
from tests.e2e.linkage.scene import Linkages, kinds
from tests.e2e.raw_sip import RawCaller

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_waiting_caller_is_linked_and_goes_to_the_head_of_the_queue(linkages: Linkages) -> None:
    """Asked for from the desk (or by the words that were heard) while nobody has answered yet."""
    await linkages.calling(caller="13800138003")  # waits longer
    call_id = await linkages.calling(caller="13800138004")
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), by="hotline", via="speech"))
    await linkages.together(call_id, "caller", "119")
    # What is heard now is asked for at once: in the conference there is no key to say no with.
    await linkages.ask(OfferLines(call_id=call_id, lines=("119", "120"), words="有人受伤"))
    await linkages.together(call_id, "caller", "119", "120")
    await linkages.scene.agent("8001", says=None)
    await linkages.together(call_id, "caller", "8001", "119", "120")
    told = await linkages.told(call_id)
    asked = [(e.lines, e.by, e.via) for e in told if isinstance(e, LinkageAsked)]
    assert asked == [(("119",), "hotline", "speech"), (("120",), "hotline", "speech")]


async def test_a_linkage_that_begins_in_the_welcome_flow_has_no_time_limit(linkages: Linkages) -> None:
    """The flow hangs, and its time runs out while the caller is with the line."""
    shown = await linkages.scene.console("dialplan show globals")
    usual = dict(row.strip().split("=", 1) for row in shown.split("\n") if "=" in row)
    flow = await asyncio.start_server(_never_answers, "127.0.0.1", 0)
    port = flow.sockets[0].getsockname()[1]
    await linkages.scene.console(f"dialplan set global FASTAGI 127.0.0.1:{port}")
    await linkages.scene.console("dialplan set global FLOW_SECONDS 6")
    try:
        call_id = await linkages.calling(state="arriving")
        await linkages.ask(LinkLines(call_id=call_id, lines=("119",), by="hotline", via="speech"))
        await linkages.together(call_id, "caller", "119")
        await asyncio.sleep(7)
        assert await linkages.members(call_id) == ["119", "caller"] and not linkages.call.done()
    finally:
        for name in ("FASTAGI", "FLOW_SECONDS"):
            await linkages.scene.console(f"dialplan set global {name} {usual[name]}")
        flow.close()


async def _never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1000):
        pass
    writer.close()


@pytest.mark.parametrize(("keys", "line"), [("99", "119"), ("90", "110"), ("92", "120"), ("9", "110"), ("95", "110")])
async def test_the_callers_digit(linkages: Linkages, keys: str, line: str) -> None:
    """The emergency key, then the line's; nothing, or a key that no line has, is the default line."""
    caller = f"138001382{keys:0>2}"
    citizen = await linkages.citizen(caller)
    call_id = (await linkages.scene.call_when(state="waiting", caller_number=caller))["call_id"]
    await citizen.press(keys, gap=0.6)
    await linkages.together(call_id, "caller", line)
    await linkages.scene.agent("8001", says=None)
    await linkages.together(call_id, "caller", "8001", line)
    (asked,) = [event for event in await linkages.told(call_id) if isinstance(event, LinkageAsked)]
    assert (asked.lines, asked.by, asked.via) == ((line,), "caller", "digit")
    await citizen.hangup()
    await linkages.all_gone(call_id)


async def test_the_callers_digit_during_the_notice(linkages: Linkages) -> None:
    await linkages.scene.console("dialplan set global DEFAULT_NOTICE hotline/notice")
    try:
        citizen = await linkages.citizen("13800138011")
        await citizen.press("99", gap=0.6)
        call_id = (await linkages.scene.call_when(caller_number="13800138011"))["call_id"]
        await linkages.together(call_id, "caller", "119")
        assert "call_queued" not in kinds(await linkages.told(call_id))[:2]
        assert (linkages.instance.data / "recordings" / f"{call_id}.wav").exists()
        await citizen.hangup()
    finally:
        await linkages.scene.console("dialplan set global DEFAULT_NOTICE digits/1")


async def test_the_callers_second_thought(linkages: Linkages) -> None:
    """No is no, also to what was offered meanwhile; and the place in the queue is neither lost nor better."""
    await linkages.calling(caller="13800138020")
    citizen = await linkages.citizen("13800138005")
    call_id = (await linkages.scene.call_when(state="waiting", caller_number="13800138005"))["call_id"]
    await linkages.calling(caller="13800138021")
    before = len(linkages.station.invites())
    await linkages.ask(OfferLines(call_id=call_id, lines=("119",), words="着火"))
    await linkages.scene.eventually(lambda: _offered(linkages, call_id))
    await citizen.press("9*", gap=0.6)
    told = await linkages.until(call_id, lambda told: kinds(told).count("call_queued") == 2)
    assert [event.position for event in told if isinstance(event, CallQueued)] == [2, 2]
    assert kinds(told).count("emergency_key_pressed") == 1 and "offer_declined" in kinds(told)
    with pytest.raises(CommandRefused) as refused:
        await linkages.ask(OfferLines(call_id=call_id, lines=("119",), words="着火"))
    assert refused.value.code == "declined"
    for extension in ("8001", "8002"):
        await linkages.scene.agent(extension, says=None)
    await linkages.scene.call_when(state="talking", caller_number="13800138005")
    assert "linkage_asked" not in kinds(await linkages.told(call_id))
    assert len(linkages.station.invites()) == before
    await citizen.hangup()


async def _offered(linkages: Linkages, call_id: str) -> bool:
    return "119" in await linkages.scene.console(f"database get linked/{call_id} offer")


async def test_a_linkage_while_the_queue_is_full_of_others(linkages: Linkages) -> None:
    for number in range(5):
        await linkages.calling(caller=f"1380013830{number}")
    citizen = await linkages.citizen("13800138006")
    call_id = (await linkages.scene.call_when(state="waiting", caller_number="13800138006"))["call_id"]
    await citizen.press("99", gap=0.6)
    await linkages.together(call_id, "caller", "119")
    await linkages.scene.agent("8001", says=None)
    await linkages.together(call_id, "caller", "8001", "119")
    await citizen.hangup()


async def test_who_is_muted_is_marked_so(linkages: Linkages) -> None:
    call_id = await linkages.talking()
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119")
    for party, line in (("caller", None), ("agent", None), ("line", "119")):
        await linkages.ask(Mute(call_id=call_id, party=party, line=line))  # type: ignore[arg-type]
    listed = await linkages.scene.console(f"confbridge list link-{call_id}")
    assert [row.split()[1] for row in listed.split("\n")[2:]] == ["m"] * 3
    await linkages.ask(Unmute(call_id=call_id, party="caller"))
    listed = await linkages.scene.console(f"confbridge list link-{call_id}")
    assert sorted(row.split()[1] for row in listed.split("\n")[2:]) == ["link-caller", "m", "m"]
    with pytest.raises(CommandRefused) as refused:
        await linkages.ask(Mute(call_id=call_id, party="line", line="120"))
    assert (refused.value.code, refused.value.field) == ("not_in_linkage", "line")
    told = await linkages.told(call_id)
    assert kinds(told).count("party_muted") == 4
    # Nobody can let the caller be heard once the agent has left.
    await linkages.ask(Mute(call_id=call_id, party="caller"))
    await linkages.ask(LeaveLinkage(call_id=call_id))
    told = await linkages.until(call_id, lambda told: kinds(told).count("party_muted") == 6)
    assert [event.muted for event in told if isinstance(event, PartyMuted) and event.party == "caller"][-2:] == [
        True,
        False,
    ]
    listed = await linkages.scene.console(f"confbridge list link-{call_id}")
    assert [row.split()[1] for row in listed.split("\n")[2:] if row.startswith("PJSIP/")] == ["link-caller"]


async def test_what_each_party_hears(linkages: Linkages) -> None:
    """The line's tone reaches everybody; the tone of a supervisor who whispers reaches the agent only."""
    agent = await linkages.scene.agent("8001", says=None, record=True)
    citizen = await linkages.citizen("13800138007")
    call_id = (await linkages.scene.call_when(state="talking", caller_number="13800138007"))["call_id"]
    tone = linkages.instance.folder / "whisper.wav"
    voice.convert(None, tone, output=("-r", "8000", "-c", "1"), effects=("synth", "60", "sine", "1000", "vol", "0.3"))
    supervisor = await linkages.scene.agent("8004", says=None, speech=tone, record=True)
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119")
    await linkages.ask(Whisper(call_id=call_id, extension="8004", who="8004"))
    await supervisor.wait_for_call("established")
    await asyncio.sleep(4)
    await citizen.hangup()
    await agent.wait_until_idle(20)
    await supervisor.wait_until_idle(20)
    await linkages.all_gone(call_id)
    heard = {"caller": citizen.heard[0], "agent": agent.heard[0], "supervisor": supervisor.heard[0]}
    line = {who: _seconds_of(440, file) for who, file in heard.items()}
    whisper = {who: _seconds_of(1000, file) for who, file in heard.items()}
    assert min(line.values()) > 1, line
    assert whisper["agent"] > 1 and whisper["caller"] == whisper["supervisor"] == 0, whisper


def _seconds_of(hertz: int, file: Path) -> float:
    """For how long this tone is heard."""
    with wave.open(str(file), "rb") as sound:
        samples = memoryview(sound.readframes(sound.getnframes())).cast("h")
    frames = (samples[at : at + 800] for at in range(0, len(samples) - 800, 800))
    return sum(0.1 for frame in frames if tone_level(frame, hertz) > 800)


async def test_a_rehearsal_says_whether_the_test_number_answers(linkages: Linkages) -> None:
    well = await linkages.ask(RehearseLine(line="110"), 60)
    assert (well.detail["number"], well.detail["trunk"], well.detail["outcome"]) == ("1100", "station", "answered")
    with pytest.raises(CommandRefused) as refused:
        await linkages.ask(RehearseLine(line="119"), 60)
    assert (refused.value.code, refused.value.detail["outcome"]) == ("rehearsal_failed", "busy")
    assert refused.value.detail["sip"] == "SIP 486 Busy Here"
    echo = await linkages.ask(RehearseLine(line="120"), 60)
    assert (echo.detail["number"], echo.detail["outcome"]) == ("echo", "answered")
    with pytest.raises(CommandRefused) as refused:
        await linkages.ask(RehearseLine(line="118"), 60)
    assert (refused.value.code, refused.value.field) == ("unknown_line", "line")


async def test_the_callers_number_goes_along(linkages: Linkages) -> None:
    call_id = await linkages.talking(caller="13800138008")
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119")
    invite = linkages.station.invites("119")[-1]
    assert "<sip:13800138008@" in invite.header("From")
    assert "<sip:13800138008@" in invite.header("P-Asserted-Identity")


@pytest.mark.parametrize("trunk", ["station", "located"])
async def test_the_address_goes_along_where_the_trunk_takes_it(linkages: Linkages, trunk: str) -> None:
    await linkages.dials("119", "119", trunk=trunk)
    call_id = await linkages.talking()
    address = '崖州区 保港路3号,<x>"${SHELL(id)}'
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001", address=address))
    await linkages.together(call_id, "caller", "8001", "119")
    invite = linkages.station.invites("119")[-1].text
    assert ("application/pidf+xml" in invite) == (trunk == "located")
    if trunk == "located":
        (said,) = re.findall("<[^>]*LOC>([^<]*)<", invite)
        assert html.unescape(said).split() == ["崖州区", "保港路3号", "x", "SHELL", "id"]


async def test_without_an_address_none_is_sent(linkages: Linkages) -> None:
    await linkages.dials("119", "119", trunk="located")
    call_id = await linkages.talking()
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119")
    assert "pidf" not in linkages.station.invites("119")[-1].text


async def test_calls_from_110_go_first_and_are_labelled(linkages: Linkages) -> None:
    await linkages.calling(caller="13800138012")  # was there before
    waiting = linkages.call
    port = linkages.instance.ports["sip"]
    police = await RawCaller.create(port, source="127.0.0.2")
    assert await police.invite(b"110", number="110") == 200
    call_id = (await linkages.scene.call_when(state="waiting", caller_number="110"))["call_id"]
    await linkages.scene.agent("8001", says=None)
    await linkages.until(call_id, lambda told: "agent_answered" in kinds(told))
    assert not waiting.done()
    (arrived,) = [event for event in await linkages.told(call_id) if isinstance(event, CallArrived)]
    assert (arrived.source, arrived.trunk) == ("110", "police")
    stranger = await RawCaller.create(port, source="127.0.0.2")
    assert await stranger.invite(b"110", called="119") == 404
    stranger.transport.close()
    await police.bye()


async def test_nobody_reaches_another_number(linkages: Linkages) -> None:
    """Through what is dialled, said in a header, or pressed."""
    before = len(linkages.station.invites())
    port = linkages.instance.ports["sip"]
    for called in (
        "link-line",
        "119",
        "*119",
        "s",
        "119-120",
        "_X!",
        "came",
        "say",
        "link-ask",
        "rehearsal",
        "h",
        "T",
        "9",
    ):
        stranger = await RawCaller.create(port)
        assert await stranger.invite(b"x", called=called) == 404, called
        stranger.transport.close()
    # What looks like one of the dialplan's own names stays a caller's name and number.
    trick = await RawCaller.create(port)
    assert await trick.invite(b"${LINE_119_1}", number="119%40station") == 200
    await trick.bye()
    agent = await linkages.scene.agent("8001", says=None)
    for dialled in ("119", "*119", "0085212345678", "*9119", "00", "110"):
        await agent.dial(dialled)
        await agent.wait_until_idle(20)
    call_id = await linkages.calling(caller="13800138009", state="talking")
    for keys in ("*118", "*#", "#1", "*8", "**119"[:2], "*2119"):
        await agent.press(keys)
    for lines in (("118",), ("119", "999")):
        with pytest.raises(CommandRefused) as refused:
            await linkages.ask(LinkLines(call_id=call_id, lines=lines, who="8001"))
        assert (refused.value.code, refused.value.field) == ("unknown_line", "lines")
    told = await linkages.told(call_id)
    assert "linkage_asked" not in kinds(told)
    assert len(linkages.station.invites()) == before


async def test_a_waiting_callers_other_keys_do_nothing(linkages: Linkages) -> None:
    before = len(linkages.station.invites())
    citizen = await linkages.citizen("13800138010")
    call_id = (await linkages.scene.call_when(state="waiting", caller_number="13800138010"))["call_id"]
    await citizen.press("0123*#110")
    await linkages.scene.agent("8001", says=None)
    await linkages.scene.call_when(state="talking", caller_number="13800138010")
    await citizen.press("*119")  # a code of agents, not of callers
    await asyncio.sleep(3)
    assert "linkage_asked" not in kinds(await linkages.told(call_id))
    assert len(linkages.station.invites()) == before
    await citizen.hangup()
