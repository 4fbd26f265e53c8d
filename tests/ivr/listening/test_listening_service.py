"""The service as Asterisk and the rest of the house see it: real sockets, real Redis, real recognition."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from structlog.testing import capture_logs

from ivr.events import INTERIM_CHANNEL, Tap, Utterance
from ivr.listening import connection, metrics
from ivr.listening.connection import Refused
from tests.asr_models.spoken import LAMPS, SECOND, WATER, say, seconds, silence
from tests.ivr.listening.conftest import Opener


def utterances(events: list[Any]) -> list[Utterance]:
    return [event for event in events if event.kind == "utterance"]


def kinds(events: list[Any]) -> list[str]:
    return [event.kind for event in events]


def refused(reason: str) -> float:
    value: float = metrics.refused.labels(reason)._value.get()
    return value


async def test_a_leg_from_its_beginning_to_its_end(opened: Opener, redis: Redis) -> None:
    async with opened() as house, redis.pubsub() as interims:
        await interims.subscribe(INTERIM_CHANNEL)
        line, tap_id = await house.tap()
        line.say(silence(3) + say(LAMPS) + silence(1.5))
        started, utterance = await house.wait_for(lambda events: len(events) == 2 and events)
        assert (started.kind, started.model, started.tap_id) == ("listening_started", "demo", tap_id)
        assert (utterance.text, utterance.speaker, utterance.call_id) == (LAMPS, "caller", "call-1")
        assert (utterance.number, utterance.event_id) == (1, f"{tap_id}:1")
        assert utterance.start == pytest.approx(3.0, abs=0.3)
        assert utterance.end == pytest.approx(3 + seconds(say(LAMPS)), abs=0.5)
        assert "".join(word.text for word in utterance.words) == LAMPS

        texts = []
        while message := await interims.get_message(timeout=0.1):
            if message["type"] == "message":
                interim = json.loads(message["data"])
                assert (interim["tap_id"], interim["number"]) == (tap_id, 1)
                texts.append(interim["text"])
        assert texts and all(texts)

        line.say(say(WATER) + silence(1.5))
        second = (await house.wait_for(lambda events: utterances(events)[1:]))[0]
        assert (second.number, second.event_id, second.text) == (2, f"{tap_id}:2", WATER)


async def test_what_was_being_said_when_the_call_ended_is_told(opened: Opener) -> None:
    async with opened() as house:
        line, _ = await house.tap()
        line.say(say(WATER))
        await line.hang_up()
        assert (await house.wait_for(utterances))[0].text == WATER


async def test_a_hang_up_frame_ends_a_leg(opened: Opener) -> None:
    async with opened() as house:
        line, _ = await house.tap()
        line.say(say(WATER))
        line.writer.write(b"\x00\x00\x00")
        assert (await house.wait_for(utterances))[0].text == WATER
        await line.closed()


async def test_what_is_being_said_when_the_service_closes_is_told(opened: Opener) -> None:
    async with opened() as house:
        line, _ = await house.tap()
        line.say(say(WATER))
        await house.wait_for(lambda events: "listening_started" in kinds(events))
        await asyncio.sleep(0.2)
        await house.listening.close()
        assert (await house.wait_for(utterances))[0].text == WATER


async def test_a_carrier_that_sends_nothing_in_silence(opened: Opener) -> None:
    async with opened() as house:
        line, _ = await house.tap()
        line.say(say(WATER))
        assert (await house.wait_for(utterances, 3))[0].text == WATER
        line.say(say(LAMPS) + silence(1))
        second = (await house.wait_for(lambda events: utterances(events)[1:], 3))[0]
        assert second.text == LAMPS
        assert second.start == pytest.approx(seconds(say(WATER)), abs=0.3)


async def test_two_speakers_are_kept_apart(opened: Opener) -> None:
    async with opened() as house:
        caller, _ = await house.tap("caller")
        agent, _ = await house.tap("agent")
        caller.say(silence(0.5) + say(WATER) + silence(1))
        agent.say(silence(0.3) + say("你好请问您在什么地方") + silence(1))
        found = await house.wait_for(lambda events: len(utterances(events)) == 2 and utterances(events))
        said = {utterance.speaker: utterance.text for utterance in found}
        assert said["caller"] == WATER
        assert said["agent"].startswith("你好")


async def test_silence_comes_back_all_the_time(opened: Opener) -> None:
    """Asterisk ends an AudioSocket application after 2 s without a frame."""
    async with opened() as house:
        line, _ = await house.tap()
        frame = b"\x10\x01\x40" + bytes(320)
        last = time.monotonic()
        for _ in range(4):
            async with asyncio.timeout(1):
                assert await line.reader.readexactly(len(frame)) == frame
            assert time.monotonic() - last < 1
            last = time.monotonic()


async def test_taps_that_nobody_announced(opened: Opener) -> None:
    async with opened() as house:
        before = refused("unknown")
        with capture_logs() as logs:
            for _ in range(5):
                line = await house.connect()
                line.name("11111111-2222-3333-4444-555555555555")
                line.say(silence(0.1))
                await line.closed()
        assert refused("unknown") == before + 5
        assert [entry["reason"] for entry in logs if entry["log_level"] == "warning"] == ["unknown"]
        assert await house.events() == []


async def test_a_tap_is_good_for_one_connection(opened: Opener) -> None:
    """Its events are numbered: a second connection would tell other events under the same ids."""
    async with opened() as house:
        _, tap_id = await house.tap()
        await house.wait_for(kinds)
        again = await house.connect()
        again.name(tap_id)
        assert await again.closed() == b""
        assert kinds(await house.events()) == ["listening_started"]


async def test_strangers_do_not_disturb_a_call(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_FIRST_FRAME_SECONDS", 0.4)
    async with opened() as house:
        before = {reason: refused(reason) for reason in ("garbage", "silent", "unnamed")}
        line, _ = await house.tap()
        line.say(silence(1) + say(LAMPS)[:SECOND])
        with capture_logs() as logs:
            for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\x01\x40" + bytes(320), b"\xff" * 1000, b"\x01\x00\x11"):
                stranger = await house.connect()
                stranger.writer.write(rubbish)
                await stranger.closed()
            for _ in range(20):
                await (await house.connect()).hang_up()
            slow = await house.connect()
            for byte in b"\x01\x00\x10\x00\x00\x00\x00\x00":
                slow.writer.write(bytes((byte,)))
                await asyncio.sleep(0.06)
            await slow.closed()
            await asyncio.sleep(0.1)
        line.say(say(LAMPS)[SECOND:] + silence(1))
        assert (await house.wait_for(utterances))[0].text == LAMPS
        after = {reason: refused(reason) - before[reason] for reason in before}
        assert after == {"garbage": 4, "silent": 1, "unnamed": 20}
        warned = [entry["reason"] for entry in logs if entry["log_level"] == "warning"]
        assert sorted(warned) == ["garbage", "silent", "unnamed"]


async def _flood(line: Any, block: bytes, total: int) -> int:
    sent = 0
    try:
        while sent < total:
            line.writer.write(block)
            await line.writer.drain()
            sent += len(block)
    except ConnectionError:
        pass
    return sent


async def test_a_hundred_megabytes_from_a_stranger(opened: Opener) -> None:
    async with opened() as house:
        process = psutil.Process()
        line = await house.connect()
        before = process.memory_info().rss
        sent = await _flood(line, b"\x55" * 65536, 100_000_000)
        assert sent < 10_000_000
        assert process.memory_info().rss - before < 20_000_000
        caller, _ = await house.tap()
        caller.say(say(WATER) + silence(1))
        assert (await house.wait_for(utterances))[0].text == WATER


async def test_a_hundred_megabytes_of_audio_from_a_tap(opened: Opener) -> None:
    """A tap that sends much faster than time passes loses its oldest audio and takes nobody else's turn."""
    async with opened(threads=1, max_backlog_seconds=5) as house:
        process = psutil.Process()
        before, dropped = process.memory_info().rss, metrics.dropped.labels("backlog")._value.get()
        flood, flooding = await house.tap(call_id="flood")
        caller, _ = await house.tap(call_id="caller")
        block = b"\x10\xfa\x00" + (say(LAMPS) * 2)[:64000]
        work = asyncio.create_task(_flood(flood, block, 100_000_000))
        caller.say(say(WATER) + silence(1))
        found = await house.wait_for(lambda e: [u for u in utterances(e) if u.call_id == "caller"], 10)
        assert found[0].text == WATER
        assert await work >= 100_000_000
        assert process.memory_info().rss - before < 40_000_000
        assert metrics.dropped.labels("backlog")._value.get() - dropped > 1000
        events = await house.events()
        lost = [event for event in events if event.kind == "listening_unavailable"]
        assert {event.reason for event in lost} == {"overloaded"}
        assert {event.call_id for event in lost} == {"flood"}

        # It caught up, so it is listened to again; and the times know of all that was lost.
        await house.wait_for(lambda e: [x.kind for x in e if x.call_id == "flood"][-1:] == ["listening_started"], 10)
        flood.say(silence(2) + say(WATER) + silence(1))
        last = (await house.wait_for(lambda e: [u for u in utterances(e) if u.text == WATER][1:], 10))[0]
        assert last.tap_id == flooding
        assert last.start == pytest.approx(-(-100_000_000 // 64003) * 2 * 2 + 2, rel=0.01)


async def test_audio_at_another_rate_is_said_to_be_wrong(opened: Opener) -> None:
    async with opened() as house:
        line, _ = await house.tap()
        line.writer.write(b"\x12\x02\x80" + bytes(640))
        event = (await house.wait_for(lambda e: [x for x in e if x.kind == "listening_unavailable"]))[0]
        assert event.reason == "tap_failed" and "16000" in event.detail
        await line.closed()


async def test_a_stream_that_breaks_in_the_middle(opened: Opener) -> None:
    """What was said until then is told, and that it is over."""
    async with opened() as house:
        line, _ = await house.tap()
        line.say(say(WATER))
        await line.writer.drain()
        await asyncio.sleep(0.1)
        line.writer.write(b"\x77\x00\x00")
        await line.closed()
        events = await house.wait_for(lambda e: utterances(e) and e)
        assert kinds(events) == ["listening_started", "listening_unavailable", "utterance"]
        assert (events[1].reason, events[2].text) == ("tap_failed", WATER)


async def test_without_a_model_every_tap_is_told_and_kept(opened: Opener) -> None:
    """Closed, the bridge would ask for it again and again; so its audio is thrown away."""
    async with opened(recogniser=None, model="vosk-model-cn-0.22") as house:
        line, tap_id = await house.tap()
        (event,) = await house.wait_for(lambda e: e)
        assert (event.kind, event.reason, event.call_id) == ("listening_unavailable", "no_model", "call-1")
        assert "server.py models install vosk-model-cn-0.22" in event.detail
        assert event.detail in house.listening.trouble
        assert event.event_id == f"{tap_id}:unavailable:1"
        sent = await _flood(line, b"\x10\x01\x40" + bytes(320), 5_000_000)
        assert sent >= 5_000_000
        async with asyncio.timeout(2):
            assert await line.reader.readexactly(2 * 323) == 2 * (b"\x10\x01\x40" + bytes(320))
        assert len(await house.events()) == 1


async def test_a_name_that_is_a_path_is_no_model(opened: Opener) -> None:
    async with opened(recogniser=None, model="../../etc") as house:
        assert "is not a model's name" in house.listening.trouble


async def test_the_model_of_the_settings_is_loaded(opened: Opener) -> None:
    async with opened(recogniser=None, model="auto") as house:
        assert house.listening.trouble == ""
        await house.tap()
        assert (await house.wait_for(lambda e: e))[0].model == "demo"


async def test_one_leg_more_than_allowed_waits_for_its_turn(opened: Opener) -> None:
    async with opened(max_streams=1) as house:
        first, _ = await house.tap(call_id="first")
        await house.wait_for(kinds)
        second, _ = await house.tap(call_id="second")
        events = await house.wait_for(lambda e: e[1:] and e)
        assert [(event.call_id, event.kind) for event in events] == [
            ("first", "listening_started"),
            ("second", "listening_unavailable"),
        ]
        assert (events[1].reason, events[1].detail) == ("overloaded", "listening.max_streams is 1")
        second.say(say(LAMPS))
        await first.hang_up()
        await house.wait_for(lambda e: e[-1].call_id == "second" and e[-1].kind == "listening_started")
        second.say(silence(1) + say(WATER) + silence(1))
        (utterance,) = await house.wait_for(utterances)
        assert utterance.text == WATER
        assert utterance.start == pytest.approx(seconds(say(LAMPS)) + 1, abs=0.3)


async def test_more_connections_than_there_is_room_for(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ivr.listening.service._UNNAMED", 2)
    async with opened(max_streams=1) as house:
        before = refused("too_many")
        for _ in range(5):
            await house.connect()
        await asyncio.sleep(0.2)
        assert refused("too_many") == before + 2


async def test_redis_away_refuses_the_tap_and_nothing_else(opened: Opener, redis: Redis) -> None:
    async with opened() as house:
        away = Redis(unix_socket_path="/nonexistent/redis.sock", retry=Retry(NoBackoff(), 0))
        house.listening._redis = away
        with pytest.raises(Refused, match="Redis could not be asked"):
            await house.listening.claim("11111111-2222-3333-4444-555555555555")
        house.listening._redis = redis
        await house.tap()
        await house.wait_for(kinds)


@pytest.mark.parametrize("value", ["{", '{"tap_id": "other"}', ""])
async def test_an_announcement_that_is_none(value: str, opened: Opener, redis: Redis) -> None:
    async with opened() as house:
        await redis.set("hotline:tap:11111111-2222-3333-4444-555555555555", value)
        with pytest.raises(Refused, match="is no tap"):
            await house.listening.claim("11111111-2222-3333-4444-555555555555")


async def test_an_announcement_of_another_tap(opened: Opener, redis: Redis) -> None:
    async with opened() as house:
        tap = Tap(tap_id="other", call_id="c", speaker="caller", channel="x")
        await redis.set("hotline:tap:11111111-2222-3333-4444-555555555555", tap.model_dump_json())
        with pytest.raises(Refused, match="is the tap other"):
            await house.listening.claim("11111111-2222-3333-4444-555555555555")


async def test_the_port_is_taken(opened: Opener) -> None:
    async with opened() as house:
        other = type(house.listening)(
            house.listening._settings,
            house.redis,
            house.listening._outbox,
            recogniser=house.listening._models.usual.recogniser,
        )
        with pytest.raises(OSError, match="in use"):
            await other.start()
        await other.close()


async def test_nothing_is_left_when_all_have_gone(opened: Opener) -> None:
    async with opened() as house:
        before = metrics.streams._value.get()
        for number in range(10):
            line, _ = await house.tap(call_id=f"call-{number}")
            line.say(say(WATER)[: 320 * number])
        await house.wait_for(lambda e: len(e) >= 10)
        assert metrics.streams._value.get() == before + 10
        for line in house.lines:
            await line.hang_up()
        await asyncio.sleep(0.5)
        assert metrics.streams._value.get() == before
        assert not house.listening._legs and not house.listening._connections
