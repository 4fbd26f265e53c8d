"""The other end of the desk's commands: takes them from Redis as a bridge does, and answers what the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from ivr.commands import CHANNEL, AnyCommand, Code, Reply, answer, take


class AnsweringBridge:
    """`taken`: the commands that arrived. `code`: what is answered; `holds`: False answers that the call is not ours;
    `silent`: takes the command and never answers; `detail` goes with the answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.taken: list[AnyCommand] = []
        self.code: Code = "done"
        self.message = ""
        self.holds = True
        self.silent = False
        self.detail: dict[str, str] = {}

    async def serve(self, listening: asyncio.Event) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(CHANNEL)
            async for item in channel.listen():
                if item["type"] == "subscribe":
                    listening.set()
                elif item["type"] == "message":
                    await self._one(item["data"])

    async def _one(self, data: Any) -> None:
        command_id = data.decode()
        if not self.holds:
            await answer(self._redis, command_id, Reply(code="not_mine"))
            return
        command = await take(self._redis, command_id)
        if command is None:
            return
        self.taken.append(command)
        if not self.silent:
            reply = Reply(code=self.code, message=self.message, detail=self.detail)
            await answer(self._redis, command_id, reply)


@asynccontextmanager
async def answering_bridge(redis: Redis) -> AsyncIterator[AnsweringBridge]:
    """A bridge that listens until the context ends."""
    bridge = AnsweringBridge(redis)
    listening = asyncio.Event()
    task = asyncio.create_task(bridge.serve(listening))
    try:
        async with asyncio.timeout(5):
            await listening.wait()
        yield bridge
    finally:
        while not task.done():  # redis-py can swallow a cancellation
            task.cancel()
            await asyncio.wait([task], timeout=0.2)
