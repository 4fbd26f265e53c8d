"""The fan-out of what happens: bounded, one subscription, and Redis may go and come back."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from desk import accounts
from desk.live import QUEUE_LENGTH, Feed, Live, Message, stream_id
from ivr.events import INTERIM_CHANNEL, STREAM
from routing.intake import DESK_CHANNEL
from tests.desk.running_desk import Running
from tests.services import RedisServer


def test_a_message_is_framed_so_that_text_cannot_break_out() -> None:
    data = json.dumps({"text": "a\r\ndata: x\n\n\u2028"}, ensure_ascii=False)
    wire = Message("change", data, id="1-0").encode().decode()
    assert wire.startswith("id: 1-0\nevent: change\ndata: {") and wire.endswith("}\n\n")
    assert wire.count("\n") == 4 and "\r" not in wire


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("5", "5-0"),
        ("5-7", "5-7"),
        ("", None),
        ("-", None),
        ("5-x", None),
        ("+5", None),
        ("５", None),
        ("1" * 30, None),
    ],
)
def test_stream_ids(text: str, wanted: str | None) -> None:
    assert stream_id(text) == wanted


async def test_a_client_that_does_not_read_is_dropped_and_the_others_are_not() -> None:
    feed = Feed("test")
    dropped = []
    with feed.listen(lambda message: True) as slow, feed.listen(lambda message: True) as quick:
        slow.on_drop = lambda: dropped.append("slow")
        for number in range(QUEUE_LENGTH + 5):
            feed.tell(Message("change", str(number)))
            assert (await quick.next(1)).data == str(number)
        assert dropped == ["slow"] and slow.ended and not quick.ended
    assert REGISTRY.get_sample_value("hotline_desk_live_dropped_total", {"feed": "test"}) == 1
    assert REGISTRY.get_sample_value("hotline_desk_live_clients", {"feed": "test"}) == 0


async def test_only_what_is_wanted_is_queued() -> None:
    feed = Feed("test")
    with feed.listen(lambda message: message.call_id == "c1") as listener:
        feed.tell(Message("interim", "other", call_id="c2"))
        feed.tell(Message("interim", "mine", call_id="c1"))
        assert (await listener.next(1)).data == "mine"
        with pytest.raises(TimeoutError):
            await listener.next(0.01)
        feed.end()
        assert await listener.next(1) is None


async def read(answer: aiohttp.ClientResponse) -> tuple[str, dict[str, object]]:
    """The next event's name and data."""
    event = ""
    async with asyncio.timeout(8):
        async for line in answer.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                event = value
            if name == "data":
                return event, json.loads(value)
    raise AssertionError("the feed ended")


async def test_a_browser_hears_changes_and_the_interims_of_its_call(desk: Running) -> None:
    await desk.live_connected()
    async with desk.signed_in() as browser, browser.get("/live?call=c1") as answer:
        assert await read(answer) == ("redis", {"ok": True})
        for call_id in ("c2", "c1"):
            await desk.redis.publish(INTERIM_CHANNEL, json.dumps({"call_id": call_id, "text": "停水"}))
        assert await read(answer) == ("interim", {"call_id": "c1", "text": "停水"})
        change = {"call_id": "c2", "ticket_id": "t2", "kind": "call_queued"}
        await desk.redis.publish(DESK_CHANNEL, json.dumps(change))
        assert await read(answer) == ("change", change)
    subscribers = await desk.redis.pubsub_numsub(DESK_CHANNEL)
    assert subscribers[0][1] == 1


async def test_many_browsers_share_one_subscription(desk: Running) -> None:
    await desk.live_connected()
    async with desk.signed_in() as browser:
        answers = [await browser.get("/live") for _ in range(20)]
        assert (await desk.redis.pubsub_numsub(DESK_CHANNEL))[0][1] == 1
        await desk.redis.publish(DESK_CHANNEL, json.dumps({"call_id": "c1", "ticket_id": "t", "kind": "x"}))
        for answer in answers:
            await read(answer)
            assert (await read(answer))[0] == "change"
            answer.close()


async def test_signing_out_ends_the_feed(desk: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("desk.live.HEARTBEAT_SECONDS", 0.1)
    async with desk.signed_in() as browser, browser.get("/live") as answer:
        await read(answer)
        await accounts.set_disabled(desk.database, "8001", True)
        async with asyncio.timeout(5):
            await answer.content.read()


async def test_redis_goes_and_comes_back(own_redis: RedisServer) -> None:
    redis: Redis = Redis.from_url(own_redis.url)
    live = Live(redis)
    live.start()
    try:
        with live.desk.listen(lambda message: True) as desk, live.events.listen(lambda message: True) as events:
            assert json.loads((await desk.next(5)).data) == {"ok": True}
            own_redis.kill()
            assert json.loads((await desk.next(5)).data) == {"ok": False}
            assert live.problem
            own_redis.start()
            assert json.loads((await desk.next(8)).data) == {"ok": True}
            assert live.problem is None
            await redis.publish(DESK_CHANNEL, json.dumps({"call_id": "c1", "ticket_id": "t", "kind": "x"}))
            assert (await desk.next(5)).event == "change"
            await redis.xadd(STREAM, {"event": json.dumps({"kind": "call_queued", "call_id": "c1"})})
            assert (await events.next(5)).event == "call_queued"
    finally:
        await asyncio.wait_for(live.close(), 5)
        await redis.aclose()


async def test_a_start_without_redis_waits_for_it(own_redis: RedisServer) -> None:
    own_redis.kill()
    redis: Redis = Redis.from_url(own_redis.url)
    live = Live(redis)
    live.start()
    try:
        await asyncio.sleep(0.3)
        assert live.problem
        own_redis.start()
        async with asyncio.timeout(8):
            while live.problem:
                await asyncio.sleep(0.02)
    finally:
        await asyncio.wait_for(live.close(), 5)
        await redis.aclose()
