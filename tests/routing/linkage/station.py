"""A station's webhook for tests: a real HTTP server that answers as it is told, and keeps what it got."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from routing.linkage.configuration import Station, StationEntry
from routing.linkage.courier import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature

SECRET = b"a secret that both sides know, 42"


@dataclass
class StationServer:
    """`answers`: statuses for the next requests, then 200. `hanging`: requests are not answered while it is set."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    got: list[dict[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.ids.append(request.headers[ID_HEADER])
        expected = signature(SECRET, request.headers[TIMESTAMP_HEADER], body)
        self.signed.append(expected == request.headers[SIGNATURE_HEADER])
        self.got.append(json.loads(body))
        while self.hanging.is_set():
            await asyncio.sleep(0.02)
        return web.Response(status=self.answers.pop(0) if self.answers else 200)

    def station(self, line: str = "119", **more: Any) -> Station:
        """This station as the configuration has it, with pauses short enough for a test."""
        facts: dict[str, Any] = {
            "name": f"station-{line}",
            "line": line,
            "url": self.url,
            "secret_file": "unused",
            "timeout_seconds": 2.0,
            "retry_seconds": (0.05,),
        }
        return Station(StationEntry(**(facts | more)), SECRET)

    @property
    def kinds(self) -> list[str]:
        return [one["kind"] for one in self.got]


@asynccontextmanager
async def station_server() -> AsyncIterator[StationServer]:
    """A station on a free port, until the context ends."""
    server = StationServer()
    app = web.Application()
    app.add_routes([web.post("/hotline", server.take)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}/hotline"
    try:
        yield server
    finally:
        server.hanging.clear()
        await runner.cleanup()
