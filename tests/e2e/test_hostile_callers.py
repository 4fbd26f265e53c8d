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
    for number, name in enumerate(NAMES):
        caller = await RawCaller.create(hotline.instance.ports["sip"])
        assert await caller.invite(name.encode(), number=f"1390000{number:04d}") == 200, name
        call = await hotline.call_when(caller_number=f"1390000{number:04d}")
        await hotline.call_when(state="waiting", call_id=call["call_id"])
        expected = name.replace(r"\"", '"').replace(r"\\", "\\")
        assert call["caller_name"] == expected or expected.startswith(call["caller_name"][:20]), name
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
