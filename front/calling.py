"""Real SIP calls to the hotline, placed by SIPp: the callers of `server.py call`, `make demo` and the tests.

One call is one SIPp process with ports of its own, so any number can be placed at once. The caller speaks what
espeak-ng makes of a text, or a recording, as A-law over RTP, and is silent (but sends on) afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import shutil
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from front.ports import free_udp_ports
from ivr import voice
from settings import HotlineError

Outcome = Literal["connected", "rejected", "unanswered", "failed"]


@dataclass(frozen=True)
class Speech:
    """A piece of what a caller says: first `pause` seconds of silence, then `text`."""

    pause: float
    text: str


@dataclass(frozen=True)
class CallResult:
    """How a call went.

    `outcome`: connected (answered, and ended by either side), rejected (a final refusal, see `sip_code`),
    unanswered (we gave up), failed (no proper SIP dialogue; `detail` says more). Times are seconds.
    """

    outcome: Outcome
    sip_code: int | None
    ended_by: Literal["caller", "hotline"] | None
    ring_seconds: float | None
    talk_seconds: float | None
    sip_call_id: str
    log: Path
    detail: str

    @property
    def connected(self) -> bool:
        return self.outcome == "connected"


class CallError(HotlineError):
    """The call could not be tried at all; the message says what is missing or wrong."""


async def place_call(
    *,
    say: str | Sequence[Speech] | None = None,
    audio: Path | None = None,
    caller: str,
    called: str,
    sip_host: str,
    sip_port: int,
    seconds: float,
    workdir: Path,
    caller_name: str = "",
    answer_within: float = 60.0,
    until: asyncio.Event | None = None,
    answered: asyncio.Event | None = None,
    words_per_minute: int = 165,
) -> CallResult:
    """Place a call, speak, hang up after `seconds` (or when `until` is set), return how it went.

    `say` is spoken from the moment of the answer: a text, or pieces with pauses before them. `audio` is a recording
    instead (any format that sox reads). `answered` is set by us at the answer. The other side may hang up first.
    Cancelling hangs up too. Everything that was sent and received stays in `workdir` (`CallResult.log`).

    Raises ValueError for a caller, number or name that cannot stand in SIP, CallError or voice.VoiceError when
    a program or the audio is missing.
    """
    if say is not None and audio is not None:
        raise ValueError("give either a text to say or a recording, not both")
    if not (0 < seconds <= 24 * 3600 and 0 < answer_within <= 3600):
        raise ValueError(f"a call of {seconds} seconds, answered within {answer_within}, cannot be placed")
    who = _Parties(_checked(caller, _CALLER, "caller"), _checked(called, _CALLED, "number"), _display(caller_name))
    remote = await _resolve(sip_host, sip_port)
    if (sipp := shutil.which("sipp")) is None:
        raise CallError("sipp is not installed; 'make setup' brings it (Debian package sip-tester)")

    name = f"call-{uuid.uuid4().hex[:12]}"
    workdir.mkdir(parents=True, exist_ok=True)
    pieces = [Speech(0, say)] if isinstance(say, str) else list(say or ())
    await asyncio.to_thread(_make_audio, pieces, audio, workdir, name, seconds, words_per_minute)
    local = _address_towards(remote)
    scenario = workdir / f"{name}.xml"
    scenario.write_text(_scenario(who, name, seconds, answer_within), encoding="utf-8")
    log = workdir / f"{name}.log"
    sip_call_id = f"{uuid.uuid4()}@{local if ':' not in local else 'caller'}"
    media, port = free_udp_ports(4, local), free_udp_ports(1, local)
    target = f"[{remote[0]}]:{remote[1]}" if ":" in remote[0] else f"{remote[0]}:{remote[1]}"
    command = [
        sipp, "-sf", scenario.name, "-m", "1", "-l", "1", "-nostdin", "-cid_str", sip_call_id,
        "-i", local, "-p", str(port),
        "-mi", local, "-mp", str(media), "-cp", str(free_udp_ports(1)),
        # A busy machine is no reason to give up a call.
        "-watchdog_minor_maxtriggers", "1000000", "-watchdog_major_maxtriggers", "1000000",
        "-trace_msg", "-message_file", log.name, "-trace_err", "-error_file", f"{name}.err",
        "-max_invite_retrans", str(_retransmissions(answer_within)),
        # Else it would send its BYE to whoever spoke to it last, which may be us (_hang_up).
        "-rsa", target, target,
    ]  # fmt: skip
    with (workdir / f"{name}.out").open("wb") as screen:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=workdir,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=screen,
            stderr=asyncio.subprocess.STDOUT,
            # A Ctrl-C on the terminal reaches us; SIPp is told by us, so that it says BYE.
            start_new_session=True,
        )
    try:
        # Only a SIPp that hangs reaches the limit.
        limit = answer_within + 2 * seconds + 60
        await _follow(process, workdir / f"{name}.answered", seconds, limit, until, answered)
    finally:
        if process.returncode is None:
            await asyncio.shield(_hang_up(process, (local, port), sip_call_id))
        for suffix in ("al", "answered"):
            (workdir / f"{name}.{suffix}").unlink(missing_ok=True)
    return _result(process.returncode, log, workdir / f"{name}.err", sip_call_id)


def _retransmissions(answer_within: float) -> int:
    """How often an INVITE that nobody reacts to is sent again: after 0.5 s, 1 s, 2 s, ... (RFC 3261, timer A).

    SIPp knows no other limit until the first reaction.
    """
    return max(1, min(5, math.ceil(math.log2(answer_within / 0.5 + 1)) - 1))


async def _follow(
    process: asyncio.subprocess.Process,
    answer_mark: Path,
    seconds: float,
    limit: float,
    until: asyncio.Event | None,
    answered: asyncio.Event | None,
) -> None:
    """Returns when SIPp has ended, or when it is time to hang up.

    The scenario hangs up by itself too, but counts anew after each re-INVITE; the time that counts is ours.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + limit
    ended = asyncio.ensure_future(process.wait())
    try:
        answered_at = None
        while not ended.done() and clock() < end and not (until and until.is_set()):
            if answered_at is None and answer_mark.exists():
                answered_at = clock()
                end = min(end, answered_at + seconds)
                if answered:
                    answered.set()
            await asyncio.wait({ended}, timeout=0.05)
    finally:
        ended.cancel()


async def _hang_up(process: asyncio.subprocess.Process, address: tuple[str, int], sip_call_id: str) -> None:
    # SIPp has no command that ends a call politely. So the scenario knows a request of our own, which makes it
    # send BYE or CANCEL; it is repeated, because SIPp may be between two steps when it comes.
    request = (
        f"{_HANG_UP} sip:caller@{address[0]} SIP/2.0\r\nVia: SIP/2.0/UDP {address[0]};branch=z9hG4bK{{}}\r\n"
        f"From: <sip:us@{address[0]}>;tag=us\r\nTo: <sip:caller@{address[0]}>\r\nCall-ID: {sip_call_id}\r\n"
        f"CSeq: {{}} {_HANG_UP}\r\nContent-Length: 0\r\n\r\n"
    )
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        for attempt in range(1, 4):
            with contextlib.suppress(OSError):
                sender.sendto(request.format(uuid.uuid4().hex, attempt).encode(), address)
            try:
                await asyncio.wait_for(process.wait(), 1.5)
                return
            except TimeoutError:
                continue
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


# --- who calls whom --------------------------------------------------------------------------------------------------

_CALLER = re.compile(r"\+?[0-9]{2,20}|anonymous")
_CALLED = re.compile(r"[+*]?[0-9*]{1,32}")


@dataclass(frozen=True)
class _Parties:
    caller: str
    called: str
    display: str


def _checked(value: str, pattern: re.Pattern[str], what: str) -> str:
    if not pattern.fullmatch(value):
        raise ValueError(f"{value!r} is not a {what} that can be used in a call (digits, an optional + in front)")
    return value


def _display(name: str) -> str:
    """`name` as a quoted display name, in the notation of SIPp's scenario files."""
    if len(name) > 80 or any(not character.isprintable() for character in name):
        raise ValueError(f"{name!r} cannot be a caller's name (80 printable characters at most)")
    if not name:
        return ""
    quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '" '
    # \xHH is SIPp's own escape: no keyword ([...]), no markup and no end of the CDATA section can be in a name.
    return "".join(
        character if character.isalnum() or (character in ' "' and quoted.count('"') == 2) else _hex(character)
        for character in quoted
    )


def _hex(character: str) -> str:
    return "".join(f"\\x{byte:02X}" for byte in character.encode())


async def _resolve(host: str, port: int) -> tuple[str, int]:
    if not 0 < port < 65536:
        raise ValueError(f"{port} is not a port")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as problem:
        raise CallError(f"the host {host!r} is not known: {problem}") from problem
    return str(found[0][4][0]), port


def _address_towards(remote: tuple[str, int]) -> str:
    family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(remote)  # sends nothing; the kernel picks the address
        except OSError as problem:
            raise CallError(f"there is no way to {remote[0]}: {problem}") from problem
        return str(probe.getsockname()[0])


# --- what is heard ---------------------------------------------------------------------------------------------------

_RATE = 8000
_ALAW = ("-t", "raw", "-r", str(_RATE), "-c", "1", "-e", "a-law", "-b", "8")
_SILENCE = b"\xd5"
"""Zero, in A-law."""


def _make_audio(
    pieces: Sequence[Speech], audio: Path | None, workdir: Path, name: str, seconds: float, words_per_minute: int
) -> None:
    """`name`.al in `workdir`: what is said, then silence until the call is over.

    A telephone sends all the time; one that stops looks dead to Asterisk (rtp_timeout).
    """
    sound = bytearray()
    if audio is not None:
        if not audio.is_file():
            raise CallError(f"there is no recording {audio}")
        sound += _as_alaw(audio, workdir / f"{name}-part.al")
    for index, piece in enumerate(pieces):
        if not 0 <= piece.pause <= 3600:
            raise ValueError(f"a pause of {piece.pause} seconds cannot be made")
        sound += _SILENCE * int(piece.pause * _RATE)
        spoken = workdir / f"{name}-{index}.wav"
        voice.speak(piece.text, spoken, words_per_minute=words_per_minute)
        sound += _as_alaw(spoken, workdir / f"{name}-part.al")
        spoken.unlink()
    length = int((seconds + 5) * _RATE)
    sound += _SILENCE * max(0, length - len(sound))
    (workdir / f"{name}.al").write_bytes(sound[:length])


def _as_alaw(source: Path, part: Path) -> bytes:
    voice.convert(source, part, output=_ALAW)
    try:
        return part.read_bytes()
    finally:
        part.unlink()


# --- the scenario ----------------------------------------------------------------------------------------------------

_HANG_UP = "HANGUP"
"""Our request to SIPp that it ends the call."""

_REFUSALS = (
    *(400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 413, 414, 415, 416, 420, 421, 423, 480, 481, 482, 483, 484),
    *(485, 486, 487, 488, 491, 493, 500, 501, 502, 503, 504, 505, 513, 580, 600, 603, 604, 606),
)


def _scenario(who: _Parties, name: str, seconds: float, answer_within: float) -> str:
    """The call as SIPp's XML. The labels: 1 talk, 2 we hang up, 3 over, 4 refused, 5 give up, 6 re-INVITE,
    7 both hang up at once."""
    branch, tag = f"z9hG4bK{uuid.uuid4().hex}", uuid.uuid4().hex[:16]
    own = f"<sip:{who.caller}@[local_ip]:[local_port]>"
    common = f"""From: {who.display}{own};tag={tag}
      Call-ID: [call_id]
      Max-Forwards: 70"""
    talk_ms, answer_ms = max(1, int(seconds * 1000)), max(1, int(answer_within * 1000))
    # A limit on one of several alternatives counts only when SIPp waits at that one: each has it.
    waiting = f'timeout="{answer_ms}" ontimeout="5"'
    talking = f'timeout="{talk_ms}" ontimeout="2"'
    provisional = "\n".join(f'  <recv response="{c}" optional="true" {waiting}/>' for c in (100, 180, 181, 182, 183))
    refused = "\n".join(f'  <recv response="{c}" optional="true" next="4" {waiting}/>' for c in _REFUSALS)
    sdp = f"""v=0
      o=caller 1 1 IN IP[local_ip_type] [local_ip]
      s=-
      c=IN IP[media_ip_type] [media_ip]
      t=0 0
      m=audio [rtpstream_audio_port] RTP/AVP 8 101
      a=rtpmap:8 PCMA/{_RATE}
      a=rtpmap:101 telephone-event/{_RATE}
      a=fmtp:101 0-15
      a=ptime:20
      a=sendrecv"""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<scenario name="one spoken call">
  <send retrans="500"><![CDATA[
      INVITE sip:{who.called}@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport
      To: <sip:{who.called}@[remote_ip]:[remote_port]>
      {common}
      CSeq: 1 INVITE
      Contact: {own}
      Allow: INVITE, ACK, BYE, CANCEL, OPTIONS
      Content-Type: application/sdp
      Content-Length: [len]

      {sdp}
  ]]></send>
{provisional}
{refused}
  <recv request="{_HANG_UP}" optional="true" next="5" {waiting}/>
  <recv response="200" rrs="true" {waiting}/>
  <send><![CDATA[
      ACK [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
      [routes]
      [last_To:]
      {common}
      CSeq: 1 ACK
      Content-Length: 0

  ]]></send>
  <nop><action>
    <exec rtp_stream="{name}.al,1,8,PCMA/{_RATE}"/>
    <exec command=": > {name}.answered"/>
  </action></nop>

  <label id="1"/>
  <recv request="INVITE" optional="true" next="6" {talking}/>
  <recv request="{_HANG_UP}" optional="true" next="2" {talking}/>
  <recv request="BYE" {talking}/>
  <send next="3"><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

  ]]></send>

  <label id="2"/>
  <send retrans="500"><![CDATA[
      BYE [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
      [routes]
      To: <sip:{who.called}@[remote_ip]:[remote_port]>[peer_tag_param]
      {common}
      CSeq: 2 BYE
      Content-Length: 0

  ]]></send>
  <recv request="{_HANG_UP}" optional="true"/>
  <recv request="BYE" optional="true" next="7"/>
  <recv response="481" optional="true" next="3"/>
  <recv response="200" next="3"/>

  <label id="7"/>
  <send next="3"><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

  ]]></send>

  <label id="4"/>
  <send next="3"><![CDATA[
      ACK sip:{who.called}@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport
      [last_To:]
      {common}
      CSeq: 1 ACK
      Content-Length: 0

  ]]></send>

  <label id="5"/>
  <send retrans="500"><![CDATA[
      CANCEL sip:{who.called}@[remote_ip]:[remote_port] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport
      To: <sip:{who.called}@[remote_ip]:[remote_port]>
      {common}
      CSeq: 1 CANCEL
      Content-Length: 0

  ]]></send>
  <recv request="{_HANG_UP}" optional="true"/>
  <recv response="200" optional="true"/>
  <recv response="487" next="4"/>

  <label id="6"/>
  <send retrans="500"><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: {own}
      Content-Type: application/sdp
      Content-Length: [len]

      {sdp}
  ]]></send>
  <recv request="ACK" next="1"/>

  <label id="3"/>
  <nop/>
</scenario>
"""


# --- what came of it -------------------------------------------------------------------------------------------------

_TRACE = re.compile(
    rb"^-{20,} (\d{4}-\d\d-\d\d[ \t]\d\d:\d\d:\d\d\.\d+)\r?\n\w+ message (sent|received) [^\n]*\n"
    rb"\r?\n([^\r\n]*)\r?\n(.*?)(?=^-{20,} \d{4}-|\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class _Message:
    at: datetime
    sent: bool
    first_line: str
    method: str


def _messages(trace: bytes) -> list[_Message]:
    found = []
    for time, direction, first_line, rest in _TRACE.findall(trace):
        cseq = re.search(rb"^CSeq:\s*\d+\s+([A-Z]+)", rest, re.MULTILINE | re.IGNORECASE)
        found.append(
            _Message(
                at=datetime.fromisoformat(time.decode().replace("\t", " ")),
                sent=direction == b"sent",
                first_line=first_line.decode(errors="replace"),
                method=cseq[1].decode() if cseq else "",
            )
        )
    return found


def _result(exit_code: int | None, log: Path, errors: Path, sip_call_id: str) -> CallResult:
    messages = _messages(log.read_bytes()) if log.exists() else []
    invite = next((m for m in messages if m.sent and m.first_line.startswith("INVITE ")), None)
    final = next((m for m in messages if not m.sent and m.method == "INVITE" and _code(m) >= 200), None)
    bye = next((m for m in messages if m.first_line.startswith("BYE ")), None)
    cancelled = any(m.sent and m.first_line.startswith("CANCEL ") for m in messages)
    code = _code(final) if final else None

    outcome: Outcome
    if final and code is not None and 200 <= code < 300:
        outcome, detail = "connected", "answered"
    elif cancelled:
        outcome, detail = "unanswered", "nobody answered in time"
    elif final:
        outcome, detail = "rejected", final.first_line.removeprefix("SIP/2.0 ")
    else:
        outcome, detail = "failed", _reason(errors) or "no answer to the INVITE (is anything listening there?)"
    if outcome == "connected" and bye is None:
        outcome, detail = "failed", _reason(errors) or f"the call was cut off (SIPp ended with {exit_code})"
    return CallResult(
        outcome=outcome,
        sip_code=code,
        ended_by=None if bye is None else "caller" if bye.sent else "hotline",
        ring_seconds=(final.at - invite.at).total_seconds() if final and invite else None,
        talk_seconds=(bye.at - final.at).total_seconds() if final and bye else None,
        sip_call_id=sip_call_id,
        log=log,
        detail=detail,
    )


def _code(message: _Message) -> int:
    match = re.match(r"SIP/2\.0 (\d{3})", message.first_line)
    return int(match[1]) if match else 0


def _reason(errors: Path) -> str:
    """The last thing that SIPp complained of."""
    if not errors.exists():
        return ""
    lines = [line.strip() for line in errors.read_text(errors="replace").split("\n") if line.strip()]
    return re.sub(r"^[\d\s:./-]*", "", lines[-1])[:300] if lines else ""
