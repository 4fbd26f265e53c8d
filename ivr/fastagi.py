"""The FastAGI server: Asterisk connects for each `AGI(agi://host:port/flow)` of the dialplan.

The protocol is `ivr/wire/agi.py`. A flow is a coroutine that is given a `Session` and talks to the channel; when
it fails the dialplan goes on by itself (AGISTATUS), so an error here is logged and ends the session, nothing more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import cast

import structlog
from prometheus_client import Counter, Gauge

from ivr.wire.agi import AgiReader, Environment, Hangup, Reply, command
from ivr.wire.errors import RemoteProtocolError

log = structlog.get_logger(__name__)
_sessions = Counter("hotline_fastagi_sessions_total", "FastAGI sessions", ["flow", "outcome"])
_open = Gauge("hotline_fastagi_open", "FastAGI connections open now", multiprocess_mode="livesum")
_refused = Counter("hotline_fastagi_refused_total", "FastAGI connections refused", ["reason"])

_ENVIRONMENT_SECONDS = 5.0
_MOST_CONNECTIONS = 2000


class AgiFailed(Exception):
    """A command was refused, or the connection or the channel is gone."""


class HungUp(AgiFailed):
    """The caller hung up; the flow should end."""


class Session:
    """One channel's conversation with a flow."""

    def __init__(self, environment: Environment, connection: _Connection) -> None:
        self.environment = environment
        self._connection = connection

    @property
    def hung_up(self) -> bool:
        """True once Asterisk has told that the caller is gone (state, not a reply)."""
        return self._connection.hung_up

    async def execute(self, *words: str, timeout: float = 5.0) -> Reply:
        """Send one command (the first word raw, the others quoted) and wait for its reply.

        Raises HungUp (511, or the connection closed), AgiFailed (510, 520, no answer within `timeout` seconds),
        LocalProtocolError when an argument cannot be sent safely.
        """
        reply = await self._connection.ask(command(*words), timeout)
        if reply.code == 511:
            raise HungUp(words[0])
        if not reply.ok:
            raise AgiFailed(f"{words[0]}: {reply.code} {reply.data}")
        return reply

    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable."""
        await self.execute("SET VARIABLE", name, value)

    async def get_variable(self, name: str) -> str:
        """A channel variable's value, '' when it is not set. Functions such as CALLERID(num) work too."""
        reply = await self.execute("GET FULL VARIABLE", "${" + name + "}")
        return reply.data[1:-1] if reply.result == "1" and reply.data.startswith("(") else ""


Flow = Callable[[Session], Awaitable[None]]


class FastAgiServer:
    """Listens and runs `flows[name]` for each session; bounded in connections, time and memory.

    `peers`: the addresses that may connect; empty for all (when it listens on loopback only).
    """

    def __init__(self, host: str, port: int, flows: Mapping[str, Flow], *, peers: Collection[str] = ()) -> None:
        self._address = (host, port)
        self._peers = frozenset(peers)
        self._flows = flows
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        """Begin listening. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._serve, self._connections, self._peers), *self._address
        )

    async def close(self) -> None:
        """Stop listening and end the open sessions; their callers go on in the dialplan."""
        if self._server:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()

    async def _serve(self, session: Session) -> None:
        name = session.environment.values.get("network_script", "").split("?")[0].strip("/")
        flow = self._flows.get(name)
        if flow is None:
            _sessions.labels("unknown", "refused").inc()
            log.warning("no such flow", flow=name[:100], known=sorted(self._flows))
            return
        outcome = "failed"
        try:
            await flow(session)
            outcome = "done"
        except HungUp:
            outcome = "hung_up"
        except AgiFailed as problem:
            log.warning("a flow could not go on", flow=name, problem=str(problem))
        except Exception:
            log.exception("a flow failed; the dialplan goes on without it", flow=name)
        finally:
            _sessions.labels(name, outcome).inc()


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(
        self, serve: Callable[[Session], Awaitable[None]], connections: set[_Connection], peers: frozenset[str]
    ) -> None:
        self._serve = serve
        self._peers = peers
        self._connections = connections
        self._reader = AgiReader()
        self._replies: deque[Reply] = deque()
        self._waiting: asyncio.Future[Reply] | None = None
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._closed = False
        self.hung_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._peers and self.transport.get_extra_info("peername")[0] not in self._peers:
            self._refuse("stranger", "only Asterisk may ask for flows")
            return
        if len(self._connections) >= _MOST_CONNECTIONS:
            self._refuse("too_many", f"{_MOST_CONNECTIONS} connections are open already")
            return
        self._connections.add(self)
        _open.inc()
        self._deadline = asyncio.get_running_loop().call_later(
            _ENVIRONMENT_SECONDS, self._refuse, "slow", "no AGI environment within 5 s"
        )

    def data_received(self, data: bytes) -> None:
        try:
            events = self._reader.feed(data)
        except RemoteProtocolError as problem:
            self._refuse("garbage", str(problem))
            return
        for event in events:
            if isinstance(event, Environment):
                if self._deadline:
                    self._deadline.cancel()
                self._task = asyncio.create_task(self._run(event))
            elif isinstance(event, Hangup):
                self.hung_up = True
            elif self._waiting and not self._waiting.done():
                if event.code != 100:  # "trying": the final reply follows
                    self._waiting.set_result(event)
            else:
                self._refuse("unasked", "a reply to no command")
                return

    async def ask(self, data: bytes, timeout: float) -> Reply:
        if self._closed:
            raise HungUp("the connection is closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        # call_later, not wait_for: one timer object per command instead of a task's machinery, measured in bench/
        timer = asyncio.get_running_loop().call_later(timeout, self._timed_out, self._waiting, timeout)
        try:
            return await self._waiting
        finally:
            timer.cancel()
            self._waiting = None

    @staticmethod
    def _timed_out(waiting: asyncio.Future[Reply], timeout: float) -> None:
        if not waiting.done():
            waiting.set_exception(AgiFailed(f"no answer within {timeout:g} s"))

    async def _run(self, environment: Environment) -> None:
        try:
            await self._serve(Session(environment, self))
        finally:
            self.transport.close()

    def connection_lost(self, problem: Exception | None) -> None:
        self._closed = True
        if self._deadline:
            self._deadline.cancel()
        if self in self._connections:
            self._connections.discard(self)
            _open.dec()
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(HungUp("the connection was closed"))

    def abort(self) -> None:
        self.transport.abort()

    def _refuse(self, reason: str, detail: str) -> None:
        _refused.labels(reason).inc()
        log.warning(
            "FastAGI connection refused",
            reason=reason,
            detail=detail,
            peer=str(self.transport.get_extra_info("peername")),
        )
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(AgiFailed(detail))
        self.transport.abort()
