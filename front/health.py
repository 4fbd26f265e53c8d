"""Whether the parts work: each process says so in Redis every other second, and the desk reads it there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text

from routing.storage import Database

log = structlog.get_logger(__name__)

_KEY = "hotline:health:{part}"
_SECONDS = 8


async def report(redis: Redis, troubles: dict[str, Callable[[], str]]) -> None:
    """Say every 2 s how each part is ('' is well), until cancelled."""
    while True:
        try:
            for part, trouble in troubles.items():
                value = f"{os.getpid()} {trouble()}"
                await asyncio.wait_for(redis.set(_KEY.format(part=part), value, ex=_SECONDS), 2)
        except (RedisError, OSError, TimeoutError) as problem:
            log.debug("cannot report health", problem=str(problem))
        await asyncio.sleep(2)


async def reported_by(redis: Redis, part: str, pid: int) -> bool:
    """Whether the process `pid` has reported for this part within the last seconds."""
    try:
        value = await asyncio.wait_for(redis.get(_KEY.format(part=part)), 1)
    except (RedisError, OSError, TimeoutError):
        return False
    return value is not None and _text(value).split(" ")[0] == str(pid)


class Health:
    """Asks all parts; the answer is 'ok' or what is wrong, in a sentence.

    `parts` are those that report; Redis and the database are tried here.
    """

    def __init__(self, redis: Redis, database: Database, parts: Sequence[str]) -> None:
        self._parts = parts
        self._redis = redis
        self._database = database

    async def __call__(self) -> dict[str, str]:
        """Part name -> 'ok' or what is wrong. Never raises; takes 3 s at most."""
        answers = {"redis": await self._redis_trouble(), "database": await self._database_trouble()}
        if answers["redis"] != "ok":
            return answers
        for part in self._parts:
            try:
                value = await asyncio.wait_for(self._redis.get(_KEY.format(part=part)), 1)
            except (RedisError, OSError, TimeoutError) as problem:
                answers["redis"] = _words(problem)
                return answers
            if value is None:
                answers[part] = "not running"
            else:
                answers[part] = _text(value).partition(" ")[2] or "ok"
        return answers

    async def _redis_trouble(self) -> str:
        try:
            await asyncio.wait_for(self._redis.ping(), 1)
        except (RedisError, OSError, TimeoutError) as problem:
            return _words(problem)
        return "ok"

    async def _database_trouble(self) -> str:
        try:
            async with asyncio.timeout(1.5), self._database.session() as session:
                await session.execute(text("SELECT 1"))
        except Exception as problem:  # drivers raise errors of their own; each means the same here
            return _words(problem)
        return "ok"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _words(problem: Exception) -> str:
    return str(problem).split("\n")[0] or type(problem).__name__
