"""SIPp as the load of the benchmarks: many short or long calls from one process."""

from __future__ import annotations

import asyncio
import csv
import shutil
from pathlib import Path

from front.ports import free_udp_ports

_HEADERS = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:1390000[call_number]@[local_ip]:[local_port]>;tag=[pid]b[call_number]
      To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]
      Call-ID: [call_id]
      Max-Forwards: 70"""

_SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="bench">
  <send retrans="500"><![CDATA[
      INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
      HEADERS
      CSeq: 1 INVITE
      Contact: <sip:bench@[local_ip]:[local_port]>
      Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=bench 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio MEDIA RTP/AVP 8
      a=rtpmap:8 PCMA/8000
  ]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rrs="true"/>
  <send><![CDATA[
      ACK [next_url] SIP/2.0
      HEADERS
      CSeq: 1 ACK
      Content-Length: 0
  ]]></send>
  REST
</scenario>
"""

HUNG_UP_BY_THE_HOTLINE = """<recv request="BYE" timeout="20000"/>
  <send><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0
  ]]></send>"""


def talks(audio_file: str, seconds: int) -> str:
    """The rest of a call that plays a file over and over for `seconds` and hangs up."""
    return f"""<nop><action><exec rtp_stream="{audio_file},-1,8,PCMA/8000"/></action></nop>
  <pause milliseconds="{seconds * 1000}"/>
  <send retrans="500"><![CDATA[
      BYE [next_url] SIP/2.0
      {_HEADERS}
      CSeq: 2 BYE
      Content-Length: 0
  ]]></send>
  <recv response="200"/>"""


class Load:
    """One SIPp process: `calls` calls to `number`, `rate` per second, each going on as `rest` says."""

    def __init__(self, folder: Path, sip_port: int, number: str, rest: str, *, calls: int, rate: int) -> None:
        self._folder = folder
        self._calls = calls
        folder.mkdir(parents=True, exist_ok=True)
        media = "[rtpstream_audio_port]" if "rtp_stream" in rest else "[media_port]"
        text = _SCENARIO.replace("REST", rest).replace("MEDIA", media).replace("HEADERS", _HEADERS)
        (folder / "scenario.xml").write_text(text, encoding="utf-8")
        rtp = free_udp_ports(4 * calls if "rtp_stream" in rest else 4)
        self._command = [
            *(shutil.which("sipp") or "sipp", f"127.0.0.1:{sip_port}", "-sf", "scenario.xml", "-s", number),
            *("-i", "127.0.0.1", "-p", str(free_udp_ports(1)), "-mp", str(rtp), "-nostdin", "-trace_stat"),
            *("-r", str(rate), "-m", str(calls), "-l", str(calls), "-fd", "1", "-stf", "stat.csv"),
            # SIPp ends everything when the machine is too busy for its taste; what is measured is not SIPp.
            *("-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000"),
        ]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begin calling. Raises OSError without SIPp."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=self._folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )

    async def wait(self, seconds: float) -> tuple[int, int]:
        """Wait for the last call (killed after `seconds`); returns how many calls succeeded and how many did not."""
        assert self._process is not None
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        with (self._folder / "stat.csv").open(encoding="utf-8") as file:
            done = int(list(csv.DictReader(file, delimiter=";"))[-1]["SuccessfulCall(C)"])
        return done, self._calls - done
