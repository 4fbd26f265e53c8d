"""A real Redis, the demo model, the service on a free port, and the Asterisk side of its connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import uvloop
from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.exceptions import RedisError

import settings as configuration
from asr_models import catalogue, vosk_recogniser
from asr_models.recogniser import Recogniser
from ivr.events import STREAM, TAP_KEY, Event, Speaker, Tap, load
from ivr.listening.service import Listening
from ivr.outbox import Outbox
from ivr.wire.audiosocket import audio
from settings import Settings

E = TypeVar("E")


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the hotline runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def redis_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("redis")
    path = folder / "r.sock"
    arguments = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL) as server:
        client = BlockingRedis(unix_socket_path=str(path))
        for _ in range(200):
            with contextlib.suppress(RedisError):
                client.ping()
                break
            time.sleep(0.02)
        client.close()
        yield path
        server.terminate()


@pytest.fixture
async def redis(redis_socket: Path) -> AsyncIterator[Redis]:
    async with Redis(unix_socket_path=str(redis_socket)) as client:
        await client.flushall()
        yield client


@pytest.fixture(scope="session")
def demo() -> Recogniser:
    model = catalogue.find("demo", Path("/nowhere"))
    assert model
    return vosk_recogniser.load(model)


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Settings]:
    """configured(threads=1, ...) -> Settings with these keys of `listening`, and a free port."""

    def configure(**listening: object) -> Settings:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        overrides = {"ports.audio": str(port), "listening.model": "demo"}
        overrides |= {f"listening.{key}": str(value) for key, value in listening.items()}
        return configuration.load(configuration.ROOT / "config", tmp_path / "data", overrides)

    return configure


class Line:
    """Asterisk's end of one AudioSocket connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def name(self, tap_id: str) -> None:
        self.writer.write(b"\x01\x00\x10" + uuid.UUID(tap_id).bytes)

    def say(self, pcm: bytes) -> None:
        """Send audio as frames of 20 ms, all at once."""
        for start in range(0, len(pcm), 320):
            self.writer.write(audio(pcm[start : start + 320]))

    async def speak(self, pcm: bytes) -> None:
        """Send audio at the speed at which it is spoken."""
        begun = time.monotonic()
        for number, start in enumerate(range(0, len(pcm), 320)):
            self.writer.write(audio(pcm[start : start + 320]))
            await asyncio.sleep(max(0.0, begun + 0.02 * number - time.monotonic()))

    async def closed(self, seconds: float = 2.0) -> bytes:
        """Wait until the service has closed; what it sent until then."""
        received = b""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    data = await self.reader.read(65536)
                except ConnectionError:
                    return received
                if not data:
                    return received
                received += data

    async def hang_up(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class House:
    """The running service and what it tells."""

    def __init__(self, listening: Listening, redis: Redis, port: int) -> None:
        self.listening = listening
        self.redis = redis
        self.port = port
        self.lines: list[Line] = []

    async def connect(self) -> Line:
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port))
        self.lines.append(line)
        return line

    async def announce(self, speaker: Speaker = "caller", call_id: str = "call-1", language: str = "") -> str:
        tap_id = str(uuid.uuid4())
        channel = f"PJSIP/{speaker}"
        tap = Tap(tap_id=tap_id, call_id=call_id, speaker=speaker, channel=channel, language=language)
        await self.redis.set(TAP_KEY.format(tap_id=tap_id), tap.model_dump_json(), ex=60)
        return tap_id

    async def tap(self, speaker: Speaker = "caller", call_id: str = "call-1", language: str = "") -> tuple[Line, str]:
        """A connection that has named its announced tap."""
        tap_id = await self.announce(speaker, call_id, language)
        line = await self.connect()
        line.name(tap_id)
        return line, tap_id

    async def events(self) -> list[Any]:
        found: list[Event] = [load(fields[b"event"]) for _, fields in await self.redis.xrange(STREAM)]
        return found

    async def wait_for(self, what: Callable[[list[Any]], E], seconds: float = 30.0) -> E:
        """Poll the events until `what` of them is true; returns that."""
        deadline = time.monotonic() + seconds
        while True:
            events = await self.events()
            if found := what(events):
                return found
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s; there were: {events}")
            await asyncio.sleep(0.02)


Opener = Callable[..., contextlib.AbstractAsyncContextManager[House]]


@pytest.fixture
def opened(configured: Callable[..., Settings], redis: Redis, tmp_path: Path, demo: Recogniser) -> Opener:
    """opened(recogniser=..., threads=1, ...) -> context of a running House."""

    @contextlib.asynccontextmanager
    async def open_house(recogniser: Recogniser | None = demo, **listening: object) -> AsyncIterator[House]:
        settings = configured(**listening)
        outbox = Outbox(redis, tmp_path / "spool" / "listening.jsonl")
        outbox.start()
        service = Listening(settings, redis, outbox, recogniser=recogniser)
        await service.start()
        house = House(service, redis, settings.hotline.ports.audio)
        try:
            yield house
        finally:
            for line in house.lines:
                await line.hang_up()
            await service.close()
            await outbox.close()

    return open_house
