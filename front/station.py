"""The emergency lines' own telephone systems, played by SIPp: for the end-to-end tests and the benchmarks.

How a call is treated depends on the last three digits of the number that is dialled: 486, 480, 503 and 404 refuse with
that status, 000 does not react at all, 183 rings (with early media) and never answers, 299 answers and hangs up after
`SHORT_SECONDS`. Every other number answers after `ring_seconds` and sounds a tone until the other side hangs up.
It may also register telephones of agents, which then answer in the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from front.ports import free_udp_ports
from ivr import voice
from settings import HotlineError

SHORT_SECONDS = 1
"""How long a call to ...299 lasts."""

REFUSALS = {486: "Busy Here", 480: "Temporarily Unavailable", 503: "Service Unavailable", 404: "Not Found"}


@dataclass(frozen=True)
class Received:
    """A SIP message that the station got or sent: local time, whether it was sent, its first line, its headers."""

    at: datetime
    sent: bool
    first_line: str
    text: str

    def header(self, name: str) -> str:
        """The first header of this name, '' when there is none."""
        found = re.search(rf"^{re.escape(name)}:\s*(.*?)\r?$", self.text, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else ""

    @property
    def number(self) -> str:
        """The number that an INVITE is for."""
        found = re.match(r"INVITE sip:([^@;\s]*)", self.first_line)
        return found[1] if found else ""


class Station:
    """`async with Station(folder)`: answers SIP on `port` of this machine."""

    def __init__(self, folder: Path, *, ring_seconds: float = 0.0, calls: int = 60, tone_hz: int = 440) -> None:
        self.folder = folder
        self._tone_hz = tone_hz
        self.port = free_udp_ports(1)
        self._ring_seconds = ring_seconds
        self._media = free_udp_ports(4 * calls)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        """For a trunk's `address`."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        if (sipp := shutil.which("sipp")) is None:
            raise HotlineError("sipp is not installed; 'make setup' brings it (Debian package sip-tester)")
        self.folder.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_make_tone, self.folder, self._tone_hz)
        (self.folder / "station.xml").write_text(_scenario(self._ring_seconds), encoding="utf-8")
        with (self.folder / "output").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sipp, "-sf", "station.xml", "-i", "127.0.0.1", "-p", str(self.port), "-mp", str(self._media)),
                *("-nostdin", "-trace_msg", "-message_file", "messages.log", "-trace_err", "-error_file", "errors.log"),
                # Nobody is to be dropped for silence, for being busy, or for what is not expected.
                *("-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000"),
                *("-default_behaviors", "all,-abortunexp", "-cp", str(free_udp_ports(1))),
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def register(self, sip_port: int, passwords: dict[str, str]) -> None:
        """Let these extensions be reached here; before the start, because a registration must come from our port.

        Raises HotlineError when one is refused.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "register.xml").write_text(_REGISTER, encoding="utf-8")
        rows = [f"{name};[authentication username={name} password={word}];" for name, word in passwords.items()]
        (self.folder / "agents.csv").write_text("\n".join(["SEQUENTIAL", *rows]) + "\n", encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *(shutil.which("sipp") or "sipp", f"127.0.0.1:{sip_port}", "-sf", "register.xml", "-inf", "agents.csv"),
            *("-i", "127.0.0.1", "-p", str(self.port), "-nostdin"),
            *("-m", str(len(rows)), "-l", "10", "-r", "50", "-timeout", "60s"),
            cwd=self.folder,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if await process.wait():
            raise HotlineError(f"{self.folder}: not all of {len(rows)} telephones could register")

    async def stop(self) -> None:
        """Gone at once, as in a power cut; calls in progress are not ended."""
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def messages(self) -> list[Received]:
        """All SIP messages so far, in order."""
        log = self.folder / "messages.log"
        found = _TRACE.findall(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else []
        return [
            Received(datetime.fromisoformat(time.replace("\t", " ")), how == "sent", first, rest)
            for time, how, first, rest in found
        ]

    def invites(self, number: str | None = None) -> list[Received]:
        """The INVITEs that came (to this number), without their repetitions."""
        found: dict[str, Received] = {}
        for message in self.messages():
            if not message.sent and message.number and number in (None, message.number):
                found.setdefault(message.header("Call-ID"), message)
        return list(found.values())

    async def invited(self, number: str, *, times: int = 1, seconds: float = 30) -> Received:
        """The INVITE number `times` to this number, waited for."""
        async with asyncio.timeout(seconds):
            while len(found := self.invites(number)) < times:
                await asyncio.sleep(0.05)
        return found[times - 1]


_TRACE = re.compile(
    r"^-{20,} (\d{4}-\d\d-\d\d[ \t]\d\d:\d\d:\d\d\.\d+)\r?\n\w+ message (sent|received) [^\n]*\n"
    r"\r?\n([^\r\n]*)\r?\n(.*?)(?=^-{20,} \d{4}-|\Z)",
    re.MULTILINE | re.DOTALL,
)


def tone_level(samples: Sequence[int], hertz: int) -> float:
    """How loud this tone is in a piece of sound (8 kHz, 16 bit): its amplitude, by Goertzel's way."""
    factor = 2 * math.cos(2 * math.pi * hertz / 8000)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + factor * last - before
    power = before * before + last * last - factor * before * last
    return math.sqrt(max(0.0, power)) / (len(samples) / 2)


def _make_tone(folder: Path, hertz: int) -> None:
    """tone.al: whole periods, to be repeated."""
    alaw = ("-t", "raw", "-r", "8000", "-c", "1", "-e", "a-law", "-b", "8")
    voice.convert(None, folder / "tone.al", output=alaw, effects=("synth", "2", "sine", str(hertz), "vol", "0.3"))


_REGISTER = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="register">
  <send retrans="500"><![CDATA[
      REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:[field0]@[remote_ip]>;tag=[call_number]
      To: <sip:[field0]@[remote_ip]>
      Call-ID: [call_id]
      CSeq: 1 REGISTER
      Contact: <sip:[field0]@[local_ip]:[local_port]>
      Max-Forwards: 70
      Expires: 3600
      Content-Length: 0

  ]]></send>
  <recv response="401" auth="true"/>
  <send retrans="500"><![CDATA[
      REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:[field0]@[remote_ip]>;tag=[call_number]
      To: <sip:[field0]@[remote_ip]>
      Call-ID: [call_id]
      CSeq: 2 REGISTER
      Contact: <sip:[field0]@[local_ip]:[local_port]>
      [field1]
      Max-Forwards: 70
      Expires: 3600
      Content-Length: 0

  ]]></send>
  <recv response="200"/>
</scenario>
"""

_HEADERS = """[last_Via:]
      [last_From:]
      [last_To:];tag=[pid]S[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:station@[local_ip]:[local_port]>"""

_SDP = """Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=station 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [rtpstream_audio_port] RTP/AVP 8
      a=rtpmap:8 PCMA/8000"""


def _send(status: str, *, sdp: bool = False, attributes: str = "") -> str:
    body = _SDP if sdp else "Content-Length: 0"
    return f"<send{attributes}><![CDATA[\n      SIP/2.0 {status}\n      {_HEADERS}\n      {body}\n\n  ]]></send>"


def _plain_ok(attributes: str = "") -> str:
    return f"""<send{attributes}><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

  ]]></send>"""


def _scenario(ring_seconds: float) -> str:
    """The station as SIPp's XML. The labels: one for each treatment, 90 the call is over."""
    labels = {"486": 1, "480": 2, "503": 3, "404": 4, "000": 5, "183": 6, "299": 7}
    branches = "\n".join(
        f"""  <nop><action>
    <strcmp assign_to="5" variable="3" value="{digits}"/>
    <test assign_to="6" variable="5" compare="equal" value="0"/>
  </action></nop>
  <nop next="{label}" test="6"/>"""
        for digits, label in labels.items()
    )
    refusals = "\n".join(
        f"""  <label id="{labels[str(status)]}"/>
  {_send(f"{status} {reason}")}
  <recv request="ACK" next="90"/>"""
        for status, reason in REFUSALS.items()
    )
    ring = max(1, int(ring_seconds * 1000))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<scenario name="station">
  <recv request="OPTIONS" optional="true" next="80"/>
  <recv request="INVITE" rrs="true"><action>
    <ereg regexp="INVITE sip:[0-9]*([0-9][0-9][0-9])@" search_in="msg" assign_to="2,3"/>
  </action></recv>
{branches}
  {_send("180 Ringing")}
  <pause milliseconds="{ring}"/>
  {_send("200 OK", sdp=True, attributes=' retrans="500"')}
  <recv request="CANCEL" optional="true" next="8"/>
  <recv request="ACK"/>
  <nop><action><exec rtp_stream="tone.al,-1,8,PCMA/8000"/></action></nop>
  <label id="20"/>
  <recv request="INVITE" optional="true" next="21"/>
  <recv request="BYE"/>
  {_plain_ok(' next="90"')}
  <label id="21"/>
  {_send("200 OK", sdp=True, attributes=' retrans="500"')}
  <recv request="ACK" next="20"/>

{refusals}

  <label id="{labels["000"]}"/>
  <pause milliseconds="60000" next="90"/>

  <label id="{labels["183"]}"/>
  {_send("183 Session Progress", sdp=True)}
  <recv request="CANCEL"/>
  <label id="8"/>
  {_plain_ok()}
  <send next="90"><![CDATA[
      SIP/2.0 487 Request Terminated
      [last_Via:]
      [last_From:]
      [last_To:];tag=[pid]S[call_number]
      [last_Call-ID:]
      CSeq: [last_cseq_number] INVITE
      Content-Length: 0

  ]]></send>

  <label id="{labels["299"]}"/>
  {_send("180 Ringing")}
  {_send("200 OK", sdp=True, attributes=' retrans="500"')}
  <recv request="ACK"><action>
    <ereg regexp=".*" search_in="hdr" header="From:" assign_to="9"/>
    <ereg regexp=".*" search_in="hdr" header="To:" assign_to="10"/>
  </action></recv>
  <pause milliseconds="{SHORT_SECONDS * 1000}"/>
  <send retrans="500" next="92"><![CDATA[
      BYE [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From:[$10]
      To:[$9]
      [last_Call-ID:]
      CSeq: 1 BYE
      Max-Forwards: 70
      Content-Length: 0

  ]]></send>
  <label id="92"/>
  <recv request="BYE" optional="true" next="93"/>
  <recv response="200" next="90"/>
  <label id="93"/>
  {_plain_ok(' next="90"')}

  <label id="80"/>
  {_send("200 OK", attributes=' next="90"')}

  <label id="90"/>
  <nop/>
  <Reference variables="2"/>
</scenario>
"""
