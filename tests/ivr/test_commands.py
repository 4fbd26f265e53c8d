"""Commands over a real Redis: carried out once, never late, and the asker always learns what became of them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis

from ivr import commands
from ivr.commands import AnyCommand, CommandRefused, LinkLines, Mute, Reply, ask
from tests.services import redis_server

CALL = "6f1d893a-5c5e-4b2f-8a3e-a2461bef847f"
LINK = LinkLines(call_id=CALL, lines=("119",), who="8001")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(url)
    yield client
    await client.aclose()


class Listener:
    """A bridge's side of the protocol. `mine`: whether the calls are its."""

    def __init__(self, url: str, *, mine: bool, reply: Reply | None = None) -> None:
        self._redis = Redis.from_url(url)
        self._mine = mine
        self._reply = reply or Reply(code="done", node="n1")
        self._heard = self._redis.pubsub(ignore_subscribe_messages=True)
        self.taken: list[AnyCommand] = []

    async def __aenter__(self) -> Listener:
        await self._heard.subscribe(commands.CHANNEL)
        while not await self._redis.pubsub_numsub(commands.CHANNEL):
            await asyncio.sleep(0.01)
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._heard.aclose()  # type: ignore[no-untyped-call]
        await self._redis.aclose()

    async def _listen(self) -> None:
        while True:
            told = await self._heard.get_message(timeout=1)
            if told is None:
                continue
            command_id = told["data"].decode()
            if self._mine and (command := await commands.take(self._redis, command_id)):
                self.taken.append(command)
                await commands.answer(self._redis, command_id, self._reply)
            else:
                await commands.answer(self._redis, command_id, Reply(code="not_mine"))


async def test_the_bridge_that_holds_the_call_answers(url: str, redis: Redis) -> None:
    async with Listener(url, mine=False), Listener(url, mine=True) as holder:
        reply = await ask(redis, LINK)
    assert reply.code == "done" and reply.node == "n1"
    assert holder.taken == [LINK]


async def test_nobody_listens(redis: Redis) -> None:
    with pytest.raises(CommandRefused) as refused:
        await ask(redis, LinkLines(call_id=CALL, lines=("119",)))
    assert refused.value.code == "bridge_unreachable"
    assert await redis.keys("hotline:command:*") == []


async def test_a_call_that_nobody_holds(url: str, redis: Redis) -> None:
    async with Listener(url, mine=False), Listener(url, mine=False):
        with pytest.raises(CommandRefused) as refused:
            await ask(redis, LinkLines(call_id=CALL, lines=("119",)))
    assert (refused.value.code, refused.value.field) == ("no_such_call", "call_id")


async def test_the_bridges_own_refusal(url: str, redis: Redis) -> None:
    no = Reply(code="unknown_line", field="lines", message="没有专线 118，可以选择：119")
    async with Listener(url, mine=True, reply=no):
        with pytest.raises(CommandRefused) as refused:
            await ask(redis, LinkLines(call_id=CALL, lines=("118",)))
    assert (refused.value.code, refused.value.field, refused.value.message) == ("unknown_line", "lines", no.message)


async def test_a_command_that_is_heard_twice_is_taken_once(url: str, redis: Redis) -> None:
    command = LinkLines(call_id=CALL, lines=("119",))
    async with Listener(url, mine=True) as holder:
        await ask(redis, command)
        await redis.publish(commands.CHANNEL, command.id)
        await ask(redis, LinkLines(call_id=CALL, lines=("120",)))
    assert [taken.lines for taken in holder.taken if isinstance(taken, LinkLines)] == [("119",), ("120",)]


async def test_a_command_that_was_given_up_cannot_be_taken(redis: Redis) -> None:
    """A bridge that hangs: it is subscribed, and hears the id when it wakes up."""
    hanging = redis.pubsub(ignore_subscribe_messages=True)
    await hanging.subscribe(commands.CHANNEL)
    await hanging.get_message(timeout=1)
    command = LinkLines(call_id=CALL, lines=("119",))
    with pytest.raises(CommandRefused) as refused:
        await ask(redis, command, 0.3)
    assert refused.value.code == "bridge_unreachable"  # nothing was done, and nothing will be
    assert await commands.take(redis, command.id) is None
    await hanging.aclose()  # type: ignore[no-untyped-call]


async def test_a_command_that_was_taken_and_not_answered(redis: Redis) -> None:
    taker = redis.pubsub(ignore_subscribe_messages=True)
    await taker.subscribe(commands.CHANNEL)
    await taker.get_message(timeout=1)
    command = LinkLines(call_id=CALL, lines=("119",))
    asking = asyncio.create_task(ask(redis, command, 1.5))
    while await commands.take(redis, command.id) is None:
        await asyncio.sleep(0.01)
    with pytest.raises(CommandRefused) as refused:
        await asking
    assert refused.value.code == "no_answer"  # perhaps it was carried out
    await taker.aclose()  # type: ignore[no-untyped-call]


async def test_an_asker_that_dies_leaves_no_command_for_ever(redis: Redis) -> None:
    listener = redis.pubsub(ignore_subscribe_messages=True)
    await listener.subscribe(commands.CHANNEL)
    await listener.get_message(timeout=1)
    command = LinkLines(call_id=CALL, lines=("119",))
    asking = asyncio.create_task(ask(redis, command, 5))
    key = commands.COMMAND_KEY.format(id=command.id)
    while not await redis.exists(key):
        await asyncio.sleep(0.01)
    assert 0 < await redis.pttl(key) <= 6000  # also when nobody takes it back
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert not await redis.exists(key)
    await listener.aclose()  # type: ignore[no-untyped-call]


async def test_redis_is_away() -> None:
    nowhere = Redis(unix_socket_path=f"/tmp/no-redis-{uuid.uuid4().hex}.sock")
    with pytest.raises(CommandRefused) as refused:
        await ask(nowhere, LINK, 1)
    assert refused.value.code == "bridge_unreachable" and "*" not in refused.value.code


async def test_what_is_no_command_is_refused(redis: Redis) -> None:
    for text in ("", "{}", '{"kind":"shell"}', LINK.model_dump_json().replace("119", "119;x")):
        with pytest.raises(ValueError):
            commands.load(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": ()},
        {"lines": ("1 19",)},
        {"lines": ("119",) * 9},
        {"call_id": "x"},
        {"who": "a|b"},
        {"who": "x" * 65},
        {"id": "../../x"},
        {"address": "x" * 201},
        {"via": "telepathy"},
        {"more": "y"},
    ],
    ids=lambda wrong: "-".join(f"{key}" for key in wrong),
)
def test_a_command_out_of_bounds_is_refused(wrong: dict[str, object]) -> None:
    good: dict[str, object] = {"call_id": CALL, "lines": ("119",)}
    with pytest.raises(ValidationError):
        LinkLines.model_validate(good | wrong)


def test_every_command_survives_its_json() -> None:
    for command in (LINK, Mute(call_id=CALL, party="line", line="119"), commands.RehearseLine(line="119")):
        assert commands.load(command.model_dump_json()) == command
