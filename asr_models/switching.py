"""Asking the running recognisers to use another model: one wish over Redis, an answer from each listening process."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

CHANNEL = "hotline:models"
"""Redis publish/subscribe channel of `Wish` (JSON); each listening process hears it."""

_ANSWERS_KEY = "hotline:models:answers:{id}"
"""Redis list (expiring) of the `Answer`s to one wish."""
_ANSWERS_KEPT_SECONDS = 600
_LONGEST_WAIT = 2.0
"""One BLPOP; below the sockets' own time limit."""


class Wish(BaseModel):
    """Use this model. `language`: let it hear calls in that language; empty: in that of the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(default_factory=lambda: str(uuid.uuid4()), pattern=r"^[0-9a-f-]{36}$")
    model: str = Field(max_length=200)
    language: str = Field(default="", pattern=r"^([a-z]{2})?$")


class Answer(BaseModel):
    """What became of it in one process. `problem` is empty when the model is in use there."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    where: str
    """Host and process."""
    model: str = ""
    before: str = ""
    language: str = ""
    streams: int = 0
    """Legs that go over to the model at their next pause."""
    problem: str = ""


async def ask(redis: Redis, wish: Wish, seconds: float) -> tuple[list[Answer], int]:
    """Tell all listening processes, and wait for their answers: those that came, and how many did not in time.

    Raises RedisError, OSError when Redis is away.
    """
    until = time.monotonic() + seconds
    listening = int(await redis.publish(CHANNEL, wish.model_dump_json()))
    answers: list[Answer] = []
    while len(answers) < listening and (left := until - time.monotonic()) > 0:
        # redis-py types this for its blocking client too.
        key, wait = _ANSWERS_KEY.format(id=wish.id), max(0.01, min(left, _LONGEST_WAIT))
        popped = await cast(Awaitable[Any], redis.blpop([key], timeout=wait))
        if popped is not None:
            answers.append(Answer.model_validate_json(popped[1]))
    return answers, listening - len(answers)


async def serve(redis: Redis, carry_out: Callable[[Wish], Awaitable[Answer]]) -> None:
    """Carry out the wishes that come, one after the other, until cancelled; an outage of Redis is waited out."""
    pause = 0.1
    while True:
        try:
            async with redis.pubsub(ignore_subscribe_messages=True) as heard:
                await heard.subscribe(CHANNEL)
                pause = 0.1
                while True:
                    told = await heard.get_message(timeout=5)
                    if told is not None:
                        await _take_up(redis, told["data"], carry_out)
        except (RedisError, OSError) as problem:
            log.warning("wishes for another model cannot be heard", problem=str(problem), next_try_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)


async def _take_up(redis: Redis, data: bytes, carry_out: Callable[[Wish], Awaitable[Answer]]) -> None:
    try:
        wish = Wish.model_validate_json(data)
    except ValueError as problem:
        # Without an id there is nobody to answer.
        log.error("a wish for another model cannot be read", problem=str(problem))
        return
    answer = await carry_out(wish)
    key = _ANSWERS_KEY.format(id=wish.id)
    async with redis.pipeline(transaction=True) as both:
        both.rpush(key, answer.model_dump_json())
        both.expire(key, _ANSWERS_KEPT_SECONDS)
        await both.execute()
