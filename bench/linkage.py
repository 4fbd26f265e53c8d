"""Fifty linkages started within ten seconds: how soon the line rings and is heard, and the gap that callers hear.

Callers and agents talk (SIPp on both ends); the agents' telephones sound one tone, the line another. What a caller
hears is Asterisk's own recording of that caller's channel: the agents' tone must not pause when both are moved into the
conference, the line's must come in.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import time
import wave
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from redis.asyncio import Redis

from bench.calls import console
from bench.sipp import Load, talks
from front.instance import Instance
from front.station import Station, tone_level
from ivr import events
from ivr.commands import CommandRefused, LinkLines, ask
from ivr.events import Event

_AGENT_HZ, _LINE_HZ = 1000, 440
_FRAME = 160
"""Samples of 20 ms."""
_LOUD = 800
"""Amplitude from which a tone is a telephone's own."""


@dataclass
class Linked:
    """One linkage."""

    call_id: str
    asked_at: float
    """Seconds since the epoch, as are the others; 0: it did not come to that."""
    queued_at: float = 0.0
    rang_at: float = 0.0
    answered_at: float = 0.0
    ended_at: float = 0.0
    spoke_at: float = 0.0
    """When the line was first heard by the caller."""
    gap: float = math.nan
    """Seconds of the longest time in which the caller heard nothing of the agent, from the agent's answer on; what the
    recording is shorter than the call counts too, because it could have been missed there."""


def _configure(instance: Instance, agents: int, line: Station) -> None:
    people = [{"extension": str(2001 + n), "name": f"坐席{n}", "queues": ["general"]} for n in range(agents)]
    (instance.config / "agents.yaml").write_text(yaml.safe_dump({"agents": people}), encoding="utf-8")
    lines = {
        "numbers": [{"number": "12345", "name": "12345", "queue": "general"}],
        "trunks": [
            {"name": "loopback", "match": ["127.0.0.1"]},
            {"name": "station", "address": line.address, "qualify_seconds": 0},
        ],
        "emergency_lines": [{"line": "119", "name": "119", "targets": [{"number": "119", "trunks": ["station"]}]}],
    }
    (instance.config / "lines.yaml").write_text(yaml.safe_dump(lines), encoding="utf-8")


async def run(folder: Path, count: int, within: float) -> list[Linked]:
    """`count` linkages, asked for evenly over `within` seconds. Raises HotlineError when the calls cannot be set up."""
    instance = Instance(folder / "h", {"listening.enabled": "false"}, rtp_ports=8 * count)
    agents = Station(folder / "agents", calls=count, tone_hz=_AGENT_HZ)
    async with Station(folder / "line", calls=count, tone_hz=_LINE_HZ) as line, AsyncExitStack() as stack:
        _configure(instance, count, line)
        await instance.start(seconds=300)  # a password is hashed for each agent
        redis = Redis.from_url(f"unix://{instance.data / 'redis.sock'}")
        try:
            extensions = [str(2001 + n) for n in range(count)]
            await agents.register(instance.ports["sip"], {name: instance.sip_password(name) for name in extensions})
            await stack.enter_async_context(agents)
            load = folder / "load"
            load.mkdir()
            (load / "quiet.al").write_bytes(b"\xd5" * 16000)
            seconds = 25 + count // 5 + int(within)
            callers = Load(load, instance.ports["sip"], "12345", talks("quiet.al", seconds), calls=count, rate=5)
            await callers.start()
            talking = await _talking(redis, count)
            linked = await _ask_all(redis, talking, within)
            await asyncio.sleep(8)
            members = await console(instance, "confbridge list")
            print(f"conferences of three: {sum(row.split()[1:2] == ['3'] for row in members.splitlines())}", flush=True)
            await callers.wait(seconds + 60)
            async with asyncio.timeout(60):
                while sum(event.kind == "call_ended" for event in await _told(redis)) < count:
                    await asyncio.sleep(0.5)
            await _times(redis, linked, line)
        finally:
            await redis.aclose()
            await instance.stop()
        for one in linked:
            _heard(instance.data / "recordings" / f"{one.call_id}.wav", one)
        return linked


async def _talking(redis: Redis, count: int) -> list[str]:
    """The calls, once as many as that have an agent."""
    async with asyncio.timeout(60 + count):
        while len(found := [e.call_id for e in await _told(redis) if e.kind == "agent_answered"]) < count:
            await asyncio.sleep(0.2)
    await asyncio.sleep(3)
    return found


async def _ask_all(redis: Redis, calls: list[str], within: float) -> list[Linked]:
    began = time.monotonic()

    async def one(number: int, call_id: str) -> Linked:
        await asyncio.sleep(max(0.0, began + number * within / len(calls) - time.monotonic()))
        linked = Linked(call_id, time.time())
        try:
            await ask(redis, LinkLines(call_id=call_id, lines=("119",), who="bench"))
        except CommandRefused as refused:
            print(f"refused: {refused}", flush=True)
        return linked

    return await asyncio.gather(*(one(number, call_id) for number, call_id in enumerate(calls)))


async def _told(redis: Redis) -> list[Event]:
    entries: list[Any] = await redis.xrange(events.STREAM) or []
    return [events.load(fields[b"event"]) for _, fields in entries]


async def _times(redis: Redis, linked: list[Linked], line: Station) -> None:
    by_id = {one.call_id: one for one in linked}
    callers: dict[str, Linked] = {}
    for event in await _told(redis):
        one = by_id.get(getattr(event, "call_id", ""))
        if one is None:
            continue
        if isinstance(event, events.CallArrived):
            callers[event.caller_number] = one
        elif isinstance(event, events.CallQueued):
            one.queued_at = one.queued_at or event.at.timestamp()
        elif isinstance(event, events.LineAttempt) and event.outcome == "answered":
            one.answered_at = event.at.timestamp()
        elif isinstance(event, events.CallEnded):
            one.ended_at = event.at.timestamp()
    for invite in line.invites():
        number = invite.header("From").partition("sip:")[2].partition("@")[0]
        if number in callers:
            # The station answers an INVITE with 180 at once; its log is in local time.
            callers[number].rang_at = datetime.timestamp(invite.at)


def _heard(recording: Path, one: Linked) -> None:
    """Find the tones in what the caller heard; the recording ends when the call does."""
    with wave.open(str(recording), "rb") as file:
        samples = memoryview(file.readframes(file.getnframes())).cast("h")
    frames = [samples[at : at + _FRAME] for at in range(0, len(samples) - _FRAME + 1, _FRAME)]
    agent = [tone_level(frame, _AGENT_HZ) > _LOUD for frame in frames]
    line = [tone_level(frame, _LINE_HZ) > _LOUD for frame in frames]
    if True not in agent:
        return
    first = agent.index(True)
    last = len(agent) - 1 - agent[::-1].index(True)
    # The recording begins with the queue.
    missing = max(0.0, one.ended_at - one.queued_at - len(samples) / 8000)
    one.gap = _longest_silence(agent[first : last + 1]) * 0.02 + missing
    # Three frames in a row: the begin of a prompt can hold a little of the tone.
    for at in range(len(line) - 2):
        if all(line[at : at + 3]):
            one.spoke_at = one.ended_at - (len(frames) - at) * 0.02
            break


def _longest_silence(heard: list[bool]) -> int:
    longest = current = 0
    for one in heard:
        current = 0 if one else current + 1
        longest = max(longest, current)
    return longest


async def main(folder: Path, *, count: int = 50, within: float = 10.0) -> str:
    """The whole measurement; returns its part of docs/benchmarks.md."""
    linked = await run(folder, count, within)
    rows = [
        ("button to the line's ring", [one.rang_at - one.asked_at for one in linked if one.rang_at]),
        (
            "button to the line's answer (it answers at once)",
            [o.answered_at - o.asked_at for o in linked if o.answered_at],
        ),
        ("button to the caller hearing the line", [one.spoke_at - one.asked_at for one in linked if one.spoke_at]),
        ("longest gap that the caller heard", [one.gap for one in linked if not math.isnan(one.gap)]),
    ]
    lines = [f"{count} linkages within {within:g} s.", "", "| | of | median | p95 | longest |", "|---|---|---|---|---|"]
    for name, found in rows:
        if len(found) < 2:
            lines.append(f"| {name} | {len(found)} | - | - | - |")
            continue
        p95 = statistics.quantiles(found, n=20)[-1]
        figures = " | ".join(f"{value * 1000:.0f} ms" for value in (statistics.median(found), p95, max(found)))
        lines.append(f"| {name} | {len(found)} | {figures} |")
    return "\n".join(lines)
