"""The web application: routes, what surrounds every request, start and stop."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import asyncpg
import jinja2
import structlog
from aiohttp import ClientConnectionResetError, web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Histogram,
    generate_latest,
    multiprocess,
)
from redis.asyncio import Redis
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from desk import api, hearing, pages, revealing, sign_in, wording
from desk.access import FRAGMENT_HEADER
from desk.catalogue import Catalogue
from desk.health import HealthWatch, works
from desk.linkage import api as linkage
from desk.live import Live
from desk.refused import Refused
from desk.state import DESK, Desk
from desk.throttle import Throttle
from routing.centre import Centre
from routing.jurisdiction import Jurisdiction
from routing.law.calendar import calendar_of
from routing.linkage.configuration import load as load_linkage
from routing.storage import Database
from settings import Settings

log = structlog.get_logger(__name__)
_seconds = Histogram("hotline_desk_request_seconds", "Requests to the desk", ["route", "status"])

_HERE = Path(__file__).parent
_LARGEST_FORM = 256 * 1024
_HEADERS = {
    # Everything comes from this server, and no script or style stands in a page: text from callers stays text.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src 'self' blob:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that, browsers send `Origin: null` with our own forms, and the Origin is checked.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# asyncpg's own errors, and the system's, come through while a connection is being made.
_DATABASE_AWAY = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError, TimeoutError)
_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    500: "internal_error",
    503: "unavailable",
}


def create_app(
    settings: Settings,
    database: Database,
    redis: Redis,
    jurisdiction: Jurisdiction,
    health: Callable[[], Awaitable[dict[str, str]]],
) -> web.Application:
    """The desk and the open API. The caller owns `database` and `redis` and closes them afterwards.

    `health` returns part name → `ok` or what is wrong (`desk.health` names the parts that it knows).
    """
    app = web.Application(middlewares=[_measure, _explain], client_max_size=_LARGEST_FORM)
    app[DESK] = Desk(
        settings=settings,
        database=database,
        redis=redis,
        jurisdiction=jurisdiction,
        catalogue=Catalogue(jurisdiction),
        health=HealthWatch(health),
        live=Live(redis),
        throttle=Throttle(),
        timezone=jurisdiction.zone,
        linkage=load_linkage(settings.config_dir, [line.line for line in settings.lines.emergency_lines]),
        centre=Centre(database, jurisdiction, calendar_of(settings.config_dir / "calendars", jurisdiction)),
    )
    templates = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["visible"] = wording.visible
    app.add_routes(
        [
            web.get("/sign-in", sign_in.sign_in_page),
            web.post("/sign-in", sign_in.sign_in),
            web.post("/sign-out", sign_in.sign_out),
            web.get("/", pages.desk_page),
            web.get("/supervisor", pages.supervisor_page),
            web.get("/linkages", pages.linkages_page),
            web.get("/parts", pages.parts),
            web.get("/live", pages.live_feed),
            web.post("/tickets/{ticket_id}/edit", pages.edit),
            web.post("/tickets/{ticket_id}/confirm", pages.confirm),
            web.post("/tickets/{ticket_id}/suggestion", pages.suggestion),
            web.get("/tickets/{ticket_id}/sound", hearing.call_sound),
            web.get("/tickets/{ticket_id}/sound/said/{utterance_id}", hearing.line_sound),
            web.get("/tickets/{ticket_id}/sound/field/{field}", hearing.field_sound),
            web.post("/tickets/{ticket_id}/clear-attention", pages.clear_attention),
            web.get("/tickets/{ticket_id}/reveal", revealing.reveal_page),
            web.post("/tickets/{ticket_id}/reveal", revealing.reveal_page),
            web.get("/api/openapi.json", api.openapi),
            web.get("/api/calls", api.calls),
            web.get("/api/calls/{call_id}", api.call),
            web.get("/api/tickets", api.ticket_list),
            web.get("/api/tickets/{ticket_id}", api.ticket),
            web.post("/api/tickets/{ticket_id}/reveal", revealing.reveal_field),
            web.get("/api/events", api.events),
            *linkage.routes(),
            web.get("/healthz", _healthz),
            web.get("/metrics", _metrics),
            web.static("/static", _HERE / "static"),
        ]
    )
    app.on_response_prepare.append(_add_headers)
    app.cleanup_ctx.append(_run_live)
    app.on_shutdown.append(_let_go)
    return app


async def _run_live(app: web.Application) -> AsyncIterator[None]:
    app[DESK].live.start()
    yield
    await app[DESK].live.close()


async def _let_go(app: web.Application) -> None:
    # Streams never end by themselves; a stop would wait for them until its patience ends.
    app[DESK].live.desk.end()
    app[DESK].live.events.end()


async def _healthz(request: web.Request) -> web.StreamResponse:
    parts = await request.app[DESK].health.parts()
    well = works(parts)
    return web.json_response({"status": "ok" if well else "trouble", "parts": parts}, status=200 if well else 503)


async def _metrics(request: web.Request) -> web.StreamResponse:
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # set by server.py: the counters of all of this instance's processes
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    # Callers' data must not stay in a cache; our own script and style are asked for again, mostly a 304.
    response.headers.setdefault("Cache-Control", "no-cache" if request.path.startswith("/static/") else "no-store")


@web.middleware
async def _measure(request: web.Request, handler: Any) -> web.StreamResponse:
    began, status = time.monotonic(), 500
    try:
        response: web.StreamResponse = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unknown"
        if route not in ("/live", "/api/events"):  # they last as long as the client likes
            _seconds.labels(route, str(status)).observe(time.monotonic() - began)


@web.middleware
async def _explain(request: web.Request, handler: Any) -> web.StreamResponse:
    """Errors as their reader needs them: JSON for programs, a page in Chinese for people, plain text for desk.js."""
    try:
        answer: web.StreamResponse = await handler(request)
        return answer
    except web.HTTPException as problem:
        if problem.status < 400:
            raise
        told = (problem.code, problem.field) if isinstance(problem, Refused) else ("", "")
        return _error(request, problem.status, problem.text or problem.reason, problem.headers, *told)
    except ClientConnectionResetError:
        raise  # the client has gone, there is nobody to tell
    except _DATABASE_AWAY as problem:
        # Without the statement and its parameters: those hold what citizens said.
        cause = problem.orig if isinstance(problem, DBAPIError) and problem.orig else problem
        log.error("the database failed a request", path=request.path, problem=f"{type(cause).__name__}: {cause}"[:300])
        text = linkage.DATABASE_AWAY if linkage.is_command(request) else "数据库暂时不可用，请稍后再试"
        return _error(request, 503, text, {"Retry-After": "3"})
    except Exception:
        log.exception("a request failed", path=request.path)
        return _error(request, 500, "服务器内部错误，已记入日志", {})


def _error(
    request: web.Request, status: int, message: str, headers: Any, code: str = "", field: str = ""
) -> web.Response:
    kept = {name: headers[name] for name in ("WWW-Authenticate", "Allow", "Retry-After") if name in headers}
    if request.path.startswith("/api/"):
        body = {"error": {"code": code or _CODES.get(status, "error"), "message": message}}
        if field:
            body["error"]["field"] = field
        return web.json_response(body, status=status, headers=kept, dumps=lambda b: json.dumps(b, ensure_ascii=False))
    if FRAGMENT_HEADER in request.headers or request.path == "/live":
        return web.Response(text=message, status=status, headers=kept)
    context = {"status": status, "message": message, "hotline": request.app[DESK].settings.hotline.name}
    page = aiohttp_jinja2.render_template("error.html", request, context, status=status)
    page.headers.update(kept)
    return page
