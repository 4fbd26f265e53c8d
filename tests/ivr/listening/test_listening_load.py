"""Too much work, work that hangs, work that fails. The recogniser is the real one, slowed down or broken on purpose:
that it stalls cannot be had of the real one on demand.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from asr_models.recogniser import Final, Interim, Recogniser, Stream
from ivr.events import Utterance
from ivr.listening import metrics
from tests.asr_models.spoken import LAMPS, WATER, say, silence
from tests.ivr.listening.conftest import Line, Opener


class Tampered:
    """The demo model; `before` is called with the number of the stream (from 0) before each piece is decoded."""

    def __init__(self, real: Recogniser, before: Callable[[int], None]) -> None:
        self.real = real
        self.before = before
        self.started = 0
        self.name = real.name

    def start(self) -> Stream:
        number = self.started
        self.started += 1
        return _TamperedStream(self.real.start(), lambda: self.before(number))


class _TamperedStream:
    def __init__(self, real: Stream, before: Callable[[], None]) -> None:
        self._real = real
        self._before = before

    def feed(self, pcm: bytes) -> list[Interim | Final]:
        self._before()
        return self._real.feed(pcm)

    def skip(self, samples: int) -> list[Interim | Final]:
        return self._real.skip(samples)

    def close(self) -> list[Final]:
        return self._real.close()


def utterances(events: list[Any], call_id: str = "") -> list[Utterance]:
    return [event for event in events if event.kind == "utterance" and call_id in ("", event.call_id)]


def story(events: list[Any], call_id: str) -> list[str]:
    """What was told of a call's listening: `started`, or the reason why not."""
    return [
        getattr(event, "reason", "started")
        for event in events
        if event.call_id == call_id and event.kind.startswith("listening")
    ]


@contextlib.asynccontextmanager
async def talking(*lines: Line) -> AsyncIterator[None]:
    """All lines speak without end while the context lasts."""

    async def talk(line: Line) -> None:
        while True:
            await line.speak(say(WATER) + silence(0.8))

    tasks = [asyncio.create_task(talk(line)) for line in lines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_one_stream_that_fails_is_one_streams_trouble(opened: Opener, demo: Recogniser) -> None:
    def fail(number: int) -> None:
        if number == 0:
            raise RuntimeError("the engine has a bad day")

    async with opened(recogniser=Tampered(demo, fail)) as house:
        bad, _ = await house.tap(call_id="bad")
        bad.say(say(WATER))
        await house.wait_for(lambda e: story(e, "bad") == ["started", "tap_failed"])
        await bad.closed()
        good, _ = await house.tap(call_id="good")
        good.say(say(WATER) + silence(1))
        (utterance,) = await house.wait_for(utterances)
        assert (utterance.call_id, utterance.text) == ("good", WATER)
        event = next(event for event in await house.events() if event.kind == "listening_unavailable")
        assert event.detail == "RuntimeError: the engine has a bad day"


async def test_two_at_once_of_which_one_fails_in_the_middle(opened: Opener, demo: Recogniser) -> None:
    count = 0

    def fail(number: int) -> None:
        nonlocal count
        count += number == 0
        if count > 5:
            count = -1000
            raise RuntimeError("the engine has a bad day")

    async with opened(recogniser=Tampered(demo, fail), threads=2) as house:
        bad, _ = await house.tap(call_id="bad")
        bad.say(say(LAMPS)[:6400])
        await asyncio.sleep(0.1)
        good, _ = await house.tap(call_id="good")
        good.say(say(LAMPS) + silence(1))
        bad.say(say(LAMPS)[6400:] + silence(1))
        (utterance,) = await house.wait_for(lambda e: utterances(e, "good"))
        assert utterance.text == LAMPS
        await house.wait_for(lambda e: story(e, "bad") == ["started", "tap_failed"])


async def test_a_stream_that_hangs_does_not_take_the_only_thread(opened: Opener, demo: Recogniser) -> None:
    release = threading.Event()

    def hang(number: int) -> None:
        if number == 0:
            release.wait(20)

    async with opened(recogniser=Tampered(demo, hang), threads=1, max_backlog_seconds=1) as house:
        before = metrics.stalled._value.get()
        stuck, _ = await house.tap(call_id="stuck")
        await stuck.speak(say(WATER)[:9600])
        await house.wait_for(lambda e: story(e, "stuck") == ["started", "stalled"])
        assert metrics.stalled._value.get() == before + 1
        free, _ = await house.tap(call_id="free")
        await free.speak(say("停水") + silence(0.8))
        (utterance,) = await house.wait_for(utterances)
        assert (utterance.call_id, utterance.text) == ("free", "停水")

        release.set()
        await house.wait_for(lambda e: story(e, "stuck") == ["started", "stalled", "started"])
        await stuck.speak(silence(0.3) + say("路灯坏了") + silence(0.8))
        await house.wait_for(lambda e: "路灯坏了" in [u.text for u in utterances(e, "stuck")])


async def test_closing_does_not_wait_for_what_hangs(
    opened: Opener, demo: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.listening.service._CLOSE_SECONDS", 0.5)
    release = threading.Event()
    async with opened(recogniser=Tampered(demo, lambda _: release.wait(20) and None), threads=1) as house:
        stuck, _ = await house.tap()
        stuck.say(say(WATER))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await house.listening.close()
        assert time.monotonic() - begun < 1.5
    release.set()


async def test_legs_take_turns(opened: Opener, demo: Recogniser) -> None:
    """One leg has 25 s of speech waiting, another comes with four: it does not wait for the first to be done."""

    def slow(_: int) -> None:
        time.sleep(0.02)

    async with opened(recogniser=Tampered(demo, slow), threads=1, max_backlog_seconds=60) as house:
        long, _ = await house.tap(call_id="long")
        long.say((say(LAMPS) + silence(0.8)) * 4)
        await asyncio.sleep(0.1)
        short, _ = await house.tap(call_id="short")
        short.say(say(WATER) + silence(0.8))
        events = await house.wait_for(lambda e: len(utterances(e)) == 5 and e)
        order = [utterance.call_id for utterance in utterances(events)]
        assert order.index("short") <= 2
        assert {u.text for u in utterances(events, "long")} == {LAMPS}


async def test_overload_leaves_out_agents_then_new_callers_and_ends(opened: Opener, demo: Recogniser) -> None:
    """Two seconds of backlog: agents go when audio is 0.5 s late, new callers when it is 1 s late."""
    delay = 0.0

    def slow(_: int) -> None:
        time.sleep(delay)

    async with opened(recogniser=Tampered(demo, slow), threads=1, max_backlog_seconds=2) as house:
        counted = metrics.agents_shed._value.get(), metrics.callers_shed._value.get()
        agents = [(await house.tap("agent", f"agent-{number}"))[0] for number in range(2)]
        callers = [(await house.tap("caller", f"caller-{number}"))[0] for number in range(3)]
        async with talking(*agents, *callers):
            await asyncio.sleep(0.5)
            assert all(event.kind == "listening_started" for event in await house.events())

            delay = 0.1
            await house.wait_for(lambda e: all(story(e, f"agent-{n}") == ["started", "overloaded"] for n in range(2)))
            assert "暂不转写话务员的话" in house.listening.trouble
            events = await house.wait_for(lambda e: "新来电" in house.listening.trouble and e)
            late, _ = await house.tap("caller", "late")
            async with talking(late):
                events = await house.wait_for(lambda e: story(e, "late") and e)
                assert story(events, "late") == ["overloaded"]
                assert metrics.agents_shed._value.get() >= counted[0] + 2
                assert metrics.callers_shed._value.get() >= counted[1] + 1

                delay = 0.0
                await house.wait_for(lambda e: story(e, "late")[-1] == "started", 20)
                await house.wait_for(lambda e: all(story(e, f"agent-{n}")[-1] == "started" for n in range(2)), 20)
                assert house.listening.trouble == ""
        events = await house.events()
        ids = [event.event_id for event in events]
        assert len(ids) == len(set(ids))
        async with talking(agents[0]):
            await house.wait_for(lambda e: WATER in [u.text for u in utterances(e, "agent-0")], 12)
