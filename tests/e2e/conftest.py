"""Real hotlines for the end-to-end tests: Asterisk, Redis, Vosk, baresip and SIPp, nothing pretended."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from front.calling import CallResult, Speech, place_call
from front.instance import Instance
from front.softphone import Softphone
from ivr.voice import speak
from settings import ROOT

ARTEFACTS = Path(__file__).parents[2] / "test-artefacts"

LIGHTS = "你好我想反映一下保港的路灯坏了很久了晚上很危险"
WATER = "水南村停水两天了什么时候恢复"


_names = itertools.count()
"""For folders: several scenes may follow each other in one."""


class Scene:
    """A running hotline with what a test does to it."""

    def __init__(self, instance: Instance, stack: AsyncExitStack) -> None:
        self.instance = instance
        self._stack = stack

    async def agent(
        self, extension: str = "8001", *, says: str | None = "您好请问需要什么帮忙", **more: Any
    ) -> Softphone:
        """A registered softphone that answers by itself; it ends with the test."""
        folder = self.instance.folder / f"agent-{extension}-{next(_names)}"
        folder.mkdir()
        speech = more.pop("speech", None)
        if says:
            speech = folder / "says.wav"
            await asyncio.to_thread(speak, says, speech)
        phone = Softphone(
            extension,
            self.instance.sip_password(extension),
            "127.0.0.1",
            self.instance.ports["sip"],
            folder,
            speech=speech,
            **more,
        )
        await phone.start()
        self._stack.push_async_callback(phone.stop)
        return phone

    def call(
        self, say: str = LIGHTS, *, pause: float = 11, seconds: float = 24, caller: str = "13800138000", **more: Any
    ) -> asyncio.Task[CallResult]:
        """A citizen calls; the task ends with the call. Cancelled at the end of the test when it still goes on."""
        task = asyncio.create_task(
            place_call(
                say=[Speech(pause, say)] if say else None,
                caller=caller,
                called=more.pop("called", "12345"),
                sip_host="127.0.0.1",
                sip_port=self.instance.ports["sip"],
                seconds=seconds,
                workdir=self.instance.folder / f"call-{next(_names)}",
                **more,
            )
        )

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self._stack.push_async_callback(end)
        return task

    async def calls(self, **criteria: str) -> list[dict[str, Any]]:
        """The calls of GET /api/calls that have these values, newest first."""
        found = (await self.instance.api("/api/calls"))["calls"]
        return [c for c in found if all(c[key] == value for key, value in criteria.items())]

    async def call_when(self, seconds: float = 60, **criteria: str) -> dict[str, Any]:
        """The newest call that has these values, waited for."""
        async with asyncio.timeout(seconds):
            while not (found := await self.calls(**criteria)):
                await asyncio.sleep(0.1)
        return found[0]

    async def transcript_when(self, call_id: str, words: str, seconds: float = 60, speaker: str = "caller") -> str:
        """What the speaker has said so far, once it holds `words`."""
        heard = ""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    call = await self.instance.api(f"/api/calls/{call_id}")
                    heard = "".join(u["text"] for u in call["transcript"] if u["speaker"] == speaker).replace(" ", "")
                    if words in heard:
                        return heard
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"{words!r} was not heard within {seconds} s, only {heard!r}") from None

    async def ticket_of(self, call_id: str) -> dict[str, Any]:
        """The ticket of a call, whole."""
        tickets = (await self.instance.api("/api/tickets"))["tickets"]
        (found,) = [t for t in tickets if t["call_id"] == call_id]
        return dict(await self.instance.api(f"/api/tickets/{found['id']}"))

    async def console(self, command: str) -> str:
        """What Asterisk's console answers."""
        process = await asyncio.create_subprocess_exec(
            *(str(ROOT / ".asterisk" / "run"), "-C", str(self.instance.data / "asterisk" / "etc" / "asterisk.conf")),
            *("-rx", command),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        return output.decode(errors="replace").strip()

    async def eventually(self, condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
        """Wait until the condition holds."""
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.2)


@asynccontextmanager
async def scene(overrides: dict[str, str] | None = None, *, start: bool = True) -> AsyncIterator[Scene]:
    """A hotline in a folder of its own, started; everything is ended and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="hotline-e2e-"))
    instance = Instance(folder / "h", overrides)
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(_keep_logs, instance)
        stack.callback(instance.end_what_is_left)
        stack.push_async_callback(instance.stop)
        if start:
            await instance.start()
        yield Scene(instance, stack)


def _keep_logs(instance: Instance) -> None:
    """The last run's logs, to be looked at when a test failed."""
    kept = ARTEFACTS / "logs"
    kept.mkdir(parents=True, exist_ok=True)
    for name, source in (
        ("server.log", instance.log),
        ("listening.log", instance.data / "log" / "listening.log"),
        ("asterisk.log", instance.data / "asterisk" / "log" / "messages.log"),
    ):
        if source.exists():
            shutil.copyfile(source, kept / name)


@pytest.fixture
async def hotline() -> AsyncIterator[Scene]:
    """A running hotline of the test's own."""
    async with scene() as running:
        yield running
