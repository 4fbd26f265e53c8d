"""A hundred calls at once, with taps and without: failed calls, CPU, memory, and how soon speech is text.

The callers wait in the queue and talk (synthetic Mandarin, a sentence every few seconds); each is tapped. While
they do, probe calls measure the time from the begin of a sentence to its first interim text, as a client of
GET /api/events sees it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import statistics
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiohttp
import psutil

from bench.calls import console
from bench.sipp import Load, talks
from front.calling import Speech, place_call
from front.instance import Instance
from ivr import voice

_SENTENCES = (
    "你好我想反映一下保港的路灯坏了很久了晚上很危险",
    "水南村停水两天了什么时候恢复",
    "城东村工地夜间施工噪音扰民影响孩子睡觉",
)
_PROBE = "你好我想反映一下保港的路灯坏了"


@dataclass
class Outcome:
    """One run of many calls."""

    kind: str
    calls: int
    failed: int = 0
    cpu: dict[str, float] = field(default_factory=dict)
    """of one core, per program, averaged over the time when all calls are up"""
    memory: dict[str, float] = field(default_factory=dict)
    """resident MB at the end of that time"""
    delays: list[float] = field(default_factory=list)
    """seconds from the begin of a sentence to its first interim text"""
    taps: int = 0


def _programs(instance: Instance) -> dict[str, psutil.Process]:
    assert instance.process is not None
    found = {"server": instance.process.pid, "asterisk": instance.pid("asterisk"), "redis": instance.pid("redis")}
    if (instance.data / "run" / "listening.pid").exists():
        found["listening"] = instance.pid("listening")
    return {name: psutil.Process(pid) for name, pid in found.items()}


async def run(folder: Path, kind: str, calls: int, seconds: int, *, taps: bool, stalled: bool = False) -> Outcome:
    """One run: `calls` callers for `seconds`; `stalled`: the listening process is stopped for all the time measured."""
    outcome = Outcome(kind, calls)
    instance = Instance(
        folder / "h", {"listening.enabled": str(taps).lower(), "call.record": "false"}, rtp_ports=4 * calls
    )
    await instance.start()
    try:
        load = folder / "load"
        load.mkdir()
        await asyncio.to_thread(_talk, load)
        callers = Load(load, instance.ports["sip"], "12345", talks("talk.al", seconds), calls=calls, rate=10)
        await callers.start()
        await asyncio.sleep(calls / 10 + 12)
        programs = _programs(instance)
        before = {name: sum(p.cpu_times()[:2]) for name, p in programs.items()}
        began = asyncio.get_running_loop().time()
        measured = max(10.0, seconds - calls / 10 - 40)
        if stalled:
            os.kill(instance.pid("listening"), signal.SIGSTOP)
        elif taps:
            outcome.delays = await _probes(instance, folder, measured)
        await asyncio.sleep(max(0.0, measured - (asyncio.get_running_loop().time() - began)))
        took = asyncio.get_running_loop().time() - began
        outcome.cpu = {name: (sum(p.cpu_times()[:2]) - before[name]) / took for name, p in programs.items()}
        outcome.memory = {name: p.memory_info().rss / 1e6 for name, p in programs.items()}
        outcome.taps = (await console(instance, "core show channels concise")).count("AudioSocket/")
        _, outcome.failed = await callers.wait(seconds + 60)
    finally:
        if stalled:
            os.kill(instance.pid("listening"), signal.SIGCONT)
        await instance.stop()
    return outcome


def _talk(folder: Path) -> None:
    """talk.al: the sentences with pauses, A-law, to be played over and over."""
    sound = bytearray()
    for index, sentence in enumerate(_SENTENCES):
        spoken, part = folder / f"{index}.wav", folder / f"{index}.al"
        voice.speak(sentence, spoken)
        voice.convert(spoken, part, output=("-t", "raw", "-r", "8000", "-c", "1", "-e", "a-law", "-b", "8"))
        sound += part.read_bytes() + b"\xd5" * 8000 * 4
    (folder / "talk.al").write_bytes(sound)


async def _probes(instance: Instance, folder: Path, seconds: float) -> list[float]:
    """Place calls one after the other for `seconds`; returns their delays from speech to interim text."""
    delays = []
    heard: dict[str, list[datetime]] = {}
    numbers: dict[str, str] = {}
    await instance.token()  # made before the clock begins: it is a process of its own
    listener = asyncio.create_task(_listen(instance, heard, numbers))
    until = asyncio.get_running_loop().time() + seconds
    pause, probe = 9.0, 0
    while asyncio.get_running_loop().time() + pause + 6 < until:
        caller = f"1370000{probe:04d}"
        probe += 1
        result = await place_call(
            say=[Speech(pause, _PROBE)],
            caller=caller,
            called="12345",
            sip_host="127.0.0.1",
            sip_port=instance.ports["sip"],
            seconds=pause + 5,
            workdir=folder / caller,
        )
        spoke = _answered_at(result.log).timestamp() + pause
        (call_id,) = [c for c, number in numbers.items() if number == caller] or [""]
        first = [at.timestamp() for at in heard.get(call_id, []) if at.timestamp() > spoke]
        if first:
            delays.append(first[0] - spoke)
    if listener.done():
        listener.result()
    listener.cancel()
    return delays


async def _listen(instance: Instance, heard: dict[str, list[datetime]], numbers: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {await instance.token()}"}
    timeout = aiohttp.ClientTimeout(total=None)
    while True:  # a client that is too slow for the moment is let go by the desk and comes back
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout, read_bufsize=2**20) as session,
            session.get(instance.web + "/api/events") as stream,
        ):
            async for line in stream.content:
                if line.startswith(b"data:"):
                    event = json.loads(line[5:])
                    if event.get("kind") == "call_arrived":
                        numbers[event["call_id"]] = event["caller_number"]
                    elif event.get("kind") == "utterance_interim":
                        heard.setdefault(event["call_id"], []).append(datetime.now().astimezone())


def _answered_at(log: Path) -> datetime:
    """When SIPp got the 200 to its INVITE, which is when it begins to play."""
    text = log.read_text(encoding="utf-8", errors="replace")
    stamp = re.search(
        r"-{3,} (\d{4}-\d\d-\d\d)[ \t](\d\d:\d\d:\d\d\.\d+)[^\n]*\n[^\n]*received[^\n]*\n+SIP/2.0 200", text
    )
    if stamp is None:
        raise ValueError(f"{log}: no answer in it")
    return datetime.fromisoformat(f"{stamp[1]} {stamp[2][:15]}").astimezone()


async def main(folder: Path, *, calls: int = 100, seconds: int = 180) -> str:
    """Without taps, with, and with a listener that has stopped; returns its part of docs/benchmarks.md."""
    outcomes = [
        await run(folder / "no", "no taps", calls, seconds, taps=False),
        await run(folder / "yes", "tapped", calls, seconds, taps=True),
        await run(folder / "stalled", "tapped, listener stopped", calls, seconds // 2, taps=True, stalled=True),
    ]
    lines = [
        "| | calls | failed | taps | Asterisk CPU | server CPU | listening CPU | Redis CPU | Asterisk MB | server MB | "
        "listening MB | speech to interim p50 / p95 |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for o in outcomes:
        delays = "-"
        if len(o.delays) > 1:
            p50, p95 = statistics.median(o.delays), statistics.quantiles(o.delays, n=20)[-1]
            delays = f"{p50:.2f} s / {p95:.2f} s ({len(o.delays)})"
        cpu = [f"{o.cpu[n]:.0%}" if n in o.cpu else "-" for n in ("asterisk", "server", "listening", "redis")]
        memory = [f"{o.memory[n]:.0f}" if n in o.memory else "-" for n in ("asterisk", "server", "listening")]
        lines.append(f"| {o.kind} | {o.calls} | {o.failed} | {o.taps} | {' | '.join(cpu + memory)} | {delays} |")
    return "\n".join(lines)
