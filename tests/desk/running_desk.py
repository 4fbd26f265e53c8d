"""A running desk for tests: the real application on a free port, real SQLite, real Redis."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from redis.asyncio import Redis
from sqlalchemy import text
from yarl import URL

from desk import accounts
from desk.app import create_app
from desk.live import Live
from desk.state import DESK
from ivr.events import now
from routing import jurisdiction
from routing.secrecy.keys import draw
from routing.storage import Call, Database, Ticket, Utterance, migrate
from routing.tickets import FIELDS
from settings import ROOT, Settings, load

PASSWORD = "a right password"
AGENTS = [
    ("8001", "坐席一", "agent", PASSWORD),
    ("8002", "坐席二", "agent", PASSWORD),
    ("8004", "班长", "supervisor", PASSWORD),
]


async def make_template(folder: Path) -> Path:
    """A database with the newest schema and the accounts; tests copy it, since hashing passwords takes its time."""
    path = folder / "template.db"
    url = f"sqlite+aiosqlite:///{path}"
    await migrate(url)
    database = Database(url)
    await accounts.ensure_agents(database, AGENTS)
    await accounts.create_account(database, "audit", "审计员", "auditor", PASSWORD)
    await database.close()
    return path


@dataclass
class Running:
    """The desk, and what is behind it. `health` is what its parts answer; change it to make trouble."""

    url: str
    settings: Settings
    database: Database
    redis: Redis
    app: web.Application
    health: dict[str, str] = field(default_factory=lambda: {"redis": "ok", "database": "ok", "asterisk": "ok"})

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A client that keeps cookies and follows no redirects by itself."""
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(self.url, cookie_jar=jar) as session:
            yield session

    @asynccontextmanager
    async def signed_in(self, username: str = "8001") -> AsyncIterator[aiohttp.ClientSession]:
        """A client with a session of `username`, without the slow check of the password."""
        name, token = await self.session_cookie(username)
        async with self.browser() as session:
            session.cookie_jar.update_cookies({name: token}, URL(self.url))
            yield session

    async def session_cookie(self, username: str) -> tuple[str, str]:
        """Name and value of the cookie of a new session."""
        port = self.settings.hotline.ports.web
        return f"hotline_session_{port}", await accounts.open_session(self.database, username, 1)

    async def sign_in(
        self, session: aiohttp.ClientSession, username: str, password: str = PASSWORD, **more: str
    ) -> aiohttp.ClientResponse:
        """Post the sign-in form as a browser does."""
        data = {"form_token": await form_token(session, "/sign-in"), "username": username, "password": password}
        return await session.post("/sign-in", data=data | more, allow_redirects=False)

    async def api(self, role: str = "auditor") -> aiohttp.ClientSession:
        """A client with a token of `role`; close it."""
        token = await accounts.create_token(self.database, role, "test")
        return aiohttp.ClientSession(self.url, headers={"Authorization": f"Bearer {token}"})

    async def add(self, *rows: Any) -> None:
        """Write rows to the database."""
        async with self.database.begin() as session:
            for row in rows:
                session.add(row)
                await session.flush()

    @property
    def law(self) -> jurisdiction.Jurisdiction:
        """The jurisdiction that the desk works with."""
        return self.app[DESK].jurisdiction

    @property
    def live(self) -> Live:
        """The desk's subscription to Redis."""
        return self.app[DESK].live

    def forget_health(self) -> None:
        """Let the desk ask its parts again at once, not in two seconds."""
        self.app[DESK].health._asked = float("-inf")

    @asynccontextmanager
    async def broken_database(self) -> AsyncIterator[None]:
        """The tables are out of reach for as long as the block lasts."""
        async with self.database.begin() as session:
            await session.execute(text("ALTER TABLE sessions RENAME TO lost"))
        try:
            yield
        finally:
            async with self.database.begin() as session:
                await session.execute(text("ALTER TABLE lost RENAME TO sessions"))

    async def live_connected(self) -> None:
        """Wait until the desk hears Redis."""
        async with asyncio.timeout(5):
            while self.live.problem:
                await asyncio.sleep(0.01)


async def form_token(session: aiohttp.ClientSession, path: str) -> str:
    """The token in the forms of a page."""
    async with session.get(path) as answer:
        found = re.search(r'name="form_token" value="([0-9a-f]+)"', await answer.text())
    assert found
    return found[1]


def a_call(**facts: Any) -> Call:
    """A call that agent 8001 talks in, unless `facts` say otherwise."""
    at = now()
    default: dict[str, Any] = {
        "call_id": str(uuid.uuid4()),
        "node": "pbx-1",
        "caller_number": "13800000001",
        "called_number": "12345",
        "channel": "PJSIP/loopback-00000001",
        "trunk": "loopback",
        "state": "talking",
        "queue": "general",
        "agent": "8001",
        "arrived_at": at - timedelta(seconds=20),
        "queued_at": at - timedelta(seconds=15),
        "answered_at": at - timedelta(seconds=5),
        "listening": {"caller": {"state": "on", "model": "vosk-model-small-cn-0.22", "detail": ""}},
    }
    return Call(**(default | facts))


def a_ticket(call: Call | None, **facts: Any) -> Ticket:
    """The draft of `call`; `values` (field: text) are filled in by the machine."""
    at = now()
    values: dict[str, str] = facts.pop("values", {})
    filled: dict[str, Any] = {
        name: {
            "value": values.get(name, ""),
            "source": "machine",
            "words": [values[name]] if name in values else [],
            "confidence": 0.87 if name in values else None,
            "utterances": [],
            "by": "",
        }
        for name in FIELDS
    }
    default: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "serial": f"YZ-{uuid.uuid4().hex[:10]}",
        "call_id": call.call_id if call else None,
        "jurisdiction": "yazhou",
        "state": "draft",
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "caller_number": call.caller_number if call else "",
        "called_number": call.called_number if call else "",
        "fields": filled,
    }
    return Ticket(**(default | facts))


def an_utterance(call: Call, number: int, said: str, **facts: Any) -> Utterance:
    """Something that the caller said, every word with the same confidence."""
    confidence = facts.pop("confidence", 0.95)
    words = [
        {"text": word, "start": index * 0.3, "end": index * 0.3 + 0.3, "confidence": confidence}
        for index, word in enumerate(said.split())
    ]
    default: dict[str, Any] = {
        "call_id": call.call_id,
        "speaker": "caller",
        "tap_id": f"tap-{call.call_id}",
        "number": number,
        "at": now(),
        "text": said,
        "start": 0.0,
        "end": 2.0,
        "confidence": confidence,
        "words": words,
    }
    return Utterance(**(default | facts))


def settings_for(data: Path, port: int, **overrides: str) -> Settings:
    """The shipped configuration with the web on `port`."""
    return load(ROOT / "config", data, {"ports.web": str(port)} | overrides)


@cache
def shipped_law(path: Path) -> jurisdiction.Jurisdiction:
    """The shipped jurisdiction, read once: it is never changed."""
    return jurisdiction.load(path)


@asynccontextmanager
async def running_desk(folder: Path, template: Path, redis_url: str, **overrides: str) -> AsyncIterator[Running]:
    """The application on a free port of 127.0.0.1, until the context ends."""
    folder.mkdir(exist_ok=True)
    path = folder / "hotline.db"
    shutil.copy(template, path)
    database = Database(f"sqlite+aiosqlite:///{path}", keys=draw(folder / "seal-keys.yaml"))
    redis: Redis = Redis.from_url(redis_url)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    settings = settings_for(folder, port, **overrides)
    law = shipped_law(settings.jurisdiction_dir / "yazhou.yaml")
    health: dict[str, str] = {}

    async def ask() -> dict[str, str]:
        return health

    app = create_app(settings, database, redis, law, ask)
    desk = Running(f"http://127.0.0.1:{port}", settings, database, redis, app)
    health.update(desk.health)
    desk.health = health
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    try:
        yield desk
    finally:
        await runner.cleanup()
        await redis.aclose()
        await database.close()
