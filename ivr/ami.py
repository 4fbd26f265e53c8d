"""The asyncio shell of the Asterisk Manager Interface: one connection that comes back by itself.

The protocol is `ivr/wire/ami.py`; here are the socket, the login, the answers that are waited for, and the
reconnection with back-off. Events missed while the connection was away are not made up for here: `on_up` is
where the owner asks Asterisk for its present state.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import NoReturn, cast

import structlog
from prometheus_client import Counter, Gauge

from ivr.wire.ami import AmiReader, Banner, Message, action
from ivr.wire.errors import RemoteProtocolError

log = structlog.get_logger(__name__)


def _drop(logger: object, method: str, event: structlog.typing.EventDict) -> NoReturn:
    raise structlog.DropEvent


_connected = Gauge("hotline_ami_connected", "1 while the bridge is logged in to Asterisk", multiprocess_mode="livesum")
_events = Counter("hotline_ami_events_total", "AMI events received", ["event"])
_callback_errors = Counter("hotline_ami_callback_errors_total", "Exceptions raised while an AMI event was handled")

_SILENT = structlog.wrap_logger(None, processors=[_drop])
"""For a client that only tries whether somebody answers: not being answered is no news."""

_PING_SECONDS = 20.0

Headers = Iterable[tuple[str, str]]


class AmiError(Exception):
    """An action was refused by Asterisk, or the connection went while it was waited for."""


class AmiClient:
    """Logs in, keeps the connection, answers requests, hands events to `on_event`.

    `on_event` runs for each event in order and must not block; what it raises is logged and counted and the
    next event is still handled. `on_up` is awaited after each login, `on_down` called after each loss.
    """

    def __init__(
        self,
        host: str,
        port: int,
        user: str,
        secret: str,
        *,
        on_event: Callable[[Message], None],
        on_up: Callable[[], Awaitable[None]] | None = None,
        on_down: Callable[[], None] | None = None,
        first_pause: float = 0.2,
        longest_pause: float = 10.0,
        quiet: bool = False,
    ) -> None:
        self._address = (host, port)
        self._login = (user, secret)
        self._on_event = on_event
        self._on_up = on_up
        self._on_down = on_down
        self._pauses = (first_pause, longest_pause)
        self._log = log.bind(asterisk=f"{host}:{port}") if not quiet else _SILENT
        self._quiet = quiet
        self._numbers = itertools.count(1)
        self._link: _Link | None = None
        self._task: asyncio.Task[None] | None = None
        self.trouble = "not connected yet"
        """Empty while logged in, else what is wrong."""

    def start(self) -> None:
        """Begin connecting, and keep at it until `close`."""
        self._task = asyncio.create_task(self._run(), name="ami")

    async def close(self) -> None:
        """End the connection; pending requests raise AmiError."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def connected(self) -> bool:
        return self._link is not None and not self.trouble

    async def request(self, name: str, headers: Headers = (), *, timeout: float = 5.0) -> Message:
        """Send an action and wait for its response.

        Raises AmiError when Asterisk answers with an error, does not answer within `timeout` seconds or the
        connection is away; LocalProtocolError when a header cannot be sent safely.
        """
        responses = await self._exchange(name, headers, timeout, until_complete=False)
        return responses[0]

    async def request_list(self, name: str, headers: Headers = (), *, timeout: float = 10.0) -> list[Message]:
        """Send an action whose answer is a list; returns its events without the start and the ...Complete.

        Raises like `request`.
        """
        return (await self._exchange(name, headers, timeout, until_complete=True))[1:-1]

    async def _exchange(self, name: str, headers: Headers, timeout: float, *, until_complete: bool) -> list[Message]:
        link = self._link
        if link is None or link.lost.done():
            raise AmiError(f"{name}: no connection to Asterisk ({self.trouble})")
        action_id = f"h{next(self._numbers)}"
        data = action(name, headers, action_id=action_id)
        future: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()
        link.waiting[action_id] = (future, [], until_complete)
        try:
            link.transport.write(data)
            answer = await asyncio.wait_for(future, timeout)
        except TimeoutError:
            raise AmiError(f"{name}: Asterisk did not answer within {timeout:g} s") from None
        finally:
            link.waiting.pop(action_id, None)
        if answer[0].response.lower() == "error":
            raise AmiError(f"{name}: {answer[0].get('Message', 'refused')}")
        return answer

    async def _run(self) -> None:
        first, longest = self._pauses
        pause = first
        while True:
            try:
                link = await self._connect()
                pause = first
                await self._until_lost(link)
                self.trouble = "Asterisk closed the connection"
            except (OSError, AmiError, RemoteProtocolError) as problem:
                self.trouble = str(problem) or type(problem).__name__
            except Exception as problem:
                # From `on_up`: a bug there must not leave us deaf while everything looks well.
                self.trouble = f"after the login: {problem!r}"
                log.exception("what follows a login to Asterisk failed; trying again")
            finally:
                was_up, self._link = self._link is not None, None
                if not self._quiet:
                    _connected.set(0)
                if was_up and self._on_down:
                    self._on_down()
            self._log.warning("no connection to Asterisk", problem=self.trouble, next_try_in=round(pause, 1))
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, longest)

    async def _until_lost(self, link: _Link) -> None:
        """Wait for the connection's end; a connection that is only half there does not answer a ping."""
        while not (await asyncio.wait({link.lost}, timeout=_PING_SECONDS))[0]:
            try:
                await self.request("Ping")
            except AmiError:
                link.transport.abort()
                raise
        await link.lost

    async def _connect(self) -> _Link:
        loop = asyncio.get_running_loop()
        host, port = self._address
        async with asyncio.timeout(5):
            _, link = await loop.create_connection(lambda: _Link(self._dispatch), host, port)
        try:
            self._link = link
            user, secret = self._login
            await self._exchange("Login", [("Username", user), ("Secret", secret)], 5, until_complete=False)
            self.trouble = ""
            if not self._quiet:
                _connected.set(1)
            self._log.info("connected to Asterisk", banner=link.banner)
            if self._on_up:
                await self._on_up()
        except BaseException:
            link.transport.abort()
            raise
        return link

    def _dispatch(self, message: Message) -> None:
        try:
            self._on_event(message)
        except Exception:
            _callback_errors.inc()
            log.exception("handling an AMI event failed", ami_event=message.event)


class _Link(asyncio.Protocol):
    """One TCP connection: feeds the reader, sorts answers from events."""

    transport: asyncio.Transport

    def __init__(self, on_event: Callable[[Message], None]) -> None:
        self._on_event = on_event
        # A list of all channels or a long console answer is one message per channel, or one of very many lines.
        self._reader = AmiReader(max_headers=50_000, max_message=8 * 1024 * 1024)
        self.waiting: dict[str, tuple[asyncio.Future[list[Message]], list[Message], bool]] = {}
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.banner = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._reader.feed(data)
        except RemoteProtocolError as problem:
            self.transport.abort()
            self._end(problem)
            return
        # Counted per block of bytes, not per event: a labelled counter costs as much as parsing does (bench/).
        kinds: dict[str, int] = {}
        for message in messages:
            if isinstance(message, Banner):
                self.banner = message.version
                continue
            kind = message.event
            if kind:
                kinds[kind] = kinds.get(kind, 0) + 1
            if self.waiting and (action_id := message.action_id) and action_id in self.waiting:
                self._answer(action_id, message)
            elif kind:
                self._on_event(message)
        for kind, count in kinds.items():
            _events.labels(kind).inc(count)

    def _answer(self, action_id: str, message: Message) -> None:
        future, collected, until_complete = self.waiting[action_id]
        if message.event and not until_complete:
            self._on_event(message)  # such as OriginateResponse, long after the action's own response
            return
        collected.append(message)
        complete = not until_complete or message.response.lower() == "error" or message.event.endswith("Complete")
        if complete and not future.done():
            future.set_result(collected)

    def connection_lost(self, problem: Exception | None) -> None:
        self._end(problem)

    def _end(self, problem: Exception | None) -> None:
        for future, _, _ in self.waiting.values():
            if not future.done():
                future.set_exception(AmiError("the connection to Asterisk was lost"))
        if not self.lost.done():
            if isinstance(problem, RemoteProtocolError | OSError):
                self.lost.set_exception(problem)
            else:
                self.lost.set_result(None)
