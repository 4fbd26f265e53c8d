"""Words of danger from a waiting caller reach the bridge that holds the call, once and never late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from sqlalchemy import text

from ivr import commands
from ivr.events import STREAM, Utterance, dump, now
from routing.jurisdiction import Jurisdiction
from routing.linkage.proposals import open_proposals
from routing.reading.matter_words import danger_words
from routing.reading.spoken import plain
from routing.spoken_alarm import ALIKE_ENOUGH, FRESH, SpokenAlarm, alarm
from routing.storage import Database

CALL = "0b3f1c52-7b0e-4a52-9c1e-0d2f6b6f1a11"


class Holder:
    """The other end of the commands: takes what is asked for CALL, and answers as told."""

    def __init__(self, redis: Redis, code: commands.Code = "done") -> None:
        self._redis, self._code = redis, code
        self.taken: asyncio.Queue[commands.AnyCommand] = asyncio.Queue()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Holder]:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(commands.CHANNEL)
            task = asyncio.create_task(self._listen(channel))
            yield self
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self, channel: object) -> None:
        async for message in channel.listen():  # type: ignore[attr-defined]
            if message["type"] != "message":
                continue
            command_id = message["data"].decode()
            if (command := await commands.take(self._redis, command_id)) is not None:
                await commands.answer(self._redis, command_id, commands.Reply(code=self._code))
                await self.taken.put(command)


def said(text: str, *, number: int = 1, speaker: str = "caller", at: datetime | None = None) -> bytes:
    return dump(
        Utterance(
            call_id=CALL,
            event_id=f"{CALL}:{speaker}:{number}",
            at=at or now(),
            speaker=speaker,  # type: ignore[arg-type]
            tap_id="t",
            number=number,
            text=text,
            start=0,
            end=1,
            confidence=0.9,
        )
    )


@pytest.fixture
async def watching(redis: Redis, database: Database, yazhou: Jurisdiction) -> AsyncIterator[None]:
    alarm = SpokenAlarm(database, redis, yazhou, consumer="test")
    task = asyncio.create_task(alarm.run())
    while not await redis.exists(STREAM) or not await redis.xinfo_groups(STREAM):
        await asyncio.sleep(0.01)
    yield
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=0.5)


async def test_danger_is_offered_with_the_words_that_were_understood(redis: Redis, watching: None) -> None:
    async with Holder(redis).listening() as holder:
        await redis.xadd(STREAM, {"event": said("我家着火了有人受伤")})
        async with asyncio.timeout(30):
            command = await holder.taken.get()
    assert isinstance(command, commands.OfferLines)
    assert command.call_id == CALL
    assert command.lines[0] == "119" and "120" in command.lines
    assert "着火" in command.words


async def test_every_desk_is_shown_the_proposal(redis: Redis, database: Database, watching: None) -> None:
    await redis.xadd(STREAM, {"event": said("我家着火了有人受伤")})
    async with asyncio.timeout(30):
        while not (proposals := await open_proposals(database)):
            await asyncio.sleep(0.05)
    (proposal,) = proposals
    assert (proposal.call_id, proposal.lines[0]) == (CALL, "119")


async def test_a_database_that_answers_nobody_silences_no_offer(
    redis: Redis, database: Database, watching: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(outcome: str) -> float:
        return REGISTRY.get_sample_value("hotline_spoken_alarms_total", {"outcome": outcome}) or 0

    monkeypatch.setattr("routing.spoken_alarm._AT_ONCE", 1)
    before, dropped = counted("offered"), counted("show_dropped")
    async with Holder(redis).listening(), database.begin() as session:
        if database.url.startswith("postgresql"):
            await session.execute(text("LOCK TABLE linkage_proposals"))
        for number in (1, 2, 3):
            await redis.xadd(STREAM, {"event": said("着火了", number=number)})
            async with asyncio.timeout(30):
                while counted("offered") < before + number:
                    await asyncio.sleep(0.02)
        assert counted("show_dropped") > dropped


async def test_what_the_agent_says_or_was_said_long_ago_or_is_harmless_offers_nothing(
    redis: Redis, watching: None
) -> None:
    async with Holder(redis).listening() as holder:
        for entry in (
            said("着火了吗", speaker="agent"),
            said("着火了", number=2, at=now() - FRESH - timedelta(seconds=5)),
            said("热得要命路灯坏了", number=3),
            b"no event at all",
        ):
            await redis.xadd(STREAM, {"event": entry})
        await redis.xadd(STREAM, {"event": said("有人晕倒了", number=4)})
        async with asyncio.timeout(30):
            command = await holder.taken.get()
        assert isinstance(command, commands.OfferLines) and command.lines == ("120",)
        assert holder.taken.empty()


async def test_a_refusal_and_a_lost_redis_group_stop_nothing(redis: Redis, watching: None) -> None:
    async with Holder(redis, "agent_there").listening() as holder:
        await redis.xadd(STREAM, {"event": said("出车祸了")})
        async with asyncio.timeout(30):
            await holder.taken.get()
        await redis.delete(STREAM)
        async with asyncio.timeout(30):
            while not await redis.exists(STREAM):
                await asyncio.sleep(0.05)
            await redis.xadd(STREAM, {"event": said("出车祸了", number=2)})
            assert isinstance(await holder.taken.get(), commands.OfferLines)


def test_what_only_sounds_like_danger_has_to_be_surer_than_for_the_desk(yazhou: Jurisdiction) -> None:
    sure, unsure = "有个女的在海里面挥手越来越远了快不见了", "楼上好像有人在喊但是又听不清楚"
    heard = danger_words(yazhou, plain(unsure))
    assert [danger.alike for danger in heard] == [True] and 0.5 < heard[0].weight < ALIKE_ENOUGH
    assert alarm(unsure, yazhou) is None
    found = alarm(sure, yazhou)
    assert found is not None and set(found.lines) & {"119", "110", "120"}
    assert all(words in sure for words in found.words)
