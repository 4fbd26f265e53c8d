"""The three-line linkage with real telephones: lines that fail in every way.

One hotline serves all tests of this file, one after the other; each has a call, and agents, of its own.
"""

from __future__ import annotations

import pytest

from ivr.commands import LinkLines
from ivr.events import LineExhausted
from tests.e2e.linkage.scene import ALL, Linkages, attempts, joined, kinds, left

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAILING = {
    "486": "busy",
    "480": "unavailable",
    "503": "congestion",
    "404": "unavailable",
    "000": "no_answer",
    "183": "no_answer",
}
"""The last digits of what is dialled (front/station.py), and how such an attempt must be told."""


@pytest.mark.parametrize("failing", sorted(FAILING))
async def test_a_line_that_fails_is_tried_by_its_next_number(linkages: Linkages, failing: str) -> None:
    """Every line at once; caller and agent are together all the while."""
    for line in ALL:
        await linkages.dials(line, f"{line}{failing}", f"{line}11")
    call_id = await linkages.talking()
    await linkages.ask(LinkLines(call_id=call_id, lines=ALL, who="8001"))
    await linkages.together(call_id, "caller", "8001", *ALL)
    told = await linkages.until(call_id, lambda told: joined(told, *ALL))
    for line in ALL:
        assert attempts(told, line) == [
            (f"{line}{failing}", "dialling"),
            (f"{line}{failing}", FAILING[failing]),
            (f"{line}11", "dialling"),
            (f"{line}11", "answered"),
        ]
    assert not left(told, "8001") and not left(told, linkages.caller)


async def test_a_dropped_line_is_redialled_once_and_then_its_next_number_is_tried(linkages: Linkages) -> None:
    await linkages.dials("119", "119299", "11911")
    call_id = await linkages.talking()
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    told = await linkages.until(call_id, lambda told: ("11911", "answered") in attempts(told, "119"))
    once = [("119299", "dialling"), ("119299", "answered"), ("119299", "dropped")]
    assert attempts(told, "119") == [*once, *once, ("11911", "dialling"), ("11911", "answered")]
    assert left(told, "119") == ["dropped", "dropped"]
    await linkages.together(call_id, "caller", "8001", "119")


async def test_a_line_that_hangs_up_after_a_conversation_is_not_redialled(linkages: Linkages) -> None:
    await linkages.scene.console("dialplan set global LINE_119_SHORT 0")
    try:
        await linkages.dials("119", "119299", "11911")
        call_id = await linkages.talking()
        before = len(linkages.station.invites("119299"))
        await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
        told = await linkages.until(call_id, lambda told: "line_exhausted" in kinds(told))
        assert attempts(told, "119") == [("119299", "dialling"), ("119299", "answered"), ("119299", "dropped")]
        assert left(told, "119") == ["ended"]
        assert [event.told_caller for event in told if isinstance(event, LineExhausted)] == [False]
        # The agent judges whether that was all.
        await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
        await linkages.until(call_id, lambda told: kinds(told).count("line_exhausted") == 2)
        assert len(linkages.station.invites("119299")) == before + 2
    finally:
        await linkages.scene.console("dialplan set global LINE_119_SHORT 10")


async def test_who_is_alone_while_a_line_is_dialled_again_is_told_and_hears_music(linkages: Linkages) -> None:
    await linkages.dials("119", "119299", "119000", "11911")
    await linkages.scene.console("dialplan set global LINE_119_SECONDS 12")  # longer than what is said
    try:
        call_id = await linkages.calling()
        await linkages.ask(LinkLines(call_id=call_id, lines=("119",), by="hotline", via="speech"))
        await linkages.scene.eventually(lambda: _on_hold(linkages, call_id, "Playback", "hotline/emergency-no-answer"))
        await linkages.scene.eventually(lambda: _on_hold(linkages, call_id, "MusicOnHold"))
    finally:
        await linkages.scene.console("dialplan set global LINE_119_SECONDS 3")
    # Nothing of it is heard over the conversation.
    await linkages.until(call_id, lambda told: ("11911", "answered") in attempts(told, "119"))
    await linkages.scene.eventually(lambda: _without_hold(linkages, call_id))
    await linkages.together(call_id, "caller", "119")


async def _on_hold(linkages: Linkages, call_id: str, *words: str) -> bool:
    listed = await linkages.scene.console("core show channels concise")
    rows = [row for row in listed.split("\n") if f"{call_id}@link-hold" in row]
    return any(all(word in row for word in words) for row in rows)


async def _without_hold(linkages: Linkages, call_id: str) -> bool:
    return not await _on_hold(linkages, call_id)


async def test_the_last_resort_is_the_number_read_to_the_caller(linkages: Linkages) -> None:
    await linkages.dials("119", "119486", "119404")
    await linkages.scene.agent("8001", says=None)
    citizen = await linkages.citizen("13800138100")
    call_id = (await linkages.scene.call_when(state="talking", caller_number="13800138100"))["call_id"]
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    told = await linkages.until(call_id, lambda told: "line_exhausted" in kinds(told))
    (exhausted,) = [event for event in told if isinstance(event, LineExhausted)]
    assert exhausted.line == "119" and exhausted.told_caller
    # The prompt is played to the caller only, while both are together.
    await linkages.scene.eventually(lambda: _playing(linkages, call_id, "hotline/unreachable-119"))
    assert await linkages.members(call_id) == ["8001", "caller"]
    await citizen.hangup()


async def _playing(linkages: Linkages, call_id: str, prompt: str) -> bool:
    listed = await linkages.scene.console("core show channels concise")
    return any(f"caller-{call_id}@link-tell" in row and prompt in row for row in listed.split("\n"))


async def test_a_trunk_that_is_down_is_no_error_for_the_call(linkages: Linkages) -> None:
    await linkages.scene.console('dialplan set global LINE_120_1 "120@nowhere"')
    await linkages.scene.console('dialplan set global LINE_120_2 "120@station"')
    call_id = await linkages.talking()
    await linkages.ask(LinkLines(call_id=call_id, lines=("120",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "120")
    told = await linkages.told(call_id)
    assert attempts(told, "120")[-1] == ("120", "answered") and len(attempts(told, "120")) == 4


async def test_without_any_trunk_that_calls_out_the_number_is_read_at_once(linkages: Linkages) -> None:
    """As shipped: nobody has entered a carrier yet."""
    await linkages.dials("120", "120", trunk="loopback")
    call_id = await linkages.talking()
    await linkages.ask(LinkLines(call_id=call_id, lines=("120",), who="8001"))
    told = await linkages.until(call_id, lambda told: "line_exhausted" in kinds(told))
    assert attempts(told, "120") == [("120", "dialling"), ("120", "unavailable")]
    assert [event.told_caller for event in told if isinstance(event, LineExhausted)] == [True]
    assert await linkages.members(call_id) == ["8001", "caller"]
