"""A real SIP telephone without a sound card, played by baresip: the agents of `make demo` and of the tests.

It registers with digest authentication, answers by itself or when told, speaks a recording, presses digits, dials.
It can also be a caller who presses digits, which SIPp cannot without root (`register=False`).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import shutil
import socket
import wave
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from front.ports import free_tcp_port, free_udp_ports
from ivr import voice
from settings import HotlineError

CallState = Literal["incoming", "outgoing", "ringing", "early", "established", "other"]


class SoftphoneError(HotlineError):
    """The telephone did not do what it was told; the message says why."""


@dataclass(frozen=True)
class PhoneCall:
    """A call that the telephone has: the other side's SIP address, and how far the call is."""

    peer: str
    state: CallState


class Softphone:
    """One telephone: `async with Softphone(...)`, or `start` and `stop`.

    `speech` (any format that sox reads) is played from the beginning in each call, followed by silence. A call ends
    after `max_call_seconds` (baresip hangs up when its sound file is over). With `record`, what the telephone hears
    is kept, see `heard`. Its own files, with baresip's log, are in `workdir`/phone-EXTENSION.
    """

    def __init__(
        self,
        extension: str,
        password: str,
        sip_host: str,
        sip_port: int,
        workdir: Path,
        *,
        auto_answer: bool = True,
        speech: Path | None = None,
        register: bool = True,
        record: bool = False,
        max_call_seconds: int = 900,
    ) -> None:
        if not re.fullmatch(r"[+]?[0-9A-Za-z_-]{1,40}", extension):
            raise ValueError(f"{extension!r} cannot be the name of a telephone (letters, digits, - and _)")
        if not re.fullmatch(r"[!-~]*", password) or re.search(r'[;<>",\\]', password):
            raise ValueError(
                f'the password of {extension} holds a character that baresip cannot take (space ; < > " , \\)'
            )
        if not re.fullmatch(r"[0-9A-Za-z.:-]+", sip_host) or not 0 < sip_port < 65536:
            raise ValueError(f"{sip_host}:{sip_port} is not an address")
        self.extension = extension
        self._password = password
        self._server = f"[{sip_host}]:{sip_port}" if ":" in sip_host else f"{sip_host}:{sip_port}"
        self._host, self._port = sip_host, sip_port
        self._auto_answer, self._register, self._record = auto_answer, register, record
        self._speech, self._max_call_seconds = speech, max_call_seconds
        self.folder = workdir / f"phone-{extension}"
        self._process: asyncio.subprocess.Process | None = None
        self._control: _Control | None = None

    @property
    def log(self) -> Path:
        """What baresip said."""
        return self.folder / "baresip.log"

    @property
    def heard(self) -> list[Path]:
        """With `record`: a WAV file (8 kHz) per call, oldest first. Complete once its call has ended."""
        return sorted(self.folder.glob("dump-*-dec.wav"))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, timeout: float = 15.0) -> None:
        """Returns when it has registered. Raises SoftphoneError, with the server's reason, when it could not."""
        if self._process is not None:
            raise SoftphoneError(f"telephone {self.extension} is already on")
        if (baresip := shutil.which("baresip")) is None:
            raise SoftphoneError("baresip is not installed; 'make setup' brings it (Debian package baresip-core)")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)  # the password lies in it
        await asyncio.to_thread(self._write_sound)
        deadline = asyncio.get_running_loop().time() + timeout
        for attempt in range(3):
            control_port = self._write_configuration()
            with self.log.open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(baresip, "-4") if ":" not in self._host else (baresip, "-6"),
                    *("-f", "."),
                    cwd=self.folder,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=asyncio.subprocess.STDOUT,
                    # A Ctrl-C on the terminal reaches us; the telephone is told by us, so that it signs off.
                    start_new_session=True,
                )
            try:
                await self._connect(control_port, deadline)
                await self._wait_registered(deadline)
                return
            except SoftphoneError:
                in_use = "already in use" in self._last_words(4000)
                await self.stop()
                if not in_use or attempt == 2:
                    raise
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Sign off and switch off; safe at any time."""
        process, control = self._process, self._control
        self._process = self._control = None
        if control:
            with contextlib.suppress(SoftphoneError, TimeoutError):
                await asyncio.wait_for(control.command("quit"), 1)
        if process and process.returncode is None:
            try:
                # Without a control connection it cannot have been told.
                await asyncio.wait_for(process.wait(), 2 if control else 0)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if control:
            await control.close()

    async def calls(self) -> list[PhoneCall]:
        """The calls that it has now."""
        return [
            PhoneCall(peer=found[2], state=_STATES.get(found[1], "other"))
            for found in _CALL_LINE.finditer(await self._command("listcalls"))
        ]

    async def wait_for_call(self, state: CallState = "established", timeout: float = 15.0) -> PhoneCall:
        """The first call that is `state`, as soon as there is one. Raises SoftphoneError when there is none in time."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            calls = await self.calls()
            for call in calls:
                if call.state == state:
                    return call
            if asyncio.get_running_loop().time() > deadline:
                has = ", ".join(f"{call.state} {call.peer}" for call in calls) or "none at all"
                raise SoftphoneError(f"telephone {self.extension}: no {state} call within {timeout:g} s; it has {has}")
            await asyncio.sleep(0.05)

    async def wait_until_idle(self, timeout: float = 15.0) -> None:
        """Returns when it has no call. Raises SoftphoneError when it still has one after `timeout` seconds."""
        deadline = asyncio.get_running_loop().time() + timeout
        while calls := await self.calls():
            if asyncio.get_running_loop().time() > deadline:
                raise SoftphoneError(f"telephone {self.extension} still has a call with {calls[0].peer}")
            await asyncio.sleep(0.05)

    async def answer(self) -> None:
        """Answer the call that is ringing. Raises SoftphoneError when none is."""
        if not any(call.state == "incoming" for call in await self.calls()):
            raise SoftphoneError(f"telephone {self.extension} is not ringing")
        await self._command("accept")
        await self.wait_for_call("established", 5)

    async def hangup(self) -> None:
        """End all of its calls, or refuse those that are ringing."""
        for _ in range(10):
            if not await self.calls():
                return
            await self._command("hangup")
        raise SoftphoneError(f"telephone {self.extension} does not hang up")

    async def dial(self, number: str) -> None:
        """Call `number` (digits, + and *) on the server. Returns at once, see `wait_for_call`."""
        if not re.fullmatch(r"[0-9+*]{1,32}", number):
            raise ValueError(f"{number!r} cannot be dialled (digits, + and * only)")
        await self._command("dial", f"sip:{number}@{self._server}")

    async def press(self, digits: str, gap: float = 0.1) -> None:
        """Press keys in the established call, each 0.1 s long, as RFC 4733 events."""
        if not re.fullmatch(r"[0-9*#]+", digits):
            raise ValueError(f"{digits!r} are not the keys of a telephone")
        for digit in digits:
            await self._command("sndcode", digit)
            await asyncio.sleep(0.1)
            await self._command("sndcode", _KEY_RELEASED)
            await asyncio.sleep(gap)

    async def _command(self, name: str, parameter: str = "") -> str:
        if self._control is None:
            raise SoftphoneError(f"telephone {self.extension} is off")
        try:
            return await asyncio.wait_for(self._control.command(name, parameter), 5)
        except TimeoutError:
            raise SoftphoneError(f"telephone {self.extension} does not react to '{name}'") from None
        except SoftphoneError as problem:
            raise SoftphoneError(f"telephone {self.extension}: {problem}\n{self._last_words()}".rstrip()) from None

    async def _connect(self, port: int, deadline: float) -> None:
        while True:
            try:
                self._control = _Control(*await asyncio.open_connection("127.0.0.1", port))
                return
            except OSError:
                if self._process is None or self._process.returncode is not None:
                    raise SoftphoneError(f"baresip did not start: {self._last_words()}") from None
                if asyncio.get_running_loop().time() > deadline:
                    raise SoftphoneError(f"baresip started, but takes no commands: {self._last_words()}") from None
                await asyncio.sleep(0.05)

    async def _wait_registered(self, deadline: float) -> None:
        if not self._register:
            return
        while True:
            status = _COLOUR.sub("", await self._command("reginfo"))
            if re.search(r"\bOK\b", status):
                return
            if re.search(r"\bERR\b", status):
                refusals = re.findall(r"^reg: .*?: (.+?)(?: \(.*)?$", self._last_words(4000), re.MULTILINE)
                reason = refusals[-1] if refusals else self._last_words()
                raise SoftphoneError(f"{self._server} did not let telephone {self.extension} register: {reason}")
            if asyncio.get_running_loop().time() > deadline:
                raise SoftphoneError(f"telephone {self.extension}: no answer to REGISTER from {self._server}")
            await asyncio.sleep(0.05)

    def _last_words(self, count: int = 400) -> str:
        try:
            return _COLOUR.sub("", self.log.read_text(errors="replace"))[-count:].strip()
        except FileNotFoundError:
            return ""

    def _write_sound(self) -> None:
        target = self.folder / "speech.wav"
        target.unlink(missing_ok=True)
        spoken = b""
        if self._speech is not None:
            if not self._speech.is_file():
                raise SoftphoneError(f"there is no recording {self._speech}")
            part = self.folder / "spoken.wav"
            voice.convert(self._speech, part, output=("-r", str(_RATE), "-c", "1", "-b", "16", "-e", "signed-integer"))
            with wave.open(str(part), "rb") as file:
                spoken = file.readframes(file.getnframes())
            part.unlink()
        with wave.open(str(target), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes(spoken + bytes(max(0, self._max_call_seconds * _RATE * 2 - len(spoken))))

    def _write_configuration(self) -> int:
        """baresip's folder; returns the port of its control connection. Relative names: it runs in the folder."""
        control, local = free_tcp_port(), _address_towards(self._host, self._port)
        sip, rtp = free_udp_ports(1, local), free_udp_ports(16, local)
        modules = next((m for pattern in _MODULES for m in Path("/").glob(pattern)), None)
        if modules is None:
            raise SoftphoneError("baresip's modules are not where Debian's package baresip-core has them")
        lines = [
            f"sip_listen {local}:{sip}",
            f"net_interface {local}",
            f"rtp_ports {rtp}-{rtp + 15}",
            "call_local_timeout 300",
            "call_max_calls 4",
            "audio_source aufile,speech.wav",
            "audio_player aubridge,ear",
            "audio_alert aubridge,bell",
            f"module_path {modules}",
            "module g711.so",
            "module aufile.so",
            "module aubridge.so",
            *(["module sndfile.so", "snd_path ."] if self._record else []),
            "module_tmp account.so",
            "module_app menu.so",
            "module_app ctrl_tcp.so",
            f"ctrl_tcp_listen 127.0.0.1:{control}",
            "statmode_default off",
        ]
        account = {
            "auth_user": self.extension,
            # Without one baresip would ask for it.
            "auth_pass": self._password or "none",
            "answermode": "auto" if self._auto_answer else "manual",
            "audio_codecs": f"PCMA/{_RATE}/1",
            "dtmfmode": "rtpevent",
            "regint": "300" if self._register else "0",
        }
        attributes = "".join(f";{name}={value}" for name, value in account.items())
        for name, text in (
            ("config", "\n".join(lines)),
            ("accounts", f"<sip:{self.extension}@{self._server}>{attributes}"),
            ("contacts", ""),
        ):
            file = self.folder / name
            file.touch(mode=0o600)
            file.write_text(text + "\n")
        return control


_RATE = 8000
_KEY_RELEASED = "\x04"
_MODULES = ("usr/lib/baresip/modules", "usr/lib/*/baresip/modules", "usr/local/lib/baresip/modules")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CALL_LINE = re.compile(r"\[line \d+\]\s+[\d:]+\s+(\w+)\s+(\S+)")
_STATES: dict[str, CallState] = {
    "INCOMING": "incoming",
    "OUTGOING": "outgoing",
    "RINGING": "ringing",
    "EARLY": "early",
    "ESTABLISHED": "established",
}


def _address_towards(host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, port))  # sends nothing; the kernel picks the address
        except OSError as problem:
            raise SoftphoneError(f"there is no way to {host}: {problem}") from problem
        return str(probe.getsockname()[0])


class _Control:
    """baresip's control connection: JSON in netstrings; answers carry the token of their command."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._tokens = itertools.count(1)
        self._task = asyncio.create_task(self._read())

    async def command(self, name: str, parameter: str = "") -> str:
        """baresip's answer. Raises SoftphoneError when it refuses, or is gone."""
        if self._task.done():
            raise SoftphoneError("baresip has ended")
        token = str(next(self._tokens))
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[token] = answer
        message = json.dumps({"command": name, "token": token} | ({"params": parameter} if parameter else {})).encode()
        self._writer.write(b"%d:%s," % (len(message), message))
        try:
            return await answer
        finally:
            self._waiting.pop(token, None)

    async def close(self) -> None:
        self._task.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._task

    async def _read(self) -> None:
        try:
            while True:
                length = int((await self._reader.readuntil(b":"))[:-1])
                message = (await self._reader.readexactly(length + 1))[:-1]
                self._take(message)
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            pass
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(SoftphoneError("baresip has ended"))

    def _take(self, message: bytes) -> None:
        try:
            said: dict[str, Any] = json.loads(message.decode(errors="replace"), strict=False)
        except ValueError:
            return  # an event whose caller's name baresip did not escape; answers to commands are sound
        answer = self._waiting.get(str(said.get("token")))
        if not said.get("response") or answer is None or answer.done():
            return
        if said.get("ok"):
            answer.set_result(str(said.get("data", "")))
        else:
            answer.set_exception(SoftphoneError(str(said.get("data", "")).strip() or "refused"))
