"""What the bridge offers to a waiting caller, and when again; Asterisk is not there to say it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from ivr import commands
from ivr.ami import AmiClient
from ivr.bridge.command_post import CommandPost
from ivr.bridge.registry import Registry
from ivr.commands import CommandRefused, LinkLines, OfferLines
from ivr.events import Event
from ivr.wire.ami import Message
from settings import ROOT, Lines, read_yaml
from tests.services import redis_server

CALL = "6f1d893a-5c5e-4b2f-8a3e-a2461bef847f"
ARRIVED = {
    "UserEvent": "CallArrived",
    "CallId": CALL,
    "Called": "12345",
    "Channel": "PJSIP/loopback-1",
    "Uniqueid": "u",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
async def redis(url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(url)
    yield client
    await client.aclose()


@pytest.fixture
async def registry(redis: Redis) -> AsyncIterator[Registry]:
    """With one call that waits; its bridge listens for commands."""

    async def nothing() -> None: ...

    found = Registry("node", ["8001"])
    found.handle(Message((("Event", "UserEvent"), *ARRIVED.items())))
    ami = AmiClient("127.0.0.1", 9, "u", "s", on_event=lambda message: None, on_up=nothing)
    lines = read_yaml(ROOT / "config" / "lines.yaml").as_model(Lines)
    published: list[Event] = []
    post = CommandPost(redis, ami, found, lines, ["8001"], "node", published.append)
    post.start()
    while not (await redis.pubsub_numsub(commands.CHANNEL))[0][1]:
        await asyncio.sleep(0.01)
    yield found
    await post.close()


async def refusal(redis: Redis, *lines: str) -> str:
    with pytest.raises(CommandRefused) as refused:
        await commands.ask(redis, OfferLines(call_id=CALL, lines=lines, words="着火"), 5)
    return refused.value.code


async def test_an_offer_that_could_not_be_spoken_was_none(registry: Registry, redis: Redis) -> None:
    assert await refusal(redis, "119") == "asterisk_refused"
    assert registry.calls[CALL].offered == {}
    assert await refusal(redis, "119") == "asterisk_refused"


async def test_an_agent_is_told_what_to_press_instead(registry: Registry, redis: Redis) -> None:
    with pytest.raises(CommandRefused) as refused:
        await commands.ask(redis, LinkLines(call_id=CALL, lines=("119",), who="8001"), 5)
    assert refused.value.code == "asterisk_refused" and "*119" in refused.value.message


async def test_a_second_cry_is_offered_again_after_a_while(registry: Registry, redis: Redis) -> None:
    call = registry.calls[CALL]
    call.offered = {"119": time.monotonic()}
    assert await refusal(redis, "119") == "declined"
    assert await refusal(redis, "119", "120") == "asterisk_refused"  # 120 is new
    call.offered = {"119": time.monotonic() - 46}
    assert await refusal(redis, "119") == "asterisk_refused"
