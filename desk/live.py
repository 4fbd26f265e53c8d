"""What happens now, told to browsers and API clients as it happens (server-sent events).

One process has one subscription to Redis, however many people look on: what arrives is fanned out to bounded
queues. A client that cannot keep up is dropped and connects again by itself (EventSource does), at which it
fetches the present state. While Redis is away, the clients are told so and poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ivr.events import INTERIM_CHANNEL, STREAM
from routing.intake import DESK_CHANNEL

log = structlog.get_logger(__name__)
_clients = Gauge("hotline_desk_live_clients", "Browsers and API clients that receive server-sent events", ["feed"])
_dropped = Counter("hotline_desk_live_dropped_total", "Live clients dropped because they read too slowly", ["feed"])
_redis_losses = Counter("hotline_desk_redis_losses_total", "Times that the desk lost Redis")

HEARTBEAT_SECONDS = 15.0
QUEUE_LENGTH = 256
"""Messages that wait for one client before it is dropped; about a minute of one lively call."""

_SILENCE_SECONDS = 5.0
_BLOCK_MILLISECONDS = 2000
_REPLAY_PAGE = 200
_NOT_YET = "not connected yet"
_REDIS_TROUBLE = (RedisError, OSError, asyncio.TimeoutError)


@dataclass(frozen=True)
class Message:
    """One server-sent event. `data` is JSON without line ends; `call_id` says which call it is about ("": none)."""

    event: str
    data: str
    id: str = ""
    call_id: str = ""

    def encode(self) -> bytes:
        """The message as it goes over the wire."""
        id_line = f"id: {self.id}\n" if self.id else ""
        # A lone surrogate (half a character) becomes the escape that it is in JSON; UTF-8 cannot hold it.
        return f"{id_line}event: {self.event}\ndata: {self.data}\n\n".encode(errors="backslashreplace")


class Listener:
    """One client's bounded queue. `wants` says which messages it is to get."""

    def __init__(self, wants: Callable[[Message], bool]) -> None:
        self.wants = wants
        self.on_drop: Callable[[], None] | None = None
        self.ended = False
        self._waiting: asyncio.Queue[Message | None] = asyncio.Queue(QUEUE_LENGTH)

    async def next(self, seconds: float) -> Message | None:
        """The next message, or None when the feed has ended. Raises TimeoutError after `seconds` of silence."""
        if self.ended and self._waiting.empty():
            return None
        async with asyncio.timeout(seconds):
            return await self._waiting.get()

    def take(self, message: Message) -> bool:
        """Queue `message`; False when there is no room, and the client is to be dropped."""
        try:
            self._waiting.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        """No more messages; whoever waits in `next` is woken."""
        self.ended = True
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(None)


class Feed:
    """The clients of one kind, and how they are told."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._listeners: set[Listener] = set()

    @contextlib.contextmanager
    def listen(self, wants: Callable[[Message], bool]) -> Iterator[Listener]:
        """Within this context a `Listener` receives what it wants."""
        listener = Listener(wants)
        self._listeners.add(listener)
        _clients.labels(self._name).inc()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            _clients.labels(self._name).dec()

    def tell(self, message: Message) -> None:
        """Queue `message` for all who want it; never waits."""
        for listener in list(self._listeners):
            if listener.ended or not listener.wants(message) or listener.take(message):
                continue
            _dropped.labels(self._name).inc()
            log.warning("a live client reads too slowly and is dropped", feed=self._name)
            listener.end()
            if listener.on_drop:
                listener.on_drop()

    def end(self) -> None:
        """Let all clients go."""
        for listener in list(self._listeners):
            listener.end()


class Live:
    """The process's one subscriber. `desk` feeds browsers, `events` the open API."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.desk = Feed("desk")
        self.events = Feed("events")
        self._problems: dict[str, str | None] = {"channels": _NOT_YET, "stream": _NOT_YET}
        self._tasks: list[asyncio.Task[None]] = []
        self._read_up_to: str | None = None

    @property
    def problem(self) -> str | None:
        """Why nothing live arrives from Redis, or None when it does."""
        return next((problem for problem in self._problems.values() if problem), None)

    def start(self) -> None:
        """Begin to listen to Redis."""
        self._tasks = [
            asyncio.create_task(self._keep("channels", self._channels), name="desk live channels"),
            asyncio.create_task(self._keep("stream", self._stream), name="desk live stream"),
        ]

    async def close(self) -> None:
        """Stop listening and let all clients go."""
        pending = set(self._tasks)
        while pending:
            # Once is not enough: Python 3.11's asyncio.wait_for, in which redis sends, can lose a cancellation.
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=0.2)
        self.desk.end()
        self.events.end()

    async def replay(self, after: str) -> AsyncIterator[Message]:
        """The durable events after stream id `after`, oldest first; an event `gap` first when some may be lost.

        Raises RedisError when Redis is away.
        """
        if not await self._redis.exists(STREAM):
            return
        facts: Any = await self._redis.xinfo_stream(STREAM)
        first = _named(facts, "first-entry")
        kept_from = _text(first[0] if first else _named(facts, "last-generated-id"))
        is_trimmed = int(_named(facts, "entries-added")) > int(_named(facts, "length"))
        if is_trimmed and _position(kept_from) > _position(after):
            yield Message("gap", json.dumps({"after": after, "kept_from": kept_from}))
        while True:
            page: Any = await self._redis.xrange(STREAM, min=f"({after}", max="+", count=_REPLAY_PAGE)
            for entry_id, fields in page:
                after = _text(entry_id)
                message = _durable(after, fields)
                if message:
                    yield message
            if len(page) < _REPLAY_PAGE:
                return

    async def _keep(self, name: str, listen: Callable[[], Awaitable[None]]) -> None:
        pause = 0.2
        while True:
            began = time.monotonic()
            try:
                await listen()
            except _REDIS_TROUBLE as problem:
                self._set_problem(name, str(problem) or type(problem).__name__)
            if time.monotonic() - began > 10:
                pause = 0.2
            await asyncio.sleep(pause)
            pause = min(pause * 2, 3.0)

    def _set_problem(self, name: str, problem: str | None) -> None:
        before, self._problems[name] = self.problem, problem
        problem = self.problem
        if problem == before or (problem and before and before != _NOT_YET):
            return
        if problem is None:
            log.info("the desk hears redis")
        else:
            _redis_losses.inc()
            log.warning("the desk lost redis, browsers poll", problem=problem)
        # No detail: it may hold addresses, and the browser only needs to know whether to poll.
        self.desk.tell(Message("redis", json.dumps({"ok": problem is None})))

    async def _channels(self) -> None:
        async with self._redis.pubsub() as pubsub:
            async with asyncio.timeout(_SILENCE_SECONDS):
                await pubsub.subscribe(DESK_CHANNEL, INTERIM_CHANNEL)
            asked = False
            while True:
                async with asyncio.timeout(2 * _SILENCE_SECONDS):
                    item = await pubsub.get_message(ignore_subscribe_messages=False, timeout=_SILENCE_SECONDS)
                if item is None:
                    if asked:
                        raise TimeoutError("Redis does not answer")
                    asked = True  # silence may be a dead connection, so make it speak
                    await pubsub.ping()
                    continue
                asked = False
                if item["type"] == "subscribe":
                    self._set_problem("channels", None)
                elif item["type"] == "message":
                    self._heard(_text(item["channel"]), _text(item["data"]))

    def _heard(self, channel: str, text: str) -> None:
        try:
            body = json.loads(text)
            call_id = str(body.get("call_id") or "")
        except (ValueError, AttributeError):
            # Without the text, which may hold what citizens said.
            log.error("not a message for the desk", channel=channel, characters=len(text))
            return
        data = json.dumps(body, ensure_ascii=False)
        if channel == INTERIM_CHANNEL:
            self.desk.tell(Message("interim", data, call_id=call_id))
            self.events.tell(Message("utterance_interim", data, call_id=call_id))
        else:
            self.desk.tell(Message("change", data, call_id=call_id))

    async def _stream(self) -> None:
        async with asyncio.timeout(_SILENCE_SECONDS):
            await self._redis.ping()
        self._set_problem("stream", None)
        if self._read_up_to is None:  # else go on where the connection broke
            newest: Any = await self._redis.xrevrange(STREAM, count=1)
            self._read_up_to = _text(newest[0][0]) if newest else "0-0"
        while True:
            async with asyncio.timeout(2 * _SILENCE_SECONDS):
                heard: Any = await self._redis.xread(
                    {STREAM: self._read_up_to}, count=_REPLAY_PAGE, block=_BLOCK_MILLISECONDS
                )
            for entry_id, fields in _entries(heard):
                self._read_up_to = _text(entry_id)
                message = _durable(self._read_up_to, fields)
                if message:
                    self.events.tell(message)


async def send(
    request: web.Request,
    listener: Listener,
    first: AsyncIterator[Message],
    still_allowed: Callable[[], Awaitable[bool]],
    mask: Callable[[Message], Awaitable[Message]],
) -> web.StreamResponse:
    """Answer `request` with `first`, then what `listener` receives, until the client goes or may no longer listen.

    Messages of the feed that `first` already told (ids up to its last) are left out. A comment is sent every
    HEARTBEAT_SECONDS, so that both ends notice a dead connection; `still_allowed` is asked as often. Every message
    goes through `mask`, which takes out what this client may not see.
    """
    headers = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers | {"X-Accel-Buffering": "no"})
    await response.prepare(request)
    if request.transport:
        listener.on_drop = request.transport.abort
    told = (0, 0)
    try:
        await response.write(b"retry: 2000\n: connected\n\n")
        async for message in first:
            told = _position(message.id) if message.id else told
            await response.write((await mask(message)).encode())
        due = time.monotonic() + HEARTBEAT_SECONDS
        while not listener.ended:
            try:
                item = await listener.next(max(due - time.monotonic(), 0.01))
            except TimeoutError:
                item = None
            if item and not (item.id and _position(item.id) <= told):
                await response.write((await mask(item)).encode())
            if time.monotonic() >= due:
                if not await still_allowed():
                    break
                await response.write(b": heartbeat\n\n")
                due = time.monotonic() + HEARTBEAT_SECONDS
    except ConnectionResetError:
        log.debug("a live client went away")
    except Exception:
        # The answer has begun, so no error page can follow it; the client connects again and is told then.
        log.exception("a live client is let go")
    return response


def stream_id(text: str) -> str | None:
    """`text` as a Redis stream id (`milliseconds-number`), or None when it is none."""
    first, _, second = text.partition("-")
    digits = all(part.isascii() and part.isdigit() and len(part) <= 20 for part in (first, second or "0"))
    return f"{int(first)}-{int(second or '0')}" if digits else None


def _position(entry_id: str) -> tuple[int, int]:
    first, _, second = entry_id.partition("-")
    return int(first), int(second or 0)


def _durable(entry_id: str, fields: dict[Any, Any]) -> Message | None:
    text = _text(_named(fields, "event"))
    try:
        body = json.loads(text)
        kind, call_id = str(body["kind"]), str(body.get("call_id") or "")
        if not kind.isidentifier():
            raise ValueError("the kind would break the framing of server-sent events")
    except (ValueError, TypeError, LookupError, AttributeError):
        log.error("an entry of the stream is no event, it is left out", entry=entry_id)
        return None
    return Message(kind, json.dumps(body, ensure_ascii=False), id=entry_id, call_id=call_id)


# The client that we are handed may decode what it reads, or not, and speak RESP 2 or 3; both are right.


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _named(fields: dict[Any, Any], name: str) -> Any:
    return fields.get(name, fields.get(name.encode()))


def _entries(heard: Any) -> list[tuple[Any, dict[Any, Any]]]:
    """The entries of the one stream that was read."""
    if not heard:
        return []
    found = next(iter(heard.values()))[0] if isinstance(heard, dict) else heard[0][1]
    return list(found)
