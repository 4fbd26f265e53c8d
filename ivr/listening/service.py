"""The listening service: a TCP server for AudioSocket taps, a model, threads that decode, events out.

Calls never depend on it. Whatever cannot be listened to is told as ListeningUnavailable with the reason.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections import Counter

import structlog
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from asr_models import switching
from asr_models.errors import ModelError, UnknownModelError
from asr_models.recogniser import Recogniser
from ivr.events import TAP_KEY, ListeningUnavailable, Tap, now
from ivr.listening import metrics
from ivr.listening.connection import Connection, Refused
from ivr.listening.leg import Leg, State
from ivr.listening.models import Loaded, Models
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
        self._models = Models(settings, recogniser)
        self._section = settings.hotline.listening
        self._overload = Overload(self._section.max_backlog_seconds)
        self._connections: set[Connection] = set()
        self._legs: dict[Leg, Connection] = {}
        self._unheard: dict[Connection, Loaded] = {}
        """Taps that are read and thrown away, and the language of which there is no model."""
        self._counted: set[tuple[str, str]] = set()
        self._pool: Pool
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self.refusals = Refusals()

    @property
    def model(self) -> str:
        """The model that transcribes calls in the hotline's own language; empty when there is none."""
        return self._models.usual.name

    @property
    def trouble(self) -> str:
        """What keeps calls from being transcribed, in a sentence for agents; empty when all is well."""
        if not self.model:
            return f"没有语音模型：{self._models.usual.trouble}"
        match self._overload.level:
            case Level.CALLERS:
                return "负荷过高，暂不转写话务员的话"
            case Level.PRESENT_CALLERS:
                return "负荷过高，暂不转写话务员和新来电的话"
            case _:
                return ""

    async def start(self) -> None:
        """Load the models and listen. Raises OSError when the port is taken; never for want of a model."""
        await asyncio.to_thread(self._models.load)
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
        self._tasks = [
            asyncio.create_task(self._tick(), name="listening tick"),
            asyncio.create_task(switching.serve(self._redis, self._use), name="listening models"),
        ]
        log.info(
            "listening", host=host, port=port, models=[loaded.name for loaded in self._models.all() if loaded.name]
        )

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
        while running := {task for task in self._tasks if not task.done()}:
            # More than once: in Python 3.11 wait_for, which redis-py uses too, can swallow a cancellation.
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=0.5)
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
        loaded = self._models.of(tap.language)
        if loaded.recogniser is None:
            self._unheard[connection] = loaded
            self._outbox.publish(
                ListeningUnavailable(
                    call_id=tap.call_id,
                    event_id=f"{tap.tap_id}:unavailable:1",
                    at=now(),
                    speaker=tap.speaker,
                    reason="no_model" if loaded is self._models.usual else "no_language",
                    detail=loaded.trouble,
                )
            )
            return None
        leg = Leg(
            tap,
            loaded,
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
        self._unheard.pop(connection, None)
        if connection.leg:
            self._after(connection.leg)

    async def _use(self, wish: switching.Wish) -> switching.Answer:
        where = f"{socket.gethostname()}, process {os.getpid()}"
        try:
            loaded, before = await self._models.use(wish.model, wish.language)
        except (ModelError, UnknownModelError) as problem:
            metrics.changes.labels("refused").inc()
            log.error("another model was asked for and cannot be used", model=wish.model, problem=str(problem))
            return switching.Answer(where=where, problem=str(problem))
        metrics.changes.labels("done").inc()
        legs = [leg for leg in self._legs if leg.language == loaded.language]
        for leg in legs:
            leg.go_over()
        for connection in [one for one, language in self._unheard.items() if language is loaded]:
            connection.leave()  # the bridge asks for a tap again that ends while its leg lives
        return switching.Answer(
            where=where, model=loaded.name, before=before, language=loaded.language, streams=len(legs)
        )

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
        self._count_models()

    def _count_models(self) -> None:
        now = Counter((leg.language, leg.model) for leg in self._legs)
        loaded = {(one.language, one.name) for one in self._models.all() if one.name}
        for labels in self._counted | loaded | set(now):
            metrics.legs_by_model.labels(*labels).set(now[labels])
        self._counted = loaded | set(now)

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
