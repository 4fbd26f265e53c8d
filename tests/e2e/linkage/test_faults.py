"""What a linkage must survive, phase by phase: each fault is real, the conference goes on, the record is whole.

The table of phases and faults is written to test-artefacts/linkage_faults.md, each cell when its test has passed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import datetime

import pytest
from redis.exceptions import RedisError

from front.softphone import Softphone
from ivr.commands import CommandRefused, LinkLines
from ivr.events import CallArrived, CallEnded, Event, LinkageAsked, LinkageEnded, LinkageEvent, now
from tests.e2e.conftest import ARTEFACTS
from tests.e2e.linkage.scene import Linkages, attempts, joined, kinds, left

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"listening.enabled": "true"}
PHASES = ("asked", "dialling", "connected", "dropped")
FAULTS = ("server", "redis", "recogniser")


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_linkage_survives(linkages: Linkages, phase: str, fault: str) -> None:
    first = {"dialling": "119183", "dropped": "119299"}.get(phase)
    await linkages.dials("119", *([first] if first else []), "11911")
    agent = await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    await _until_phase(linkages, agent, call_id, phase)
    at = now()
    restart = await _FAULT[fault](linkages)
    # With the fault still there: the line comes in, or stays, and nobody has been lost.
    await linkages.together(call_id, "caller", "8001", "119")
    assert not linkages.call.done() and await agent.calls()
    await restart()
    told = await linkages.until(call_id, lambda told: joined(told, "119", "8001") and _connected(told), 60)
    expected = [("11911", "dialling"), ("11911", "answered")]
    if phase == "dialling":
        expected = [("119183", "dialling"), ("119183", "no_answer"), *expected]
    if phase == "dropped":
        once = [("119299", "dialling"), ("119299", "answered"), ("119299", "dropped")]
        expected = [*once, *once, *expected]
    assert attempts(told, "119") == expected
    assert not left(told, "8001") and not left(told, linkages.caller)
    if fault == "server":
        # What happened while nobody looked is marked, what was told before is not.
        assert all(
            event.rebuilt == (event.at > at) for event in _linkage(told) if abs(event.at - at).total_seconds() > 1
        )
    if fault == "recogniser":
        await linkages.until(call_id, lambda told: _listened_after(told, at), 90)
    linkages.call.cancel()
    told = await linkages.until(call_id, lambda told: "call_ended" in kinds(told), 60)
    assert "linkage_ended" in kinds(told)
    await linkages.all_gone(call_id)
    _note_cell(phase, fault, told, at)


async def _until_phase(linkages: Linkages, agent: Softphone, call_id: str, phase: str) -> None:
    if phase == "asked":
        await agent.press("*119", gap=0)
        return
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    if phase == "dialling":
        await linkages.station.invited("119183", times=1)
        await linkages.until(call_id, lambda told: ("119183", "dialling") in attempts(told, "119"))
    elif phase == "connected":
        await linkages.together(call_id, "caller", "8001", "119")
        await linkages.until(call_id, lambda told: joined(told, "119"))
    else:
        await linkages.until(call_id, lambda told: left(told, "119"))


async def _kill_server(linkages: Linkages) -> Callable[[], Awaitable[None]]:
    await linkages.instance.kill()

    async def restart() -> None:
        await linkages.instance.start()
        await linkages.scene.console("dialplan set global DEFAULT_NOTICE digits/1")

    return restart


async def _kill_redis(linkages: Linkages) -> Callable[[], Awaitable[None]]:
    old = linkages.instance.pid("redis")
    os.kill(old, signal.SIGKILL)

    async def restart() -> None:
        async def another() -> bool:
            try:
                return linkages.instance.pid("redis") != old and bool(await linkages.redis.ping())
            except (RedisError, OSError):
                return False

        await linkages.scene.eventually(another)  # the server starts it again by itself

    return restart


async def _kill_recogniser(linkages: Linkages) -> Callable[[], Awaitable[None]]:
    old = linkages.instance.pid("listening")
    os.kill(old, signal.SIGKILL)

    async def restart() -> None:
        async def another() -> bool:
            return linkages.instance.pid("listening") != old

        await linkages.scene.eventually(another)

    return restart


_FAULT: dict[str, Callable[[Linkages], Awaitable[Callable[[], Awaitable[None]]]]] = {
    "server": _kill_server,
    "redis": _kill_redis,
    "recogniser": _kill_recogniser,
}


def _linkage(told: list[Event]) -> list[LinkageEvent]:
    return [event for event in told if isinstance(event, LinkageEvent)]


def _connected(told: list[Event]) -> bool:
    return attempts(told, "119")[-1:] == [("11911", "answered")]


def _listened_after(told: list[Event], at: datetime) -> bool:
    """Whether both legs are listened to again, in the conference."""
    return {event.speaker for event in told if event.kind == "listening_started" and event.at > at} == {
        "caller",
        "agent",
    }


def _note_cell(phase: str, fault: str, told: list[Event], at: datetime) -> None:
    cells = ARTEFACTS / "linkage_faults"
    cells.mkdir(parents=True, exist_ok=True)
    events = _linkage(told)
    cell = f"goes on; {len(events)} events, {sum(event.rebuilt for event in events)} told afterwards"
    (cells / f"{phase}-{fault}.json").write_text(json.dumps({"cell": cell, "at": at.isoformat()}), encoding="utf-8")
    rows = ["| phase | " + " | ".join(f"kill -9 {name}" for name in FAULTS) + " |", "|---" * (len(FAULTS) + 1) + "|"]
    for one in PHASES:
        found = [cells / f"{one}-{name}.json" for name in FAULTS]
        texts = [json.loads(file.read_text(encoding="utf-8"))["cell"] if file.exists() else "-" for file in found]
        rows.append(f"| {one} | " + " | ".join(texts) + " |")
    (ARTEFACTS / "linkage_faults.md").write_text("\n".join(rows) + "\n", encoding="utf-8")


async def test_a_linkage_that_comes_and_goes_while_the_server_is_dead(linkages: Linkages) -> None:
    """The agent's code and the caller's digit need no server, and leave their record."""
    await linkages.instance.kill()
    agent = await linkages.scene.agent("8001", says=None)
    talker = linkages.scene.call("", caller="13900139001", seconds=120)
    await agent.wait_for_call("established", 60)
    await agent.press("*119")
    by_agent = await _conference_with(linkages, "119")
    await linkages.together(by_agent, "caller", "8001", "119")
    citizen = await linkages.citizen("13900139002")
    await linkages.scene.eventually(lambda: _in_queue(linkages, "13900139002"))
    await citizen.press("92", gap=0.6)
    by_caller = await _conference_with(linkages, "120")
    await linkages.together(by_caller, "caller", "120")
    await linkages.scene.agent("8002", says=None)
    await linkages.together(by_caller, "caller", "8002", "120")
    talker.cancel()
    await linkages.all_gone(by_agent)

    await linkages.instance.start()
    told = await linkages.until(by_agent, lambda told: "call_ended" in kinds(told), 60)
    assert [(e.lines, e.via, e.rebuilt) for e in told if isinstance(e, LinkageAsked)] == [
        (("119",), "feature_code", True)
    ]
    assert attempts(told, "119") == [("119", "dialling"), ("119", "answered"), ("119", "cancelled")]
    (arrived,) = [event for event in told if isinstance(event, CallArrived)]
    assert arrived.rebuilt and arrived.caller_number == "13900139001"
    assert [(e.rebuilt, e.recording) for e in told if isinstance(e, LinkageEnded)] == [
        (True, f"{by_agent}-linkage.wav")
    ]
    assert [event.unseen for event in told if isinstance(event, CallEnded)] == [True]
    # The other one goes on, and is told as well.
    told = await linkages.until(by_caller, lambda told: joined(told, "120", "8002", "13900139002"), 60)
    assert [(e.by, e.via, e.rebuilt) for e in told if isinstance(e, LinkageAsked)] == [("caller", "digit", True)]
    assert kinds(told).count("emergency_key_pressed") == 1
    await citizen.hangup()
    told = await linkages.until(by_caller, lambda told: "call_ended" in kinds(told))
    assert [e.rebuilt for e in told if isinstance(e, LinkageEnded)] == [False]


async def _conference_with(linkages: Linkages, line: str) -> str:
    """The call whose conference this line is in, as Asterisk has it."""
    call_id = ""

    async def there() -> bool:
        nonlocal call_id
        listed = await linkages.scene.console("core show channels concise")
        rows = [row for row in listed.split("\n") if row.startswith(f"Local/{line}-") and "!ConfBridge!" in row]
        call_id = rows[0].removeprefix(f"Local/{line}-").partition("@")[0] if rows else ""
        return bool(call_id)

    await linkages.scene.eventually(there)
    return call_id


async def _in_queue(linkages: Linkages, caller: str) -> bool:
    listed = await linkages.scene.console("core show channels concise")
    return any("!Queue!" in row and f"!{caller}!" in row for row in listed.split("\n"))


async def test_no_command_is_carried_out_late(linkages: Linkages) -> None:
    """The desk gives up while the server hangs: nothing may happen when the server wakes up."""
    await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    process = linkages.instance.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(CommandRefused) as refused:
            await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"), 1.5)
        assert refused.value.code == "bridge_unreachable"
    finally:
        process.send_signal(signal.SIGCONT)
    # The next command is carried out, so the late one has been passed over by then.
    await linkages.ask(LinkLines(call_id=call_id, lines=("120",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "120")
    asked = [event.lines for event in await linkages.told(call_id) if isinstance(event, LinkageAsked)]
    assert asked == [("120",)]


async def test_without_a_server_the_desk_is_told_so(linkages: Linkages) -> None:
    await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    await linkages.instance.kill()
    try:
        with pytest.raises(CommandRefused) as refused:
            await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"), 2)
        assert refused.value.code == "bridge_unreachable" and "*119" in refused.value.message
    finally:
        await linkages.instance.start()


async def test_asterisk_is_killed_in_the_middle(linkages: Linkages) -> None:
    """The call is lost; its record is not."""
    await linkages.scene.agent("8001", says=None)
    call_id = await linkages.calling(state="talking")
    await linkages.ask(LinkLines(call_id=call_id, lines=("119",), who="8001"))
    await linkages.together(call_id, "caller", "8001", "119")
    await linkages.until(call_id, lambda told: joined(told, "119"))
    await asyncio.sleep(2)  # Asterisk writes its database once a second
    os.kill(linkages.instance.pid("asterisk"), signal.SIGKILL)
    told = await linkages.until(call_id, lambda told: "linkage_ended" in kinds(told), 60)
    assert [event.rebuilt for event in told if isinstance(event, LinkageEnded)] == [True]
    assert [event.unseen for event in told if isinstance(event, CallEnded)] == [True]
