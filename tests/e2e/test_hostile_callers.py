"""Callers' names that try to be more than names: text everywhere, executed nowhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.conftest import Scene
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
