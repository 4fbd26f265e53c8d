"""Telling events so that none is lost: to the Redis stream, and while Redis is away to a file.

`publish` never blocks and never raises for want of Redis: calls go on whatever happens behind them. Events are
sent in order by one task. When Redis cannot be reached they are written to a spool file (they survive the end
of this process) and sent from there, in order, once it is back; also those that an earlier process left.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections import deque
from pathlib import Path

import structlog
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ivr.events import INTERIM_CHANNEL, STREAM, Event, UtteranceInterim, dump, load

log = structlog.get_logger(__name__)
_published = Counter("hotline_events_published_total", "Events written to the Redis stream", ["kind"])
_spooled = Gauge("hotline_events_spooled", "Events waiting in the spool file for Redis", multiprocess_mode="livesum")
_interim_dropped = Counter("hotline_interim_dropped_total", "Interim texts dropped because Redis was slow or away")

_INTERIM_WAITING = 200


class Outbox:
    """One per process and purpose; `spool` is its file, locked while it runs."""

    def __init__(self, redis: Redis, spool: Path) -> None:
        self._redis = redis
        self._spool = spool
        self._waiting: deque[Event] = deque()
        self._interim: dict[str, UtteranceInterim] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._lock_file: int | None = None
        self.trouble = ""
        """What keeps events from being sent, in a sentence; empty when all is well."""

    def start(self) -> None:
        """Begin sending. Raises BlockingIOError when another process holds the same spool file."""
        self._spool.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = os.open(self._spool.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._task = asyncio.create_task(self._run(), name=f"outbox {self._spool.stem}")

    async def close(self) -> None:
        """Send or spool what is waiting, then stop."""
        self._closing = True
        self._wake.set()
        if self._task:
            await self._task
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    def publish(self, event: Event) -> None:
        """Take an event for sending; returns at once."""
        self._waiting.append(event)
        self._wake.set()

    def publish_interim(self, interim: UtteranceInterim) -> None:
        """Take an interim text; an older one of the same tap that still waits is replaced, or it is dropped."""
        if interim.tap_id not in self._interim and len(self._interim) >= _INTERIM_WAITING:
            _interim_dropped.inc()
            return
        self._interim[interim.tap_id] = interim
        self._wake.set()

    async def _run(self) -> None:
        pause = 0.1
        while True:
            if not self._waiting and not self._interim and not self._spool_has_any():
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._send_spool()
                await self._send_waiting()
                await self._send_interim()
                pause, self.trouble = 0.1, ""
            except (TimeoutError, RedisError, OSError) as problem:
                self._interim.clear()
                self.trouble = f"events wait for Redis: {problem}"
                try:
                    self._to_spool()
                except OSError as full:
                    self.trouble = f"events wait in memory only, the spool cannot be written: {full}"
                log.warning("events wait", problem=self.trouble, spool=str(self._spool))
                if self._closing:
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _send_waiting(self) -> None:
        while self._waiting:
            event = self._waiting[0]
            await self._add(dump(event))
            # Only now is it told; a crash before this line tells it twice, which consumers expect.
            self._waiting.popleft()
            _published.labels(event.kind).inc()

    async def _send_interim(self) -> None:
        while self._interim:
            _, interim = self._interim.popitem()
            await asyncio.wait_for(self._redis.publish(INTERIM_CHANNEL, interim.model_dump_json()), 2)

    async def _add(self, data: bytes) -> None:
        await asyncio.wait_for(self._redis.xadd(STREAM, {"event": data}), 5)

    def _spool_has_any(self) -> bool:
        return self._spool.exists() and self._spool.stat().st_size > 0

    def _to_spool(self) -> None:
        if not self._waiting:
            return
        lines = [dump(event) + b"\n" for event in self._waiting]
        with os.fdopen(os.open(self._spool, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600), "a+b") as file:
            end = file.seek(0, os.SEEK_END)
            if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
                file.write(b"\n")  # a process died while it wrote: ours must not be joined to its torn line
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        self._waiting.clear()
        _spooled.inc(len(lines))

    async def _send_spool(self) -> None:
        if not self._spool_has_any():
            return
        lines = self._spool.read_bytes().splitlines()
        for line in lines:
            try:
                load(line)
            except ValueError:
                # Torn when a process died while writing it. Sending it would only have the consumers refuse it.
                log.error("a torn event in the spool is left out", line=line[:200])
                continue
            await self._add(line)
        with contextlib.suppress(FileNotFoundError):
            self._spool.unlink()
        _spooled.set(0)
        log.info("spooled events were sent", count=len(lines))
