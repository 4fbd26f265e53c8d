"""One tap per leg: Asterisk is asked to send a leg's incoming audio to the listening service.

The way (docs/decisions/0002): AMI Originate of an AudioSocket channel that runs ChanSpy on the leg. The tap is a
channel of its own, so whatever happens to it (a stalled or vanished listener) the call's channels know nothing of
it. A tap that ends while its leg lives is asked for again, with growing pauses. The service learns which leg a
connection carries from Redis, where it is written before Asterisk is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable

import structlog
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ivr.ami import AmiClient, AmiError
from ivr.bridge.registry import Leg
from ivr.events import TAP_KEY, Event, ListeningUnavailable, Tap, now
from ivr.wire.ami import Message

log = structlog.get_logger(__name__)
_running = Gauge("hotline_taps", "Taps that the bridge keeps up", multiprocess_mode="livesum")
_asked = Counter("hotline_taps_asked_total", "Taps asked of Asterisk", ["outcome"])

_ORIGINATE_SECONDS = 5
# The listening service reads the key when the connection begins, which is within Originate's own time limit.
_TAP_KEY_SECONDS = 30


class Taps:
    """Keeps a tap on every leg that it is told of, until the leg is gone."""

    def __init__(self, ami: AmiClient, redis: Redis, publish: Callable[[Event], None], audio_address: str) -> None:
        self._ami = ami
        self._redis = redis
        self._publish = publish
        self._audio_address = audio_address
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._accepted: dict[str, float] = {}
        """When (monotonic) Asterisk took on each tap that runs."""

    def want(self, call_id: str, leg: Leg, language: str) -> None:
        """Tap this leg from now on; asking again for a leg that is tapped does nothing. `language`: of the call."""
        if leg.uniqueid in self._tasks:
            return
        task = asyncio.create_task(self._keep(call_id, leg, language), name=f"tap {leg.channel}")
        self._tasks[leg.uniqueid] = task
        task.add_done_callback(lambda _: self._forget(leg.uniqueid, task))

    def gone(self, uniqueid: str) -> None:
        """The leg is gone: stop tapping it. Asterisk ends the tap's channel itself (ChanSpy option S)."""
        if task := self._tasks.get(uniqueid):
            task.cancel()

    def runs(self, tap_id: str) -> bool:
        """Whether this is a tap that a keeper waits for the end of."""
        return tap_id in self._ended

    def only(self, legs: set[str], taps: set[str]) -> None:
        """After a time without events: Asterisk holds these legs and these taps (unique ids), and no others."""
        for uniqueid in set(self._tasks) - legs:
            self.gone(uniqueid)
        now = time.monotonic()
        for tap_id, accepted in self._accepted.items():
            # One that was taken on a moment ago may not have a channel yet; of its failure we will be told.
            if tap_id not in taps and now - accepted > _ORIGINATE_SECONDS + 1:
                self._ended[tap_id].set()

    def handle(self, message: Message) -> None:
        """Notice the end of a tap: its channel's Hangup, or an OriginateResponse that failed."""
        failed = message.event == "OriginateResponse" and message.response == "Failure"
        if (message.event == "Hangup" or failed) and (ended := self._ended.get(message.get("Uniqueid"))):
            ended.set()

    async def close(self) -> None:
        """Stop all."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, uniqueid: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(uniqueid) is task:
            del self._tasks[uniqueid]
        if not task.cancelled() and (problem := task.exception()):
            log.error("a tap's keeper failed", leg=uniqueid, problem=repr(problem))

    async def _keep(self, call_id: str, leg: Leg, language: str) -> None:
        pause = 0.5
        told = False
        with _running.track_inprogress():
            # The condition: wait_for can swallow a cancellation in Python 3.11, and this would then tap a dead leg.
            while not (me := asyncio.current_task()) or not me.cancelling():
                tap = Tap(
                    tap_id=str(uuid.uuid4()),
                    call_id=call_id,
                    speaker=leg.speaker,
                    channel=leg.channel,
                    language=language,
                )
                began = asyncio.get_running_loop().time()
                problem = await self._run_one(tap, leg)
                if asyncio.get_running_loop().time() - began > 10:
                    pause, told = 0.5, False
                # A tap ends with its leg, and its end may be told first: what is left after the pause has failed.
                await asyncio.sleep(pause)
                pause = min(pause * 2, 15.0)
                log.warning("a tap ended while its leg lives", call_id=call_id, leg=leg.channel, problem=problem)
                if not told:
                    told = True
                    self._publish(
                        ListeningUnavailable(
                            call_id=call_id,
                            event_id=f"{tap.tap_id}:failed",
                            at=now(),
                            speaker=leg.speaker,
                            reason="tap_failed",
                            detail=problem,
                        )
                    )

    async def _run_one(self, tap: Tap, leg: Leg) -> str:
        """Ask for a tap and wait for its end; returns why it ended."""
        ended = self._ended[tap.tap_id] = asyncio.Event()
        key = TAP_KEY.format(tap_id=tap.tap_id)
        try:
            await asyncio.wait_for(self._redis.set(key, tap.model_dump_json(), ex=_TAP_KEY_SECONDS), 2)
            await self._ami.request(
                "Originate",
                [
                    ("Channel", f"AudioSocket/{self._audio_address}/{tap.tap_id}/c(slin)"),
                    ("Application", "ChanSpy"),
                    # q no beep, u the full channel name (no prefix search), o its incoming side only, S end with it
                    ("Data", f"{leg.channel},quoS"),
                    ("ChannelId", tap.tap_id),
                    ("Timeout", str(_ORIGINATE_SECONDS * 1000)),
                    ("Async", "true"),
                ],
            )
            _asked.labels("accepted").inc()
            self._accepted[tap.tap_id] = time.monotonic()
            await ended.wait()
            return "the tap's connection ended"
        except (AmiError, RedisError, OSError, TimeoutError) as problem:
            _asked.labels("refused").inc()
            return str(problem) or type(problem).__name__
        finally:
            del self._ended[tap.tap_id]
            self._accepted.pop(tap.tap_id, None)
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                # The connection is made by now or never will be; a known id must not be usable later.
                await asyncio.wait_for(self._redis.delete(key), 1)
