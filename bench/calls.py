"""Calls per second: answer -> FastAGI welcome -> hang up, beside the same call in pure dialplan, with SIPp.

Both kinds are offered at the same rates, in turn, against one Asterisk; the ratio is of one run.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.sipp import HUNG_UP_BY_THE_HOTLINE, Load
from front.instance import Instance
from settings import ROOT

# The same steps as [inbound] and [welcome] of dialplans/extensions.conf; the second without the server.
_DIALPLAN = """
[bench]
exten => 9001,1,Set(__CALL_ID=${UUID()})
 same => n,Set(CALLED=${EXTEN})
 same => n,Answer()
 same => n,Set(TIMEOUT(absolute)=${FLOW_SECONDS})
 same => n,AGI(agi://${FASTAGI}/welcome)
 same => n,Set(TIMEOUT(absolute)=0)
 same => n,ExecIf($["${AGISTATUS}" != "SUCCESS"]?Hangup(38))
 same => n,Hangup(16)
exten => 9002,1,Set(__CALL_ID=${UUID()})
 same => n,Set(CALLED=${EXTEN})
 same => n,Answer()
 same => n,Set(TIMEOUT(absolute)=${FLOW_SECONDS})
 same => n,Set(QUEUE=general)
 same => n,Set(TIMEOUT(absolute)=0)
 same => n,Hangup(16)
[from-trunk](+)
include => bench
"""


@dataclass(frozen=True)
class Outcome:
    """One load: what was offered, and what came of it."""

    kind: str
    offered: float
    """calls per second"""
    done: int
    failed: int
    rate: float
    """calls completed per second, from the first call's begin to the last one's end"""
    server_cpu: float
    """of one core, by the Python server"""
    asterisk_cpu: float


async def load(instance: Instance, folder: Path, kind: str, number: str, rate: int, seconds: int) -> Outcome:
    """Offer `rate` calls/s for `seconds`; returns what came of it. Raises OSError without SIPp."""
    assert instance.process is not None
    server, asterisk = psutil.Process(instance.process.pid), psutil.Process(instance.pid("asterisk"))
    calls = Load(folder, instance.ports["sip"], number, HUNG_UP_BY_THE_HOTLINE, calls=rate * seconds, rate=rate)
    before = [sum(p.cpu_times()[:2]) for p in (server, asterisk)]
    began = asyncio.get_running_loop().time()
    await calls.start()
    done, failed = await calls.wait(seconds + 40)
    took = asyncio.get_running_loop().time() - began
    after = [sum(p.cpu_times()[:2]) for p in (server, asterisk)]
    cpu = [(a - b) / took for a, b in zip(after, before, strict=True)]
    return Outcome(kind, rate, done, failed, done / took, *cpu)


async def prepare(instance: Instance) -> None:
    """Add the bench's extensions to the running Asterisk."""
    conf = instance.data / "asterisk" / "etc"
    with (conf / "extensions.conf").open("a", encoding="utf-8") as file:
        file.write(_DIALPLAN)
    await console(instance, "dialplan reload")


async def console(instance: Instance, command: str) -> str:
    """Run a command in Asterisk's console; returns what it prints."""
    process = await asyncio.create_subprocess_exec(
        *(str(ROOT / ".asterisk" / "run"), "-C", str(instance.data / "asterisk" / "etc" / "asterisk.conf")),
        *("-rx", command),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return re.sub(r"\x1b\[[0-9;]*m", "", output.decode(errors="replace"))


async def main(folder: Path, *, seconds: int = 8) -> str:
    """The whole measurement; returns its part of docs/benchmarks.md."""
    instance = Instance(folder / "h", {"listening.enabled": "false", "call.record": "false"}, rtp_ports=4000)
    rows: list[tuple[Outcome, Outcome]] = []
    await instance.start()
    try:
        await prepare(instance)
        for rate in (100, 200, 300, 400, 500, 600, 800, 1000):
            pair = []
            for kind, number in (("FastAGI", "9001"), ("dialplan", "9002")):
                pair.append(await load(instance, folder / f"{kind}-{rate}", kind, number, rate, seconds))
                await asyncio.sleep(2)
            rows.append((pair[0], pair[1]))
            if pair[0].failed and pair[1].failed:
                break
    finally:
        await instance.stop()
    lines = [
        "| offered, calls/s | FastAGI done/s | failed | server CPU | Asterisk CPU | dialplan done/s | failed | "
        "Asterisk CPU | ratio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for agi, plain in rows:
        lines.append(
            f"| {agi.offered:.0f} | {agi.rate:.1f} | {agi.failed} | {agi.server_cpu:.0%} | {agi.asterisk_cpu:.0%} "
            f"| {plain.rate:.1f} | {plain.failed} | {plain.asterisk_cpu:.0%} | {agi.rate / max(plain.rate, 0.01):.2f} |"
        )
    return "\n".join(lines)
