"""A call as the telephone side tells it: durable events on the stream, texts still being spoken on their channel."""

from __future__ import annotations

import json
import uuid
from typing import Any

from redis.asyncio import Redis

from ivr.events import (
    INTERIM_CHANNEL,
    STREAM,
    AgentAnswered,
    AgentRinging,
    CallArrived,
    CallEnded,
    CallQueued,
    Event,
    ListeningStarted,
    Speaker,
    Utterance,
    UtteranceInterim,
    Word,
    dump,
    now,
)


class SpokenCall:
    """One call from 13800000001 to 12345, answered by an agent."""

    def __init__(self, redis: Redis, *, agent: str = "8001", caller: str = "13800000001") -> None:
        self.call_id = str(uuid.uuid4())
        self._redis = redis
        self._agent = agent
        self._caller = caller
        self._numbers = {"caller": 0, "agent": 0}
        self._told = 0

    async def arrive(self) -> None:
        """It arrives and waits."""
        await self._tell(
            CallArrived(
                **self._common(),
                caller_number=self._caller,
                called_number="12345",
                trunk="loopback",
                node="pbx-1",
                channel=f"PJSIP/loopback-{self.call_id[:8]}",
                uniqueid=self.call_id[:8],
            )
        )
        await self._tell(CallQueued(**self._common(), queue="general", position=1))

    async def ring(self) -> None:
        """The agent's telephone rings."""
        await self._tell(AgentRinging(**self._common(), agent=self._agent))

    async def answer(self, model: str = "vosk-model-small-cn-0.22") -> None:
        """The agent answers, and both legs are listened to."""
        await self._tell(AgentAnswered(**self._common(), agent=self._agent, channel="PJSIP/8001-1", waited_seconds=4))
        for speaker in ("caller", "agent"):
            tap = self._tap(speaker)
            await self._tell(ListeningStarted(**self._common(), speaker=speaker, tap_id=tap, model=model))

    async def begin_to_say(self, text: str, speaker: Speaker = "caller") -> None:
        """A text that is not final yet."""
        interim = UtteranceInterim(
            call_id=self.call_id,
            speaker=speaker,
            tap_id=self._tap(speaker),
            number=self._numbers[speaker] + 1,
            text=text,
        )
        await self._redis.publish(INTERIM_CHANNEL, json.dumps(interim.model_dump(mode="json")))

    async def say(self, text: str, speaker: Speaker = "caller", *, unsure: tuple[str, ...] = ()) -> None:
        """A final text; the words in `unsure` were hard to understand."""
        self._numbers[speaker] += 1
        words = tuple(
            Word(text=word, start=n * 0.4, end=n * 0.4 + 0.4, confidence=0.38 if word in unsure else 0.96)
            for n, word in enumerate(text.split())
        )
        await self._tell(
            Utterance(
                **self._common(),
                speaker=speaker,
                tap_id=self._tap(speaker),
                number=self._numbers[speaker],
                text=text,
                start=0.0,
                end=len(words) * 0.4,
                confidence=0.93,
                words=words,
            )
        )

    async def end(self) -> None:
        """The caller hangs up."""
        await self._tell(CallEnded(**self._common(), by="caller", cause=16))

    def _tap(self, speaker: str) -> str:
        return f"tap-{self.call_id[:8]}-{speaker}"

    def _common(self) -> dict[str, Any]:
        self._told += 1
        return {"call_id": self.call_id, "event_id": f"{self.call_id}-{self._told}", "at": now()}

    async def _tell(self, event: Event) -> None:
        await self._redis.xadd(STREAM, {"event": dump(event)})
