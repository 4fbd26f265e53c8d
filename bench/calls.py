"""Calls per second: answer -> FastAGI welcome -> hang up, beside the same call in pure dialplan, with SIPp.

Both kinds are offered at the same rates, in turn, against one Asterisk; the ratio is of one run.
"""

from __future__ import annotations

import asyncio
import csv
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from front.instance import Instance
from front.ports import free_udp_ports
from settings import ROOT

_SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="answered, then hung up by the hotline">
  <send retrans="500"><![CDATA[
      INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:1390000[call_number]@[local_ip]:[local_port]>;tag=[pid]b[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>
      Call-ID: [call_id]
      CSeq: 1 INVITE
      Contact: <sip:bench@[local_ip]:[local_port]>
      Max-Forwards: 70
      Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=bench 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [media_port] RTP/AVP 8
      a=rtpmap:8 PCMA/8000
  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
      ACK [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:1390000[call_number]@[local_ip]:[local_port]>;tag=[pid]b[call_number]
      [last_To:]
      Call-ID: [call_id]
      CSeq: 1 ACK
      Max-Forwards: 70
      Content-Length: 0
  ]]></send>
  <recv request="BYE" timeout="20000"/>
  <send><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0
  ]]></send>
</scenario>
"""

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
    folder.mkdir(parents=True)
    (folder / "scenario.xml").write_text(_SCENARIO, encoding="utf-8")
    assert instance.process is not None
    server, asterisk = psutil.Process(instance.process.pid), psutil.Process(instance.pid("asterisk"))
    before = [sum(p.cpu_times()[:2]) for p in (server, asterisk)]
    began = asyncio.get_running_loop().time()
    sipp = await asyncio.create_subprocess_exec(
        *(shutil.which("sipp") or "sipp", f"127.0.0.1:{instance.ports['sip']}", "-sf", "scenario.xml", "-s", number),
        *("-i", "127.0.0.1", "-p", str(free_udp_ports(1)), "-mp", str(free_udp_ports(4)), "-nostdin", "-trace_stat"),
        *("-r", str(rate), "-m", str(rate * seconds), "-fd", "1", "-stf", "stat.csv", "-timeout", f"{seconds + 40}s"),
        cwd=folder,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await sipp.wait()
    took = asyncio.get_running_loop().time() - began
    after = [sum(p.cpu_times()[:2]) for p in (server, asterisk)]
    with (folder / "stat.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    done, failed = int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"])
    missing = rate * seconds - done - failed
    cpu = [(a - b) / took for a, b in zip(after, before, strict=True)]
    return Outcome(kind, rate, done, failed + max(0, missing), done / took, *cpu)


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
