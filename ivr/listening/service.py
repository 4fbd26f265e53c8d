"""The listening service: a TCP server for AudioSocket taps, a model, threads that decode, events out.

Calls never depend on it. Whatever cannot be listened to is told as ListeningUnavailable with the reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from asr_models import vosk_recogniser
from asr_models.catalogue import PREFERRED, choose
from asr_models.errors import ModelError, UnknownModelError
from asr_models.recogniser import Recogniser
from ivr.events import TAP_KEY, ListeningUnavailable, Tap, now
from ivr.listening import metrics
from ivr.listening.connection import Connection, Refused
from ivr.listening.leg import Leg, State
from ivr.listening.overload import Level, Overload
from ivr.listening.pool import Pool
from ivr.listening.refusals import Refusals
from ivr.outbox import Outbox
from settings import Settings

log = structlog.get_logger(__name__)

_TICK_SECONDS = 0.25
_TICKS_BETWEEN_SILENCE = 2
"""Half a second: Asterisk gives up after 2 s, so three may be lost."""
_UNNAMED = 64
"""Connections beyond max_streams: strangers, and taps that wait for one of the others to end."""
_REDIS_SECONDS = 2.0
_REDIS_TRIES = 3
_CLOSE_SECONDS = 5.0


class Listening:
    """One per process. `recogniser` takes the place of the model that the settings name."""

    def __init__(
        self, settings: Settings, redis: Redis, outbox: Outbox, *, recogniser: Recogniser | None = None
    ) -> None:
        self._settings = settings
        self._redis = redis
        self._outbox = outbox
        self._recogniser = recogniser
        self._no_model = ""
        self._section = settings.hotline.listening
        self._overload = Overload(self._section.max_backlog_seconds)
        self._connections: set[Connection] = set()
        self._legs: dict[Leg, Connection] = {}
        self._pool: Pool
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._closing = False
        self.refusals = Refusals()

    @property
    def model(self) -> str:
        """The model that transcribes; empty when there is none."""
        return self._recogniser.name if self._recogniser else ""

    @property
    def trouble(self) -> str:
        """What keeps calls from being transcribed, in a sentence; empty when all is well."""
        if self._no_model:
            return f"no speech model: {self._no_model}"
        match self._overload.level:
            case Level.CALLERS:
                return "overloaded: agents are not transcribed"
            case Level.PRESENT_CALLERS:
                return "overloaded: agents and new callers are not transcribed"
            case _:
                return ""

    async def start(self) -> None:
        """Load the model and listen. Raises OSError when the port is taken; never for want of a model."""
        if self._recogniser is None:
            self._recogniser = await asyncio.to_thread(self._load)
        threads = self._section.threads or len(os.sched_getaffinity(0))
        host = "127.0.0.1" if self._settings.hotline.asterisk.mode == "own" else "0.0.0.0"  # noqa: S104
        port = self._settings.hotline.ports.audio
        self._pool = Pool(threads, self._section.max_backlog_seconds / 2, self._after)
        try:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self), host, port, backlog=512
            )
        except OSError:
            self._pool.close()
            raise
        self._ticking = asyncio.create_task(self._tick(), name="listening tick")
        log.info("listening", host=host, port=port, model=self._recogniser.name if self._recogniser else None)

    async def close(self) -> None:
        """Take no more taps, tell what was said until now (for 5 s at most), and stop."""
        self._closing = True
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.leave()
        deadline = time.monotonic() + _CLOSE_SECONDS
        while (self._connections or self._legs) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        for connection in list(self._connections):
            connection.abort()
        if self._ticking:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        self._pool.close()

    # What connections ask (connection.House)

    def admits(self, connection: Connection) -> bool:
        self._connections.add(connection)
        return not self._closing and len(self._connections) <= self._section.max_streams + _UNNAMED

    async def claim(self, tap_id: str) -> Tap:
        value = await self._taken(TAP_KEY.format(tap_id=tap_id))
        if value is None:
            raise Refused("unknown", f"nobody has announced the tap {tap_id}, or it was taken before")
        try:
            tap = Tap.model_validate_json(value)
        except ValidationError as problem:
            raise Refused("unknown", f"what is announced for {tap_id} is no tap: {problem}") from problem
        if tap.tap_id != tap_id:
            raise Refused("unknown", f"what is announced for {tap_id} is the tap {tap.tap_id}")
        return tap

    def begin(self, connection: Connection, tap: Tap) -> Leg | None:
        if self._recogniser is None:
            self._outbox.publish(
                ListeningUnavailable(
                    call_id=tap.call_id,
                    event_id=f"{tap.tap_id}:unavailable:1",
                    at=now(),
                    speaker=tap.speaker,
                    reason="no_model",
                    detail=self._no_model,
                )
            )
            return None
        leg = Leg(
            tap,
            self._recogniser,
            self._outbox,
            chunk_seconds=self._section.chunk_ms / 1000,
            backlog_seconds=self._section.max_backlog_seconds,
            gate=self._section.gate_aggressiveness,
            ready=self._pool.ready,
        )
        self._legs[leg] = connection
        metrics.streams.inc()
        if not self._leave_out_if_overloaded(leg, new=True):
            leg.start()
        return leg

    def left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection.leg:
            self._after(connection.leg)

    def _load(self) -> Recogniser | None:
        wanted = self._section.model
        try:
            model = choose(wanted, self._settings.models_dir)
            if model is not None:
                return vosk_recogniser.load(model)
            name = PREFERRED if wanted == "auto" else wanted
            self._no_model = f"'{name}' is not installed; install it with: server.py models install {name}"
        except (ModelError, UnknownModelError) as problem:
            self._no_model = str(problem)
        log.error("calls are not transcribed", problem=self._no_model)
        return None

    async def _taken(self, key: str) -> bytes | str | None:
        for attempt in range(_REDIS_TRIES):
            try:
                # Taken, not read: events of a tap are numbered, so its id must be good for one connection only.
                async with asyncio.timeout(_REDIS_SECONDS):
                    value: bytes | str | None = await self._redis.getdel(key)
                return value
            except (RedisError, OSError, TimeoutError) as problem:
                failure = problem
            await asyncio.sleep(0.2 * (attempt + 1))
        raise Refused("redis", f"Redis could not be asked which tap this is: {failure}")

    def _after(self, leg: Leg) -> None:
        connection = self._legs.get(leg)
        if connection is None:
            return
        if connection in self._connections:
            if leg.state is State.OVER:
                connection.leave()
        elif leg.gone:
            del self._legs[leg]
            metrics.streams.dec()

    async def _tick(self) -> None:
        count = 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            count += 1
            try:
                self._look(time.monotonic())
                if count % _TICKS_BETWEEN_SILENCE == 0:
                    for connection in list(self._connections):
                        connection.keep_alive()
            except Exception:
                # Without this the next tick would never come, and Asterisk would end every tap.
                log.exception("looking after the legs failed")

    def _look(self, moment: float) -> None:
        for leg in self._pool.newly_stalled(moment):
            metrics.stalled.inc()
            leg.leave_out("stalled", "stalled", "decoding did not come back in time")
        before = self._overload.level
        level = self._overload.update(self._pool.lag(moment), moment)
        if level is not before:
            log.warning("the load has changed", level=level.name, before=before.name, legs=len(self._legs))
        for leg in list(self._legs):
            leg.idle(moment)
            if leg.state is State.HEARD:
                self._leave_out_if_overloaded(leg, new=False)
        self._take_back(level)

    def _leave_out_if_overloaded(self, leg: Leg, *, new: bool) -> bool:
        level = self._overload.level
        if leg.tap.speaker == "agent" and level >= Level.CALLERS:
            metrics.agents_shed.inc()
            leg.leave_out("overloaded", "agent_shed", "too much is being said at once; agents are left out first")
        elif new and leg.tap.speaker == "caller" and level >= Level.PRESENT_CALLERS:
            metrics.callers_shed.inc()
            leg.leave_out("overloaded", "caller_shed", "too much is being said at once; new callers are left out")
        elif new and self._room() < 0:
            leg.leave_out("overloaded", "too_many", f"listening.max_streams is {self._section.max_streams}")
        return leg.state is State.LEFT_OUT

    def _room(self) -> int:
        return self._section.max_streams - sum(leg.state is State.HEARD for leg in self._legs)

    def _take_back(self, level: Level) -> None:
        # Callers first, and few at a time: all at once might be the next overload.
        out = [leg for leg in self._legs if leg.state is State.LEFT_OUT and not leg.busy]
        callers = [leg for leg in out if leg.tap.speaker == "caller" and level <= Level.CALLERS]
        agents = [leg for leg in out if leg.tap.speaker == "agent" and level is Level.ALL]
        for leg in (callers + agents)[: max(0, min(self._pool.threads, self._room()))]:
            leg.take_back()
