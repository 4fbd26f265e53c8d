"""Callers' names that try to be more than names: text everywhere, executed nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.conftest import Scene, scene
from tests.e2e.raw_sip import RawCaller

NAMES = [
    "${SHELL(touch /tmp/hotline-owned)}",
    "$(touch /tmp/hotline-owned)",
    "a|b,c;d=e&f",
    "x\u2028Event: Hangup\u2028Uniqueid: 1",
    "y\u0085CallId: 00000000-0000-4000-8000-000000000000",
    r"quote \" and \\ backslash",
    "<script>alert(1)</script>",
    "%0d%0aAction: Command",
    "王" * 60,
]


async def test_names_are_text(hotline: Scene) -> None:
    marker = Path("/tmp/hotline-owned")
    marker.unlink(missing_ok=True)
    callers = [await RawCaller.create(hotline.instance.ports["sip"]) for _ in NAMES]
    numbers = [f"1390000{number:04d}" for number in range(len(NAMES))]
    for caller, name, number in zip(callers, NAMES, numbers, strict=True):
        assert await caller.invite(name.encode(), number=number) == 200, name
    for caller, name, number in zip(callers, NAMES, numbers, strict=True):
        call = await hotline.call_when(caller_number=number, state="waiting")
        shown = call["caller_name"].rstrip("\ufffd")
        # As it came, or cut where Asterisk cuts: nothing else. Quotes and backslashes come with some more backslashes.
        assert shown and name.replace("\\", "").startswith(shown.replace("\\", "")), shown
        await caller.bye()
        await hotline.call_when(state="ended", call_id=call["call_id"])
    assert not marker.exists()
    assert len(await hotline.calls()) == len(NAMES)


async def test_line_breaks_in_a_name_make_no_headers(hotline: Scene) -> None:
    """A raw CR LF ends the SIP header: Asterisk may refuse the message, but nothing else may come of it."""
    caller = await RawCaller.create(hotline.instance.ports["sip"])
    try:
        await asyncio.wait_for(caller.invite(b'a\r\n\r\nAction: Command\r\nCommand: core stop now\r\n\r\n"'), 5)
    except TimeoutError:
        caller.transport.close()
    good = await RawCaller.create(hotline.instance.ports["sip"])
    assert await good.invite(b"good") == 200
    await hotline.call_when(caller_name="good")
    await good.bye()


async def test_a_number_that_holds_line_breaks_is_only_its_digits(hotline: Scene) -> None:
    """Asterisk unescapes %0d%0a in a From and writes numbers into AMI as they are: a caller could end others' calls."""
    victim = await RawCaller.create(hotline.instance.ports["sip"])
    assert await victim.invite(b"victim", number="13900000001") == 200
    waiting = await hotline.call_when(state="waiting", caller_number="13900000001")
    # The unique id that a forged Hangup would have to name; a stranger can guess it (start time and a counter).
    channels = await hotline.console("core show channels concise")
    (uniqueid,) = [line.split("!")[-1] for line in channels.split("\n") if line.startswith("PJSIP/loopback-")]
    forged = f"139%0d%0a%0d%0aEvent%3a%20Hangup%0d%0aUniqueid%3a%20{uniqueid}%0d%0a%0d%0a"
    attacker = await RawCaller.create(hotline.instance.ports["sip"])
    assert await attacker.invite(b"x", number=forged) == 200
    await hotline.eventually(lambda: _count(hotline, 2))
    await asyncio.sleep(1)  # what the forged lines would do is done by now
    (other,) = [c for c in await hotline.calls() if c["call_id"] != waiting["call_id"]]
    assert other["caller_number"].isdigit() and other["caller_number"].startswith("139")
    assert (await hotline.calls(call_id=waiting["call_id"]))[0]["state"] == "waiting"
    for caller in (attacker, victim):
        await caller.bye()
    await hotline.call_when(state="ended", call_id=waiting["call_id"])


async def _count(hotline: Scene, count: int) -> bool:
    return len(await hotline.calls()) == count


async def test_a_trunks_name_in_the_from_header_is_not_the_trunk() -> None:
    async with scene(start=False) as hotline:
        lines = hotline.instance.config / "lines.yaml"
        text = lines.read_text(encoding="utf-8").replace("match: [127.0.0.1]", "match: [203.0.113.10]")
        lines.write_text(text, encoding="utf-8")
        await hotline.instance.start()
        stranger = await RawCaller.create(hotline.instance.ports["sip"])
        assert await stranger.invite(b"x", number="loopback") == 401
        stranger.transport.close()
        assert await hotline.calls() == []
