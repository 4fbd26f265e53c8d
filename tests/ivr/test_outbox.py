"""The outbox with a real Redis that dies and comes back: every event arrives, in order."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ivr.events import INTERIM_CHANNEL, STREAM, CallEnded, UtteranceInterim, load, now
from ivr.outbox import Outbox


class OwnRedis:
    """A redis-server that the test kills and starts again; what it acknowledged stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder / 'r.sock'}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *("redis-server", "--port", "0", "--unixsocket", str(self.folder / "r.sock")),
                *("--dir", str(self.folder), "--appendonly", "yes", "--loglevel", "warning"),
            ],
            stdout=subprocess.DEVNULL,
        )
        for _ in range(200):
            if (self.folder / "r.sock").exists():
                return
            time.sleep(0.05)
        raise TimeoutError("redis-server did not start")

    def kill(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            (self.folder / "r.sock").unlink(missing_ok=True)

    def client(self) -> Redis:
        return Redis.from_url(self.url, socket_timeout=2, retry=Retry(NoBackoff(), 0))


@pytest.fixture
def redis() -> Iterator[OwnRedis]:
    with tempfile.TemporaryDirectory(prefix="hotline-o-") as folder:
        own = OwnRedis(Path(folder))
        own.start()
        yield own
        own.kill()


def event(number: int) -> CallEnded:
    return CallEnded(call_id=str(uuid.uuid4()), event_id=str(number), at=now())


async def numbers(redis: OwnRedis, count: int) -> list[str]:
    """The ids on the stream, each once, in order, as soon as there are `count`."""
    client = redis.client()
    try:
        async with asyncio.timeout(15):
            while True:
                try:
                    entries = await client.xrange(STREAM)
                except Exception:
                    entries = []  # not back yet
                ids = list(dict.fromkeys(load(fields[b"event"]).event_id for _, fields in entries))
                if len(ids) >= count:
                    return ids
                await asyncio.sleep(0.05)
    finally:
        await client.aclose()


async def test_events_arrive_in_order(redis: OwnRedis, tmp_path: Path) -> None:
    client = redis.client()
    outbox = Outbox(client, tmp_path / "spool.jsonl")
    outbox.start()
    for number in range(200):
        outbox.publish(event(number))
    assert await numbers(redis, 200) == [str(n) for n in range(200)]
    await outbox.close()
    await client.aclose()


async def test_nothing_is_lost_while_redis_is_dead(redis: OwnRedis, tmp_path: Path) -> None:
    client = redis.client()
    outbox = Outbox(client, tmp_path / "spool.jsonl")
    outbox.start()
    outbox.publish(event(0))
    await numbers(redis, 1)
    redis.kill()
    for number in range(1, 50):
        outbox.publish(event(number))
        if number % 10 == 0:
            await asyncio.sleep(0.2)
    redis.start()
    for number in range(50, 60):
        outbox.publish(event(number))
    assert await numbers(redis, 60) == [str(n) for n in range(60)]
    await outbox.close()
    assert not (tmp_path / "spool.jsonl").exists()
    await client.aclose()


async def test_what_a_process_could_not_send_the_next_one_sends(redis: OwnRedis, tmp_path: Path) -> None:
    redis.kill()
    client = redis.client()
    first = Outbox(client, tmp_path / "spool.jsonl")
    first.start()
    for number in range(3):
        first.publish(event(number))
    await first.close()
    # The process died while it wrote a fourth: half a line, never promised to anybody.
    with (tmp_path / "spool.jsonl").open("ab") as spool:
        spool.write(b'{"kind":"call_en')
    redis.start()
    second = Outbox(client, tmp_path / "spool.jsonl")
    second.start()
    second.publish(event(3))
    assert await numbers(redis, 4) == ["0", "1", "2", "3"]
    await second.close()
    await client.aclose()


async def test_two_processes_do_not_share_a_spool(redis: OwnRedis, tmp_path: Path) -> None:
    client = redis.client()
    first, second = Outbox(client, tmp_path / "spool.jsonl"), Outbox(client, tmp_path / "spool.jsonl")
    first.start()
    with pytest.raises(BlockingIOError):
        second.start()
    await first.close()
    await client.aclose()


async def test_interim_texts_are_dropped_not_kept_when_redis_is_away(redis: OwnRedis, tmp_path: Path) -> None:
    client = redis.client()
    outbox = Outbox(client, tmp_path / "spool.jsonl")
    outbox.start()
    heard = client.pubsub()
    await heard.subscribe(INTERIM_CHANNEL)
    await heard.get_message(timeout=5)

    def interim(tap: str, text: str) -> UtteranceInterim:
        return UtteranceInterim(call_id="c", speaker="caller", tap_id=tap, number=1, text=text)

    for text in ("水", "水南", "水南村"):
        outbox.publish_interim(interim("one", text))
    message = None
    while message is None:
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=5)
    assert "水南村" in message["data"].decode()  # the newest replaced those that still waited
    await heard.aclose()
    redis.kill()
    for number in range(1000):
        outbox.publish_interim(interim(str(number), "x"))
    outbox.publish(event(0))
    await asyncio.sleep(0.5)
    redis.start()
    assert await numbers(redis, 1) == ["0"]
    await outbox.close()
    await client.aclose()
