"""Signing in and out."""

from __future__ import annotations

import math

import aiohttp_jinja2
import structlog
from aiohttp import web
from prometheus_client import Counter

from desk import access, accounts
from desk.state import DESK

log = structlog.get_logger(__name__)
_sign_ins = Counter("hotline_desk_sign_ins_total", "Sign-in attempts at the desk", ["outcome"])

_VISIT_HOURS = 24
_LONGEST_PASSWORD = 200


async def sign_in_page(request: web.Request) -> web.StreamResponse:
    """The form. Who is signed in already goes on to where they wanted."""
    if await access.person_of(request):
        raise web.HTTPSeeOther(access.local_path(request.query.get("next")))
    return _form(request, next_path=access.local_path(request.query.get("next")))


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Check the password; wrong ones make the next try wait longer, per account and address."""
    desk = request.app[DESK]
    form = await access.checked_form(request)
    username, password = (form.text("username") or "").strip(), form.text("password") or ""
    next_path = access.local_path(form.text("next"))
    address = request.remote or ""
    wait = desk.throttle.begin(username, address)
    if wait > 0:
        _sign_ins.labels("throttled").inc()
        seconds = math.ceil(wait)
        problem = f"尝试太频繁，请 {seconds} 秒后再试"
        page = _form(request, username=username, next_path=next_path, problem=problem, status=429)
        page.headers["Retry-After"] = str(seconds)
        return page
    account = None
    if len(password) <= _LONGEST_PASSWORD:
        account = await accounts.check_password(desk.database, username, password)
    if account is None:
        _sign_ins.labels("refused").inc()
        log.warning("a sign-in was refused", username=username[:40], address=address)
        return _form(request, username=username, next_path=next_path, problem="账号或密码不对", status=401)
    desk.throttle.succeeded(username, address)
    _sign_ins.labels("accepted").inc()
    log.info("signed in", username=account.username, address=address)
    hours = desk.settings.hotline.web.session_hours
    token = await accounts.open_session(desk.database, account.username, hours)
    answer = web.HTTPSeeOther(next_path)
    access.set_cookie(request, answer, access.session_cookie(request), token, hours)
    answer.del_cookie(access.visit_cookie(request), path="/")
    raise answer


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session, here and in the database."""
    await access.checked_form(request)
    token = request.cookies.get(access.session_cookie(request))
    if token:
        await accounts.close_session(request.app[DESK].database, token)
    answer = web.HTTPSeeOther("/sign-in")
    answer.del_cookie(access.session_cookie(request), path="/")
    raise answer


def _form(
    request: web.Request, *, username: str = "", next_path: str = "/", problem: str = "", status: int = 200
) -> web.Response:
    token, visit = access.form_token(request), ""
    if not token:
        visit, token = access.new_visit()
    context = {
        "hotline": request.app[DESK].settings.hotline.name,
        "username": username,
        "next_path": next_path,
        "problem": problem,
        "form_token": token,
    }
    response = aiohttp_jinja2.render_template("sign_in.html", request, context, status=status)
    if visit:
        access.set_cookie(request, response, access.visit_cookie(request), visit, _VISIT_HOURS)
    return response
