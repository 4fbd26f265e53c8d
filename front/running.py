"""`server.py run`: the parts, started in order, stopped in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from asr_models.catalogue import DEMO
from desk.accounts import ensure_agents
from desk.app import create_app
from desk.health import DEMO_MODEL, LINES, NO_MODEL
from front import children
from front.health import Health, report, reported_by
from ivr import prompts
from ivr.bridge.bridge import Bridge, wait_until_connected
from ivr.listening.service import Listening
from ivr.outbox import Outbox
from ivr.secrets import Secrets, keep
from routing.callers import KnownCallers
from routing.centre import Centre
from routing.dispatching.direct_list import load as load_direct_list
from routing.dispatching.dispatcher import DirectDispatcher
from routing.intake import Intake
from routing.jurisdiction import load as load_jurisdiction
from routing.law.calendar import calendar_of
from routing.linkage.configuration import load as load_linkage
from routing.linkage.courier import Courier
from routing.linkage.rehearsals import Rehearsals
from routing.secrecy.keys import key_file
from routing.secrecy.opening import open_database
from routing.spoken_alarm import SpokenAlarm
from routing.storage import migrate
from routing.watch.watch import Watch, heed_calendar
from settings import ConfigurationError, Settings

log = structlog.get_logger(__name__)

ROLES = ("bridge", "listening", "routing", "clocks", "desk")


async def run(settings: Settings, roles: set[str], arguments: list[str], *, as_child: bool = False) -> None:
    """Run these roles until SIGINT or SIGTERM (as a child: until the parent is gone).

    `arguments` are the command line's --config, --data and --set, handed on to child processes. Raises
    ConfigurationError or ChildFailed when it cannot start; what had been started by then is stopped again, what had
    been adopted (it may carry calls) is left as it was.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if as_child:
        async with _listening(settings):
            waits = {asyncio.create_task(stop.wait()), asyncio.create_task(_parent_gone())}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return
    may_end = asyncio.Event()
    """Set once calls in progress may be ended by stopping: the start succeeded, or somebody asked us to stop."""
    async with AsyncExitStack() as parts:
        starting = asyncio.create_task(_start(settings, roles, arguments, parts, may_end))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            may_end.set()
            starting.cancel()
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            print((await starting), flush=True)
            may_end.set()
            await stop.wait()
        print("\nStopping ...", flush=True)
    print("Stopped.", flush=True)


async def _start(
    settings: Settings, roles: set[str], arguments: list[str], parts: AsyncExitStack, may_end: asyncio.Event
) -> str:
    hotline = settings.hotline
    parts.enter_context(_only_one(settings.data_dir))
    jurisdiction = load_jurisdiction(settings.jurisdiction_dir / f"{hotline.jurisdiction}.yaml")
    listed = load_direct_list(settings.config_dir / "direct-dispatch.yaml", jurisdiction)
    linkage = load_linkage(settings.config_dir, [line.line for line in settings.lines.emergency_lines])
    secrets = keep(settings)
    await asyncio.to_thread(prompts.render_for, settings)

    redis_child = None if hotline.redis.url else children.redis(settings)
    own_asterisk = hotline.asterisk.mode == "own" and "bridge" in roles
    asterisk_child = children.asterisk(settings, secrets) if own_asterisk else None
    _ports_free(settings, roles, asterisk_runs=asterisk_child is not None and asterisk_child.running)

    if redis_child:
        await _child(parts, redis_child, may_end)
    redis = await parts.enter_async_context(_redis(settings))
    await migrate(settings.database_url)
    database = await open_database(settings.database_url, key_file(settings.data_dir))
    parts.push_async_callback(database.close)
    await ensure_agents(
        database,
        [(a.extension, a.name, a.role, secrets.desk_passwords[a.extension]) for a in settings.agents.agents],
    )
    if asterisk_child:
        await _child(parts, asterisk_child, may_end)

    troubles: dict[str, Callable[[], str]] = {}
    if "routing" in roles:
        consumer = f"{socket.gethostname()}-{os.getpid()}"
        intake = Intake(database, redis, jurisdiction, consumer=consumer)
        _task(parts, "routing", intake.run())
        _task(parts, "spoken alarm", SpokenAlarm(database, redis, jurisdiction, consumer=consumer).run())
        troubles["intake"] = lambda: intake.trouble
        courier = Courier(database, jurisdiction, linkage.stations)
        _task(parts, "courier", courier.run())
        rehearsals = Rehearsals(database, redis, settings.lines.emergency_lines, linkage.rehearsal, jurisdiction.zone)
        _task(parts, "rehearsals", rehearsals.run())
        troubles[LINES] = lambda: rehearsals.trouble
    if "clocks" in roles:
        centre = Centre(database, jurisdiction, calendar_of(settings.config_dir / "calendars", jurisdiction))
        watch = Watch(centre, every_seconds=hotline.watch.every_seconds)
        _task(parts, "clocks", watch.run())
        _task(parts, "calendar", heed_calendar(centre))
        troubles["clocks"] = lambda: watch.trouble
        _task(parts, "direct list", DirectDispatcher(centre, listed, every_seconds=hotline.watch.every_seconds).run())
    if "listening" in roles and hotline.listening.enabled:
        listening_child = children.listening(settings, arguments, lambda pid: reported_by(redis, "speech", pid))
        await _child(parts, listening_child, may_end)
    if "bridge" in roles:
        outbox = Outbox(redis, settings.data_dir / "spool" / "bridge.jsonl")
        outbox.start()
        parts.push_async_callback(outbox.close)
        bridge = Bridge(settings, secrets, redis, outbox, KnownCallers(database))
        await bridge.start()
        parts.push_async_callback(bridge.close)
        troubles["asterisk"] = lambda: (asterisk_child.trouble if asterisk_child else "") or bridge.ami.trouble
        troubles["outbox"] = lambda: outbox.trouble
        if not await wait_until_connected(bridge, 10):
            log.warning("Asterisk is not reached yet; trying on", problem=bridge.ami.trouble)
    if "desk" in roles:
        app = create_app(settings, database, redis, jurisdiction, Health(redis, database, _reporting(settings)))
        await parts.enter_async_context(_web(app, hotline.web.bind, hotline.ports.web))
    _task(parts, "health", report(redis, troubles))
    return _what_next(settings, secrets)


def _reporting(settings: Settings) -> list[str]:
    """The parts that this instance must have, wherever they run."""
    speech = ["speech"] if settings.hotline.listening.enabled else []
    lines = [LINES] if settings.lines.emergency_lines else []
    return ["asterisk", "outbox", "intake", "clocks", *speech, *lines]


@asynccontextmanager
async def _listening(settings: Settings) -> AsyncIterator[None]:
    async with AsyncExitStack() as parts:
        redis = await parts.enter_async_context(_redis(settings))
        outbox = Outbox(redis, settings.data_dir / "spool" / "listening.jsonl")
        outbox.start()
        parts.push_async_callback(outbox.close)
        listening = Listening(settings, redis, outbox)
        await listening.start()
        parts.push_async_callback(listening.close)
        _task(parts, "health", report(redis, {"speech": lambda: _speech_state(listening)}))
        yield


def _speech_state(listening: Listening) -> str:
    """As the desk's banners have it: '' is well."""
    if not listening.model:
        return NO_MODEL
    return listening.trouble or (DEMO_MODEL if listening.model == DEMO else "")


async def _parent_gone() -> None:
    """Return when standard input closes: the parent holds its other end and is gone, however it went."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def _child(parts: AsyncExitStack, child: children.Child, may_end: asyncio.Event) -> None:
    async def end() -> None:
        await (child.leave() if child.adopted and not may_end.is_set() else child.stop())

    parts.push_async_callback(end)  # first: also a start that fails half way must leave nothing running
    await child.start()


def _task(parts: AsyncExitStack, name: str, work: Any) -> None:
    task = asyncio.create_task(work, name=name)

    def ended(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and (problem := done.exception()):
            # Nobody foresaw this. An orderly stop would end Asterisk and every call for a bug of ours: die as if
            # killed instead; calls go on, and the next start adopts them and rebuilds what was not told.
            log.critical("a part of the server failed; calls go on, start it again", part=name, exc_info=problem)
            sys.stderr.flush()
            os._exit(1)

    async def cancel() -> None:
        # More than once: in Python 3.11 wait_for, which redis-py uses too, can swallow a cancellation.
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.5)

    task.add_done_callback(ended)
    parts.push_async_callback(cancel)


@asynccontextmanager
async def _redis(settings: Settings) -> AsyncIterator[Redis]:
    # No retries inside the client: each user of it has its own way of waiting, and must notice an outage at once.
    redis = Redis.from_url(settings.redis_url, socket_timeout=10, socket_connect_timeout=3, retry=Retry(NoBackoff(), 0))
    try:
        yield redis
    finally:
        await redis.aclose()


@asynccontextmanager
async def _web(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Any:
    file = data_dir / "run" / "server.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ConfigurationError(
            f"{data_dir}: a server is running with this data folder already; "
            "stop it, or give this one another folder (HOTLINE_DATA) and other ports (ports.shift)"
        ) from None
    try:
        yield
    finally:
        os.close(lock)


def _ports_free(settings: Settings, roles: set[str], *, asterisk_runs: bool) -> None:
    ports, file = settings.hotline.ports, settings.config_dir / "hotline.yaml"
    bind = settings.hotline.asterisk.bind
    wanted = []
    if "desk" in roles:
        wanted.append(("web", settings.hotline.web.bind, socket.SOCK_STREAM))
    listens = "listening" in roles and settings.hotline.listening.enabled
    # One that a killed server left behind is on its way out, and is waited for.
    if listens and not children.running_pid(settings.data_dir / "run" / "listening.pid"):
        wanted.append(("audio", "127.0.0.1", socket.SOCK_STREAM))
    if "bridge" in roles:
        wanted.append(("fastagi", "127.0.0.1", socket.SOCK_STREAM))
        if settings.hotline.asterisk.mode == "own" and not asterisk_runs:
            wanted += [("sip", bind, socket.SOCK_DGRAM), ("ami", "127.0.0.1", socket.SOCK_STREAM)]
    for name, host, kind in wanted:
        port = getattr(ports, name)
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as problem:
                raise ConfigurationError(
                    f"{file}: ports.{name}: {host}:{port} cannot be used ({problem.strerror}); "
                    "free it, or choose another (ports.shift moves all at once)"
                ) from problem


def _what_next(settings: Settings, secrets: Secrets) -> str:
    hotline = settings.hotline
    numbers = "、".join(number.number for number in settings.lines.numbers)
    agents = "、".join(agent.extension for agent in settings.agents.agents)
    sip = f"{hotline.asterisk.bind}:{hotline.ports.sip}"
    return (
        f"\n{hotline.name} is open.\n"
        f"  Dial       {numbers} at sip:{sip} (UDP), or: .venv/bin/python server.py call --say 保港的路灯坏了\n"
        f"  Agents     SIP accounts {agents} at {sip}; passwords in {secrets.file}\n"
        f"  Desk       http://{hotline.web.bind}:{hotline.ports.web}/ (sign in with the extension; same file)\n"
        f"  Data, logs {settings.data_dir}\n"
        "  Ctrl-C stops everything.\n"
    )
