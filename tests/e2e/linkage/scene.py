"""A hotline with emergency lines that answer, refuse and drop, for the tests of the three-line linkage."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from front.instance import Instance
from front.softphone import Softphone
from front.station import Station
from ivr import commands, events
from ivr.commands import AnyCommand, Reply
from ivr.events import Event, LineAttempt, LinkageJoined, LinkageLeft
from ivr.voice import speak
from tests.e2e.conftest import Scene, scene

LINES = """
numbers:
  - {{number: "12345", name: 12345热线, queue: general}}
trunks:
  - {{name: loopback, match: [127.0.0.1]}}
  - {{name: station, address: "{address}", qualify_seconds: 0}}
  - {{name: located, address: "{address}", qualify_seconds: 0, send_location: true}}
  - {{name: police, match: [127.0.0.2], source: "110"}}
  - {{name: nowhere, address: "127.0.0.1:9", qualify_seconds: 0}}
emergency_default: "110"
emergency_lines:
  - line: "110"
    name: 公安
    caller_key: "0"
    ring_seconds: 3
    redial_after_seconds: 1
    targets: [{{number: "110", trunks: [station]}}]
    test: {{number: "1100", trunks: [station]}}
  - line: "119"
    name: 消防
    caller_key: "9"
    ring_seconds: 3
    redial_after_seconds: 1
    targets: [{{number: "119", trunks: [station]}}]
    test: {{number: "1190486", trunks: [station]}}
  - line: "120"
    name: 急救
    caller_key: "2"
    ring_seconds: 3
    redial_after_seconds: 1
    targets: [{{number: "120", trunks: [station]}}]
  - line: "122"
    name: 交警
    caller_key: "4"
    ring_seconds: 3
    redial_after_seconds: 1
    targets: [{{number: "122", trunks: [station]}}]
"""
"""The file; `{address}` is the station's. Tests change what is dialled with `Linkages.dials`."""


_callers = itertools.count(1)


ALL = ("110", "119", "120", "122")


class Linkages:
    """One test's view of a running hotline: its telephones end with the test, the hotline may serve others after it."""

    def __init__(self, instance: Instance, station: Station, stack: AsyncExitStack) -> None:
        self.scene = Scene(instance, stack)
        self.instance = instance
        self.station = station
        self._stack = stack
        self._redis: Redis | None = None

    @property
    def redis(self) -> Redis:
        """A client of the hotline's own Redis."""
        if self._redis is None:
            self._redis = Redis.from_url(f"unix://{self.instance.data / 'redis.sock'}")
            self._stack.push_async_callback(self._redis.aclose)
        return self._redis

    async def dials(self, line: str, *numbers: str, trunk: str = "station") -> None:
        """From now on the line's targets are these numbers, by the station's trunk."""
        for place in range(1, 6):
            target = f"{numbers[place - 1]}@{trunk}" if place <= len(numbers) else ""
            await self.scene.console(f'dialplan set global LINE_{line}_{place} "{target}"')

    async def talking(self, *, caller: str = "", agent: str = "8001", **more: Any) -> str:
        """A caller talks with an agent; returns the call's id."""
        await self.scene.agent(agent, says=None)
        return await self.calling(caller=caller, state="talking", **more)

    async def calling(self, *, caller: str = "", state: str = "waiting", **more: Any) -> str:
        """A caller calls and is in this state; returns the call's id."""
        self.caller = caller or f"1390000{next(_callers):04d}"
        self.call = self.scene.call(more.pop("say", ""), caller=self.caller, seconds=more.pop("seconds", 120), **more)
        return str((await self.scene.call_when(state=state, caller_number=self.caller))["call_id"])

    async def citizen(self, number: str = "13800138000", *, says: str = "") -> Softphone:
        """A citizen's telephone that can press keys, and keeps what it hears. It has called the hotline."""
        folder = self.instance.folder / f"citizen-{number}-{id(self)}"
        folder.mkdir()
        port = self.instance.ports["sip"]
        speech = folder / "says.wav" if says else None
        if speech:
            await asyncio.to_thread(speak, says, speech)
        phone = Softphone(number, "", "127.0.0.1", port, folder, register=False, record=True, speech=speech)
        await phone.start()
        self._stack.push_async_callback(phone.stop)
        await phone.dial("12345")
        await phone.wait_for_call("established")
        return phone

    async def ask(self, command: AnyCommand, seconds: float = 5) -> Reply:
        """Have a command of the desk carried out. Raises CommandRefused."""
        return await commands.ask(self.redis, command, seconds)

    async def told(self, call_id: str) -> list[Event]:
        """The events of this call so far, in order, each once."""
        found: dict[str, Event] = {}
        for _, fields in await self.redis.xrange(events.STREAM):
            event = events.load(fields[b"event"])
            if getattr(event, "call_id", "") == call_id:
                found.setdefault(event.event_id, event)
        return list(found.values())

    async def until(self, call_id: str, condition: Callable[[list[Event]], Any], seconds: float = 30) -> list[Event]:
        """The events of the call, as soon as the condition holds for them."""
        told: list[Event] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    told = await self.told(call_id)
                    if condition(told):
                        return told
                    await asyncio.sleep(0.1)
        except TimeoutError:
            said = "\n".join(event.model_dump_json() for event in told)
            raise AssertionError(f"not within {seconds} s; what was told:\n{said}") from None

    async def members(self, call_id: str) -> list[str]:
        """Who is in the conference as Asterisk has it: `caller`, extensions and lines, sorted."""
        listed = await self.scene.console(f"confbridge list link-{call_id}")
        found = []
        for row in listed.split("\n"):
            channel = row.split(" ")[0]
            if channel.startswith("PJSIP/"):
                name = channel.removeprefix("PJSIP/").rpartition("-")[0]
                found.append("caller" if name == "loopback" else name)
            elif channel.startswith("Local/"):
                found.append(channel.removeprefix("Local/").partition("-")[0])
        return sorted(found)

    async def together(self, call_id: str, *names: str, seconds: float = 30) -> None:
        """Wait until exactly these are in the conference."""
        found: list[str] = []
        try:
            async with asyncio.timeout(seconds):
                while found != sorted(names):
                    await asyncio.sleep(0.1)
                    found = await self.members(call_id)
        except TimeoutError:
            raise AssertionError(f"in the conference: {found}, not {sorted(names)}, after {seconds} s") from None

    async def all_gone(self, call_id: str, seconds: float = 30) -> None:
        """Wait until Asterisk has no channel left that belongs to the call's linkage."""
        left = ""
        try:
            async with asyncio.timeout(seconds):
                while left := await self._channels_of(call_id):
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"still there after {seconds} s:\n{left}") from None

    async def _channels_of(self, call_id: str) -> str:
        listed = await self.scene.console("core show channels concise")
        return "\n".join(row for row in listed.split("\n") if call_id in row)


def attempts(told: list[Event], line: str) -> list[tuple[str, str]]:
    """Number and outcome of each thing that was told of attempts to reach this line, `ringing` left out."""
    found = [event for event in told if isinstance(event, LineAttempt) and event.line == line]
    return [(event.number, event.outcome) for event in found if event.outcome != "ringing"]


def joined(told: list[Event], *names: str) -> bool:
    """Whether all of these came into the conference (and perhaps left it again)."""
    return set(names) <= {event.name for event in told if isinstance(event, LinkageJoined)}


def left(told: list[Event], name: str) -> list[str]:
    """The reasons for which this party left the conference."""
    return [event.reason for event in told if isinstance(event, LinkageLeft) and event.name == name]


def kinds(told: list[Event]) -> list[str]:
    """What was told, in order."""
    return [event.kind for event in told]


@asynccontextmanager
async def linked_hotline(overrides: dict[str, str] | None = None) -> AsyncIterator[tuple[Scene, Station]]:
    """A running hotline with `LINES` and its station. What is said to callers first is short: tests need not wait."""
    async with (
        scene({"listening.enabled": "false"} | (overrides or {}), start=False) as hotline,
        Station(hotline.instance.folder / "station") as station,
    ):
        await start_with(hotline, station)
        yield hotline, station


async def start_with(hotline: Scene, station: Station) -> None:
    """Write lines.yaml for this station and start the hotline."""
    write_lines(hotline.instance.config, station)
    await hotline.instance.start()
    await hotline.console("dialplan set global DEFAULT_NOTICE digits/1")


def write_lines(config: Path, station: Station) -> None:
    """lines.yaml, with the lines at the station."""
    (config / "lines.yaml").write_text(LINES.format(address=station.address), encoding="utf-8")
    queues = (config / "queues.yaml").read_text(encoding="utf-8")
    # The agent of one test is the next one's too.
    (config / "queues.yaml").write_text(queues.replace("wrapup_seconds: 5", "wrapup_seconds: 0"), encoding="utf-8")
